"""One shard at work, in a thread of its own: restore, then batch after batch."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Final

import structlog

from schemas.codec import Codec
from schemas.messages import SnapshotChunk
from stream_topology.stages import Stage
from workers.kernel.restore import restore
from workers.kernel.shard import ReplayError, Shard, Transaction
from workers.kernel.snapshot import SnapshotError
from workers.kernel.stage import CoreFactory, Record
from workers.shell.endings import Exit, WorkerError
from workers.shell.metrics import ShardMetrics
from workers.shell.publisher import Publisher
from workers.shell.reader import PartitionReader, ShardReader
from workers.shell.restore import ShardLog, compare_offsets
from workers.shell.settings import TRANSACTIONS_MAX, Settings
from workers.shell.transactions import FencedError

_POLL_S: Final = 0.25
"""How long a shard waits for records before it looks whether it shall stop."""

_log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class StageRun:
    """What all shards of a process share."""

    stage: Stage
    make_core: CoreFactory
    codec: Codec
    settings: Settings
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(TRANSACTIONS_MAX))
    """Who holds one is in a transaction."""

    @property
    def group(self) -> str:
        """The consumer group of the stage."""
        return self.settings.prefix + self.stage.name


class Stop(Enum):
    """How a shard shall end."""

    NOT = "go on"
    NOW = "after the transaction it is in"
    WITH_SNAPSHOT = "publish what is pending, and a snapshot"


class ShardRunner(threading.Thread):
    """Runs one shard until it is told to stop, or cannot go on."""

    def __init__(
        self,
        run: StageRun,
        number: int,
        predecessor: "ShardRunner | None",
        on_failure: Callable[["ShardRunner", WorkerError], None],
    ) -> None:
        """`predecessor` ran the same shard in this process before; it is waited for."""
        super().__init__(name=f"{run.stage.name}-{number}", daemon=True)
        self.number = number
        self._run = run
        self._predecessor = predecessor
        self._on_failure = on_failure
        self._stop_request = Stop.NOT
        self._shard: Shard | None = None
        self._metrics = ShardMetrics(run.stage.name, number)
        self._log = _log.bind(shard=number)
        self._snapshot_sequence = 0
        self._records_since_snapshot = 0
        self._dead_letters = 0
        self.fenced = False
        """Another owner has taken the shard over."""
        self.ready = threading.Event()
        """Restored, and reading new records."""
        self.turned_at = monotonic()
        """When the shard last finished a batch or found nothing to do."""
        self.seen: dict[str, int] = {}
        """Per input: up to which offset the log has been looked at."""

    def stop(self, how: Stop) -> None:
        """Ask the shard to end. `join` waits for it."""
        self._stop_request = how

    def run(self) -> None:
        """The thread's life. Whatever ends it against the plan is reported once."""
        try:
            self._live()
        except FencedError as error:
            self.fenced = True
            sentence = f"{self._run.stage.name} shard {self.number}: another process owns this shard now ({error})"
            self._on_failure(self, WorkerError(Exit.FENCED, sentence))
        except WorkerError as error:
            self._on_failure(self, error)
        except Exception as error:  # noqa: BLE001 - whatever a core raises
            self._on_failure(self, self._failure(error))

    def _failure(self, error: Exception) -> WorkerError:
        name = f"{self._run.stage.name} shard {self.number}"
        record = self._shard.failed_at if self._shard is not None else None
        if record is None:
            self._log.exception("shard failed")
            return WorkerError(Exit.UNUSABLE, f"{name} failed: {type(error).__name__}: {error}")
        at = {"topic": record.topic, "offset": record.offset}
        if type(error).__name__ == "RegistryError":
            sentence = f"{name} cannot read {record.topic} offset {record.offset} without the registry: {error}"
            return WorkerError(Exit.UNUSABLE, sentence)
        self._log.exception("shard failed", failed_at=at, correlation_id=_correlation_id(record))
        sentence = f"{name} failed at {record.topic} offset {record.offset}: {type(error).__name__}: {error}"
        return WorkerError(Exit.CORE_FAILED, sentence)

    def _live(self) -> None:
        if self._predecessor is not None:
            self._predecessor.join()
            self._predecessor = None
        run = self._run
        publisher = Publisher(run.settings, run.stage, self.number)
        reader = ShardReader(run.settings, run.group, self.number)
        try:
            core = run.make_core(self.number, run.settings.shards)
            shard = self._shard = Shard(run.stage, core, self.number, run.settings.shards, run.codec)
            self._restore(shard, publisher, reader)
            reader.assign(run.stage.inputs, shard.positions)
            self.seen = reader.seen
            self.turned_at = monotonic()
            self.ready.set()
            while self._stop_request is Stop.NOT:
                self._turn(shard, publisher, reader)
            if self._stop_request is Stop.WITH_SNAPSHOT:
                self._publish(shard, publisher, reader, shard.flush(), snapshot=True)
        finally:
            publisher.close()
            reader.close()

    def _restore(self, shard: Shard, publisher: Publisher, reader: ShardReader) -> None:
        began = monotonic()
        publisher.fence()
        settings = self._run.settings
        log = ShardLog(
            self._run.stage,
            self._run.codec,
            lambda topic: PartitionReader(settings, self._run.group, topic, self.number),
        )
        try:
            restored = restore(shard, log, accept_behaviour_change=settings.accept_behaviour_change)
        except (ReplayError, SnapshotError) as error:
            raise WorkerError(Exit.STATE_UNTRUSTED, str(error)) from error
        finally:
            log.close()
        compare_offsets(shard, reader)
        shard.snapshot_offset = publisher.snapshot_offset = log.snapshot_offset
        publisher.journal_next = log.journal_next
        self._snapshot_sequence = restored.snapshot_sequence
        self._records_since_snapshot = log.record_count
        self._dead_letters = shard.dead_letter_count
        seconds = monotonic() - began
        self._metrics.restore_seconds.set(seconds)
        self._metrics.restored_records.set(log.record_count)
        self._log.info(
            "shard restored",
            seconds=round(seconds, 3),
            sequence=shard.sequence,
            snapshot_sequence=restored.snapshot_sequence,
            replayed_records=log.record_count,
            positions=shard.positions,
        )

    def _turn(self, shard: Shard, publisher: Publisher, reader: ShardReader) -> None:
        came = reader.wait(_POLL_S)
        self.turned_at = monotonic()
        if came:
            with self._run.slots:
                self._work(shard, publisher, reader)
            self.turned_at = monotonic()

    def _work(self, shard: Shard, publisher: Publisher, reader: ShardReader) -> None:
        batch = reader.batch()
        records = sum(map(len, batch.values()))
        transaction = shard.apply(batch)
        self._records_since_snapshot += records
        due = self._records_since_snapshot >= self._run.settings.snapshot_records
        if due and transaction is None:
            transaction = shard.flush()
        if transaction is not None:
            self._publish(shard, publisher, reader, transaction, snapshot=due)
        metrics = self._metrics
        metrics.events.inc(records)
        metrics.batch_records.observe(records)
        if shard.dead_letter_count > self._dead_letters:
            count = shard.dead_letter_count - self._dead_letters
            metrics.dead_letters.inc(count)
            self._log.warning("dead letters", count=count, positions=shard.positions)
            self._dead_letters = shard.dead_letter_count

    def _publish(
        self,
        shard: Shard,
        publisher: Publisher,
        reader: ShardReader,
        transaction: Transaction | None,
        *,
        snapshot: bool,
    ) -> None:
        chunks: list[bytes] = []
        snapshot = snapshot and shard.sequence != self._snapshot_sequence
        if snapshot:
            state = shard.snapshot()
            chunks = [self._encode(chunk) for chunk in state.chunks(publisher.journal_next)]
        if transaction is None and not chunks:
            return
        began = monotonic()
        publisher.publish(transaction, chunks, reader.group)
        self._metrics.transaction_seconds.observe(monotonic() - began)
        if transaction is not None:
            self._metrics.outputs.inc(len(transaction.outputs))
        if snapshot:
            shard.snapshot_offset = publisher.snapshot_offset
            self._snapshot_sequence = shard.sequence
            self._records_since_snapshot = 0
            self._metrics.snapshot_bytes.set(len(state.state))
            self._log.info("snapshot", sequence=shard.sequence, bytes=len(state.state))
        self._metrics.replay_records.set(self._records_since_snapshot)

    def _encode(self, chunk: SnapshotChunk) -> bytes:
        return self._run.codec.encode(chunk)


def _correlation_id(record: Record) -> str | None:
    """What a client named its request, where it did."""
    return next((value.decode(errors="replace") for name, value in record.headers if name == "correlation_id"), None)
