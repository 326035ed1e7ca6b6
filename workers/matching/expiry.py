"""Orders that are good till a date or for the day: which ends next, by the log's clock."""

from collections import deque
from collections.abc import Iterable, Mapping

from schemas.messages import TimeInForce
from workers.kernel.heap import Heap
from workers.matching.book import Book, OpenOrder
from workers.matching.waiting import Waiting

Entry = tuple[int, int, str]
"""(microseconds since 1970 UTC, order_id, symbol)."""

Day = tuple[int]
"""An order_id."""

DaysOver = list[tuple[int, str, list[int]]]
"""(microseconds since 1970 UTC, symbol, order_ids) of days that are over."""


class Expiries:
    """When orders end, soonest first. One that left, or got another date, leaves a dead entry behind.

    Orders that are good for the day are kept by symbol, so that the end of one is a step of constant time.
    """

    __slots__ = ("_books", "_days", "_due", "_over", "now_us")

    def __init__(self, books: Mapping[str, Book], now_us: int = 0, days_over: DaysOver | None = None) -> None:
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

        self._days: dict[str, Heap[Day]] = {}
        """By symbol: the orders that are good for the day."""
        self._over: deque[tuple[int, str, Heap[Day]]] = deque()
        """(microseconds since 1970 UTC, symbol, its orders) of each day that is over, the oldest first."""
        over = {order_id for _, _, ended in days_over or () for order_id in ended}
        for at_us, symbol, ended in days_over or ():
            self._over.append((at_us, symbol, self._day(symbol, ended)))
        for book in books.values():
            for order in book.open_orders():
                if order.time_in_force is TimeInForce.DAY and order.order_id not in over:
                    self.add_day(order.order_id, book)

    def add(self, expire_us: int, order_id: int, symbol: str) -> None:
        """An order came to rest or to wait, or has another date."""
        self._due.push((expire_us, order_id, symbol))

    def add_day(self, order_id: int, book: Book) -> None:
        """An order that is good for the day came to rest or to wait, or was amended."""
        days = self._days.get(book.symbol)
        if days is None:
            days = self._days[book.symbol] = self._day(book.symbol)
        days.push((order_id,))

    def end_day(self, book: Book) -> None:
        """All orders of a book that are good for the day are due now."""
        days = self._days.pop(book.symbol, None)
        if days is not None:
            self._over.append((self.now_us, book.symbol, days))

    def days_over(self) -> DaysOver:
        """What a snapshot keeps: days that are over whose orders have not all ended."""
        kept = [(at_us, symbol, sorted(set(days.live()))) for at_us, symbol, days in self._over]
        return [(at_us, symbol, [order_id for (order_id,) in orders]) for at_us, symbol, orders in kept if orders]

    def symbols(self) -> list[str]:
        """Those that have, or had, orders that are good for the day, sorted: a restart meets them in another order."""
        return sorted(self._days)

    def _day(self, symbol: str, order_ids: Iterable[int] = ()) -> Heap[Day]:
        books = self._books
        return Heap(lambda entry: books[symbol].find(entry[0]) is not None, ((each,) for each in order_ids))

    def take(self) -> tuple[Book, OpenOrder | Waiting, int] | None:
        """An order that is due, with its book and its end, the soonest first; None when there is no more.

        It must leave then.
        """
        entry = self._due.first()
        over_us, symbol, order_id = self._first_over()
        if entry is not None and entry[0] <= self.now_us and (order_id is None or entry < (over_us, order_id, symbol)):
            over_us, order_id, symbol = entry
        order = None if order_id is None else self._books[symbol].find(order_id)
        return None if order is None else (self._books[symbol], order, over_us)

    def _first_over(self) -> tuple[int, str, int | None]:
        """The end, the symbol and the order of the oldest day that is over; no order when there is none."""
        while self._over:
            at_us, symbol, days = self._over[0]
            first = days.first()
            if first is not None:
                return at_us, symbol, first[0]
            self._over.popleft()
        return 0, "", None

    def _order(self, entry: Entry) -> OpenOrder | Waiting | None:
        """The open order that an entry is still of."""
        expire_us, order_id, symbol = entry
        book = self._books.get(symbol)
        order = None if book is None else book.find(order_id)
        return order if order is not None and order.expire_us == expire_us else None
