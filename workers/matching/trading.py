"""One order trades with a book: the best prices first, in each the oldest first.

The loop is written out for speed, as `workers.matching.matcher` says.
"""

from typing import TYPE_CHECKING, Final

from schemas.messages import (
    Execution,
    ExecutionKind,
    Liquidity,
    Order,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Trade,
)
from schemas.units import E8, INT64_MAX
from workers.kernel.stage import Output
from workers.matching.book import Book, BookSide, Level
from workers.matching.executions import is_special, with_terms
from workers.matching.placing import interrupt, takers_fee_e8, worst_e8, would_trade
from workers.matching.self_trade import prevent

if TYPE_CHECKING:
    from workers.matching.matcher import Matcher

_LIMIT: Final = OrderType.LIMIT
_STOP_LIMIT: Final = OrderType.STOP_LIMIT
_MAKER: Final = Liquidity.MAKER
_TAKER: Final = Liquidity.TAKER
_KIND_TRADE: Final = ExecutionKind.TRADE
_STATUS_PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
_STATUS_FILLED: Final = OrderStatus.FILLED
_NO_REASON: Final = Reason.NONE
_PREVENT_NONE: Final = SelfTradePrevention.NONE


def trade(
    matcher: "Matcher",
    book: Book,
    other: BookSide,
    order: Order,
    leaves_e8: int,
    notional_e8: int,
    ts_us: int,
    outputs: list[Output],
    changed: list[Level],
) -> tuple[Order, int, int]:
    """As `match`; what is left may halt the symbol where its circuit breaker stops the order.

    Beyond the breaker's edge an order that meets one of its account does as its matcher-trade prevention says, NONE as
    CANCEL_NEWEST: they do not trade there, and do not halt the symbol.
    """
    while True:
        order, leaves_e8, notional_e8 = match(
            matcher, book, other, order, leaves_e8, notional_e8, ts_us, outputs, changed
        )
        if book.breaker is None or not leaves_e8 or matcher.execution_id >= matcher.last_id:
            return order, leaves_e8, notional_e8
        own = interrupt(book, other, order)
        if own is None:
            return order, leaves_e8, notional_e8
        level, shown = own.level, own.level.shown()
        order, leaves_e8 = prevent(matcher, book, own, order, leaves_e8, notional_e8, ts_us, outputs)
        if level.shown() != shown and not (changed and changed[-1] is level):  # prices only become worse
            changed.append(level)
        if not leaves_e8:
            return order, leaves_e8, notional_e8


def match(
    matcher: "Matcher",
    book: Book,
    other: BookSide,
    order: Order,
    leaves_e8: int,
    cumulative_notional_e8: int,
    ts_us: int,
    outputs: list[Output],
    changed: list[Level],
) -> tuple[Order, int, int]:
    """Trade what is open of an order with the best prices as far as its limit, in each with the oldest first.

    Returns the order as it then is, what is left open of it, and what the rest was traded for.
    """
    order_id, account, client_order_id = order.order_id, order.account, order.client_order_id
    side, order_type, time_in_force = order.side, order.order_type, order.time_in_force
    quantity_e8, prevention = order.quantity_e8, order.self_trade_prevention
    command_us, correlation_id, expire_us = order.command_us, order.correlation_id, order.expire_us
    limit_e8 = order.price_e8 if order_type is _LIMIT or order_type is _STOP_LIMIT else None
    symbol, book_fee_e8, taker_fee_e8, last_id = (
        book.symbol,
        book.maker_fee_e8,
        takers_fee_e8(book, order),
        matcher.last_id,
    )
    keys, limit_key, special = other.keys, worst_e8(book, order, other) * other.sign, is_special(order)
    while leaves_e8 and keys and keys[-1] >= limit_key and matcher.execution_id < last_id:
        level = other.levels[keys[-1] * other.sign]
        price_e8, level_e8, order_count = level.price_e8, level.quantity_e8, level.order_count
        maker = level.oldest
        while leaves_e8 and maker is not None and matcher.execution_id < last_id:
            newer, maker_account = maker.newer, maker.account
            if maker_account == account and prevention is not _PREVENT_NONE:
                order, leaves_e8 = prevent(
                    matcher, book, maker, order, leaves_e8, cumulative_notional_e8, ts_us, outputs
                )
                quantity_e8, maker = order.quantity_e8, newer
                continue
            last_e8 = maker.leaves_e8
            if last_e8 <= leaves_e8:
                if maker.hidden_e8:
                    maker_leaves_e8 = book.refill(maker)
                else:
                    book.remove(maker)
                    maker_leaves_e8 = 0
            else:
                maker.leaves_e8 = last_e8 - leaves_e8
                maker_leaves_e8 = last_e8 - leaves_e8 + maker.hidden_e8
                last_e8 = leaves_e8
                level.quantity_e8 -= last_e8
            leaves_e8 -= last_e8
            book.last_e8 = price_e8
            last_notional_e8 = price_e8 * last_e8 // E8
            # No more than a record can say: sums of extreme prices could be more, and must not stop the venue.
            cumulative_notional_e8 = min(cumulative_notional_e8 + last_notional_e8, INT64_MAX)
            maker.cumulative_notional_e8 = maker_notional_e8 = min(
                maker.cumulative_notional_e8 + last_notional_e8, INT64_MAX
            )
            maker_id, maker_quantity_e8, maker_fee_e8 = maker.order_id, maker.quantity_e8, maker.maker_fee_e8
            matcher.trade_id = trade_id = matcher.trade_id + 1
            execution_id = matcher.execution_id + 1
            matcher.execution_id = execution_id + 1
            taken = Execution(
                _KIND_TRADE,
                execution_id,
                order_id,
                account,
                client_order_id,
                symbol,
                side,
                order_type,
                time_in_force,
                quantity_e8,
                _STATUS_PARTIALLY_FILLED if leaves_e8 else _STATUS_FILLED,
                leaves_e8,
                quantity_e8 - leaves_e8,
                cumulative_notional_e8,
                _NO_REASON,
                command_us,
                ts_us,
                None,
                limit_e8,
                price_e8,
                last_e8,
                last_notional_e8,
                -(-last_notional_e8 * taker_fee_e8 // E8),
                _TAKER,
                trade_id,
                correlation_id=correlation_id,
                expire_us=expire_us,
            )
            made = Execution(
                _KIND_TRADE,
                execution_id + 1,
                maker_id,
                maker_account,
                maker.client_order_id,
                symbol,
                maker.side,
                maker.order_type,
                maker.time_in_force,
                maker_quantity_e8,
                _STATUS_PARTIALLY_FILLED if maker_leaves_e8 else _STATUS_FILLED,
                maker_leaves_e8,
                maker_quantity_e8 - maker_leaves_e8,
                maker_notional_e8,
                _NO_REASON,
                maker.command_us,
                ts_us,
                None,
                price_e8,
                price_e8,
                last_e8,
                last_notional_e8,
                -(-last_notional_e8 * (book_fee_e8 if maker_fee_e8 is None else maker_fee_e8) // E8),
                _MAKER,
                trade_id,
                correlation_id=maker.correlation_id,
                expire_us=maker.expire_us,
            )
            if special:
                taken = with_terms(taken, order)
            if maker.terms is not None:
                made = with_terms(made, maker.terms)
            trade = Trade(
                trade_id,
                symbol,
                price_e8,
                last_e8,
                last_notional_e8,
                side,
                maker_id,
                order_id,
                maker_account,
                account,
                ts_us,
            )
            outputs += (
                Output("executions", account, taken),
                Output("executions", maker_account, made),
                Output("trades", symbol, trade),
            )
            maker = newer or level.oldest
        if level.quantity_e8 != level_e8 or level.order_count != order_count:
            changed.append(level)
    return order, leaves_e8, cumulative_notional_e8


def why_stopped(matcher: "Matcher", book: Book, other: BookSide, order: Order) -> tuple[ExecutionKind, Reason] | None:
    """How what is left of an order ends that has traded as often as it may, and would again; None if not so."""
    stopped = matcher.execution_id >= matcher.last_id and would_trade(other, order)
    return (ExecutionKind.CANCELLED, Reason.TRADES_LIMIT) if stopped and book.session.trades else None
