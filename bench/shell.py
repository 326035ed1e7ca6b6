"""The bare shell against a bare confluent-kafka loop: three hops of an identity stage, exactly once, no Avro.

usage: python -m bench.shell [--bootstrap ADDRESS] [--records N] [--seconds N] [--repeat N]

Both read committed records of 70 bytes from 4 partitions, publish each to the next topic, and commit outputs and
offsets in one transaction. The bare loop has one consumer and one transactional producer a process and does nothing
else; the shell has its journal, its shards and its kernel. Reported: records drained per second over all three hops,
and the time from the first producer to the last topic at 100 and 1,000 records a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.codec import local_codec
from stream_topology.sharding import partition_of
from stream_topology.stages import Stage
from workers.kernel.stage import Input, Output

SHARDS = 4
RECORD_BYTES = 70
HOPS = ("commands", "orders", "trades", "book")
STAGES = tuple(Stage(f"hop{n}", "identity", (HOPS[n],), (HOPS[n + 1],)) for n in range(3))
KEYS = [next(key for n in range(100) if partition_of(key := f"{n:02}", SHARDS) == shard) for shard in range(SHARDS)]


class Raw(msgspec.Struct, frozen=True, gc=False):
    """A record that is only passed on; its value begins with its key."""

    account: str
    symbol: str
    value: bytes


class RawCodec:
    """No Avro on the way; the journal is what it always is."""

    def __init__(self) -> None:
        self._own = local_codec()

    def decode(self, value: bytes, record: str) -> Any:
        """The record around its key."""
        if record in {"JournalEntry", "SnapshotChunk"}:
            return self._own.decode(value, record)
        key = value[:2].decode()
        return Raw(key, key, value)

    def decoder(self, record: str) -> Callable[[bytes], Any]:
        """As a function of the value."""
        return lambda value: self.decode(value, record)

    def encode(self, message: Any) -> bytes:
        """The value as it came."""
        return message.value if type(message) is Raw else self._own.encode(message)


class Identity:
    """Passes each record on."""

    behaviour = 1

    def __init__(self, output: str) -> None:
        self._output = output

    def apply(self, record: Input) -> list[Output]:
        """One output an input."""
        return [Output(self._output, record.key, record.message)]

    def dump(self) -> bytes:
        """There is no state."""
        return b""

    def load(self, state: bytes, behaviour: int) -> None:
        """There is no state."""
        assert (state, behaviour) == (b"", 1)


def shell(hop: int) -> int:
    """One worker of the shell."""
    from workers.shell.worker import run  # noqa: PLC0415 - the peer must not pay for these imports

    return run(STAGES[hop], lambda _shard, _shards: Identity(HOPS[hop + 1]), 0, RawCodec())


def bare(hop: int) -> int:
    """The floor: what confluent-kafka does in a loop."""
    prefix, bootstrap = os.environ["TRADSYS_PREFIX"], os.environ["KAFKA_BOOTSTRAP"]
    source, target = prefix + HOPS[hop], prefix + HOPS[hop + 1]
    common = {"bootstrap.servers": bootstrap, "socket.nagle.disable": True}
    consumer = Consumer(
        common
        | {
            "group.id": f"{prefix}{hop}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(source, shard, 0) for shard in range(SHARDS)])
    producer = Producer(
        common
        | {"transactional.id": f"{prefix}{hop}", "linger.ms": 0, "retry.backoff.ms": 2, "retry.backoff.max.ms": 20}
    )
    producer.list_topics(timeout=10)
    producer.init_transactions(30)
    print(json.dumps({"event": "shard restored"}), file=sys.stderr, flush=True)
    while True:
        first = consumer.poll(1)
        if first is None:
            continue
        messages = [m for m in (first, *consumer.consume(4_000, 0)) if m.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        ends = {}
        for message in messages:
            shard = message.partition()
            while True:
                try:
                    producer.produce(target, message.value(), message.key(), shard)
                    break
                except BufferError:
                    producer.poll(0.01)
            ends[shard] = message.offset() + 1
        offsets = [TopicPartition(source, shard, end) for shard, end in ends.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
        producer.commit_transaction(10)


@dataclass
class Pipeline:
    """Three processes and what is around them."""

    kind: str
    bootstrap: str

    def __enter__(self) -> Self:
        self.prefix = f"bench-{uuid.uuid4().hex[:8]}."
        topics = [self.prefix + name for name in HOPS]
        topics += [f"{self.prefix}{stage.name}.{kind}" for stage in STAGES for kind in ("journal", "snapshots")]
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.topics = topics
        for future in self.admin.create_topics([NewTopic(topic, SHARDS, 1) for topic in topics]).values():
            future.result()
        environment = os.environ | {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "TRADSYS_PREFIX": self.prefix,
            "TRADSYS_SHARDS": str(SHARDS),
            "SNAPSHOT_RECORDS": "50000",
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.shell", "--hop", f"{self.kind}:{hop}"],
                env=environment,
                cwd=Path(__file__).parent.parent,
                stderr=subprocess.PIPE,
                text=True,
            )
            for hop in range(3)
        ]
        for process in self.processes:
            self._wait_ready(process)
        config = {"bootstrap.servers": self.bootstrap, "socket.nagle.disable": True}
        self.producer = Producer(config | {"linger.ms": 0, "queue.buffering.max.messages": 1_000_000})
        self.consumer = Consumer(config | {"group.id": self.prefix, "isolation.level": "read_committed"})
        self.consumer.assign([TopicPartition(topics[3], shard, 0) for shard in range(SHARDS)])
        self._send(20)
        self._receive(20)
        return self

    def _wait_ready(self, process: subprocess.Popen[str]) -> None:
        restored = 0
        assert process.stderr is not None
        while restored < (SHARDS if self.kind == "shell" else 1):
            line = process.stderr.readline()
            assert line, f"{self.kind} ended: {process.poll()}"
            restored += '"shard restored"' in line

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)
            assert process.stderr is not None
            process.stderr.close()
        self.consumer.close()
        for future in self.admin.delete_topics(self.topics).values():
            future.result()

    def _send(self, count: int) -> None:
        for n in range(count):
            self._produce(n)
        self.producer.flush()

    def _produce(self, n: int) -> None:
        key = KEYS[n % SHARDS]
        value = f"{key}{time.time_ns():019}".ljust(RECORD_BYTES).encode()
        self.producer.produce(self.prefix + HOPS[0], value, key, n % SHARDS)
        self.producer.poll(0)

    def _receive(self, count: int) -> list[float]:
        """Latencies in ms."""
        latencies: list[float] = []
        deadline = time.monotonic() + 120
        while len(latencies) < count:
            assert time.monotonic() < deadline, f"{self.kind}: {len(latencies)} of {count} arrived"
            messages = self.consumer.consume(2_000, 0)
            if not messages and (first := self.consumer.poll(1)) is not None:
                messages = [first]
            now = time.time_ns()
            latencies += [(now - int(m.value()[2:21])) / 1e6 for m in messages if m.error() is None]
        assert len(latencies) == count
        return latencies

    def drained(self, count: int) -> float:
        """Records per second through three hops."""
        begin = time.perf_counter()
        self._send(count)
        self._receive(count)
        return count / (time.perf_counter() - begin)

    def latency(self, rate: int, seconds: int) -> tuple[float, float, float]:
        """p50 and p99 in ms at a rate, and the CPU seconds a second that the three processes took."""
        sender = subprocess.Popen(
            [sys.executable, "-m", "bench.shell", "--send", f"{self.bootstrap},{self.prefix},{rate},{seconds}"],
            cwd=Path(__file__).parent.parent,
        )
        cpu, begin = self._cpu_s(), time.perf_counter()
        latencies = self._receive(rate * seconds)
        used = (self._cpu_s() - cpu) / (time.perf_counter() - begin)
        assert sender.wait() == 0
        ordered = sorted(latencies[rate:])  # the first second warms up
        return statistics.median(ordered), ordered[int(len(ordered) * 0.99)], used

    def _cpu_s(self) -> float:
        ticks = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def send(bootstrap: str, prefix: str, rate: int, seconds: int) -> None:
    """Produce evenly, in a process of its own."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "socket.nagle.disable": True})
    producer.list_topics(timeout=10)
    begin = time.perf_counter()
    for n in range(rate * seconds):
        wait = begin + n / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        key = KEYS[n % SHARDS]
        value = f"{key}{time.time_ns():019}".ljust(RECORD_BYTES).encode()
        producer.produce(prefix + HOPS[0], value, key, n % SHARDS)
        producer.poll(0)
    producer.flush()


def measure(kind: str, bootstrap: str, records: int, seconds: int) -> dict[str, float]:
    """All figures of one pipeline."""
    with Pipeline(kind, bootstrap) as pipeline:
        pipeline.drained(records // 4)  # warm
        rate = pipeline.drained(records)
        low = pipeline.latency(100, seconds)
        high = pipeline.latency(1_000, seconds)
    return {
        "drained_per_s": round(rate),
        "p50_ms_at_100": round(low[0], 1),
        "p99_ms_at_100": round(low[1], 1),
        "cpu_at_100": round(low[2], 3),
        "p50_ms_at_1000": round(high[0], 1),
        "p99_ms_at_1000": round(high[1], 1),
        "cpu_at_1000": round(high[2], 3),
    }


def main() -> int:
    """Run both in turn and print a table with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"))
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--hop", help=argparse.SUPPRESS)
    parser.add_argument("--send", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hop:
        kind, hop = options.hop.split(":")
        return {"shell": shell, "bare": bare}[kind](int(hop))
    if options.send:
        bootstrap, prefix, rate, seconds = options.send.split(",")
        send(bootstrap, prefix, int(rate), int(seconds))
        return 0
    results: dict[str, list[dict[str, float]]] = {"bare": [], "shell": []}
    for _ in range(options.repeat):
        for kind, runs in results.items():
            runs.append(measure(kind, options.bootstrap, options.records, options.seconds))
            print(kind, json.dumps(runs[-1]), flush=True)
    medians = {
        kind: {name: statistics.median(run[name] for run in runs) for name in runs[0]} for kind, runs in results.items()
    }
    for name, floor in medians["bare"].items():
        print(f"{name:16} bare {floor:10} shell {medians['shell'][name]:10} ratio {medians['shell'][name] / floor:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
