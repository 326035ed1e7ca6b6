"""One shard of a process: how it comes back, what it does with a batch, how it ends."""

from dataclasses import dataclass
from time import monotonic

import structlog

from schemas.codec import Codec
from schemas.correlation import correlation_of
from schemas.messages import SnapshotChunk
from schemas.registry import RegistryError
from stream_topology.stages import Stage
from workers.kernel.restore import restore
from workers.kernel.shard import ReplayError, Shard, Transaction
from workers.kernel.snapshot import SnapshotError
from workers.kernel.stage import CoreFactory
from workers.shell.endings import Exit, WorkerError
from workers.shell.metrics import ShardMetrics
from workers.shell.publisher import Publisher
from workers.shell.reader import Batch, PartitionReader
from workers.shell.restore import ShardLog, compare_offsets
from workers.shell.settings import Settings
from workers.shell.transactions import FencedError

_log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class StageRun:
    """What all shards of a process share."""

    stage: Stage
    make_core: CoreFactory
    codec: Codec
    settings: Settings

    @property
    def group(self) -> str:
        """The consumer group of the stage."""
        return self.settings.prefix + self.stage.name


class ShardRunner:
    """State, publisher and bookkeeping of one shard. Restored in one thread, then used by the loop's only."""

    def __init__(self, run: StageRun, number: int, group: object) -> None:
        """Connects; `restore` must come first. `group` names the consumer group to a transaction."""
        self.number = number
        self.name = f"{run.stage.name} shard {number}"
        self._run = run
        self._group = group
        self._metrics = ShardMetrics(run.stage.name, number)
        self._log = _log.bind(shard=number)
        self._publisher = Publisher(run.settings, run.stage, number)
        core = run.make_core(number, run.settings.shards)
        self._shard = Shard(run.stage, core, number, run.settings.shards, run.codec)
        self._snapshot_sequence = 0
        self._records_since_snapshot = 0
        self._dead_letters = 0

    @property
    def positions(self) -> dict[str, int]:
        """Per input topic: the next offset to apply."""
        return self._shard.positions

    def restore(self) -> None:
        """Fence every older owner, then rebuild the state: in that order."""
        began = monotonic()
        self._publisher.fence()
        run, shard = self._run, self._shard
        log = ShardLog(run.stage, run.codec, lambda topic: PartitionReader(run.settings, run.group, topic, self.number))
        try:
            restored = restore(shard, log, accept_behaviour_change=run.settings.accept_behaviour_change)
            compare_offsets(shard, log.committed())
        except (ReplayError, SnapshotError) as error:
            raise WorkerError(Exit.STATE_UNTRUSTED, str(error)) from error
        finally:
            log.close()
        shard.snapshot_offset = self._publisher.snapshot_offset = log.snapshot_offset
        self._publisher.journal_next = log.journal_next
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

    def work(self, batch: Batch) -> None:
        """Apply a batch, and publish what it gives."""
        records = sum(map(len, batch.values()))
        transaction = self._shard.apply(batch)
        self._records_since_snapshot += records
        due = self._records_since_snapshot >= self._run.settings.snapshot_records
        if due and transaction is None:
            transaction = self._shard.flush()
        if transaction is not None:
            self._publish(transaction, snapshot=due)
        metrics = self._metrics
        metrics.events.inc(records)
        metrics.batch_records.observe(records)
        if self._shard.dead_letter_count > self._dead_letters:
            count = self._shard.dead_letter_count - self._dead_letters
            metrics.dead_letters.inc(count)
            self._log.warning("dead letters", count=count, positions=self._shard.positions)
            self._dead_letters = self._shard.dead_letter_count

    def leave_snapshot(self) -> None:
        """Publish what is pending, and a snapshot: the next owner has nothing to replay."""
        self._publish(self._shard.flush(), snapshot=True)

    def close(self) -> None:
        """Disconnect."""
        self._publisher.close()

    def failure(self, error: Exception) -> WorkerError:
        """Why the process cannot go on, with the place in the log where it is known."""
        if isinstance(error, WorkerError):
            return error
        if isinstance(error, FencedError):
            return WorkerError(Exit.FENCED, f"{self.name}: another process owns this shard now ({error})")
        record = self._shard.failed_at
        if record is None:
            self._log.error("shard failed", exc_info=error)
            return WorkerError(Exit.UNUSABLE, f"{self.name} failed: {type(error).__name__}: {error}")
        at = {"topic": record.topic, "offset": record.offset}
        if isinstance(error, RegistryError):
            sentence = f"{self.name} cannot read {record.topic} offset {record.offset} without the registry: {error}"
            return WorkerError(Exit.UNUSABLE, sentence)
        self._log.error("shard failed", failed_at=at, correlation_id=correlation_of(record.headers), exc_info=error)
        sentence = f"{self.name} failed at {record.topic} offset {record.offset}: {type(error).__name__}: {error}"
        return WorkerError(Exit.CORE_FAILED, sentence)

    def _publish(self, transaction: Transaction | None, *, snapshot: bool) -> None:
        chunks: list[bytes] = []
        shard, publisher = self._shard, self._publisher
        snapshot = snapshot and shard.sequence != self._snapshot_sequence
        if snapshot:
            state = shard.snapshot()
            chunks = [self._encode(chunk) for chunk in state.chunks(publisher.journal_next)]
        if transaction is None and not chunks:
            return
        began = monotonic()
        publisher.publish(transaction, chunks, self._group)
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
