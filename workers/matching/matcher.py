"""One order against one book: what it trades with, what becomes of the rest, and all that must be told about it."""

from sys import intern
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
from workers.matching.executions import accepted, ended, refused, traded

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
_CANCELLED: Final = ExecutionKind.CANCELLED
_CANCELLED_BY_CLIENT: Final = Reason.CANCELLED_BY_CLIENT
_PREVENT_NONE: Final = SelfTradePrevention.NONE
_PREVENT_OLDEST: Final = SelfTradePrevention.CANCEL_OLDEST
_PREVENT_BOTH: Final = SelfTradePrevention.CANCEL_BOTH

EXECUTIONS: Final = "executions"
TRADES: Final = "trades"
BOOK: Final = "book"


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

        Per fill: the aggressor's execution, the resting order's, the trade. The levels: asks from the lowest, then bids
        from the highest. Raises AssertionError if the order is not one that pre-trade risk lets pass, and if the book
        is crossed afterwards.
        """
        if order.quantity_e8 <= 0 or order.price_e8 <= 0 or order.order_id in book.orders:
            raise _impossible(order)
        side, price_e8 = order.side, order.price_e8
        if side is _BUY:
            own, other = book.bids, book.asks
        elif side is _SELL:
            own, other = book.asks, book.bids
        else:
            raise _impossible(order)
        may_rest = _may_rest(order)
        limit_key = price_e8 * other.sign
        crosses = other.keys[-1] >= limit_key if other.keys else False
        if crosses:
            if order.post_only:
                return self.refuse(order, Reason.POST_ONLY_WOULD_TRADE, ts_us, other.best_e8(), price_e8)
        elif may_rest:
            # One that crosses needs no check: it can only rest in the place of one that it took.
            if len(book.orders) >= ORDERS_MAX:
                return self.refuse(order, Reason.BOOK_FULL, ts_us, ORDERS_MAX, len(book.orders) + 1)
            level = own.levels.get(-limit_key)
            if level is not None and level.quantity_e8 > INT64_MAX - order.quantity_e8:
                return self.refuse(order, Reason.BOOK_FULL, ts_us, INT64_MAX, level.quantity_e8 + order.quantity_e8)

        account = intern(order.account)
        entered = OpenOrder(
            order.order_id,
            account,
            order.client_order_id,
            side,
            order.order_type,
            order.time_in_force,
            price_e8,
            order.quantity_e8,
            order.command_us,
            order.correlation_id,
            order.quantity_e8,
        )
        self.execution_id += 1
        answer = accepted(entered, book.symbol, self.execution_id, order.command_id, ts_us)
        outputs = [Output(EXECUTIONS, account, answer)]
        changed: list[Level] = []
        if crosses:
            prevention = order.self_trade_prevention
            if order.time_in_force is not _FOK or other.can_fill(entered, limit_key, prevention):
                self._match(book, other, limit_key, entered, prevention, ts_us, outputs, changed)
        if entered.leaves_e8:
            if may_rest:
                changed.insert(0 if side is _SELL else len(changed), book.rest(entered))
            else:
                self._end(book, entered, ExecutionKind.EXPIRED, _why_expired(entered), ts_us, outputs)
        if changed:
            _publish(book, changed, ts_us, outputs)
        book.assert_uncrossed()
        return outputs

    def cancel(self, book: Book, order: Order, ts_us: int) -> list[Output]:
        """A cancel: CANCELLED, or CANCEL_REJECTED if the account has no such order in the book."""
        resting = book.orders.get(order.order_id)
        if resting is None or resting.account != order.account:
            return self.refuse_cancel(order, ts_us)
        level = book.remove(resting)
        self.execution_id += 1
        answer = ended(resting, book.symbol, self.execution_id, _CANCELLED, _CANCELLED_BY_CLIENT, ts_us, order)
        outputs = [Output(EXECUTIONS, resting.account, answer)]
        _publish(book, [level], ts_us, outputs)
        return outputs

    def refuse(
        self, order: Order, reason: Reason, ts_us: int, limit_e8: int | None = None, actual_e8: int | None = None
    ) -> list[Output]:
        """REJECTED, and nothing else."""
        self.execution_id += 1
        answer = refused(order, self.execution_id, ExecutionKind.REJECTED, reason, ts_us, limit_e8, actual_e8)
        return [Output(EXECUTIONS, order.account, answer)]

    def refuse_cancel(self, order: Order, ts_us: int) -> list[Output]:
        """CANCEL_REJECTED: whatever the order was, it is not in the book."""
        self.execution_id += 1
        answer = refused(order, self.execution_id, ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL, ts_us)
        return [Output(EXECUTIONS, order.account, answer)]

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
                if maker.account != taker.account or prevention is _PREVENT_NONE:
                    self._fill(book, level, maker, taker, ts_us, outputs)
                else:
                    if prevention is _PREVENT_OLDEST or prevention is _PREVENT_BOTH:
                        book.remove(maker)
                        self._end(book, maker, _CANCELLED, Reason.SELF_TRADE, ts_us, outputs)
                    if prevention is not _PREVENT_OLDEST:
                        self._end(book, taker, _CANCELLED, Reason.SELF_TRADE, ts_us, outputs)
                maker = newer
            if level.quantity_e8 != open_e8:
                changed.append(level)

    def _fill(
        self, book: Book, level: Level, maker: OpenOrder, taker: OpenOrder, ts_us: int, outputs: list[Output]
    ) -> None:
        """One trade at the resting order's price."""
        symbol, price_e8 = book.symbol, level.price_e8
        quantity_e8 = min(maker.leaves_e8, taker.leaves_e8)
        notional = notional_e8(price_e8, quantity_e8)
        taker.leaves_e8 -= quantity_e8
        taker.cumulative_notional_e8 += notional
        book.fill(maker, level, quantity_e8)
        maker.cumulative_notional_e8 += notional

        self.trade_id = trade_id = self.trade_id + 1
        taker_id = self.execution_id + 1
        self.execution_id = maker_id = taker_id + 1
        fee = fee_e8(notional, book.taker_fee_e8)
        execution = traded(taker, symbol, taker_id, trade_id, _TAKER, price_e8, quantity_e8, notional, fee, ts_us)
        outputs.append(Output(EXECUTIONS, taker.account, execution))
        fee = fee_e8(notional, book.maker_fee_e8)
        execution = traded(maker, symbol, maker_id, trade_id, _MAKER, price_e8, quantity_e8, notional, fee, ts_us)
        outputs.append(Output(EXECUTIONS, maker.account, execution))
        trade = Trade(
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
        )
        outputs.append(Output(TRADES, symbol, trade))

    def _end(
        self, book: Book, order: OpenOrder, kind: ExecutionKind, reason: Reason, ts_us: int, outputs: list[Output]
    ) -> None:
        """Close what is open of an order that is not, or no longer, in the book."""
        self.execution_id += 1
        outputs.append(
            Output(EXECUTIONS, order.account, ended(order, book.symbol, self.execution_id, kind, reason, ts_us))
        )
        order.leaves_e8 = 0


def _publish(book: Book, changed: list[Level], ts_us: int, outputs: list[Output]) -> None:
    """Each level as it is now, with the next sequences of the book."""
    symbol, sequence = book.symbol, book.change_sequence
    final = sequence + len(changed)
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
        outputs.append(Output(BOOK, symbol, change))
    book.change_sequence = final


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
            message = f"order {order.order_id} is fill-or-kill and was filled in part: {order}"
            raise AssertionError(message)
        return Reason.FILL_OR_KILL_UNFILLABLE
    if order.order_type is _MARKET and untouched:
        return Reason.NO_LIQUIDITY
    return Reason.IMMEDIATE_REMAINDER


def _impossible(order: Order) -> AssertionError:
    return AssertionError(f"not an order that pre-trade risk lets pass: {order}")
