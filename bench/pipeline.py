"""The whole pipeline, commands to positions, against the same cores in stock Faust.

usage: python -m bench.pipeline [--orders N] [--seconds N] [--repeat N] [--skip-latency] [--record]

Both read the same sealed Avro commands (60 % limit orders, 40 % cancels, 40 accounts, 8 instruments) through risk,
matching and positions, with the same codec, cores, schemas and rules, one process a stage, on an embedded stack of its
own. Ours is exactly once. The peer is what Faust's documentation shows: one agent a topic, one event at a time, outputs
by `topic.send`, at least once. Reported: commands drained per second from a backlog, and the time from producing an
order to reading its answer from `executions` at 100 and at 1,000 orders a second.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.matching import machine
from schemas.codec import Codec
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Execution,
    OrderType,
    Side,
    SymbolStatus,
)
from schemas.registry import connect
from schemas.seal import SEAL_HEADER, SEAL_KEY_HEADER, seal_hmac
from schemas.units import E8
from stream_topology.provision import provision
from stream_topology.sharding import partition_of
from stream_topology.stages import STAGES
from stream_topology.subjects import subjects
from stream_topology.topics import TOPICS, Key
from tradsys import platform
from tradsys.settings import Settings, free_ports, load
from workers.kernel.stage import Core, Input

PIPELINE = ("risk", "matching", "positions")
SHARDS = 4
ACCOUNTS = [f"account-{number:02}" for number in range(40)]
SYMBOLS = [f"COIN{number}-USD" for number in range(8)]
RESULTS = Path(__file__).parent / "results" / "pipeline.json"
WAIT_S = 300
WARM_S = 60


# --- the peer --------------------------------------------------------------------------------------------------------


def stock(stage_name: str) -> None:
    """One stage as a stock Faust app: an agent a topic, an event at a time. Does not return."""
    import faust  # noqa: PLC0415 - only the peer's processes need it

    prefix, stage = os.environ["TRADSYS_PREFIX"], STAGES[stage_name]
    codec = connect(os.environ["SCHEMA_REGISTRY_URL"], subjects(prefix))
    make_core = importlib.import_module(f"workers.{stage_name}.app").make_core
    cores: dict[int, Core] = {}
    app = faust.App(
        f"{prefix}stock-{stage_name}",
        broker=f"kafka://{os.environ['KAFKA_BOOTSTRAP']}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
    )
    outputs = {name: app.topic(prefix + name, value_type=bytes, value_serializer="raw") for name in stage.outputs}

    async def process(name: str, event: Any) -> None:
        shard, message = event.message.partition, event.message
        core = cores.get(shard) or cores.setdefault(shard, make_core(shard, SHARDS))
        decoded = Input(
            name,
            shard,
            message.offset,
            int(message.timestamp * 1000) * 1000,
            (message.key or b"").decode(),
            codec.decode(message.value, TOPICS[name].record),
            message.value,
            tuple((message.headers or {}).items())
            if isinstance(message.headers, dict)
            else tuple(message.headers or ()),
        )
        for output in core.apply(decoded):
            everywhere = TOPICS[output.topic].key is Key.EVERY
            for partition in range(SHARDS) if everywhere else (partition_of(output.key, SHARDS),):
                await outputs[output.topic].send(
                    key=output.key.encode(), value=codec.encode(output.message), partition=partition
                )

    def agent_of(name: str) -> None:
        @app.agent(app.topic(prefix + name, value_type=bytes, value_serializer="raw"), name=f"{stage_name}-{name}")
        async def agent(stream: Any) -> None:
            async for event in stream.events():
                await process(name, event)

    for name in stage.inputs:
        agent_of(name)
    sys.argv = ["faust", "worker", "--without-web", "--loglevel", "warn"]
    app.main()


# --- the flow --------------------------------------------------------------------------------------------------------


class Flow:
    """Commands of many accounts, sealed as the gateway seals them; each names the moment it was made."""

    def __init__(self, codec: Codec, secret: bytes, seed: int = 1) -> None:
        self.codec = codec
        self.secret = secret
        self.chance = random.Random(seed)
        self.open: list[tuple[str, str]] = []
        self.count = 0

    def next(self, *, only_new: bool = False) -> tuple[str, bytes, list[tuple[str, bytes]]]:
        """(account, value, headers) of the next command."""
        chance = self.chance
        if self.open and not only_new and chance.random() < 0.4:
            account, client_order_id = self.open.pop(chance.randrange(len(self.open)))
            command = Command(kind=CommandKind.CANCEL, account=account, client_order_id=client_order_id)
        else:
            self.count += 1
            account, client_order_id = chance.choice(ACCOUNTS), f"{time.time_ns()}-{self.count}"
            side = chance.choice((Side.BUY, Side.SELL))
            away = int(chance.expovariate(1 / 200)) - 10
            command = Command(
                kind=CommandKind.NEW,
                account=account,
                client_order_id=client_order_id,
                symbol=chance.choice(SYMBOLS),
                side=side,
                order_type=OrderType.LIMIT,
                price_e8=(100_000 - away if side is Side.BUY else 100_000 + away) * E8 // 100,
                quantity_e8=chance.randint(1, 100) * E8 // 100,
            )
            self.open.append((account, client_order_id))
        value = self.codec.encode(command)
        return account, value, [(SEAL_KEY_HEADER, b"gateway-1"), (SEAL_HEADER, seal_hmac(self.secret, value))]


def controls() -> Iterator[Control]:
    """Instruments, accounts and funds."""
    for symbol in SYMBOLS:
        yield Control(
            kind=ControlKind.SYMBOL,
            control_id=symbol,
            symbol=symbol,
            symbol_status=SymbolStatus.TRADING,
            base=symbol.partition("-")[0],
            quote="USD",
            tick_e8=E8 // 100,
            lot_e8=E8 // 100,
            price_band_e8=E8 // 2,
            reference_price_e8=1_000 * E8,
            maker_fee_e8=E8 // 10_000,
            taker_fee_e8=E8 // 5_000,
        )
    for account in ACCOUNTS:
        yield Control(
            kind=ControlKind.ACCOUNT,
            control_id=account,
            account=account,
            account_kind=AccountKind.CASH,
            account_status=AccountStatus.ACTIVE,
            open_orders_max=1_000_000,
        )
        for currency in ("USD", *(symbol.partition("-")[0] for symbol in SYMBOLS)):
            yield Control(
                kind=ControlKind.FUNDS,
                control_id=f"{account}/{currency}",
                account=account,
                currency=currency,
                amount_e8=E8 * 100_000_000,
            )


# --- measuring -------------------------------------------------------------------------------------------------------


class Pipeline:
    """Three stages under a prefix of their own."""

    def __init__(self, kind: str, settings: Settings, run: str) -> None:
        self.kind, self.settings = kind, settings
        self.prefix = f"bench-{kind}-{run}."
        self.bootstrap = settings.kafka_bootstrap
        provision(self.bootstrap, settings.schema_registry_url, self.prefix, SHARDS)
        self.codec = connect(settings.schema_registry_url, subjects(self.prefix))
        secret = bytes.fromhex(settings.environment()["GATEWAY_SEAL_SECRETS"].partition(":")[2])
        self.flow = Flow(self.codec, secret)
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0, "enable.idempotence": True})
        for control in controls():
            for shard in range(SHARDS):
                self.producer.produce(f"{self.prefix}control", self.codec.encode(control), partition=shard)
        self.producer.flush()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its three processes."""
        environment = os.environ | self.settings.environment() | {"TRADSYS_PREFIX": self.prefix, "METRICS_PORT": "0"}
        program = {
            "ours": lambda stage: ["-m", "tradsys.worker_process", stage, "0"],
            "stock": lambda stage: ["-m", "bench.pipeline", "--stock", stage],
        }[self.kind]
        root = Path(__file__).parent.parent
        environment["PYTHONPATH"] = str(root)
        with tempfile.TemporaryFile("w+") as said:
            processes = [
                subprocess.Popen(
                    [sys.executable, *program(stage)], env=environment, cwd=root, stdout=said, stderr=subprocess.STDOUT
                )
                for stage in PIPELINE
            ]
            try:
                yield
            finally:
                ended = [
                    stage for stage, process in zip(PIPELINE, processes, strict=True) if process.poll() is not None
                ]
                for process in processes:
                    process.terminate()
                for process in processes:
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
                if ended:
                    said.seek(0)
                    print(f"{self.kind}: {', '.join(ended)} ended by itself; the last lines:", file=sys.stderr)
                    of_them = [line for line in said if any(f'"stage": "{stage}"' in line for stage in ended)]
                    print("".join(of_them[-10:]), file=sys.stderr)

    def send(self, *, only_new: bool = False) -> None:
        """Produce the next command."""
        account, value, headers = self.flow.next(only_new=only_new)
        while True:
            try:
                self.producer.produce(
                    f"{self.prefix}commands",
                    value,
                    key=account,
                    partition=partition_of(account, SHARDS),
                    headers=headers,
                )
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def consumer(self, topic: str) -> Consumer:
        """Reads a topic from its beginning, committed records only."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        consumer.assign([TopicPartition(self.prefix + topic, shard, 0) for shard in range(SHARDS)])
        return consumer

    def drained(self, count: int) -> float:
        """Commands a second, from the first growth of `executions` to the last of `positions` and `executions`."""
        for _ in range(count):
            self.send()
        self.producer.flush()
        watcher = self.consumer("executions")
        partitions = [
            TopicPartition(self.prefix + name, n) for name in ("executions", "positions") for n in range(SHARDS)
        ]
        with self.running():
            deadline_s, seen, first_s, last_s = time.monotonic() + WAIT_S, 0, 0.0, 0.0
            while not (last_s and time.monotonic() - last_s > 5):
                time.sleep(0.05)
                now = sum(watcher.get_watermark_offsets(partition, timeout=10)[1] for partition in partitions)
                if now != seen:
                    last_s = time.monotonic()
                    first_s = first_s or last_s
                seen = now
                assert time.monotonic() < deadline_s, f"{self.kind}: {seen} records after {WAIT_S} s"
            answers = self._answers(watcher, count)
        assert answers == count, f"{self.kind}: {answers} answers to {count} commands"
        return count / (last_s - first_s)

    def _answers(self, consumer: Consumer, count: int) -> int:
        """How many commands were answered."""
        answered: set[int] = set()
        deadline_s = time.monotonic() + 60
        while len(answered) < count and time.monotonic() < deadline_s:
            for message in consumer.consume(5_000, 0.2):
                if message.error() is None:
                    execution = self.codec.decode(message.value() or b"", "Execution")
                    assert isinstance(execution, Execution)
                    if execution.command_id is not None:
                        answered.add(execution.command_id)
        consumer.close()
        return len(answered)

    def latency(self, rate: int, seconds: int) -> tuple[float, float]:
        """p50 and p99 in ms from producing an order to reading its answer; the first two seconds warm up."""
        consumer = self.consumer("executions")
        ends = [TopicPartition(f"{self.prefix}executions", shard) for shard in range(SHARDS)]
        for end in ends:
            end.offset = consumer.get_watermark_offsets(end, timeout=10)[1]
        consumer.assign(ends)
        latencies: list[float] = []
        began_ns = time.time_ns()
        sender = threading.Thread(target=self._pace, args=(rate, seconds))
        sender.start()
        deadline_s = time.monotonic() + seconds + 30
        while len(latencies) < rate * seconds and time.monotonic() < deadline_s:
            first = consumer.poll(0.2)
            if first is None:
                continue
            now_ns = time.time_ns()
            for message in (first, *consumer.consume(500, 0)):
                execution = self.codec.decode(message.value() or b"", "Execution")
                assert isinstance(execution, Execution)
                made_ns = int(execution.client_order_id.partition("-")[0] or 0)
                if execution.command_id is not None and made_ns >= began_ns:
                    latencies.append((now_ns - made_ns) / 1e6)
        sender.join()
        consumer.close()
        assert len(latencies) == rate * seconds, f"{self.kind}: {len(latencies)} of {rate * seconds} answers"
        ordered = sorted(latencies[2 * rate :])
        return statistics.median(ordered), ordered[len(ordered) * 99 // 100]

    def _pace(self, rate: int, seconds: int) -> None:
        begin_s = time.perf_counter()
        for number in range(rate * seconds):
            ahead_s = begin_s + number / rate - time.perf_counter()
            if ahead_s > 0:
                time.sleep(ahead_s)
            self.send(only_new=True)
        self.producer.flush()


def warm(settings: Settings, orders: int) -> None:
    """Work the broker until it is compiled: a cold one is several times slower for whoever comes first."""
    pipeline = Pipeline("ours", settings, "warm")
    pipeline.drained(orders)
    with pipeline.running():
        pipeline.latency(1_000, WARM_S)


def measure(kind: str, settings: Settings, run: str, orders: int, seconds: int) -> dict[str, float]:
    """All figures of one pipeline."""
    pipeline = Pipeline(kind, settings, run)
    figures = {"drained_per_s": round(pipeline.drained(orders))}
    if seconds:
        with pipeline.running():
            pipeline.latency(50, 10)  # until all are up and warm
            for rate in (100, 1_000):
                p50_ms, p99_ms = pipeline.latency(rate, seconds)
                figures |= {f"p50_ms_at_{rate}": round(p50_ms, 1), f"p99_ms_at_{rate}": round(p99_ms, 1)}
    return figures


def main() -> int:
    """Measure both in turn and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=60_000, help="commands of the backlog; the peer gets a sixth")
    parser.add_argument("--seconds", type=int, default=20, help="of each rate")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--skip-latency", action="store_true")
    parser.add_argument("--record", action="store_true", help="write bench/results/pipeline.json")
    parser.add_argument("--only", choices=("ours", "stock"))
    parser.add_argument("--stock", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stock:
        stock(options.stock)
        return 0
    home = Path(tempfile.mkdtemp(prefix="tradsys-bench-"))
    settings = load(home, {}, flags=free_ports())
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "stock": []}
    try:
        platform.up(settings, report=lambda _: None, only_stack=True)
        warm(settings, options.orders)
        for run in map(str, range(options.repeat)):
            for kind, results in runs.items():
                if options.only in {None, kind}:
                    orders = options.orders if kind == "ours" else options.orders // 6
                    results.append(measure(kind, settings, run, orders, 0 if options.skip_latency else options.seconds))
                    print(kind, json.dumps(results[-1]), flush=True)
    finally:
        platform.down(home)
        shutil.rmtree(home, ignore_errors=True)
    if options.record:
        asked = {name: getattr(options, name) for name in ("orders", "seconds", "repeat")}
        text = json.dumps({"machine": machine(), "options": asked, "runs": runs}, indent=2)
        RESULTS.write_text(text + "\n", "utf-8")
    if not options.only:
        for name in runs["ours"][0]:
            ours, peer = (statistics.median(result[name] for result in runs[kind]) for kind in ("ours", "stock"))
            print(f"{name:16} stock Faust {peer:10} ours {ours:10} ratio {ours / peer:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
