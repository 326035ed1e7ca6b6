"""The matching stage: orders in; executions, trades and changes of levels out."""

from collections.abc import Sequence
from typing import Final

from schemas.messages import Control, ControlKind, Order, OrderKind, Reason, Tick
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate
from workers.kernel.stage import Input, Output
from workers.matching.amend import amend
from workers.matching.book import Book
from workers.matching.expiry import Expiries
from workers.matching.matcher import Matcher
from workers.matching.remove import clear, expire, remove
from workers.matching.state import BookState, ShardState, decode, encode

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

    A symbol's book begins with its Control record. Orders of a halted symbol are refused by pre-trade risk, not here:
    what risk let pass before the halt still trades, and cancels go on. Only one that is killed is refused here too.
    """

    behaviour = 5

    def __init__(self, shard: int, shards: int) -> None:
        self.books: dict[str, Book] = {}
        """By symbol; for others to read."""
        self._killed: dict[str, Book] = {}
        """Those that take nothing until their symbol trades again; they are empty."""
        self._shard = shard
        self._shards = shards
        self._gate = ControlGate("matching")
        self._matcher = matcher = Matcher(shard)
        self._expiries = Expiries()
        self._enter, self._cancel = matcher.enter, matcher.cancel  # looked up once: they are called for every order

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one record of `orders`, `control` or `clock`."""
        message = record.message
        if type(message) is Order and record.topic == "orders":
            try:
                book = self.books[message.symbol]
            except KeyError:
                return self._without_book(message, record.ts_us)
            kind = message.kind
            if kind is _NEW and message.expire_us is None:
                return self._enter(book, message, record.ts_us)
            if kind is _CANCEL:
                return self._cancel(book, message, record.ts_us)
            if kind in _SELDOM:
                return self._seldom(book, message, record.ts_us)
        elif record.topic == "clock" and type(message) is Tick:
            return expire(self._matcher, self.books, self._expiries, message.ts_us, record.ts_us)
        elif record.topic == "control":
            return self._on_control(record)
        complaint = f"matching knows nothing to do with {message} from {record.topic}"
        raise AssertionError(complaint)

    def dump(self) -> bytes:
        """The books as MessagePack, symbols sorted, orders as they came to rest; and which controls were seen."""
        books, killed = ([BookState.of(by[symbol]) for symbol in sorted(by)] for by in (self.books, self._killed))
        counters = self._matcher.execution_id, self._matcher.trade_id
        return encode(ShardState(*counters, books, self._gate.dump(), killed))

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
        self._expiries.load(self.books)

    def _seldom(self, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
        """A new order that is good till a date, an amendment, or a removal."""
        if order.kind is _REMOVE:
            return remove(self._matcher, book, order, ts_us)
        enters = order.kind is _NEW
        outputs = self._enter(book, order, ts_us) if enters else amend(self._matcher, book, order, ts_us)
        resting = book.orders.get(order.order_id)
        if resting is not None and resting.expire_us is not None:
            self._expiries.add(resting.expire_us, order.order_id, order.symbol, self.books)
        return outputs

    def _without_book(self, order: Order, ts_us: int) -> Sequence[Output]:
        """Risk may know a symbol a moment earlier than this shard, and that it was killed a moment later."""
        if order.kind is _NEW:
            reason = Reason.SYMBOL_HALTED if order.symbol in self._killed else Reason.SYMBOL_UNKNOWN
            return self._matcher.refuse(order, reason, ts_us)
        if order.kind is _AMEND:
            return self._matcher.refuse_amend(order, Reason.ORDER_FINAL, ts_us)
        return () if order.kind is _REMOVE else self._matcher.refuse_cancel(order, ts_us)

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        symbol = control.symbol
        if control.kind is ControlKind.SYMBOL and symbol and partition_of(symbol, self._shards) == self._shard:
            book = self.books.pop(symbol, None) or self._killed.pop(symbol, None) or Book(symbol)
            book.maker_fee_e8 = control.maker_fee_e8 or 0
            book.taker_fee_e8 = control.taker_fee_e8 or 0
            if control.cancel_open:
                self._killed[symbol] = book
                return clear(self._matcher, book, record.ts_us)
            self.books[symbol] = book
        return ()
