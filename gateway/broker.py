"""Whether a Kafka client reaches a broker: from librdkafka's statistics, because it tells losses and no recoveries."""

from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError

from gateway import limits

ASK_EVERY_MS: Final = 1_000
"""A broker that holds its connections and does no work is only found by asking: it is asked for its metadata."""

UNREACHABLE: Final = "no broker can be reached"


class _Broker(msgspec.Struct):
    state: str = ""


class _Statistics(msgspec.Struct):
    brokers: dict[str, _Broker] = {}


_decode: Final = msgspec.json.Decoder(_Statistics).decode


class Reach:
    """What one client knows. It is told by the thread that serves the client's callbacks, and may be asked by any."""

    def __init__(self, answer_ms: int) -> None:
        """Nothing is known yet, so nothing is reached. A broker may take so long for an answer."""
        self.is_up = False
        self._silence_ms = max(int(limits.BROKER_SILENCE_S * 1_000), answer_ms)

    def options(self, statistics_ms: int) -> dict[str, Any]:
        """What the client's configuration must hold. Recoveries are seen every `statistics_ms`."""
        return {
            "topic.metadata.refresh.interval.ms": ASK_EVERY_MS,
            "socket.timeout.ms": self._silence_ms,
            "statistics.interval.ms": statistics_ms,
            "stats_cb": self._counted,
            "error_cb": self.failed,
        }

    def failed(self, error: KafkaError) -> None:
        """The client has met an error."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - the library's names begin with _
            self.is_up = False

    def _counted(self, statistics: str) -> None:
        self.is_up = any(broker.state == "UP" for broker in _decode(statistics).brokers.values())
