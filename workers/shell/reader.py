"""Reading the log: the shards of a process as batches, and one partition from a place to its end."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from workers.kernel.stage import Record
from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import (
    BATCH_RECORDS_MAX,
    CONNECT_TIMEOUT_S,
    PREFETCH_KIB_MAX,
    RESTORE_READ_TIMEOUT_S,
    Settings,
)

_CHUNK_RECORDS: Final = 1_000
_LIVE_WAIT_MS: Final = 250
"""How long the broker holds an empty answer back: idle workers ask so often."""
_RESTORE_WAIT_MS: Final = 20
"""The same while restoring, where the end of a partition is only told with an empty answer."""
TRANSIENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's own codes begin with an underscore
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
    }
)
"""What passes when a broker is back, or has a leader for each partition again."""


def open_consumer(settings: Settings, group: str, fetch_wait_ms: int) -> Consumer:
    """A connected consumer of committed records that is told its partitions: group membership is Faust's.

    Knowing all topics from the start saves half a second for each that would be looked up when it is first read.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": fetch_wait_ms,
            "fetch.error.backoff.ms": 20,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 1_000,
            "fetch.queue.backoff.ms": 10,  # the default stands still for 1 s once enough is read ahead
            "queued.min.messages": 20_000,
            "queued.max.messages.kbytes": PREFETCH_KIB_MAX,
            "socket.nagle.disable": True,
            "log_level": 3,
        }
    )
    try:
        consumer.list_topics(timeout=CONNECT_TIMEOUT_S)
    except KafkaException as error:
        sentence = f"Kafka at {settings.bootstrap} does not answer: {error.args[0].str()}"
        raise WorkerError(Exit.BROKER_FAILED, sentence) from error
    return consumer


Batch = dict[str, list[Record]]
"""Per input topic: records in the order of the log."""


class StageReader:
    """Batches of all shards that a process owns: one connection, so one fetch asks for all of them."""

    def __init__(self, settings: Settings, group: str, topics: tuple[str, ...]) -> None:
        """Connects; `add` says where to begin. `topics` are the stage's inputs, without the prefix."""
        self._prefix = settings.prefix
        self._names = {settings.prefix + topic: topic for topic in topics}
        self._consumer = open_consumer(settings, group, _LIVE_WAIT_MS)
        self.group: object = self._consumer.consumer_group_metadata()
        """Names the group to a transaction. It never changes here, and asking librdkafka takes a turn of its thread."""
        self.seen: dict[int, dict[str, int]] = {}
        """Per shard and topic: up to where the log is done with, whether or not there were records."""
        self._given: dict[int, dict[str, int]] = {}
        """The same after what `read` gave last, which is worked at until it is called again."""

    def add(self, shard: int, positions: Mapping[str, int]) -> None:
        """Read a shard from these positions on; a topic without one from its beginning."""
        self.seen[shard] = {topic: positions.get(topic, 0) for topic in self._names.values()}
        self._consumer.incremental_assign(
            [TopicPartition(name, shard, positions.get(t, OFFSET_BEGINNING)) for name, t in self._names.items()]
        )

    def remove(self, shard: int) -> None:
        """Read no more of a shard."""
        del self.seen[shard]
        self._given.pop(shard, None)
        self._consumer.incremental_unassign([TopicPartition(name, shard) for name in self._names])

    def read(self, timeout_s: float) -> dict[int, Batch]:
        """Per shard what has come, at most BATCH_RECORDS_MAX records in all; waits for the first.

        Who asks has done with what he was given before.
        """
        for shard, offsets in self._given.items():
            self.seen[shard] |= offsets
        self._given.clear()
        first: Any = self._consumer.poll(timeout_s)
        if first is None:
            return {}
        batches: dict[int, Batch] = {}
        names, given = self._names, self._given
        for message in (first, *self._consumer.consume(BATCH_RECORDS_MAX - 1, 0)):
            topic, shard, error = names[message.topic()], message.partition(), message.error()
            if error is None:
                record = _record(message, topic)
                try:
                    batches[shard][topic].append(record)
                except KeyError:
                    batches.setdefault(shard, {})[topic] = [record]
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                given.setdefault(shard, {})[topic] = message.offset()
            else:
                raise_unless_transient(error, message.topic(), shard)
        for shard, batch in batches.items():
            for topic, records in batch.items():
                end = given.setdefault(shard, {})
                end[topic] = max(end.get(topic, 0), records[-1].offset + 1)
        return batches

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()


class PartitionReader:
    """Committed records of one partition, forward."""

    def __init__(self, settings: Settings, group: str, topic: str, partition: int) -> None:
        """`topic` is without the prefix."""
        self.topic = topic
        self.partition = partition
        self._prefix = settings.prefix
        self._full_name = settings.prefix + topic
        self._consumer = open_consumer(settings, group, _RESTORE_WAIT_MS)
        self._pending: list[Any] = []

    def bounds(self) -> tuple[int, int]:
        """The first offset that is kept, and the one after the last."""
        partition = TopicPartition(self._full_name, self.partition)
        try:
            low, high = self._consumer.get_watermark_offsets(partition, timeout=RESTORE_READ_TIMEOUT_S)
        except KafkaException as error:
            raise _unreadable(error.args[0], self._full_name, self.partition) from error
        return low, high

    def committed(self, topics: tuple[str, ...]) -> dict[str, int]:
        """The group's committed offsets of this partition of other topics; a topic without one is left out."""
        partitions = [TopicPartition(self._prefix + topic, self.partition) for topic in topics]
        answers = self._consumer.committed(partitions, timeout=RESTORE_READ_TIMEOUT_S)
        return {answer.topic[len(self._prefix) :]: answer.offset for answer in answers if answer.offset >= 0}

    def start(self, offset: int) -> None:
        """Read from here on."""
        self._pending = []
        self._consumer.assign([TopicPartition(self._full_name, self.partition, offset)])

    def until(self, last: int) -> Iterator[Record]:
        """Records up to offset `last`, those before the next one included; ends early at the end of the partition."""
        while (message := self._peek()) is not None:
            if message.error() is not None:  # the end
                self._pending.pop()
                return
            if message.offset() > last:
                return
            self._pending.pop()
            yield _record(message, self.topic)
            if message.offset() == last:
                return

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _peek(self) -> Any:
        """The next message or end-of-partition event, left in place; None if none comes in time."""
        if not self._pending:
            first = self._consumer.poll(RESTORE_READ_TIMEOUT_S)
            if first is None:
                sentence = f"{self._full_name}/{self.partition}: nothing came within {RESTORE_READ_TIMEOUT_S} s"
                raise WorkerError(Exit.BROKER_FAILED, sentence)
            self._pending = [first, *self._consumer.consume(_CHUNK_RECORDS, 0)][::-1]
            for message in self._pending:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                    raise_unless_transient(error, message.topic(), self.partition)
                    self._pending.remove(message)
                    return self._peek()
        return self._pending[-1]


def raise_unless_transient(error: KafkaError, topic: str | None, partition: int) -> None:
    """End the worker on an error that waiting does not heal."""
    if error.code() not in TRANSIENT:
        raise _unreadable(error, topic or "?", partition)


def _unreadable(error: KafkaError, topic: str, partition: int) -> WorkerError:
    if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001 - librdkafka's
        sentence = (
            f"{topic}/{partition}: records that this stage has not applied yet are gone ({error.str()}). "
            f"The topic's retention is shorter than the stage was away; its state cannot be continued."
        )
        return WorkerError(Exit.STATE_UNTRUSTED, sentence)
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION}:  # noqa: SLF001 - librdkafka's
        sentence = f"{topic}/{partition} does not exist; create the topics with `tradsys provision`."
        return WorkerError(Exit.UNUSABLE, sentence)
    return WorkerError(Exit.BROKER_FAILED, f"{topic}/{partition} cannot be read: {error.str()}")


def _record(message: Any, topic: str) -> Record:
    return Record(
        topic,
        message.partition(),
        message.offset(),
        message.timestamp()[1] * 1_000,
        message.key(),
        message.value(),
        _headers(message.headers()),
    )


def _headers(headers: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value or b"") for name, value in headers) if headers else ()
