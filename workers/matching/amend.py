"""An amendment of a resting order: what keeps its place, what loses it, and what trades at once.

A smaller quantity at the same price keeps its place in the queue, and so does another date; anything else goes to the
end of the queue, and in continuous trading first trades as the aggressor where its new price meets the other side. A
quantity that is not above what was filled ends the order.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from schemas.messages import ExecutionKind, Order, Reason, Side
from schemas.units import INT64_MAX
from workers.kernel.stage import Output
from workers.matching.book import Book, Level, OpenOrder
from workers.matching.executions import standing
from workers.matching.matcher import Matcher
from workers.matching.placing import open_order, publish, slide
from workers.matching.trading import trade, why_stopped
from workers.matching.waiting import Waiting

_BUY: Final = Side.BUY
_BELOW_FILLED: Final = (ExecutionKind.CANCELLED, Reason.AMENDED_BELOW_FILLED)


def amend(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """AMENDED, then what follows from it; CANCELLED if nothing is left open; AMEND_REJECTED if nothing changes.

    `order` holds the price and the date from now on, and the quantity, 0 to keep it. Raises AssertionError if risk
    cannot have let it pass.
    """
    resting = book.orders.get(order.order_id)
    if resting is None or resting.account != order.account:
        return matcher.refuse_change(order, ts_us)
    if order.side is not resting.side or order.price_e8 <= 0 or order.quantity_e8 < 0:
        message = f"not an amendment that pre-trade risk lets pass: {order}"
        raise AssertionError(message)
    if not order.quantity_e8:
        order = replace(order, quantity_e8=resting.quantity_e8)
    leaves_e8 = order.quantity_e8 - (resting.quantity_e8 - resting.open_e8)
    if leaves_e8 <= 0:
        # It ends as it stood: with its old price and quantity.
        return matcher.end(book, resting, _BELOW_FILLED, ts_us, command=order)
    terms = resting.terms
    if terms is not None and order.trigger_price_e8 != terms.trigger_price_e8:
        numbers = terms.trigger_price_e8, order.trigger_price_e8
        return refuse(matcher, book, resting, order, Reason.TRIGGER_MET, ts_us, *numbers)
    own, other = (book.bids, book.asks) if order.side is _BUY else (book.asks, book.bids)
    if order.post_only and book.session.trades and order.price_e8 * own.sign >= other.best_e8 * own.sign:
        slid = slide(book, order, other)
        if slid is None:
            numbers = other.best_e8, order.price_e8
            return refuse(matcher, book, resting, order, Reason.POST_ONLY_WOULD_TRADE, ts_us, *numbers)
        order = slid
    book.session.changed = True
    shows_as_before = order.display_quantity_e8 == (None if terms is None else terms.display_quantity_e8)
    if order.price_e8 == resting.price_e8 and leaves_e8 <= resting.open_e8 and shows_as_before:
        return _shrink(matcher, book, resting, order, leaves_e8, ts_us)
    return _move(matcher, book, resting, order, leaves_e8, ts_us)


def refuse(
    matcher: Matcher,
    book: Book,
    stands: OpenOrder | Waiting,
    order: Order,
    reason: Reason,
    ts_us: int,
    limit_e8: int | None = None,
    actual_e8: int | None = None,
) -> Sequence[Output]:
    """AMEND_REJECTED: the order stays as it is."""
    matcher.execution_id += 1
    as_it_is, leaves_e8, notional_e8 = book.state_of(stands)
    answer = standing(
        *(ExecutionKind.AMEND_REJECTED, as_it_is, book.symbol, matcher.execution_id, leaves_e8, notional_e8, ts_us),
        *(reason, order, limit_e8, actual_e8),
        waits=isinstance(stands, Waiting),
    )
    return [Output("executions", order.account, answer)]


def _shrink(
    matcher: Matcher, book: Book, resting: OpenOrder, order: Order, leaves_e8: int, ts_us: int
) -> Sequence[Output]:
    outputs = [_amended(matcher, resting, order, leaves_e8, ts_us)]
    resting.quantity_e8, resting.expire_us = order.quantity_e8, order.expire_us
    shown_less = resting.reduce(resting.open_e8 - leaves_e8)
    publish(book, [resting.level] if shown_less else [], ts_us, outputs)
    return outputs


def _move(
    matcher: Matcher, book: Book, resting: OpenOrder, order: Order, leaves_e8: int, ts_us: int
) -> Sequence[Output]:
    own, other = (book.bids, book.asks) if order.side is _BUY else (book.asks, book.bids)
    continuous = book.session.trades
    room_e8 = INT64_MAX - _without(resting, own.levels.get(order.price_e8))
    if leaves_e8 > room_e8:
        return refuse(matcher, book, resting, order, Reason.BOOK_FULL, ts_us, room_e8, leaves_e8)
    outputs = [_amended(matcher, resting, order, leaves_e8, ts_us)]
    before = resting.level
    shown = {level.price_e8: level.shown() for level in (before, own.levels.get(order.price_e8)) if level is not None}
    book.remove(resting)
    taken: list[Level] = []
    notional_e8 = resting.cumulative_notional_e8
    if continuous:
        matcher.begin_order()
        order, leaves_e8, notional_e8 = trade(
            matcher, book, other, order, leaves_e8, notional_e8, ts_us, outputs, taken
        )
    mine = {before.price_e8: before}
    stopped = why_stopped(matcher, book, other, order) if leaves_e8 and continuous else None
    if stopped is not None:
        outputs.append(matcher.close(stopped, order, book.symbol, leaves_e8, notional_e8, ts_us))
    elif leaves_e8:
        level = mine[order.price_e8] = book.level(order.side, order.price_e8)
        book.append(open_order(order, leaves_e8, notional_e8, level))
    # Asks from the best on, then bids from the best on, as every change of the book is told.
    changed = [level for level in mine.values() if level.shown() != shown.get(level.price_e8)]
    levels = sorted(changed, key=lambda level: level.price_e8, reverse=order.side is _BUY)
    publish(book, [*taken, *levels] if order.side is _BUY else [*levels, *taken], ts_us, outputs)
    if book.session.trades:
        book.assert_uncrossed()
    return outputs


def _without(resting: OpenOrder, level: Level | None) -> int:
    """What is open at a level apart from the order itself; 10^-8."""
    if level is None:
        return 0
    return level.all_e8() - (resting.open_e8 if resting.level is level else 0)


def _amended(matcher: Matcher, resting: OpenOrder, order: Order, leaves_e8: int, ts_us: int) -> Output:
    matcher.execution_id += 1
    state = order.symbol, matcher.execution_id, leaves_e8, resting.cumulative_notional_e8, ts_us
    answer = standing(ExecutionKind.AMENDED, order, *state, command=order)
    return Output("executions", order.account, answer)
