"""One shard's transactional producer: outputs, journal, snapshot and offsets together, or nothing."""

from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from stream_topology.stages import Stage
from stream_topology.topics import journal, snapshots
from workers.kernel.shard import Produced, Transaction
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
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


class FencedError(Exception):
    """Another owner of the shard has been initialised; nothing of this transaction was published."""


class Publisher:
    """Publishes what a shard did."""

    def __init__(self, settings: Settings, stage: Stage, shard: int) -> None:
        """Connects; `fence` must come before anything is read."""
        self._shard = shard
        self._prefix = settings.prefix
        self._journal = settings.prefix + journal(stage.name).name
        self._snapshots = settings.prefix + snapshots(stage.name).name
        self._names: dict[str, str] = {}
        self.journal_next = 0
        """Journal offset from which on nothing has been written yet, or a little before it."""
        self.snapshot_offset = -1
        """Where the newest published snapshot begins."""
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap,
                "transactional.id": f"{settings.prefix}{stage.name}-{shard}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1_000,
                "linger.ms": 0,
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

    def fence(self) -> None:
        """End every older owner of the shard, and settle the transaction it may have left.

        Being connected before saves the half second after which librdkafka would look for the coordinator again.
        """
        self._persist(lambda: self._producer.list_topics(self._journal, CONNECT_TIMEOUT_S))
        self._persist(lambda: self._producer.init_transactions(_CALL_TIMEOUT_S))

    def publish(
        self,
        transaction: Transaction | None,
        chunks: Sequence[bytes],
        group: Consumer,
    ) -> None:
        """Publish one transaction, and a snapshot's chunks with it.

        Raises FencedError when another owner has taken over, WorkerError when the broker does not take it in time.
        """
        deadline = monotonic() + PUBLISH_TIMEOUT_S
        while True:
            try:
                self._attempt(transaction, chunks, group)
            except KafkaException as error:
                self._recover(error, deadline)
            else:
                return

    def close(self) -> None:
        """Send nothing more. An open transaction is left to the successor."""
        self._producer.purge()
        self._producer.flush(0)

    def _attempt(self, transaction: Transaction | None, chunks: Sequence[bytes], group: Consumer) -> None:
        producer = self._producer
        producer.begin_transaction()
        if transaction is not None:
            self._produce(transaction.outputs)
            producer.produce(self._journal, transaction.journal, partition=self._shard, on_delivery=self._journaled)
        for index, chunk in enumerate(chunks):
            producer.produce(
                self._snapshots,
                chunk,
                b"%d/%d" % (self._shard, index),
                partition=self._shard,
                on_delivery=self._snapshot_began if index == 0 else None,
            )
        if transaction is not None:
            offsets = [TopicPartition(self._prefix + t, self._shard, at) for t, at in transaction.offsets.items()]
            metadata = group.consumer_group_metadata()
            self._persist(lambda: producer.send_offsets_to_transaction(offsets, metadata, _CALL_TIMEOUT_S))
        self._persist(lambda: producer.commit_transaction(_CALL_TIMEOUT_S))

    def _produce(self, outputs: Iterable[Produced]) -> None:
        produce, names = self._producer.produce, self._names
        for topic, partition, key, value in outputs:
            name = names.get(topic)
            if name is None:
                name = names[topic] = self._prefix + topic
            while True:
                try:
                    produce(name, value, key, partition)
                except BufferError:
                    self._producer.poll(0.01)
                else:
                    break

    def _journaled(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.journal_next = message.offset() + 1

    def _snapshot_began(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.snapshot_offset = message.offset()

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

    def _recover(self, error: KafkaException, deadline: float) -> None:
        """Abort, so that the same transaction can be tried again; or give up."""
        cause = error.args[0]
        if cause.code() in _FENCED:
            raise FencedError(cause.str()) from error
        if cause.fatal() or not cause.txn_requires_abort() or monotonic() > deadline:
            raise WorkerError(Exit.BROKER_FAILED, f"the broker did not take a transaction: {cause.str()}") from error
        try:
            self._persist(lambda: self._producer.abort_transaction(_CALL_TIMEOUT_S))
        except KafkaException as failure:
            if failure.args[0].code() in _FENCED:
                raise FencedError(failure.args[0].str()) from failure
            sentence = f"a transaction could not be aborted: {failure.args[0].str()}"
            raise WorkerError(Exit.BROKER_FAILED, sentence) from failure
