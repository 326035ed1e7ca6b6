"""The matching stage: orders in; executions, trades and changes of levels out."""

from collections.abc import Sequence
from typing import Final

from schemas.messages import Control, ControlKind, Message, Order, OrderKind, Reason
from stream_topology.sharding import partition_of
from workers.kernel.stage import Input, Output
from workers.matching.book import Book
from workers.matching.matcher import Matcher
from workers.matching.state import BookState, ShardState, decode, encode

_NEW: Final = OrderKind.NEW
_CANCEL: Final = OrderKind.CANCEL


class MatchingCore:
    """All books of one shard.

    Every order is answered first: NEW or REJECTED; a cancel CANCELLED or CANCEL_REJECTED. Then follow its fills, what
    ends its remainder, and the levels that it changed (see Matcher).

    A symbol's book begins with its Control record. Orders of a halted symbol are refused by pre-trade risk, not here:
    what risk let pass before the halt still trades, and cancels go on.
    """

    behaviour = 1

    def __init__(self, shard: int, shards: int) -> None:
        self.books: dict[str, Book] = {}
        """By symbol; for others to read."""
        self._shard = shard
        self._shards = shards
        self._matcher = Matcher(shard)

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one record of `orders` or `control`."""
        match record.topic:
            case "orders":
                return self._order(record.message, record.ts_us)
            case "control":
                return self._control(record.message)
        message = f"matching does not read {record.topic}"
        raise AssertionError(message)

    def dump(self) -> bytes:
        """The books as MessagePack: symbols and levels sorted, orders in the order of their queues."""
        books = [BookState.of(self.books[symbol]) for symbol in sorted(self.books)]
        return encode(ShardState(self._matcher.execution_id, self._matcher.trade_id, books))

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace everything by what `dump` gave. Raises ValueError for a state of another behaviour version."""
        if behaviour != self.behaviour:
            message = f"matching reads states of behaviour version {self.behaviour}, this one is of {behaviour}"
            raise ValueError(message)
        shard = decode(state)
        self._matcher.execution_id, self._matcher.trade_id = shard.execution_id, shard.trade_id
        self.books = {book.symbol: book.book() for book in shard.books}

    def _order(self, order: Message, ts_us: int) -> Sequence[Output]:
        if type(order) is not Order:
            message = f"orders carries Order records, not {type(order).__name__}"
            raise AssertionError(message)
        book = self.books.get(order.symbol)
        kind = order.kind
        if kind is _NEW:
            if book is None:
                return self._matcher.refuse(order, Reason.SYMBOL_UNKNOWN, ts_us)
            return self._matcher.enter(book, order, ts_us)
        if kind is _CANCEL:
            if book is None:
                return self._matcher.refuse_cancel(order, ts_us)
            return self._matcher.cancel(book, order, ts_us)
        message = f"order {order.order_id}: this release knows no kind {kind}; a newer one must have written it"
        raise AssertionError(message)

    def _control(self, control: Message) -> Sequence[Output]:
        if type(control) is not Control:
            message = f"control carries Control records, not {type(control).__name__}"
            raise AssertionError(message)
        symbol = control.symbol
        if control.kind is ControlKind.SYMBOL and symbol and partition_of(symbol, self._shards) == self._shard:
            book = self.books.setdefault(symbol, Book(symbol))
            book.maker_fee_e8 = control.maker_fee_e8 or 0
            book.taker_fee_e8 = control.taker_fee_e8 or 0
        return ()
