"""How a shard comes back: the newest snapshot, then the journal's suffix with its outputs compared."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from schemas.messages import InputRange, JournalEntry, SnapshotChunk
from workers.kernel.shard import ReplayError, Shard
from workers.kernel.snapshot import newest_snapshot
from workers.kernel.stage import Record


class RestoreReader(Protocol):
    """What a restore reads of one shard's partitions: committed records only."""

    def last_entry(self) -> JournalEntry | None:
        """The newest journal entry, None if there is none."""

    def chunks(self, offset: int) -> Iterable[SnapshotChunk]:
        """Snapshot chunks from an offset (or the beginning of what is kept) to the end."""

    def entries(self, offset: int) -> Iterable[JournalEntry]:
        """Journal entries from an offset (or the beginning of what is kept) to the end."""

    def records(self, span: InputRange) -> Iterable[Record]:
        """The input records of a range; ranges of one topic are asked for in ascending order."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    snapshot_sequence: int
    """Journal sequence of the snapshot that it began with, 0 without one."""
    snapshot_bytes: int
    replayed_entries: int


def restore(shard: Shard, reader: RestoreReader, *, accept_behaviour_change: bool = False) -> Restored:
    """Bring a new shard to the state of the last committed transaction.

    The cost is one snapshot and the entries since: it does not grow with history. Raises ReplayError or SnapshotError
    where the log and the replay disagree.
    """
    last = reader.last_entry()
    found = newest_snapshot(reader.chunks(max(last.snapshot_offset, 0) if last else 0))
    journal_offset, snapshot_bytes = 0, 0
    if found is not None:
        snapshot, journal_offset = found
        shard.restore(snapshot)
        snapshot_bytes = len(snapshot.state)
    snapshot_sequence = shard.sequence
    replayed = 0
    for entry in reader.entries(journal_offset):
        if entry.sequence <= snapshot_sequence:
            continue
        shard.replay(entry, reader.records, accept_behaviour_change=accept_behaviour_change)
        replayed += 1
    if last is not None and shard.sequence < last.sequence:
        message = (
            f"{last.stage} shard {last.shard}: the journal ends at {shard.sequence}, its last entry is {last.sequence}"
        )
        raise ReplayError(message)
    return Restored(snapshot_sequence, snapshot_bytes, replayed)
