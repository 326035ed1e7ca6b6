"""Orders that are good till a date: which comes next, by the log's clock."""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from workers.matching.book import Book, OpenOrder

SWEEP_FROM: Final = 1_024
"""So many entries of orders that left the book before their date are always kept."""


class Expiries:
    """When orders end, soonest first. An order that left or got another date leaves its entry behind until it is due.

    Entries are swept when most may be such leftovers, so there are never much more of them than orders.
    """

    __slots__ = ("_due", "_sweep_at", "now_us")

    def __init__(self) -> None:
        self._due: list[tuple[int, int, str]] = []
        """(microseconds since 1970 UTC, order_id, symbol), a heap."""
        self._sweep_at = SWEEP_FROM
        self.now_us = 0
        """The log's time: of the newest tick."""

    def add(self, expire_us: int, order_id: int, symbol: str, books: Mapping[str, Book]) -> None:
        """An order came to rest, or has another date."""
        heappush(self._due, (expire_us, order_id, symbol))
        if len(self._due) >= self._sweep_at:
            self._due = [entry for entry in set(self._due) if _order(entry, books) is not None]
            heapify(self._due)
            self._sweep_at = 2 * len(self._due) + SWEEP_FROM

    def take(self, books: Mapping[str, Book]) -> tuple[Book, OpenOrder] | None:
        """An order that is due, with its book, the soonest first; None when there is no more."""
        due = self._due
        while due and due[0][0] <= self.now_us:
            entry = heappop(due)
            order = _order(entry, books)
            if order is not None:
                return books[entry[2]], order
        return None

    def load(self, now_us: int, books: Mapping[str, Book]) -> None:
        """Begin anew with what rests in the books."""
        self.now_us = now_us
        self._due = [
            (order.expire_us, order.order_id, book.symbol)
            for book in books.values()
            for order in book.orders.values()
            if order.expire_us is not None
        ]
        heapify(self._due)
        self._sweep_at = 2 * len(self._due) + SWEEP_FROM


def _order(entry: tuple[int, int, str], books: Mapping[str, Book]) -> OpenOrder | None:
    """The resting order that an entry is still of."""
    expire_us, order_id, symbol = entry
    book = books.get(symbol)
    order = book.orders.get(order_id) if book is not None else None
    return order if order is not None and order.expire_us == expire_us else None
