"""Orders that are good till a date or for the day: which ends next, by the log's clock."""

from collections.abc import Mapping

from msgspec.structs import replace

from schemas.messages import TimeInForce
from workers.kernel.heap import SWEEP_FROM, Heap
from workers.matching.book import Book, OpenOrder
from workers.matching.waiting import Waiting

Entry = tuple[int, int, str]
"""(microseconds since 1970 UTC, order_id, symbol)."""


class Expiries:
    """When orders end, soonest first. One that left, or got another date, leaves a dead entry behind.

    An order that is good for the day gets its date when the day ends.
    """

    __slots__ = ("_books", "_days", "_due", "now_us")

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

        self._days: dict[str, dict[int, None]] = {}
        """By symbol: the orders that are good for the day, those that left included until they are swept."""
        for book in books.values():
            for order in book.open_orders():
                if order.expire_us is None and order.time_in_force is TimeInForce.DAY:
                    self.add_day(order.order_id, book)

    def add(self, expire_us: int, order_id: int, symbol: str) -> None:
        """An order came to rest or to wait, or has another date."""
        self._due.push((expire_us, order_id, symbol))

    def add_day(self, order_id: int, book: Book) -> None:
        """An order that is good for the day came to rest or to wait."""
        days = self._days.setdefault(book.symbol, {})
        days[order_id] = None
        if len(days) > 2 * (len(book.orders) + len(book.waiting)) + SWEEP_FROM:
            self._days[book.symbol] = {each: None for each in days if book.find(each) is not None}

    def end_day(self, book: Book) -> None:
        """All orders of a book that are good for the day are due now."""
        for order_id in self._days.pop(book.symbol, ()):
            order = book.find(order_id)
            if order is None or order.expire_us is not None:
                continue
            if isinstance(order, OpenOrder):
                order.expire_us = self.now_us
            else:
                order.order = replace(order.order, expire_us=self.now_us)
            self.add(self.now_us, order_id, book.symbol)

    def symbols(self) -> list[str]:
        """Those that have, or had, orders that are good for the day."""
        return list(self._days)

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
