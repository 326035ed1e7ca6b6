"""Rebuilding a shard from the log: newest snapshot, then the journal after it, with the outputs compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.messages import InputRange, JournalEntry, SnapshotChunk
from stream_topology.topics import journal, snapshots
from workers.kernel.shard import ReplayError, Shard
from workers.kernel.snapshot import SnapshotError, newest_snapshot
from workers.kernel.stage import Record
from workers.shell.endings import Exit, WorkerError
from workers.shell.reader import PartitionReader, ShardReader

_TAIL_OFFSETS: Final = 8
_TAIL_GROWTH: Final = 32

OpenReader = Callable[[str], PartitionReader]
"""Opens a reader of the shard's partition of a topic, named without the prefix."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore found."""

    journal_next: int
    """Journal offset after the newest entry."""
    snapshot_sequence: int
    """Journal sequence of the newest snapshot, -1 without one."""
    replayed_records: int
    """Inputs that were applied again."""


def restore(shard: Shard, open_reader: OpenReader, group: ShardReader, *, accept_behaviour_change: bool) -> Restored:
    """Bring a fresh shard to where its last committed transaction left it.

    The older owner must have been fenced before. The journal is read from its end: the newest entry names the newest
    snapshot before it, so the time does not grow with history. Raises WorkerError when the state cannot be had.
    """
    try:
        restored = _restore(shard, open_reader, accept_behaviour_change=accept_behaviour_change)
    except (ReplayError, SnapshotError) as error:
        raise WorkerError(Exit.STATE_UNTRUSTED, str(error)) from error
    _compare_offsets(shard, group)
    return restored


def _restore(shard: Shard, open_reader: OpenReader, *, accept_behaviour_change: bool) -> Restored:
    journal_log = open_reader(journal(shard.stage.name).name)
    try:
        newest, journal_next = _newest_entry(shard, journal_log)
        begin, snapshot_sequence = _load_snapshot(shard, open_reader, newest)
        if newest is None or newest.sequence <= shard.sequence:
            return Restored(journal_next, snapshot_sequence, 0)
        journal_log.start(begin)
        inputs = _Inputs(open_reader)
        try:
            for record in journal_log.until(journal_next - 1):
                entry = _entry(shard, record)
                if entry.sequence > shard.sequence:
                    shard.replay(entry, inputs.read, accept_behaviour_change=accept_behaviour_change)
        finally:
            inputs.close()
    finally:
        journal_log.close()
    if newest.sequence != shard.sequence:
        sentence = (
            f"{shard.stage.name} shard {shard.number}: the journal ends at {shard.sequence}, not {newest.sequence}"
        )
        raise ReplayError(sentence)
    return Restored(journal_next, snapshot_sequence, inputs.record_count)


def _newest_entry(shard: Shard, log: PartitionReader) -> tuple[JournalEntry | None, int]:
    """The last entry and the offset after it. What follows it are only markers of transactions."""
    low, high = log.bounds()
    span = _TAIL_OFFSETS
    while low < high:
        begin = max(low, high - span)
        log.start(begin)
        last: Record | None = None
        for last in log.to_end():  # noqa: B007 - the last one is wanted
            pass
        if last is not None:
            return _entry(shard, last), last.offset + 1
        if begin == low:
            break
        span *= _TAIL_GROWTH
    return None, high


def _load_snapshot(shard: Shard, open_reader: OpenReader, newest: JournalEntry | None) -> tuple[int, int]:
    """Load the newest snapshot. Returns where to read the journal on, and the snapshot's sequence (-1: none)."""
    log = open_reader(snapshots(shard.stage.name).name)
    try:
        low, high = log.bounds()
        chunks: list[tuple[int, SnapshotChunk]] = []
        if low < high:
            log.start(max(low, newest.snapshot_offset if newest is not None else low))
            for record in log.to_end():
                chunk = shard.codec.decode(record.value or b"", "SnapshotChunk")
                assert isinstance(chunk, SnapshotChunk)
                chunks.append((record.offset, chunk))
    finally:
        log.close()
    found = newest_snapshot(chunk for _, chunk in chunks)
    if found is None:
        if newest is not None and newest.snapshot_offset >= 0:
            sentence = (
                f"{shard.stage.name} shard {shard.number}: journal sequence {newest.sequence} names a snapshot at offset "
                f"{newest.snapshot_offset} of {log.topic}, and there is none from there on"
            )
            raise SnapshotError(sentence)
        return 0, -1
    snapshot, journal_offset = found
    shard.restore(snapshot)
    shard.snapshot_offset = max(
        at for at, c in chunks if c.journal_sequence == snapshot.journal_sequence and c.index == 0
    )
    return journal_offset, snapshot.journal_sequence


def _entry(shard: Shard, record: Record) -> JournalEntry:
    entry = shard.codec.decode(record.value or b"", "JournalEntry")
    assert isinstance(entry, JournalEntry)
    return entry


class _Inputs:
    """Input records by range, one forward reader a topic: a reader a range would take ten times as long."""

    def __init__(self, open_reader: OpenReader) -> None:
        self._open = open_reader
        self._readers: dict[str, PartitionReader] = {}
        self.record_count = 0

    def read(self, span: InputRange) -> Iterator[Record]:
        reader = self._readers.get(span.topic)
        if reader is None:
            reader = self._readers[span.topic] = self._open(span.topic)
            low, _ = reader.bounds()
            if low > span.first:
                sentence = (
                    f"{span.topic}/{reader.partition}: offsets from {span.first} on are needed, the log begins at {low}. "
                    f"The topic's retention has deleted what this stage needs to rebuild its state."
                )
                raise ReplayError(sentence)
            reader.start(span.first)
        for record in reader.until(span.last):
            if record.offset >= span.first:
                self.record_count += 1
                yield record

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def _compare_offsets(shard: Shard, group: ShardReader) -> None:
    """The group's offsets were committed with the journal: both must say the same.

    A topic without a committed offset is passed over: the broker forgets those of a group that was away for long.
    """
    for topic, committed in group.committed(shard.stage.inputs).items():
        position = shard.positions.get(topic, 0)
        if committed != position:
            sentence = (
                f"{shard.stage.name} shard {shard.number}: the group's committed offset of {topic} is {committed}, the "
                f"journal says {position}. They are written in one transaction; somebody has changed one of them. "
                f"Set the group's offset to {position} if the journal is right."
            )
            raise WorkerError(Exit.STATE_UNTRUSTED, sentence)
