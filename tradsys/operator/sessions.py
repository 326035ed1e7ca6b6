"""The phase of each symbol, as the book told it last."""

from collections.abc import Mapping

from confluent_kafka import KafkaException

from schemas.codec import Codec
from schemas.messages import SessionChange
from tradsys.audit.kafka_log import KafkaLog
from tradsys.errors import CommandError


def told_sessions(log: KafkaLog, codec: Codec) -> Mapping[str, SessionChange]:
    """By symbol; one that always traded continuously is not there. Raises CommandError when Kafka is away."""
    newest: dict[str, SessionChange] = {}
    try:
        for record in log.records("sessions"):
            change = codec.decode(record.value or b"", "SessionChange")
            assert isinstance(change, SessionChange)
            newest[change.symbol] = change
    except (KafkaException, TimeoutError) as error:
        raise CommandError(f"The log cannot be read: {error}.") from error
    return newest
