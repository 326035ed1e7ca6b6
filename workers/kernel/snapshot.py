"""A shard's state as chunks of the log, and back."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.messages import SnapshotChunk

CHUNK_BYTES: Final = 512 * 1024
"""Payload of one chunk: well below the largest record of a topic."""

STATE_BYTES_MAX: Final = 1 << 30
"""Largest state that may be written: beyond it a restart would take minutes, and the shards are too few."""


class SnapshotError(Exception):
    """A snapshot that is incomplete, damaged or too large."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one shard after a journal entry."""

    stage: str
    shard: int
    journal_sequence: int
    behaviour: int
    positions: dict[str, int]
    state: bytes

    def chunks(self, journal_offset: int) -> list[SnapshotChunk]:
        """The snapshot in pieces. `journal_offset` is where reading the journal on begins."""
        if len(self.state) > STATE_BYTES_MAX:
            message = f"{self.stage} shard {self.shard}: a state of {len(self.state)} bytes, at most {STATE_BYTES_MAX}"
            raise SnapshotError(message)
        starts = range(0, max(len(self.state), 1), CHUNK_BYTES)
        state_crc = zlib.crc32(self.state)
        return [
            SnapshotChunk(
                stage=self.stage,
                shard=self.shard,
                journal_sequence=self.journal_sequence,
                journal_offset=journal_offset,
                behaviour=self.behaviour,
                index=index,
                count=len(starts),
                positions=self.positions,
                state_crc=state_crc,
                payload=self.state[start : start + CHUNK_BYTES],
            )
            for index, start in enumerate(starts)
        ]


def newest_snapshot(chunks: Iterable[SnapshotChunk]) -> tuple[Snapshot, int] | None:
    """The newest complete snapshot among chunks of one shard in log order, and its journal offset; None without one.

    Compaction may have left pieces of older snapshots: they are passed over. Raises SnapshotError when the newest
    complete one is damaged.
    """
    pieces: dict[int, dict[int, SnapshotChunk]] = {}
    for chunk in chunks:
        if chunk.index == 0:  # a second snapshot after the same entry replaces the first one whole
            pieces[chunk.journal_sequence] = {}
        pieces.setdefault(chunk.journal_sequence, {})[chunk.index] = chunk
    for _, by_index in sorted(pieces.items(), reverse=True):
        first = next(iter(by_index.values()))
        if len(by_index) == first.count:
            return _join([by_index[index] for index in range(first.count)]), first.journal_offset
    return None


def _join(chunks: Sequence[SnapshotChunk]) -> Snapshot:
    first = chunks[0]
    state = b"".join(chunk.payload for chunk in chunks)
    if zlib.crc32(state) != first.state_crc:
        message = (
            f"{first.stage} shard {first.shard}: the snapshot after journal sequence {first.journal_sequence} is "
            f"damaged (CRC {zlib.crc32(state):08x}, written was {first.state_crc:08x})"
        )
        raise SnapshotError(message)
    return Snapshot(first.stage, first.shard, first.journal_sequence, first.behaviour, dict(first.positions), state)
