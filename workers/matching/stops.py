"""Orders that wait for a trigger, on their way into the book: they are accepted, amended, and enter when it is met.

Each trade is shown to all that wait, then each mark; what one of them trades in its turn is shown to the others. So
one trade may set off many orders: they enter one after the other, TRIGGERED_MAX with one record of the log.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from schemas.messages import ExecutionKind, Order, Reason, Side, Trade, TriggerBy
from schemas.units import E8
from workers.kernel.stage import Output
from workers.matching.amend import refuse
from workers.matching.auction import trades_left
from workers.matching.book import Book
from workers.matching.executions import accepted, standing
from workers.matching.groups import settle
from workers.matching.matcher import Matcher
from workers.matching.triggers import WAITING_MAX

TRIGGERED_MAX: Final = 1_000
"""Orders of one symbol that enter its book with one record; the others do with the next one, or the next tick."""


def wait(matcher: Matcher, book: Book, order: Order, ts_us: int) -> list[Output]:
    """A new order that waits: NEW, or REJECTED when too many wait. Raises AssertionError for an id that is known."""
    if book.find(order.order_id) is not None:
        message = f"order {order.order_id} comes a second time"
        raise AssertionError(message)
    if len(book.waiting) >= WAITING_MAX:
        return matcher.refuse(order, Reason.BOOK_FULL, ts_us, WAITING_MAX * E8, (WAITING_MAX + 1) * E8)
    book.triggers.add(order, book.newest_e8(order.trigger_by))
    matcher.execution_id += 1
    told = book.triggers.told(book.waiting[order.order_id])
    answer = accepted(told, matcher.execution_id, ts_us, waits=True)
    return [Output("executions", order.account, answer)]


def amend_waiting(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """AMENDED; AMEND_REJECTED for an order of another account, or another trigger when that has been met."""
    waiting = book.waiting[order.order_id]
    if waiting.account != order.account:
        return matcher.refuse_change(order, ts_us)
    trigger_e8 = waiting.order.trigger_price_e8
    if waiting.due and order.trigger_price_e8 not in {None, trigger_e8}:
        numbers = trigger_e8, order.trigger_price_e8
        return refuse(matcher, book, waiting, order, Reason.TRIGGER_MET, ts_us, *numbers)
    if not order.quantity_e8:
        order = replace(order, quantity_e8=waiting.order.quantity_e8)
    book.triggers.replace(waiting, order, book.newest_e8(order.trigger_by))
    matcher.execution_id += 1
    told = book.triggers.told(book.waiting[order.order_id])
    state = book.symbol, matcher.execution_id, told.quantity_e8, 0, ts_us
    answer = standing(ExecutionKind.AMENDED, told, *state, command=order, waits=True)
    return [Output("executions", order.account, answer)]


def proceed(matcher: Matcher, book: Book, outputs: Sequence[Output], ts_us: int) -> list[Output]:
    """Show the trades among the outputs to the orders that wait, and let those enter that are due, and so on."""
    told, shown, entered = list(outputs), 0, 0
    price_e8: int | None = None
    while True:
        if book.pairs:
            settle(matcher, book, told, ts_us, shown)
        for output in told[shown:]:
            if type(output.message) is Trade and output.message.price_e8 != price_e8:
                price_e8 = output.message.price_e8
                book.triggers.see(TriggerBy.LAST, price_e8)
        shown = len(told)
        enters = entered < TRIGGERED_MAX and book.session.trades and trades_left(matcher)
        order = book.triggers.next_due() if enters else None
        if order is None:
            return told
        entered += 1
        matcher.execution_id += 1
        state = book.symbol, matcher.execution_id, order.quantity_e8, 0, ts_us
        told.append(Output("executions", order.account, standing(ExecutionKind.TRIGGERED, order, *state)))
        if book.pairs:
            settle(matcher, book, told, ts_us, shown)
        matcher.work(book, book.asks if order.side is Side.BUY else book.bids, order, ts_us, told)
