"""Three processes in a row, what goes in and what comes out."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.shell.hops import STAGES
from bench.shell.records import HOPS, KEYS, SHARDS, age_ms, pace, produce

START_TIMEOUT_S: Final = 120
STOP_TIMEOUT_S: Final = 30
ARRIVE_TIMEOUT_S: Final = 180
ROOT: Final = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Kind:
    """How the processes of one kind are started, and when they are ready."""

    name: str
    command: Callable[[str, str, int], list[str]]
    """Of the bootstrap address, the prefix of the topics and the hop."""
    ready: str
    """What a ready process has said ..."""
    ready_count: int = 1
    """... so often."""


class Pipeline:
    """Three processes of a kind, with topics of their own."""

    def __init__(self, kind: Kind, bootstrap: str) -> None:
        """Nothing runs before the context is entered."""
        self._kind = kind
        self._bootstrap = bootstrap
        self._prefix = f"bench-{uuid.uuid4().hex[:8]}."
        self._source, *_, self._target = (self._prefix + name for name in HOPS)
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._create_topics(opened)
            logs = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="tradsys-bench-")))
            opened.callback(self._stop)
            self._start(logs)
            config: dict[str, str | int | bool] = {"bootstrap.servers": self._bootstrap, "socket.nagle.disable": True}
            self._producer = Producer(config | {"linger.ms": 0, "queue.buffering.max.messages": 1_000_000})
            self._consumer = Consumer(config | {"group.id": self._prefix, "isolation.level": "read_committed"})
            opened.callback(self._consumer.close)
            self._consumer.assign([TopicPartition(self._target, shard, 0) for shard in range(SHARDS)])
            self._send(20)
            self._receive(20)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _create_topics(self, opened: ExitStack) -> None:
        topics = [self._prefix + name for name in HOPS]
        topics += [f"{self._prefix}{stage.name}.{kind}" for stage in STAGES for kind in ("journal", "snapshots")]
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        for future in admin.create_topics([NewTopic(topic, SHARDS, 1) for topic in topics]).values():
            future.result()
        opened.callback(lambda: [future.result() for future in admin.delete_topics(topics).values()])

    def _start(self, logs: Path) -> None:
        environment = os.environ | {
            "KAFKA_BOOTSTRAP": self._bootstrap,
            "TRADSYS_PREFIX": self._prefix,
            "TRADSYS_SHARDS": str(SHARDS),
            "SNAPSHOT_RECORDS": "50000",
        }
        for hop in range(len(STAGES)):
            with (logs / str(hop)).open("wb") as log:
                command = self._kind.command(self._bootstrap, self._prefix, hop)
                self._processes.append(
                    subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
                )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        for hop, process in enumerate(self._processes):
            while (said := (logs / str(hop)).read_text()).count(self._kind.ready) < self._kind.ready_count:
                assert process.poll() is None, f"{self._kind.name} ended by itself:\n{said[-2000:]}"
                assert time.monotonic() < deadline_s, f"{self._kind.name} is not ready:\n{said[-2000:]}"
                time.sleep(0.05)

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _send(self, count: int) -> None:
        for number in range(count):
            produce(self._producer, self._source, number)
        self._producer.flush()

    def _receive(self, count: int) -> list[float]:
        """Latencies in ms; each record must come once, in the partition of its key."""
        latencies: list[float] = []
        arrived = [0] * SHARDS
        deadline_s = time.monotonic() + ARRIVE_TIMEOUT_S
        while len(latencies) < count:
            assert time.monotonic() < deadline_s, f"{self._kind.name}: {len(latencies)} of {count} arrived"
            messages = self._consumer.consume(2_000, 0)
            if not messages and (first := self._consumer.poll(1)) is not None:
                messages = [first]
            values = [_value(message) for message in messages]
            latencies += map(age_ms, values)
            for message, value in zip(messages, values, strict=True):
                shard = message.partition()
                assert shard is not None
                assert value[:2] == KEYS[shard].encode(), f"{self._kind.name}: {value!r} is in partition {shard}"
                arrived[shard] += 1
        assert arrived == [len(range(shard, count, SHARDS)) for shard in range(SHARDS)], f"{self._kind.name}: {arrived}"
        return latencies

    def drained(self, count: int) -> float:
        """Records per second through all hops."""
        begin_s = time.perf_counter()
        self._send(count)
        self._receive(count)
        return count / (time.perf_counter() - begin_s)

    def latency(self, rate: int, seconds: int) -> tuple[float, float, float]:
        """p50 and p99 in ms at a rate, and the CPU seconds a second that the three processes took."""
        sender = subprocess.Popen(
            [sys.executable, "-m", pace.__module__, self._bootstrap, self._source, str(rate), str(seconds)], cwd=ROOT
        )
        cpu_s, begin_s = self._cpu_s(), time.perf_counter()
        latencies = self._receive(rate * seconds)
        used = (self._cpu_s() - cpu_s) / (time.perf_counter() - begin_s)
        assert sender.wait(STOP_TIMEOUT_S) == 0
        ordered = sorted(latencies[rate:])  # without the first second
        return statistics.median(ordered), ordered[int(len(ordered) * 0.99)], used

    def _cpu_s(self) -> float:
        ticks = 0
        for process in self._processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _value(message: Message) -> bytes:
    error, value = message.error(), message.value()
    if error is not None:
        raise KafkaException(error)
    assert value is not None
    return value
