"""What one shard publishes: outputs, journal, snapshot and offsets, in one transaction."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from stream_topology.stages import Stage
from stream_topology.topics import journal, snapshots
from workers.kernel.shard import Transaction
from workers.shell.settings import Settings
from workers.shell.transactions import TransactionalProducer


class Publisher:
    """The shard's only way to the log."""

    def __init__(self, settings: Settings, stage: Stage, shard: int) -> None:
        """Connects; `fence` must come before anything is read."""
        self._shard = shard
        self._prefix = settings.prefix
        self._journal = settings.prefix + journal(stage.name).name
        self._snapshots = settings.prefix + snapshots(stage.name).name
        self._names: dict[str, str] = {}
        self._producer = TransactionalProducer(settings, f"{settings.prefix}{stage.name}-{shard}")
        self.journal_next = 0
        """Journal offset from which on nothing has been written yet."""
        self.snapshot_offset = -1
        """Where the newest published snapshot begins."""

    def fence(self) -> None:
        """End every older owner of the shard."""
        self._producer.fence()

    def publish(self, transaction: Transaction | None, chunks: Sequence[bytes], group: object) -> None:
        """Publish one transaction, and a snapshot's chunks with it. `group` is the metadata of the consumer group."""

        def fill(producer: TransactionalProducer) -> None:
            if transaction is not None:
                self._produce_transaction(producer, transaction)
            for index, chunk in enumerate(chunks):
                began = self._snapshot_began if index == 0 else None
                key = b"%d/%d" % (self._shard, index)
                producer.produce(self._snapshots, chunk, key, partition=self._shard, on_delivery=began)
            if transaction is not None:
                offsets = [TopicPartition(self._prefix + t, self._shard, at) for t, at in transaction.offsets.items()]
                producer.send_offsets(offsets, group)

        self._producer.publish(fill)

    def close(self) -> None:
        """Send nothing more."""
        self._producer.close()

    def _produce_transaction(self, producer: TransactionalProducer, transaction: Transaction) -> None:
        produce, names = producer.produce_now, self._names
        for output in transaction.outputs:
            name = names.get(output.topic)
            if name is None:
                name = names[output.topic] = self._prefix + output.topic
            try:
                produce(name, output.value, output.key, output.partition)
            except BufferError:
                producer.produce(name, output.value, output.key, output.partition)
        key = b"%d" % self._shard
        producer.produce(self._journal, transaction.journal, key, partition=self._shard, on_delivery=self._journaled)

    def _journaled(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.journal_next = message.offset() + 1

    def _snapshot_began(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.snapshot_offset = message.offset()
