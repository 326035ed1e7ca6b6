"""How an order comes to rest or ends, how far it trades, and how the levels that it changed are told."""

from typing import Final

from msgspec.structs import replace

from schemas.messages import BookChange, ExecutionKind, Order, Phase, Reason, Side, TimeInForce
from schemas.units import E8, INT64_MAX
from workers.kernel.stage import Output
from workers.matching.book import ORDERS_MAX, Book, BookSide, Level, OpenOrder
from workers.matching.executions import has_limit, is_special

# An enum's member is looked up slowly through its class (0.1 us), so hot paths name it once.
_SELL: Final = Side.SELL
_FOK: Final = TimeInForce.FOK
_CONTINUOUS: Final = Phase.CONTINUOUS

RESTING: Final = frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY})
"""Times in force with which an order may rest."""


def publish(book: Book, changed: list[Level], ts_us: int, outputs: list[Output]) -> None:
    """Each level as it is now, with the next sequences of the book."""
    symbol, sequence, collecting = book.symbol, book.change_sequence, book.session.phase is not _CONTINUOUS
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
            collecting,
        )
        outputs.append(Output("book", symbol, change))


def worst_e8(book: Book, order: Order, other: BookSide) -> int:
    """The worst price at which an order may trade; 10^-8 quote."""
    return order.price_e8 if book.breaker is None else book.breaker.limit_e8(order, other.best_e8)


def takers_fee_e8(book: Book, order: Order) -> int:
    """The fraction of the notional that an order pays as the aggressor, 10^-8."""
    return book.taker_fee_e8 if order.taker_fee_e8 is None else order.taker_fee_e8


def would_trade(other: BookSide, order: Order) -> bool:
    """Whether an order agrees with the best price of the other side."""
    return bool(other.keys) and other.keys[-1] >= order.price_e8 * other.sign


def interrupt(book: Book, other: BookSide, order: Order) -> OpenOrder | None:
    """Halt a symbol if an order would have traded on, had the circuit breaker let it. Fill or kill never would.

    The book may be crossed then. What follows from a halt is up to the caller. Nobody halts a symbol with orders of his
    own: returns the one that comes next, if it is of the same account.
    """
    if not would_trade(other, order):
        return None
    maker = other.levels[other.best_e8].oldest
    if maker is not None and maker.account == order.account:
        return maker
    book.session.phase = Phase.HALTED
    return None


def slide(book: Book, order: Order, other: BookSide) -> Order | None:
    """The post-only order at the best price that takes nothing; None if it does not ask for that, or there is none.

    Resting orders may be off the tick, where that has changed since they came.
    """
    best_e8, tick_e8 = other.best_e8, book.tick_e8
    price_e8 = (best_e8 // tick_e8 + 1 if order.side is _SELL else (best_e8 - 1) // tick_e8) * tick_e8
    fits = 0 < price_e8 <= INT64_MAX and price_e8 * order.quantity_e8 <= INT64_MAX * E8
    return replace(order, price_e8=price_e8) if order.slide and fits else None


def open_order(order: Order, open_e8: int, notional_e8: int, level: Level) -> OpenOrder:
    """The order as it comes to rest."""
    resting = OpenOrder(
        order.order_id,
        order.account,
        order.client_order_id,
        order.side,
        order.order_type,
        order.time_in_force,
        order.price_e8,
        order.quantity_e8,
        order.command_us,
        order.correlation_id,
        open_e8,
        notional_e8,
        level,
        expire_us=order.expire_us,
        terms=order if is_special(order) else None,
        maker_fee_e8=order.maker_fee_e8,
    )
    resting.show(open_e8)
    return resting


def overflow(book: Book, order: Order) -> tuple[int, int] | None:
    """What the book holds at most and what a new order that rests would make it; None where it has room."""
    if len(book.orders) >= ORDERS_MAX:
        return ORDERS_MAX * E8, (ORDERS_MAX + 1) * E8
    level = (book.asks if order.side is _SELL else book.bids).levels.get(order.price_e8)
    room_e8 = INT64_MAX - (0 if level is None else level.all_e8())
    return None if order.quantity_e8 <= room_e8 else (room_e8, order.quantity_e8)


def why_ended(book: Book, order: Order, leaves_e8: int) -> tuple[ExecutionKind, Reason] | None:
    """How what is left of an order ends; None if it rests."""
    untouched = leaves_e8 == order.quantity_e8
    if order.time_in_force is _FOK:
        if not untouched:
            message = f"order {order.order_id} is fill-or-kill and was filled in part"
            raise AssertionError(message)
        return ExecutionKind.EXPIRED, Reason.FILL_OR_KILL_UNFILLABLE
    if not has_limit(order.order_type):
        return ExecutionKind.EXPIRED, Reason.NO_LIQUIDITY if untouched else Reason.IMMEDIATE_REMAINDER
    if order.time_in_force not in RESTING:
        return ExecutionKind.EXPIRED, Reason.IMMEDIATE_REMAINDER
    return None if book.has_room(order.side, order.price_e8, leaves_e8) else (ExecutionKind.CANCELLED, Reason.BOOK_FULL)
