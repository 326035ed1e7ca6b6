"""One order against one book: what it trades with, what becomes of the rest, and all that must be told about it."""

from typing import Final

from schemas.messages import (
    BookChange,
    ExecutionKind,
    Liquidity,
    Order,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trade,
)
from schemas.units import INT64_MAX, fee_e8, make_id, notional_e8
from workers.kernel.stage import Output
from workers.matching.book import ORDERS_MAX, Book, BookSide, Level, OpenOrder
from workers.matching.executions import accepted, cancelled, ended, refused, traded

# An enum's member is looked up slowly through its class (0.1 us), so hot paths name it once.
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET
_GTC: Final = TimeInForce.GTC
_IOC: Final = TimeInForce.IOC
_FOK: Final = TimeInForce.FOK
_MAKER: Final = Liquidity.MAKER
_TAKER: Final = Liquidity.TAKER
_PREVENT_NONE: Final = SelfTradePrevention.NONE
_PREVENT_OLDEST: Final = SelfTradePrevention.CANCEL_OLDEST
_PREVENT_BOTH: Final = SelfTradePrevention.CANCEL_BOTH


class Matcher:
    """Applies orders to books; counts the executions and trades of its shard."""

    __slots__ = ("execution_id", "trade_id")

    def __init__(self, shard: int) -> None:
        self.execution_id = make_id(shard, 0)
        """The last one given."""
        self.trade_id = make_id(shard, 0)
        """The last one given."""

    def enter(self, book: Book, order: Order, ts_us: int) -> list[Output]:
        """A new order: the answer, its fills, what ends its remainder, and the levels that changed.

        Raises AssertionError if the order is not one that pre-trade risk lets pass.
        """
        side, price_e8, quantity_e8 = order.side, order.price_e8, order.quantity_e8
        if quantity_e8 <= 0 or price_e8 <= 0 or order.order_id in book.orders:
            raise _impossible(order)
        if side is _BUY:
            own, other, key = book.bids, book.asks, price_e8
        elif side is _SELL:
            own, other, key = book.asks, book.bids, -price_e8
        else:
            raise _impossible(order)
        if other.keys and other.keys[-1] >= -key:
            if order.post_only:
                return self.refuse(order, Reason.POST_ONLY_WOULD_TRADE, ts_us, other.best_e8(), price_e8)
            return self._take(book, other, order, -key, ts_us)
        if order.time_in_force is not _GTC or order.order_type is not _LIMIT:
            return self._take(book, other, order, -key, ts_us)
        # Only here can the book grow: what rests after trading takes the place of what it traded with.
        if len(book.orders) >= ORDERS_MAX:
            return self.refuse(order, Reason.BOOK_FULL, ts_us, ORDERS_MAX, ORDERS_MAX + 1)
        level = own.levels.get(key)
        if level is None:
            level = own.open_level(key, price_e8)
        elif level.quantity_e8 > INT64_MAX - quantity_e8:
            return self.refuse(order, Reason.BOOK_FULL, ts_us, INT64_MAX, level.quantity_e8 + quantity_e8)
        book.append(level, _open(order))
        self.execution_id = execution_id = self.execution_id + 1
        book.change_sequence = sequence = book.change_sequence + 1
        symbol = book.symbol
        return [
            Output("executions", order.account, accepted(order, execution_id, ts_us)),
            Output(
                "book",
                symbol,
                BookChange(symbol, sequence, side, price_e8, level.quantity_e8, level.order_count, True, ts_us),
            ),
        ]

    def cancel(self, book: Book, order: Order, ts_us: int) -> list[Output]:
        """A cancel: CANCELLED, or CANCEL_REJECTED if the account has no such order in the book."""
        resting = book.orders.get(order.order_id)
        if resting is None or resting.account != order.account:
            return self.refuse_cancel(order, ts_us)
        level = book.remove(resting)
        self.execution_id = execution_id = self.execution_id + 1
        book.change_sequence = sequence = book.change_sequence + 1
        symbol = book.symbol
        return [
            Output("executions", resting.account, cancelled(resting, order, execution_id, ts_us)),
            Output(
                "book",
                symbol,
                BookChange(
                    symbol, sequence, level.side, level.price_e8, level.quantity_e8, level.order_count, True, ts_us
                ),
            ),
        ]

    def refuse(
        self, order: Order, reason: Reason, ts_us: int, limit_e8: int | None = None, actual_e8: int | None = None
    ) -> list[Output]:
        """REJECTED, and nothing else."""
        self.execution_id += 1
        answer = refused(order, self.execution_id, ExecutionKind.REJECTED, reason, ts_us, limit_e8, actual_e8)
        return [Output("executions", order.account, answer)]

    def refuse_cancel(self, order: Order, ts_us: int) -> list[Output]:
        """CANCEL_REJECTED: whatever the order was, it is not in the book."""
        self.execution_id += 1
        answer = refused(order, self.execution_id, ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL, ts_us)
        return [Output("executions", order.account, answer)]

    def _take(self, book: Book, other: BookSide, order: Order, limit_key: int, ts_us: int) -> list[Output]:
        """An order that trades at once, or may not rest."""
        self.execution_id += 1
        outputs = [Output("executions", order.account, accepted(order, self.execution_id, ts_us))]
        taker = _open(order)
        changed: list[Level] = []
        prevention = order.self_trade_prevention
        if order.time_in_force is not _FOK or other.can_fill(taker, limit_key, prevention):
            self._match(book, other, limit_key, taker, prevention, ts_us, outputs, changed)
        if taker.leaves_e8:
            if _may_rest(order):
                changed.insert(0 if taker.side is _SELL else len(changed), book.rest(taker))
            else:
                self._end(book, taker, ExecutionKind.EXPIRED, _why_expired(taker), ts_us, outputs)
        _publish(book, changed, ts_us, outputs)
        book.assert_uncrossed()
        return outputs

    def _match(
        self,
        book: Book,
        other: BookSide,
        limit_key: int,
        taker: OpenOrder,
        prevention: SelfTradePrevention,
        ts_us: int,
        outputs: list[Output],
        changed: list[Level],
    ) -> None:
        """Trade with the best prices as far as the limit, in each with the oldest orders first."""
        keys, levels = other.keys, other.levels
        while taker.leaves_e8 and keys and keys[-1] >= limit_key:
            level = levels[keys[-1]]
            open_e8 = level.quantity_e8
            maker = level.oldest
            while maker is not None and taker.leaves_e8:
                newer = maker.newer
                if prevention is _PREVENT_NONE or maker.account != taker.account:
                    self._fill(book, level, maker, taker, ts_us, outputs)
                else:
                    if prevention is _PREVENT_OLDEST or prevention is _PREVENT_BOTH:
                        book.remove(maker)
                        self._end(book, maker, ExecutionKind.CANCELLED, Reason.SELF_TRADE, ts_us, outputs)
                    if prevention is not _PREVENT_OLDEST:
                        self._end(book, taker, ExecutionKind.CANCELLED, Reason.SELF_TRADE, ts_us, outputs)
                maker = newer
            if level.quantity_e8 != open_e8:
                changed.append(level)

    def _fill(
        self, book: Book, level: Level, maker: OpenOrder, taker: OpenOrder, ts_us: int, outputs: list[Output]
    ) -> None:
        """One trade at the resting order's price."""
        symbol, price_e8 = book.symbol, level.price_e8
        quantity_e8 = maker.leaves_e8
        left_e8 = taker.leaves_e8 - quantity_e8
        if left_e8 < 0:
            quantity_e8, left_e8 = taker.leaves_e8, 0
        notional = notional_e8(price_e8, quantity_e8)
        taker.leaves_e8 = left_e8
        taker.cumulative_notional_e8 += notional
        book.fill(maker, level, quantity_e8)
        maker.cumulative_notional_e8 += notional

        self.trade_id = trade_id = self.trade_id + 1
        taker_id = self.execution_id + 1
        self.execution_id = maker_id = taker_id + 1
        outputs += (
            Output(
                "executions",
                taker.account,
                traded(
                    taker,
                    symbol,
                    taker_id,
                    price_e8,
                    quantity_e8,
                    notional,
                    fee_e8(notional, book.taker_fee_e8),
                    _TAKER,
                    trade_id,
                    ts_us,
                ),
            ),
            Output(
                "executions",
                maker.account,
                traded(
                    maker,
                    symbol,
                    maker_id,
                    price_e8,
                    quantity_e8,
                    notional,
                    fee_e8(notional, book.maker_fee_e8),
                    _MAKER,
                    trade_id,
                    ts_us,
                ),
            ),
            Output(
                "trades",
                symbol,
                Trade(
                    trade_id,
                    symbol,
                    price_e8,
                    quantity_e8,
                    notional,
                    taker.side,
                    maker.order_id,
                    taker.order_id,
                    maker.account,
                    taker.account,
                    ts_us,
                ),
            ),
        )

    def _end(
        self, book: Book, order: OpenOrder, kind: ExecutionKind, reason: Reason, ts_us: int, outputs: list[Output]
    ) -> None:
        """Close what is open of an order that is not, or no longer, in the book."""
        self.execution_id += 1
        answer = ended(order, book.symbol, self.execution_id, kind, reason, ts_us)
        outputs.append(Output("executions", order.account, answer))
        order.leaves_e8 = 0


def _publish(book: Book, changed: list[Level], ts_us: int, outputs: list[Output]) -> None:
    """Each level as it is now, with the next sequences of the book."""
    symbol, sequence = book.symbol, book.change_sequence
    book.change_sequence = final = sequence + len(changed)
    for level in changed:
        sequence += 1
        change = BookChange(
            symbol,
            sequence,
            level.side,
            level.price_e8,
            level.quantity_e8,
            level.order_count,
            sequence == final,
            ts_us,
        )
        outputs.append(Output("book", symbol, change))


def _open(order: Order) -> OpenOrder:
    quantity_e8 = order.quantity_e8
    return OpenOrder(
        order.order_id,
        order.account,
        order.client_order_id,
        order.side,
        order.order_type,
        order.time_in_force,
        order.price_e8,
        quantity_e8,
        order.command_us,
        order.correlation_id,
        quantity_e8,
    )


def _may_rest(order: Order) -> bool:
    order_type, time_in_force = order.order_type, order.time_in_force
    if order_type is _LIMIT:
        if time_in_force is _GTC:
            return True
    elif order_type is not _MARKET:
        raise _impossible(order)
    if time_in_force is _GTC or time_in_force is _IOC or time_in_force is _FOK:
        return False
    raise _impossible(order)


def _why_expired(order: OpenOrder) -> Reason:
    untouched = order.leaves_e8 == order.quantity_e8
    if order.time_in_force is _FOK:
        if not untouched:
            message = f"order {order.order_id} is fill-or-kill and was filled in part"
            raise AssertionError(message)
        return Reason.FILL_OR_KILL_UNFILLABLE
    if order.order_type is _MARKET and untouched:
        return Reason.NO_LIQUIDITY
    return Reason.IMMEDIATE_REMAINDER


def _impossible(order: Order) -> AssertionError:
    return AssertionError(f"not an order that pre-trade risk lets pass: {order}")
