"""The matching stage: orders in; executions, trades and changes of levels out."""

from collections.abc import Sequence
from typing import Final

from schemas.messages import Control, ControlKind, Mark, Order, OrderKind, Reason, SymbolStatus, Tick, TriggerBy
from schemas.units import US_E8
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate
from workers.kernel.stage import Input, Output
from workers.matching.amend import amend, refuse
from workers.matching.book import Book
from workers.matching.expiry import Expiries
from workers.matching.matcher import Matcher
from workers.matching.remove import cancel_waiting, clear, expire, remove
from workers.matching.state import BookState, ShardState, decode, encode
from workers.matching.stops import amend_waiting, proceed, wait

OLDEST_READ: Final = 2
"""The first behaviour version whose states are still read."""

_NEW: Final = OrderKind.NEW
_CANCEL: Final = OrderKind.CANCEL
_AMEND: Final = OrderKind.AMEND
_REMOVE: Final = OrderKind.REMOVE
_SELDOM: Final = (_NEW, _AMEND, _REMOVE)


class MatchingCore:
    """All books of one shard.

    Every order is answered first: NEW or REJECTED; a cancel CANCELLED or CANCEL_REJECTED; an amendment AMENDED,
    CANCELLED or AMEND_REJECTED; a removal not at all. Then follow its fills, what ends its remainder, and the levels
    that it changed (see Matcher).

    An order that is good till a date ends with the first tick of the log's clock that is not before it.

    An order that waits for its trigger is not in the book; it enters, as TRIGGERED, when a trade or a mark meets it.

    A symbol's book begins with its Control record. Orders of a halted symbol are refused by pre-trade risk, not here:
    what risk let pass before the halt still trades, and cancels go on. Only one that is killed is refused here too,
    until it is TRADING again and its book, which is cleared in pieces, is empty.
    """

    behaviour = 7

    def __init__(self, shard: int, shards: int) -> None:
        self.books: dict[str, Book] = {}
        """By symbol; for others to read."""
        self._killed: dict[str, Book] = {}
        """Those that take nothing until their symbol trades again and they are empty."""
        self._shard = shard
        self._shards = shards
        self._gate = ControlGate("matching")
        self._matcher = matcher = Matcher(shard)
        self._expiries = Expiries(self.books)
        self._enter, self._cancel = matcher.enter, matcher.cancel  # looked up once: they are called for every order

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one record of `orders`, `control`, `clock` or `marks`."""
        message = record.message
        if type(message) is Order and record.topic == "orders":
            try:
                book = self.books[message.symbol]
            except KeyError:
                return self._without_book(message, record.ts_us)
            kind = message.kind
            if kind is _NEW and message.expire_us is None and message.trigger_by is None:
                outputs = self._enter(book, message, record.ts_us)
                return proceed(self._matcher, book, outputs, record.ts_us) if book.waiting else outputs
            if kind is _CANCEL:
                if message.order_id in book.waiting:
                    return cancel_waiting(self._matcher, book, message, record.ts_us)
                return self._cancel(book, message, record.ts_us)
            if kind in _SELDOM:
                return self._seldom(book, message, record.ts_us)
        return self._on_others(record)

    def dump(self) -> bytes:
        """The books as MessagePack, symbols sorted, orders as they came to rest; and which controls were seen."""
        books, killed = ([BookState.of(by[symbol]) for symbol in sorted(by)] for by in (self.books, self._killed))
        counters = self._matcher.execution_id, self._matcher.trade_id
        return encode(ShardState(*counters, books, self._gate.dump(), killed, self._expiries.now_us))

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace everything by what `dump` gave. Raises ValueError for a state that this release cannot read."""
        if not OLDEST_READ <= behaviour <= self.behaviour:
            versions = f"{OLDEST_READ} to {self.behaviour}"
            message = f"matching reads states of behaviour versions {versions}, this one is of {behaviour}"
            raise ValueError(message)
        shard = decode(state)
        for book in self.books.values():
            book.clear()
        self._matcher.execution_id, self._matcher.trade_id = shard.execution_id, shard.trade_id
        self.books = {book.symbol: book.book() for book in shard.books}
        self._killed = {book.symbol: book.book() for book in shard.killed}
        self._gate.load(shard.gate)
        self._expiries = Expiries(self.books, shard.now_us)

    def _on_others(self, record: Input) -> Sequence[Output]:
        """What is no order."""
        message = record.message
        if record.topic == "control":
            return self._on_control(record)
        if record.topic == "clock" and type(message) is Tick:
            return self._on_tick(message, record.ts_us)
        if record.topic == "marks" and type(message) is Mark:
            return self._on_mark(message, record.ts_us)
        complaint = f"matching knows nothing to do with {message} from {record.topic}"
        raise AssertionError(complaint)

    def _seldom(self, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
        """A new order that is good till a date or waits for a trigger, an amendment, or a removal."""
        if order.kind is _REMOVE:
            return remove(self._matcher, book, order, ts_us)
        found = book.find(order.order_id)
        late = order.expire_us is not None and order.expire_us <= self._expiries.now_us
        if late and order.kind is _NEW:
            return self._matcher.refuse(order, Reason.EXPIRY_INVALID, ts_us, *self._times(order))
        if late and found is not None and found.account == order.account:
            return refuse(self._matcher, book, found, order, Reason.EXPIRY_INVALID, ts_us, *self._times(order))
        if order.kind is _NEW:
            outputs = (
                self._enter(book, order, ts_us) if order.trigger_by is None else wait(self._matcher, book, order, ts_us)
            )
        elif order.order_id in book.waiting:
            outputs = amend_waiting(self._matcher, book, order, ts_us)
        else:
            outputs = amend(self._matcher, book, order, ts_us)
        found = book.find(order.order_id)
        if found is not None and found.expire_us is not None:
            self._expiries.add(found.expire_us, order.order_id, order.symbol)
        return proceed(self._matcher, book, outputs, ts_us) if book.waiting else outputs

    def _times(self, order: Order) -> tuple[int, int]:
        """Now, and when the order ends: 10^-8 s since 1970 UTC."""
        return self._expiries.now_us * US_E8, (order.expire_us or 0) * US_E8

    def _without_book(self, order: Order, ts_us: int) -> Sequence[Output]:
        """Risk may know a symbol a moment earlier than this shard, and that it was killed a moment later."""
        killed = self._killed.get(order.symbol)
        if order.kind is _NEW:
            reason = Reason.SYMBOL_HALTED if killed is not None else Reason.SYMBOL_UNKNOWN
            return self._matcher.refuse(order, reason, ts_us)
        if order.kind is _REMOVE:
            return remove(self._matcher, killed, order, ts_us) if killed is not None else ()
        found = killed.find(order.order_id) if killed is not None else None
        if killed is None or found is None or found.account != order.account:
            return self._matcher.refuse_change(order, ts_us)
        if order.kind is _AMEND:
            return refuse(self._matcher, killed, found, order, Reason.SYMBOL_HALTED, ts_us)
        if order.order_id in killed.waiting:
            return cancel_waiting(self._matcher, killed, order, ts_us)
        return self._cancel(killed, order, ts_us)

    def _on_tick(self, tick: Tick, ts_us: int) -> Sequence[Output]:
        """End what is due, and go on with what was killed."""
        self._expiries.now_us = max(self._expiries.now_us, tick.ts_us)
        outputs = expire(self._matcher, self._expiries, ts_us)
        for book in self.books.values():
            if book.triggers.has_due():
                outputs += proceed(self._matcher, book, (), ts_us)
        return outputs + self._clear(ts_us) if self._killed else outputs

    def _on_mark(self, mark: Mark, ts_us: int) -> Sequence[Output]:
        book = self.books.get(mark.symbol)
        if book is None:
            return ()
        book.mark_e8 = mark.price_e8
        if not book.waiting:
            return ()
        book.triggers.see(TriggerBy.MARK, mark.price_e8)
        return proceed(self._matcher, book, (), ts_us)

    def _clear(self, ts_us: int) -> list[Output]:
        """Empty the killed books; those that may take orders again when they are empty do so."""
        outputs = clear(self._matcher, self._killed.values(), ts_us)
        for symbol in [name for name, book in self._killed.items() if book.resumes and book.is_empty()]:
            self.books[symbol] = self._killed.pop(symbol)
        return outputs

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        symbol = control.symbol
        if control.kind is not ControlKind.SYMBOL or not symbol or partition_of(symbol, self._shards) != self._shard:
            return ()
        book = self.books.get(symbol) or self._killed.get(symbol)
        if book is None:
            book = self.books[symbol] = Book(symbol)
        book.maker_fee_e8 = control.maker_fee_e8 or 0
        book.taker_fee_e8 = control.taker_fee_e8 or 0
        if control.cancel_open:
            self._killed[symbol] = self.books.pop(symbol, book)
        book.resumes = control.symbol_status is SymbolStatus.TRADING
        return self._clear(record.ts_us) if symbol in self._killed else ()
