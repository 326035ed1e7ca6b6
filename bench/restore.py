"""How long a killed matching worker is missed, and whether that grows with the history.

usage: python -m bench.restore [--orders N,N,...] [--resting N] [--repeat N] [--json]

Two matching workers of an embedded stack of its own share 4 shards under the platform's own supervisor, whose delay is
part of every figure. Orders go straight to the stage's input: half of them rest at the touch, a quarter takes them, a
quarter are cancels, beside a steady number of orders that rest away from the market. At each size of the history both
workers are stopped in good order, which leaves snapshots, and SUFFIX more orders are answered; then, under a steady
flow, one worker is killed and restarted by the supervisor, `--repeat` times, and once one is killed for good. The last
row rests 100,000 orders, and is killed SUFFIX_WORST records a shard after its snapshots: shortly before the next ones.

- back: from the kill to the first answer to an order that was sent after it, on the slowest of the killed worker's
  shards, with its parts: until the new process has its settings and schemas (starts), shards from the group (joins),
  their state (restores), an answer (answers).
- others: the longest silence of one of the other worker's shards from the kill until all is back, on `book`, which no
  two shards share a partition of, and on `executions`, where an open transaction of the dead worker also holds back
  what others wrote behind it. Before: the same in as many seconds before the kill.
- taken over: from the kill to the first answers of the other worker on all of the dead one's shards.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.matching import machine
from bench.order_flow import Flow
from schemas.codec import Codec
from schemas.messages import BookChange, Execution
from schemas.registry import connect
from stream_topology.provision import provision
from stream_topology.sharding import partition_of
from stream_topology.subjects import subjects
from tradsys import platform
from tradsys.settings import Settings, free_ports, load
from tradsys.stack.processes import process_parts
from tradsys.stack.supervision import Supervision
from workers.shell.settings import SNAPSHOT_RECORDS

RESULTS: Final = Path(__file__).parent / "results" / "restore.json"
SHARDS: Final = 4
SUFFIX: Final = 10_000
SUFFIX_WORST: Final = SNAPSHOT_RECORDS * 9 // 10
"""Records of a shard since its snapshot, shortly before the next one."""
RESTING_MANY: Final = 100_000
RATE: Final = 400
"""Orders a second while a worker is killed."""
BEFORE_S: Final = 4.0
WAIT_S: Final = 120.0
DRAIN_S: Final = 1_200.0
TARGETS: Final = {"back_s": 5.0, "others_book_s": 0.5, "others_executions_s": 0.5, "taken_over_s": 15.0}


class Watcher(threading.Thread):
    """Reads what the workers answer, and notes per shard when it came and when the order was sent."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        super().__init__(daemon=True)
        self._codec = codec
        self._prefix = settings.topic_prefix
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap,
                "group.id": f"{self._prefix}bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        self._ended = threading.Event()
        self.seen: list[tuple[str, int, float, float]] = []
        """(topic, shard, came, sent), in seconds since the epoch."""
        ends = [
            TopicPartition(self._prefix + topic, shard) for topic in ("executions", "book") for shard in range(SHARDS)
        ]
        for end in ends:
            end.offset = self._consumer.get_watermark_offsets(end, timeout=10)[1]
        self._consumer.assign(ends)

    def run(self) -> None:
        """Read until it is closed."""
        while not self._ended.is_set():
            messages = self._consumer.consume(1_000, 0.005)
            now = time.time()
            for message in messages:
                if message.error() is None:
                    topic = (message.topic() or "").removeprefix(self._prefix)
                    answer = self._codec.decode(
                        message.value() or b"", {"executions": "Execution"}.get(topic, "BookChange")
                    )
                    assert isinstance(answer, Execution | BookChange)
                    self.seen.append((topic, partition_of(answer.symbol, SHARDS), now, answer.ts_us / 1e6))
        self._consumer.close()

    def close(self) -> None:
        """Stop reading."""
        self._ended.set()
        self.join()

    def first(self, shard: int, since: float) -> float | None:
        """When the first answer to an order sent since then came."""
        return next((came for _, of, came, sent in list(self.seen) if of == shard and sent >= since), None)

    def silence(self, topic: str, shards: set[int], begin: float, end: float) -> float:
        """The longest time within which one of the shards said nothing."""
        longest = 0.0
        for shard in shards:
            times = [came for of, n, came, _ in list(self.seen) if of == topic and n == shard and begin < came < end]
            longest = max(
                longest, *(later - sooner for sooner, later in zip([begin, *times], [*times, end], strict=True))
            )
        return longest


class Workers:
    """The two workers, under the platform's supervisor."""

    def __init__(self, settings: Settings) -> None:
        self._supervision = Supervision(settings.home)
        self._parts = [part for part in process_parts(settings) if "matching" in part.command]

    def start(self, *instances: int) -> None:
        """Start them."""
        for instance in instances:
            self._supervision.start_part(self._parts[instance])

    def stop(self, *instances: int) -> None:
        """Ask them to end, and wait for it."""
        for instance in instances:
            self._supervision.stop_part(self._parts[instance])
        until(lambda: not any(map(self.pid, instances)), WAIT_S, "the workers have stopped")

    def pid(self, instance: int) -> int:
        """0 when it does not run."""
        name = self._parts[instance].name
        return next((state.pid for state in self._supervision.states() if state.name == name), 0)

    def kill(self, instance: int) -> float:
        """Kill it; the supervisor restarts it. Returns when, in seconds since the epoch."""
        pid, now = self.pid(instance), time.time()
        os.kill(pid, signal.SIGKILL)
        return now

    def kill_for_good(self, instance: int) -> float:
        """Kill it when the supervisor has been told that it shall end: frozen, it does not hear that itself."""
        pid, now = self.pid(instance), time.time()
        os.kill(pid, signal.SIGSTOP)
        self._supervision.stop_part(self._parts[instance])
        os.kill(pid, signal.SIGKILL)
        return now

    def events(self, instance: int, name: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Lines of its log, with `at`: seconds since the epoch."""
        file = self._supervision.log_file(self._parts[instance].name)
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{") and f'"{name}"' in line]
        for event in found:
            event["at"] = datetime.fromisoformat(event["timestamp"]).timestamp()
        return [event for event in found if event["event"] == name and event["at"] >= since]

    def shards(self, instance: int) -> set[int]:
        """What the group gave it last."""
        assigned = self.events(instance, "shards assigned")
        return set(assigned[-1]["shards"]) if assigned else set()


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s not true: {what}"
        time.sleep(0.02)


@dataclass
class Bench:
    """The workers, their input and what they answer."""

    settings: Settings
    progress: Progress
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.settings
        provision(settings.kafka_bootstrap, settings.schema_registry_url, settings.topic_prefix, SHARDS)
        self.codec = connect(settings.schema_registry_url, subjects(settings.topic_prefix))
        self.flow = Flow(settings, self.codec)
        self.workers = Workers(settings)
        self.workers.start(0, 1)
        group = f"{settings.topic_prefix}matching"
        self._group = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": group, "log_level": 0})
        self._inputs = [TopicPartition(f"{settings.topic_prefix}orders", shard) for shard in range(SHARDS)]

    def row(self, orders: int, resting: int, suffix: int, repeat: int) -> None:
        """Grow the history to `orders` and measure there, `suffix` orders after the workers' snapshots."""
        before = max(0, orders - suffix)
        task = self.progress.add_task(f"{orders:,} orders, {resting:,} resting", total=orders)
        self.progress.update(task, completed=self.flow.count)
        self.flow.rest(resting, lambda: self.progress.advance(task))
        while self.flow.count < before:
            self.flow.step()
            self.progress.advance(task)
        self._drain()
        if before:
            self.workers.stop(0, 1)
            self.workers.start(0, 1)
        while self.flow.count < orders:
            self.flow.step()
            self.progress.advance(task)
        self._drain()
        self._until_both_work()
        with self._flowing() as watcher:
            restarts = [self._restart(watcher, number % 2) for number in range(repeat)]
            taken_over = self._take_over(watcher, 0)
        row = {"orders": orders, "resting": resting, "restarts": restarts, "take_over": taken_over}
        for name in restarts[0]:
            values = [restart[name] for restart in restarts]
            row[name] = {"median": round(statistics.median(values), 3), "worst": round(max(values), 3)}
        row["taken_over_s"] = taken_over["taken_over_s"]
        self.rows.append(row)
        self.progress.update(task, description=f"{orders:,} orders, {resting:,} resting: done")

    @contextmanager
    def _flowing(self) -> Iterator[Watcher]:
        """Orders at RATE while inside."""
        ended = threading.Event()

        def pace() -> None:
            begin, first = time.perf_counter(), self.flow.count
            while not ended.wait(max(0.0, begin + (self.flow.count - first) / RATE - time.perf_counter())):
                self.flow.step()

        sender = threading.Thread(target=pace)
        watcher = Watcher(self.settings, self.codec)
        watcher.start()
        sender.start()
        try:
            yield watcher
        finally:
            ended.set()
            sender.join()
            watcher.close()

    def _restart(self, watcher: Watcher, victim: int) -> dict[str, float]:
        """Kill one, let it be restarted."""
        shards, others = self.workers.shards(victim), self.workers.shards(1 - victim)
        time.sleep(BEFORE_S)
        load = os.getloadavg()[0]
        killed = self.workers.kill(victim)
        back = self._answered(watcher, shards, killed)
        end = back + 0.5
        until(lambda: time.time() > end, WAIT_S, "time passes")
        workers = self.workers
        until(lambda: workers.events(victim, "shards assigned", killed), WAIT_S, "it has joined the group again")
        starts = workers.events(victim, "process starts", killed)[0]["at"]
        joins = workers.events(victim, "shards assigned", killed)[0]["at"]
        restored = [event for number in (0, 1) for event in workers.events(number, "shard restored", killed)]
        restores = max(event["at"] for event in restored)
        figures = {
            "back_s": back - killed,
            "starts_s": starts - killed,
            "joins_s": joins - starts,
            "restores_s": restores - joins,
            "answers_s": back - restores,
            "restore_seconds": max(event["seconds"] for event in restored),
            "replayed_records": max(event["replayed_records"] for event in restored),
            "load": load,
        }
        for topic in ("book", "executions"):
            figures[f"others_{topic}_s"] = watcher.silence(topic, others, killed, end)
            figures[f"others_{topic}_before_s"] = watcher.silence(topic, others, killed - BEFORE_S + 1, killed)
        self._until_both_work()  # the other one takes over where the restart takes longer than the group waits
        return {name: round(value, 3) for name, value in figures.items()}

    def _take_over(self, watcher: Watcher, victim: int) -> dict[str, float]:
        """Kill one for good, and bring it back once the other has its shards."""
        shards = self.workers.shards(victim)
        time.sleep(BEFORE_S)
        load = os.getloadavg()[0]
        killed = self.workers.kill_for_good(victim)
        taken_over = self._answered(watcher, shards, killed) - killed
        restored = self.workers.events(1 - victim, "shard restored", killed)
        until(lambda: not self.workers.pid(victim), WAIT_S, "the supervisor has seen the end")
        self.workers.start(victim)
        self._until_both_work()
        figures = {
            "taken_over_s": taken_over,
            "restore_seconds": max(event["seconds"] for event in restored),
            "replayed_records": max(event["replayed_records"] for event in restored),
            "load": load,
        }
        return {name: round(value, 3) for name, value in figures.items()}

    def _answered(self, watcher: Watcher, shards: set[int], since: float) -> float:
        """When the slowest of the shards first answered an order that was sent since then."""
        until(lambda: all(watcher.first(shard, since) for shard in shards), WAIT_S, f"shards {shards} answer")
        return max(watcher.first(shard, since) or 0.0 for shard in shards)

    def _until_both_work(self) -> None:
        """The shards are shared evenly and restored."""

        def shared() -> bool:
            owned = [self.workers.shards(instance) for instance in (0, 1)]
            return all(len(shards) == SHARDS // 2 for shards in owned) and not owned[0] & owned[1]

        until(shared, WAIT_S, "each worker has half of the shards")
        self._drain()

    def _drain(self) -> None:
        """Until the stage has committed all that was sent before."""
        self.flow.producer.flush()
        sent = list(self.flow.sent)

        def drained() -> bool:
            try:
                committed = self._group.committed(self._inputs, timeout=10)
            except KafkaException:  # the group's coordinator is still starting
                return False
            return all(partition.offset >= sent[partition.partition] for partition in committed)

        until(drained, DRAIN_S, "all orders are answered")


def table(rows: list[dict[str, Any]]) -> Table:
    """The figures beside their targets: medians, and in brackets the worst."""
    shown = Table(title="A killed matching worker: seconds, medians (worst)")
    for name in ("orders", "resting", "replayed", "back", "starts", "joins", "restores", "answers"):
        shown.add_column(name, justify="right")
    for name in ("others, book", "others, executions", "before, executions", "taken over", "load"):
        shown.add_column(name, justify="right")

    def cell(row: dict[str, Any], name: str) -> str:
        value = row[name]
        target = TARGETS.get(name)
        broken = "" if target is None or value["worst"] <= target else " !"
        return f"{value['median']:.2f} ({value['worst']:.2f}){broken}"

    for row in rows:
        shown.add_row(
            f"{row['orders']:,}",
            f"{row['resting']:,}",
            f"{row['replayed_records']['worst']:,.0f}",
            *(cell(row, name) for name in ("back_s", "starts_s", "joins_s", "restores_s", "answers_s")),
            *(cell(row, name) for name in ("others_book_s", "others_executions_s", "others_executions_before_s")),
            f"{row['taken_over_s']:.2f}{'' if row['taken_over_s'] <= TARGETS['taken_over_s'] else ' !'}",
            f"{row['load']['median']:.1f}",
        )
    targets = ", ".join(f"{name.removesuffix('_s').replace('_', ' ')} {most:g} s" for name, most in TARGETS.items())
    shown.caption = f"Targets: {targets}. An exclamation mark: missed at least once."
    return shown


def record(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Write what was measured so far, with the machine."""
    result = {"machine": machine(), "rate_per_s": RATE, "targets_s": TARGETS, "rows": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return result


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", default="10000,100000,1000000", help="sizes of the history, ascending")
    parser.add_argument("--resting", type=int, default=1_000, help="orders that rest while the history grows")
    parser.add_argument("--repeat", type=int, default=3, help="restarts at each size")
    parser.add_argument("--json", action="store_true", help="print what is recorded instead of a table")
    options = parser.parse_args()
    sizes = sorted(int(size) for size in options.orders.split(","))
    home = Path(tempfile.mkdtemp(prefix="tradsys-bench-"))
    settings = load(home, {"TRADSYS_INSTANCES": "matching=2", "TRADSYS_SHARDS": str(SHARDS)}, flags=free_ports())
    try:
        platform.up(settings, report=lambda _: None, only_stack=True)
        with Progress(console=Console(stderr=True)) as progress:
            bench = Bench(settings, progress)
            for size in sizes:
                bench.row(size, options.resting, SUFFIX, options.repeat)
                result = record(bench.rows)
            last = bench.flow.count + RESTING_MANY + SHARDS * SUFFIX_WORST
            bench.row(last, RESTING_MANY, SHARDS * SUFFIX_WORST, options.repeat)
            result = record(bench.rows)
            bench.workers.stop(0, 1)
    finally:
        platform.down(home)
        shutil.rmtree(home, ignore_errors=True)
    if options.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        Console(width=200).print(table(bench.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
