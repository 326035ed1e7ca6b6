"""Clocks as processes on a real broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.codec import local_codec
from schemas.messages import Tick
from workers.shell.endings import Exit

ROOT = Path(__file__).parents[2]
RUN = """
from schemas.codec import local_codec
from workers.clock.app import main
raise SystemExit(main(0, local_codec()))
"""
SHARDS = 2


class Clocks:
    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ticks: dict[int, list[Tick]] = {shard: [] for shard in range(SHARDS)}
        self.codec = local_codec()
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in self.admin.create_topics([NewTopic(f"{prefix}clock", SHARDS, 1)]).values():
            future.result()
        self.consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": prefix, "isolation.level": "read_committed"}
        )
        self.consumer.assign([TopicPartition(f"{prefix}clock", shard, 0) for shard in range(SHARDS)])

    def start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "TRADSYS_PREFIX": self.prefix,
            "TRADSYS_SHARDS": str(SHARDS),
            "METRICS_PORT": "0",
        }
        process = subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def read(self, count: int, seconds: float = 15) -> None:
        """Read on until each partition has so many ticks."""
        deadline = time.monotonic() + seconds
        while min(map(len, self.ticks.values())) < count:
            assert time.monotonic() < deadline, f"{self.ticks} after {seconds} s"
            for message in self.consumer.consume(100, 0.1):
                if message.error() is None:
                    tick = self.codec.decode(message.value(), "Tick")
                    assert isinstance(tick, Tick)
                    assert message.timestamp()[1] == tick.ts_us // 1_000
                    self.ticks[message.partition()].append(tick)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.consumer.close()
        for future in self.admin.delete_topics([f"{self.prefix}clock"]).values():
            future.result()


@pytest.fixture
def clocks(stack: Any, topic_prefix: str) -> Iterator[Clocks]:
    running = Clocks(stack.bootstrap, topic_prefix)
    yield running
    running.close()


def test_ticks_go_on_through_kill_freeze_and_take_over(clocks: Clocks) -> None:
    first = clocks.start()
    clocks.read(2)
    second = clocks.start()
    clocks.read(4)
    assert first.poll() is None  # the second one stands by
    assert second.poll() is None

    first.send_signal(signal.SIGSTOP)
    clocks.read(6)  # the second one has taken over
    first.send_signal(signal.SIGCONT)
    assert first.wait(15) == Exit.FENCED

    second.kill()
    second.wait()
    third = clocks.start()
    clocks.read(8)
    third.send_signal(signal.SIGTERM)
    assert third.wait(10) == Exit.STOPPED

    for ticks in clocks.ticks.values():
        assert [tick.sequence for tick in ticks] == list(range(1, len(ticks) + 1))
        assert all(a.ts_us < b.ts_us for a, b in pairwise(ticks))
