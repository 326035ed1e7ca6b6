"""The committed records of a Kafka log, for the audit."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from workers.kernel.stage import Record
from workers.shell.reader import TRANSIENT

READ_S_MAX: Final = 120.0
"""How long reading one topic may go without a record, or without an answer, before it is given up."""

BOUNDS_S_MAX: Final = 10.0
"""How long one question for the bounds of a partition may take."""

AGAIN_S: Final = 0.2
"""Between two such questions."""

FETCH_RECORDS: Final = 5_000
FETCH_MS: Final = 20
"""How long the broker, and then the client, waits for more than there is: at the end of a topic there is no more."""


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """Reads whole topics, as they are now."""

    bootstrap: str
    prefix: str
    shards: int

    def records(self, topic: str, partitions: Sequence[int] | None = None, since: int = 0) -> Iterator[Record]:
        """Every committed record of a topic, or of some of its partitions, each in the order of its offsets.

        None before the offset `since`.
        """
        consumer = self._consumer()
        try:
            ends = self._ends(consumer, topic)
            waiting = {
                partition
                for partition, (low, high) in ends.items()
                if high > max(low, since) and (partitions is None or partition in partitions)
            }
            name = self.prefix + topic
            begins = {partition: max(ends[partition][0], since) for partition in sorted(waiting)}
            consumer.assign([TopicPartition(name, partition, begin) for partition, begin in begins.items()])
            deadline_s = time.monotonic() + READ_S_MAX
            while waiting:
                for message in consumer.consume(FETCH_RECORDS, FETCH_MS / 1_000):
                    deadline_s = time.monotonic() + READ_S_MAX
                    error = message.error()
                    if error is None:
                        yield _record(topic, message)
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name for it
                        waiting.discard(message.partition())
                    elif error.code() not in TRANSIENT:
                        raise KafkaException(error)
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"{name}: partitions {sorted(waiting)} gave nothing for {READ_S_MAX:.0f} s")
        finally:
            consumer.close()

    def ends(self, topics: tuple[str, ...]) -> dict[tuple[str, int], int]:
        """The next offset of each partition of some topics."""
        consumer = self._consumer()
        try:
            return {
                (topic, partition): high
                for topic in topics
                for partition, (_, high) in self._ends(consumer, topic).items()
            }
        finally:
            consumer.close()

    def trimmed(self, topics: tuple[str, ...]) -> frozenset[str]:
        """Those of some topics whose beginning is gone."""
        consumer = self._consumer()
        try:
            return frozenset(topic for topic in topics if any(low for low, _ in self._ends(consumer, topic).values()))
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}audit",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": FETCH_MS,
            }
        )

    def _ends(self, consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
        return {
            partition: bounds(consumer, TopicPartition(self.prefix + topic, partition))
            for partition in range(self.shards)
        }


def bounds(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset that is kept and the one after the last; a broker that comes back is waited for."""
    deadline_s = time.monotonic() + READ_S_MAX
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=BOUNDS_S_MAX)
        except KafkaException as error:
            if error.args[0].code() not in TRANSIENT or time.monotonic() > deadline_s:
                raise
            time.sleep(AGAIN_S)


def _record(topic: str, message: object) -> Record:
    _, timestamp_ms = message.timestamp()  # type: ignore[attr-defined]
    headers = tuple((name, value or b"") for name, value in message.headers() or ())  # type: ignore[attr-defined]
    return Record(
        topic,
        message.partition(),  # type: ignore[attr-defined]
        message.offset(),  # type: ignore[attr-defined]
        timestamp_ms * 1000,
        message.key(),  # type: ignore[attr-defined]
        message.value(),  # type: ignore[attr-defined]
        headers,
    )
