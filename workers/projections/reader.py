"""The log for the projections: membership of the group, and batches of all partitions that this process owns.

The group says who reads which partition; where to begin is said by the database. So an assignment is not read until the
database has given its offsets, and not while the database is away.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from workers.kernel.stage import Record
from workers.projections.fold import STAGE
from workers.projections.writer import Partition
from workers.shell.endings import Exit, WorkerError
from workers.shell.reader import raise_unless_transient
from workers.shell.settings import HEARTBEAT_S, PREFETCH_KIB_MAX, SESSION_TIMEOUT_S, Settings

BATCH_RECORDS_MAX: Final = 5_000
"""Records of one batch, so of one database transaction."""

LINGER_S: Final = 0.05
"""How long a batch is collected after its first record: rows may be so much older, transactions are so many fewer."""

POLL_INTERVAL_S_MAX: Final = 120
"""A process that does not read for longer loses its partitions."""


_log = structlog.stdlib.get_logger()


@dataclass(slots=True)
class Batch:
    """What was read."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    """By topic, without the prefix; each partition's in the order of their offsets."""
    positions: dict[Partition, int] = field(default_factory=dict)
    """The next offset of each partition that moved. At a partition's end that is behind the last transaction's mark:
    once all is read, the next offset is the log's end.
    """
    record_count: int = 0


class GroupReader:
    """One member of the projections' group."""

    def __init__(self, settings: Settings, instance: int, on_revoked: Callable[[], None]) -> None:
        """Joins the group; `waiting` becomes true when there is an assignment to place.

        `on_revoked` is called when partitions are taken away, before this process may be given any again: a membership
        that expired is joined anew, and would take the place of a successor that has the same instance. So it must not
        return where there is one.
        """
        self.assigned: list[Partition] = []
        """The partitions of this process."""
        self.waiting = False
        """Whether `assigned` still needs its offsets: call `place`."""
        self.revoked: list[Partition] = []
        """Partitions that were taken away since this list was last emptied."""
        self._revoked = on_revoked
        self._prefix = settings.prefix
        self._next: dict[Partition, int] = {}
        group = settings.prefix + STAGE.name
        self.consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap,
                "group.id": group,
                "group.instance.id": f"{group}-{instance}",  # static: a quick restart does not rebalance
                "partition.assignment.strategy": "range",
                "session.timeout.ms": SESSION_TIMEOUT_S * 1_000,
                "heartbeat.interval.ms": HEARTBEAT_S * 1_000,
                "max.poll.interval.ms": POLL_INTERVAL_S_MAX * 1_000,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 1_000,
                "fetch.error.backoff.ms": 20,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 1_000,
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": PREFETCH_KIB_MAX,
                "log_level": 0,  # it would write its own lines, one for each try to connect
                "error_cb": _tell,
            }
        )
        self.consumer.subscribe(
            [settings.prefix + topic for topic in STAGE.inputs],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )

    def place(self, offsets: Mapping[Partition, int]) -> None:
        """Read the assigned partitions on from these offsets."""
        self._next = dict(offsets)
        self.consumer.assign([TopicPartition(*partition, offset) for partition, offset in sorted(offsets.items())])
        self.waiting = False

    def hold(self) -> None:
        """Stop reading until the next `place`, and stay in the group. What was read and not written is forgotten."""
        self._next = {}
        self.consumer.assign([])
        self.waiting = True

    def wait(self, timeout_s: float) -> None:
        """Let the group do its work while nothing is read."""
        message = self.consumer.poll(timeout_s)
        if message is not None and message.error() is not None:
            self._event(message, Batch())

    def batch(self, timeout_s: float) -> Batch:
        """What is there, at most BATCH_RECORDS_MAX records; empty when nothing came within the time."""
        batch = Batch()
        first = self.consumer.poll(timeout_s)
        if first is None:
            return batch
        messages: list[Any] = [first]  # the client's types allow None where it never gives it
        if first.error() is None:
            messages += self.consumer.consume(BATCH_RECORDS_MAX - 1, LINGER_S)
        prefix_length, following, records = len(self._prefix), self._next, batch.records
        for message in messages:
            if message.error() is not None:
                self._event(message, batch)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if offset < following.get((topic, partition), offset + 1):
                continue  # read before, or of a partition that was taken away while the batch was collected
            following[topic, partition] = batch.positions[topic, partition] = offset + 1
            name = topic[prefix_length:]
            record = Record(name, partition, offset, message.timestamp()[1] * 1_000, message.key(), message.value())
            records.setdefault(name, []).append(record)
            batch.record_count += 1
        return batch

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group how far the rows are, for monitors of lag: nothing is ever read from there."""
        offsets = [TopicPartition(*partition, offset) for partition, offset in positions.items()]
        if not offsets:
            return
        with suppress(KafkaException):  # such as in the middle of a rebalance
            self.consumer.commit(offsets=offsets, asynchronous=True)

    def seen(self) -> dict[int, dict[str, int]]:
        """By shard and topic (without the prefix): the next offset; nothing while nothing is read."""
        seen: dict[int, dict[str, int]] = {}
        for (topic, partition), next_offset in self._next.items():
            seen.setdefault(partition, {})[topic.removeprefix(self._prefix)] = next_offset
        return seen

    def close(self) -> None:
        """Disconnect. A static member stays in the group for the session's time, so that its successor takes over."""
        self.consumer.close()

    def _event(self, message: Any, batch: Batch) -> None:
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin with an underscore
            partition = (message.topic(), message.partition())
            if message.offset() > self._next.get(partition, message.offset()):
                self._next[partition] = batch.positions[partition] = message.offset()
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - the same
            return  # the group has gone on; the assignment comes back by a rebalance
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the same
            sentence = (
                f"{message.topic()}/{message.partition()}: the log does not go on where the rows end ({error.str()}). "
                f"Either its retention was too short, or it is another log: then start with an empty database."
            )
            raise WorkerError(Exit.STATE_UNTRUSTED, sentence)
        elif error.code() == KafkaError._FATAL:  # noqa: SLF001 - the same; `error.fatal()` is false in a message
            sentence = f"this process may not go on as member of the group: {error.str()}"
            raise WorkerError(Exit.FENCED, sentence)
        else:
            raise_unless_transient(error, message.topic(), message.partition())

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.assigned = sorted((partition.topic, partition.partition) for partition in partitions)
        self.hold()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._revoked()
        self.revoked += [(partition.topic, partition.partition) for partition in partitions]
        self.assigned, self._next, self.waiting = [], {}, False
        consumer.unassign()


def _tell(error: KafkaError) -> None:
    if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes begin with an underscore
        _log.warning("Kafka does not answer; waiting", error=error.str())
