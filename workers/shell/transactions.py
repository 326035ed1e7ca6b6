"""A transactional producer that has no doubt about what it published, and says when somebody else has taken over."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import (
    CONNECT_TIMEOUT_S,
    OUTPUTS_QUEUED_MAX,
    PUBLISH_TIMEOUT_S,
    TRANSACTION_TIMEOUT_S,
    Settings,
)

_CALL_TIMEOUT_S: Final = 10.0
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's own codes begin with an underscore
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)


class FencedError(Exception):
    """Another producer of this name has been initialised; nothing of this transaction was published."""


class TransactionalProducer:
    """Everything that `fill` produces is published together, or nothing is."""

    def __init__(self, settings: Settings, transactional_id: str) -> None:
        """`fence` must come first."""
        self._bootstrap = settings.bootstrap
        self.produce_now: Callable[..., None]
        """confluent_kafka's own, for loops; raises BufferError while the queue is full."""
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1_000,
                "linger.ms": 1,  # a batch travels as a few large requests; the commit sends at once what still waits
                "retry.backoff.ms": 2,  # the default of 100 makes every second transaction wait 100 ms
                "retry.backoff.max.ms": 20,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 1_000,
                "compression.type": "lz4",
                "queue.buffering.max.messages": OUTPUTS_QUEUED_MAX,
                "socket.nagle.disable": True,
                "log_level": 2,
            }
        )
        self.produce_now = self._producer.produce

    def fence(self) -> None:
        """End every older producer of this name, and settle the transaction it may have left.

        Being connected before saves the half second after which librdkafka would look for the coordinator again.
        """
        try:
            self._producer.list_topics(timeout=CONNECT_TIMEOUT_S)
            self._persist(lambda: self._producer.init_transactions(_CALL_TIMEOUT_S))
        except KafkaException as error:
            sentence = f"Kafka at {self._bootstrap} did not begin transactions: {error.args[0].str()}"
            raise WorkerError(Exit.BROKER_FAILED, sentence) from error

    def publish(self, fill: Callable[["TransactionalProducer"], None]) -> None:
        """One transaction; `fill` produces what is in it.

        Raises FencedError when another owner has taken over, and WorkerError when the broker does not take it in time,
        or it cannot be known whether it did. Then nothing more may be published here: a request of this transaction
        may still be on its way, and the broker would take it for one of the next. A successor fences it, and reads from
        the journal what was published.
        """
        try:
            self._producer.begin_transaction()
            fill(self)
            self._persist(lambda: self._producer.commit_transaction(_CALL_TIMEOUT_S))
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in _FENCED:
                raise FencedError(cause.str()) from error
            raise WorkerError(Exit.BROKER_FAILED, f"the broker did not take a transaction: {cause.str()}") from error

    def produce(self, *args: Any, **kwargs: Any) -> None:
        """As confluent_kafka's, but waits while the queue is full."""
        while True:
            try:
                self._producer.produce(*args, **kwargs)
            except BufferError:
                self._producer.poll(0.01)
            else:
                return

    def send_offsets(self, offsets: list[Any], group_metadata: object) -> None:
        """Commit a consumer group's offsets within the transaction."""
        self._producer.send_offsets_to_transaction(offsets, group_metadata, PUBLISH_TIMEOUT_S)

    def close(self) -> None:
        """Send nothing more. An open transaction is left to the successor."""
        with suppress(KafkaException):  # a fenced producer repeats here that it is
            self._producer.purge()
            self._producer.flush(0)

    def _persist(self, call: Callable[[], Any]) -> None:
        """Repeat a call that the client says may be repeated."""
        deadline = monotonic() + PUBLISH_TIMEOUT_S
        while True:
            try:
                call()
            except KafkaException as error:
                cause = error.args[0]
                if cause.fatal() or not cause.retriable() or monotonic() > deadline:
                    raise
            else:
                return
