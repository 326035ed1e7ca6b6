"""The log in memory, and stages run on it: simulations, backtests and first looks use the same cores without Kafka."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.codec import Codec
from schemas.messages import InputRange, JournalEntry, SnapshotChunk
from stream_topology.stages import Stage
from stream_topology.topics import journal, snapshots
from workers.kernel.restore import Restored, restore
from workers.kernel.shard import Produced, Shard, Transaction
from workers.kernel.stage import CoreFactory, Headers, Record

BATCH_RECORDS_MAX: Final = 5_000
"""Records of one topic that one step of a shard reads at most."""


@dataclass(slots=True)
class MemoryLog:
    """Partitions as lists. Offsets have no gaps; the caller moves the time."""

    now_us: int = 0
    """Timestamp of what is appended, microseconds since 1970 UTC."""
    _partitions: dict[tuple[str, int], list[Record]] = field(default_factory=dict)

    def append(self, topic: str, partition: int, key: bytes, value: bytes, headers: Headers = ()) -> int:
        """Write one record; its offset."""
        records = self._partitions.setdefault((topic, partition), [])
        records.append(Record(topic, partition, len(records), self.now_us, key, value, headers))
        return len(records) - 1

    def read(self, topic: str, partition: int, offset: int = 0, count: int | None = None) -> list[Record]:
        """Records from an offset on."""
        records = self._partitions.get((topic, partition), [])
        return records[offset:] if count is None else records[offset : offset + count]

    def end(self, topic: str, partition: int) -> int:
        """The next offset of a partition."""
        return len(self._partitions.get((topic, partition), ()))


@dataclass(slots=True)
class MemoryShard:
    """One shard run on the log. It may crash at any point and is opened again from what it published."""

    log: MemoryLog
    stage: Stage
    number: int
    shards: int
    codec: Codec
    make_core: CoreFactory
    shard: Shard = field(init=False)
    restored: Restored = field(init=False)
    _journal_offset: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Open it for the first time, or after a crash of whoever ran it before."""
        self.open()

    def open(self) -> None:
        """Forget the state in memory and restore it from the log."""
        core = self.make_core(self.number, self.shards)
        self.shard = Shard(self.stage, core, self.number, self.shards, self.codec)
        reader = _Reader(self.log, self.stage, self.number, self.codec)
        self.restored = restore(self.shard, reader)
        last = reader.last_entry()
        self.shard.snapshot_offset = last.snapshot_offset if last else -1
        self._journal_offset = self.log.end(journal(self.stage.name).name, self.number)

    def step(self, limit: Callable[[str], int] = lambda _: BATCH_RECORDS_MAX) -> int:
        """Read at most `limit(topic)` records of each topic and publish what follows; records applied."""
        before = sum(self.shard.positions.values())
        transaction = self.prepare(limit)
        if transaction is not None:
            self.publish(transaction)
        return sum(self.shard.positions.values()) - before

    def prepare(self, limit: Callable[[str], int], again: int = 0) -> Transaction | None:
        """Apply a batch without publishing it: a crash now loses the work, as an aborted transaction would.

        `again` records before the position of each topic are delivered once more, as after a rebalance.
        """
        batch = {}
        for topic in self.stage.inputs:
            position = self.shard.positions.get(topic, 0)
            start = max(position - again, 0)
            batch[topic] = self.log.read(topic, self.number, start, limit(topic) + position - start)
        return self.shard.apply(batch)

    def publish(self, transaction: Transaction) -> None:
        """Append all that a transaction holds: nothing else happens in between."""
        for output in transaction.outputs:
            self._append(output)
        name = journal(self.stage.name).name
        self._journal_offset = self.log.append(name, self.number, str(self.number).encode(), transaction.journal) + 1

    def snapshot(self) -> None:
        """Publish what is pending and a snapshot of the state after it."""
        pending = self.shard.flush()
        if pending is not None:
            self.publish(pending)
        name = snapshots(self.stage.name).name
        offset = self.log.end(name, self.number)
        for chunk in self.shard.snapshot().chunks(self._journal_offset):
            self.log.append(name, self.number, b"%d/%d" % (self.number, chunk.index), self.codec.encode(chunk))
        self.shard.snapshot_offset = offset

    def lag(self) -> int:
        """Records that wait."""
        positions = self.shard.positions
        return sum(self.log.end(topic, self.number) - positions.get(topic, 0) for topic in self.stage.inputs)

    def _append(self, output: Produced) -> None:
        self.log.append(output.topic, output.partition, output.key, output.value)


@dataclass(slots=True)
class MemoryPipeline:
    """Several stages on one log."""

    log: MemoryLog
    shards: list[MemoryShard]

    @classmethod
    def create(
        cls, stages: Iterable[Stage], factories: Mapping[str, CoreFactory], shards: int, codec: Codec
    ) -> "MemoryPipeline":
        """All shards of the stages, each core made by the factory of its stage's name."""
        log = MemoryLog()
        return cls(
            log,
            [
                MemoryShard(log, stage, number, shards, codec, factories[stage.name])
                for stage in stages
                for number in range(shards)
            ],
        )

    def run(self) -> None:
        """Step every shard until none has anything to read."""
        waiting = True
        while waiting:
            waiting = False
            for shard in self.shards:
                waiting |= shard.lag() > 0 and shard.step() > 0


@dataclass(frozen=True, slots=True)
class _Reader:
    """The restore's view of one shard's partitions."""

    log: MemoryLog
    stage: Stage
    number: int
    codec: Codec

    def last_entry(self) -> JournalEntry | None:
        name = journal(self.stage.name).name
        end = self.log.end(name, self.number)
        return next(iter(self.entries(end - 1)), None) if end else None

    def chunks(self, offset: int) -> Iterable[SnapshotChunk]:
        for record in self.log.read(snapshots(self.stage.name).name, self.number, offset):
            chunk = self.codec.decode(record.value or b"", "SnapshotChunk")
            assert isinstance(chunk, SnapshotChunk)
            yield chunk

    def entries(self, offset: int) -> Iterable[JournalEntry]:
        for record in self.log.read(journal(self.stage.name).name, self.number, offset):
            entry = self.codec.decode(record.value or b"", "JournalEntry")
            assert isinstance(entry, JournalEntry)
            yield entry

    def records(self, span: InputRange) -> Iterable[Record]:
        return self.log.read(span.topic, self.number, span.first, span.last + 1 - span.first)
