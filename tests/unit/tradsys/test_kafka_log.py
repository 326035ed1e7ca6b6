from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tradsys.audit import kafka_log
from tradsys.audit.kafka_log import bounds

PLACE = TopicPartition("orders", 1)


class _Consumer:
    """Answers with errors first."""

    def __init__(self, *codes: int) -> None:
        self.errors = iter(codes)

    def get_watermark_offsets(self, _partition: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        for code in self.errors:
            raise KafkaException(KafkaError(code))
        return 3, 17


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A time that passes with every sleep only."""
    now = SimpleNamespace(s=0.0)

    def sleep(seconds: float) -> None:
        now.s += seconds

    monkeypatch.setattr(kafka_log, "time", SimpleNamespace(monotonic=lambda: now.s, sleep=sleep))
    return now


def test_a_partition_without_a_leader_for_a_while_is_asked_again() -> None:
    consumer: Any = _Consumer(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TRANSPORT)
    assert bounds(consumer, PLACE) == (3, 17)


def test_a_broker_that_stays_away_is_given_up(clock: Any) -> None:
    consumer: Any = _Consumer(*[KafkaError.LEADER_NOT_AVAILABLE] * 10_000)
    with pytest.raises(KafkaException):
        bounds(consumer, PLACE)
    assert kafka_log.READ_S_MAX < clock.s < kafka_log.READ_S_MAX + 1


def test_what_waiting_does_not_heal_is_raised_at_once(clock: Any) -> None:
    consumer: Any = _Consumer(KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(KafkaException):
        bounds(consumer, PLACE)
    assert clock.s == 0
