"""Snapshots: cut, joined, chosen, checked."""

import msgspec
import pytest

from workers.kernel import snapshot as snapshots
from workers.kernel.snapshot import Snapshot, SnapshotError, newest_snapshot


def taken(sequence: int, size: int = 10) -> Snapshot:
    return Snapshot("risk", 1, sequence, 3, {"commands": sequence * 10}, bytes(range(256)) * (size // 256 + 1))


def test_a_large_state_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "CHUNK_BYTES", 1000)
    original = taken(4, 10_000)
    chunks = original.chunks(77)
    assert len(chunks) == 11
    assert newest_snapshot(chunks) == (original, 77)


def test_an_empty_state_is_a_snapshot_too() -> None:
    empty = Snapshot("risk", 0, 1, 1, {}, b"")
    assert newest_snapshot(empty.chunks(0)) == (empty, 0)


def test_the_newest_complete_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "CHUNK_BYTES", 1000)
    old, new = taken(4, 3000), taken(9, 3000)
    incomplete = new.chunks(2)[:-1]
    assert newest_snapshot([*old.chunks(1), *incomplete]) == (old, 1)
    leftover = old.chunks(1)[2:]  # compaction removed its first chunks
    assert newest_snapshot([*leftover, *new.chunks(2)]) == (new, 2)
    assert newest_snapshot(leftover) is None


def test_damage_is_found() -> None:
    chunk = taken(4).chunks(0)[0]
    with pytest.raises(SnapshotError, match="damaged"):
        newest_snapshot([msgspec.structs.replace(chunk, payload=b"\x01" + chunk.payload[1:])])


def test_a_state_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "STATE_BYTES_MAX", 100)
    with pytest.raises(SnapshotError, match="at most 100"):
        taken(1, 1000).chunks(0)
