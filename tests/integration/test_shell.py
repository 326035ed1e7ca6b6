"""Workers as processes on a real broker."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition

from schemas.messages import Tick
from tests.integration.order_stage import POISON, STAGE
from tests.integration.shell_harness import Shell, shell, until
from workers.shell.endings import Exit
from workers.shell.predecessor import settle
from workers.shell.settings import Settings

ENDS_S = 60
"""A deadline, not a speed: machines that test are busy."""


@pytest.fixture
def running(stack: Any, topic_prefix: str, tmp_path: Path) -> Iterator[Shell]:
    with shell(stack.bootstrap, topic_prefix, tmp_path) as harness:
        yield harness


def test_each_input_comes_out_once_through_kill_stop_and_take_over(running: Shell) -> None:
    first = running.start(0)
    running.send(2_000)
    running.collect(2_000)

    first.kill()
    first.wait()
    running.send(200)
    killed_at = time.monotonic()
    first = running.start(0)
    running.collect(2_200)
    assert time.monotonic() - killed_at < ENDS_S

    second = running.start(1)
    until(
        lambda: any(e["event"] == "shard restored" for e in running.events(1)), ENDS_S, "the second worker has shards"
    )
    running.send(200)
    running.collect(2_400)

    first.send_signal(signal.SIGTERM)
    assert first.wait(ENDS_S) == Exit.STOPPED
    running.send(200)
    running.collect(2_600)  # the other one has taken over: sooner than any session ends
    second.send_signal(signal.SIGTERM)
    assert second.wait(ENDS_S) == Exit.STOPPED
    running.check()


def test_a_graceful_stop_leaves_nothing_to_replay_and_a_kill_only_what_came_after_the_snapshot(running: Shell) -> None:
    worker = running.start(0, SNAPSHOT_RECORDS="100000")
    running.send(500)
    running.collect(500)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDS_S) == Exit.STOPPED

    worker = running.start(0, SNAPSHOT_RECORDS="100000")
    running.send(100)
    running.collect(600)
    worker.kill()
    worker.wait()
    worker = running.start(0)
    running.send(10)
    running.collect(610)
    replayed = [e["replayed_records"] for e in running.events(0) if e["event"] == "shard restored"]
    assert replayed[4:8] == [0, 0, 0, 0]
    assert sum(replayed[8:]) == 100
    running.check()


def test_what_a_restart_replays_does_not_grow_with_the_history(running: Shell) -> None:
    interval = 100
    worker = running.start(0, SNAPSHOT_RECORDS=str(interval))
    for history in (1_000, 10_000):
        running.send(history - running.sent)
        running.collect(history)
        running.send(40)
        running.collect(running.sent)
        worker.kill()
        worker.wait()
        before = len(running.events(0))
        worker = running.start(0, SNAPSHOT_RECORDS=str(interval))
        running.send(40)
        running.collect(running.sent)
        restored = [event for event in running.events(0)[before:] if event["event"] == "shard restored"]
        assert len(restored) == running.shards
        replayed = [int(str(event["replayed_records"])) for event in restored]
        assert max(replayed) < interval, f"of {history} records: {replayed}"  # a batch that reaches it takes a snapshot
    running.check()


def test_another_version_starts_from_a_snapshot_and_refuses_a_suffix(running: Shell) -> None:
    worker = running.start(0)
    running.send(100)
    running.collect(100)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDS_S) == Exit.STOPPED
    worker = running.start(0, behaviour=2)
    running.send(100)
    running.collect(200)
    worker.kill()
    worker.wait()

    refused = running.start(0, behaviour=3)
    assert refused.wait(ENDS_S) == Exit.STATE_UNTRUSTED
    assert "--accept-behaviour-change" in running.log(0).read_text()
    running.start(0, behaviour=3, ACCEPT_BEHAVIOUR_CHANGE="1")
    running.send(10)
    running.collect(210)
    running.check()


def test_a_failing_core_publishes_nothing_of_the_batch_and_says_where(running: Shell) -> None:
    worker = running.start(0)
    running.send(20, shard=1)
    running.collect(20)
    running.producer.produce(
        f"{running.prefix}clock", running.codec.encode(Tick(sequence=POISON, ts_us=0)), b"key", partition=1
    )
    running.producer.flush()
    assert worker.wait(ENDS_S) == Exit.CORE_FAILED
    assert running.start(0).wait(ENDS_S) == Exit.CORE_FAILED
    failures = [e for e in running.events(0) if e["event"] == "shard failed"]
    assert len(failures) == 2
    assert all(e["shard"] == 1 and e["failed_at"] == {"topic": "clock", "offset": 6} for e in failures)
    assert running.count("stream") == 20


def test_garbage_is_set_aside_with_the_outputs_of_its_neighbours(running: Shell) -> None:
    running.start(0)
    running.producer.produce(f"{running.prefix}marks", b"garbage", b"key", partition=2)
    running.send(30)
    running.collect(30)
    running.check()
    assert running.count("dead_letters") == 1


def test_what_a_predecessor_left_open_is_ended_before_its_shards_are_restored(running: Shell) -> None:
    running.start(0)
    running.send(40)
    running.collect(40)
    settings = Settings(bootstrap=running.bootstrap, prefix=running.prefix, shards=running.shards)
    assert settle(STAGE, 1, settings) == set()  # no such member: nobody is disturbed
    running.send(40)
    running.collect(80)

    left_open = Producer({"bootstrap.servers": running.bootstrap, "transactional.id": f"{running.prefix}order-1"})
    left_open.init_transactions(ENDS_S)
    left_open.begin_transaction()
    left_open.produce(f"{running.prefix}stream", b"never committed", partition=1)
    left_open.flush()
    assert settle(STAGE, 0, settings) == set(range(running.shards))
    with pytest.raises(KafkaException, match=r"fenced|epoch"):
        left_open.commit_transaction(ENDS_S)
    other = Producer({"bootstrap.servers": running.bootstrap})
    other.produce(f"{running.prefix}stream", b"behind it", partition=1)
    other.flush()
    assert running.count("stream") == 81


def test_a_zombie_is_fenced_and_leaves(running: Shell) -> None:
    zombie = running.start(0)
    running.send(100)
    running.collect(100)
    os.kill(zombie.pid, signal.SIGSTOP)
    successor = running.start(0)
    running.send(100)
    running.collect(200)
    os.kill(zombie.pid, signal.SIGCONT)
    assert zombie.wait(ENDS_S) == Exit.FENCED
    running.send(100)
    running.producer.flush()

    def all_came() -> bool:
        nonlocal successor
        if successor.poll() is not None:  # the zombie joined the group in its place before it ended
            assert successor.returncode == Exit.FENCED
            successor = running.start(0)
        running.read(0.1)
        return len(running.frames) >= 300

    until(all_came, ENDS_S, "every input came out")
    running.check()


def test_offsets_that_somebody_moved_are_refused(running: Shell) -> None:
    worker = running.start(0)
    running.send(100)
    running.collect(100)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(ENDS_S) == Exit.STOPPED
    group = f"{running.prefix}order"
    moved = [ConsumerGroupTopicPartitions(group, [TopicPartition(f"{running.prefix}marks", 0, 1)])]
    for future in running.admin.alter_consumer_group_offsets(moved).values():
        future.result()
    assert running.start(0).wait(ENDS_S) == Exit.STATE_UNTRUSTED
    assert "committed offset of marks is 1, the journal says" in running.log(0).read_text()


def test_committed_offsets_and_metrics_tell_the_progress(running: Shell) -> None:
    running.start(0)
    running.send(120, shard=3)
    running.collect(120)
    group = Consumer({"bootstrap.servers": running.bootstrap, "group.id": f"{running.prefix}order"})
    partitions = [TopicPartition(running.prefix + topic, 3) for topic in ("clock", "marks")]
    until(lambda: [p.offset for p in group.committed(partitions, 10)] == [40, 80], 10, "the offsets are committed")
    group.close()
    port = next(e["metrics_port"] for e in running.events(0) if "metrics_port" in e)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'tradsys_worker_events_total{shard="3",stage="order"} 120.0' in text
    assert 'tradsys_worker_shards{stage="order"} 4.0' in text


def test_a_worker_that_its_group_refuses_ends(running: Shell) -> None:
    stranger = Consumer(
        {
            "bootstrap.servers": running.bootstrap,
            "group.id": f"{running.prefix}order",
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )
    stranger.subscribe([f"{running.prefix}clock"])

    def is_member() -> bool:
        stranger.poll(0.1)  # also gives errors, as of a broker that is busy
        return bool(stranger.assignment())

    until(is_member, ENDS_S, "the group has another protocol")
    worker = running.start(0)

    def has_ended() -> bool:
        stranger.poll(0)
        return worker.poll() is not None

    until(has_ended, ENDS_S, "the worker ends")
    stranger.close()
    assert worker.returncode == Exit.UNUSABLE
    assert "the membership in the group failed: InconsistentGroupProtocolError" in running.log(0).read_text()


def test_a_broker_that_is_not_there_and_a_wrong_setting_are_said_in_a_sentence(running: Shell) -> None:
    worker = running.start(5, KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert worker.wait(ENDS_S) in {Exit.UNUSABLE, Exit.BROKER_FAILED}
    assert "127.0.0.1:1" in running.log(5).read_text()
    worker = running.start(6, TRADSYS_SHARDS="none")
    assert worker.wait(ENDS_S) == Exit.UNUSABLE
    assert "TRADSYS_SHARDS is 'none'; it must be a whole number from 1 to" in running.log(6).read_text()
