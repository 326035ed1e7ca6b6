"""A heap whose entries may die before their turn: they are passed over, and swept when most may be dead."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any, Final, Generic, TypeVar

SWEEP_FROM: Final = 1_024
"""So many dead entries may always lie about."""

E = TypeVar("E", bound=tuple[Any, ...])


class Heap(Generic[E]):
    """Entries, smallest first. There are never much more of them than live ones, so each step takes O(log n)."""

    __slots__ = ("_alive", "_entries", "_sweep_at")

    def __init__(self, alive: Callable[[E], bool], entries: Iterable[E] = ()) -> None:
        """`alive` says whether an entry still counts; one that is dead must stay so."""
        self._alive = alive
        self._begin(entries)

    def __len__(self) -> int:
        """Entries, dead ones included."""
        return len(self._entries)

    def push(self, entry: E) -> None:
        """Add a live entry."""
        heappush(self._entries, entry)
        if len(self._entries) >= self._sweep_at:
            self._begin(entry for entry in set(self._entries) if self._alive(entry))

    def first(self) -> E | None:
        """The smallest live entry; None when there is none."""
        entries = self._entries
        while entries and not self._alive(entries[0]):
            heappop(entries)
        return entries[0] if entries else None

    def live(self) -> list[E]:
        """All live entries, in no order."""
        return [entry for entry in self._entries if self._alive(entry)]

    def _begin(self, entries: Iterable[E]) -> None:
        self._entries = sorted(entries)
        self._sweep_at = 2 * len(self._entries) + SWEEP_FROM
