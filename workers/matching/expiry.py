"""Orders that are good till a date: which comes next, by the log's clock."""

from collections.abc import Mapping

from workers.matching.book import Book, OpenOrder
from workers.matching.heap import Heap
from workers.matching.waiting import Waiting

Entry = tuple[int, int, str]
"""(microseconds since 1970 UTC, order_id, symbol)."""


class Expiries:
    """When orders end, soonest first. One that left, or got another date, leaves a dead entry behind."""

    __slots__ = ("_books", "_due", "now_us")

    def __init__(self, books: Mapping[str, Book], now_us: int = 0) -> None:
        """Begin with what is open in the books."""
        self._books = books
        self.now_us = now_us
        """The log's time: of the newest tick."""
        self._due: Heap[Entry] = Heap(
            lambda entry: self._order(entry) is not None,
            (
                (order.expire_us, order.order_id, book.symbol)
                for book in books.values()
                for order in book.open_orders()
                if order.expire_us is not None
            ),
        )

    def add(self, expire_us: int, order_id: int, symbol: str) -> None:
        """An order came to rest or to wait, or has another date."""
        self._due.push((expire_us, order_id, symbol))

    def take(self) -> tuple[Book, OpenOrder | Waiting] | None:
        """An order that is due, with its book, the soonest first; None when there is no more. It must leave then."""
        entry = self._due.first()
        if entry is None or entry[0] > self.now_us:
            return None
        order = self._order(entry)
        return None if order is None else (self._books[entry[2]], order)

    def _order(self, entry: Entry) -> OpenOrder | Waiting | None:
        """The open order that an entry is still of."""
        expire_us, order_id, symbol = entry
        book = self._books.get(symbol)
        order = None if book is None else book.find(order_id)
        return order if order is not None and order.expire_us == expire_us else None
