"""Runs workers of the order stage on a real broker, and checks the log that they leave."""

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.codec import local_codec
from schemas.messages import Frame, Mark, Tick

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("order_stage.py")
TOPICS = ("clock", "marks", "stream", "dead_letters", "order.journal", "order.snapshots")


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s: {what}"
        time.sleep(0.02)


@dataclass
class Shell:
    """The stage's topics under a prefix, its processes, and what they wrote."""

    bootstrap: str
    prefix: str
    directory: Path
    shards: int = 4
    sent: int = 0
    frames: list[tuple[int, float, Frame]] = field(default_factory=list)
    """(partition, time of arrival, frame)"""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.codec = local_codec()
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        topics = [NewTopic(self.prefix + name, self.shards, 1) for name in TOPICS]
        for future in self.admin.create_topics(topics).values():
            future.result()
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0})
        self.consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}check",
                "isolation.level": "read_committed",
            }
        )
        self.consumer.assign([TopicPartition(f"{self.prefix}stream", shard, 0) for shard in range(self.shards)])

    def log(self, instance: int) -> Path:
        return self.directory / f"worker-{instance}.log"

    def start(self, instance: int = 0, behaviour: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        with self.log(instance).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(instance), str(behaviour)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ
                | {
                    "PYTHONPATH": str(ROOT),
                    "KAFKA_BOOTSTRAP": self.bootstrap,
                    "TRADSYS_PREFIX": self.prefix,
                    "TRADSYS_SHARDS": str(self.shards),
                    "METRICS_PORT": "0",
                    "SNAPSHOT_RECORDS": "300",
                }
                | environment,
            )
        self.processes.append(process)
        return process

    def events(self, instance: int) -> list[dict[str, object]]:
        """The log lines of an instance."""
        lines = self.log(instance).read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def send(self, count: int, shard: int | None = None) -> None:
        """Numbered records on both inputs, spread over the shards."""
        for number in range(self.sent + 1, self.sent + count + 1):
            topic, value = self.record(number)
            partition = number // 3 % self.shards if shard is None else shard
            self.producer.produce(self.prefix + topic, value, b"key", partition)
            self.producer.poll(0)
        self.sent += count

    def record(self, number: int) -> tuple[str, bytes]:
        """The record with this number: its topic and value."""
        if number % 3 == 0:
            return "clock", self.codec.encode(Tick(sequence=number, ts_us=0))
        return "marks", self.codec.encode(Mark(symbol="BTC-USD", price_e8=1, sequence=number, ts_us=0))

    def collect(self, count: int, seconds: float = 60) -> None:
        """Read frames until there are so many."""
        self.producer.flush()
        deadline = time.monotonic() + seconds
        while len(self.frames) < count:
            assert time.monotonic() < deadline, f"{len(self.frames)} of {count} frames after {seconds} s"
            self.read(0.1)

    def read(self, seconds: float) -> None:
        """Read what comes within the time."""
        for message in self.consumer.consume(1_000, seconds):
            if message.error() is None:
                frame = self.codec.decode(message.value(), "Frame")
                assert isinstance(frame, Frame)
                self.frames.append((message.partition(), time.monotonic(), frame))

    def check(self) -> None:
        """Every input came out once, and each shard's outputs follow from the inputs in the order it merged them."""
        numbers = [json.loads(frame.payload)[1] for _, _, frame in self.frames]
        assert sorted(numbers) == list(range(1, self.sent + 1))
        sequences, chains = [0] * self.shards, [0] * self.shards
        for shard, _, frame in self.frames:
            topic, number, chain = json.loads(frame.payload)
            expected_topic, value = self.record(number)
            sequences[shard] += 1
            chains[shard] = zlib.crc32(value, chains[shard])
            assert (frame.sequence, topic, chain) == (sequences[shard], expected_topic, chains[shard])

    def count(self, topic: str) -> int:
        """Committed records of one of the topics."""
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}count",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        reader.assign([TopicPartition(self.prefix + topic, shard, 0) for shard in range(self.shards)])
        records, ends = 0, 0
        while ends < self.shards:
            for message in reader.consume(1_000, 0.1):
                ends += message.error() is not None
                records += message.error() is None
        reader.close()
        return records

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.consumer.close()
        self.producer.flush(5)
        for future in self.admin.delete_topics([self.prefix + name for name in TOPICS]).values():
            future.result()


@contextmanager
def shell(bootstrap: str, prefix: str, directory: Path) -> Iterator[Shell]:
    """Topics and processes, and nothing left of them afterwards."""
    running = Shell(bootstrap, prefix, directory)
    try:
        yield running
    finally:
        running.close()
