"""Orders that leave the book although nobody asked it for that very one: each is told, and no command answered."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from schemas.messages import ExecutionKind, Order, Reason
from workers.kernel.stage import Output
from workers.matching.book import Book, OpenOrder
from workers.matching.executions import ended
from workers.matching.expiry import Expiries
from workers.matching.matcher import Matcher, publish

REMOVALS_MAX: Final = 20_000
"""Orders that one record ends for time or for the operator; the next ticks end the rest. A transaction holds them."""

_KILLED: Final = (ExecutionKind.CANCELLED, Reason.KILLED)
_EXPIRED: Final = (ExecutionKind.EXPIRED, Reason.EXPIRY_REACHED)


def remove(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """For a command about many orders, which risk has answered: CANCELLED and the level that changed.

    Nothing if the account has no such order in the book any more.
    """
    resting = book.orders.get(order.order_id)
    if resting is None or resting.account != order.account:
        return ()
    resting.correlation_id = order.correlation_id
    ending = (ExecutionKind.CANCELLED, order.reason or Reason.CANCELLED_BY_CLIENT)
    return _end(matcher, book, resting, ending, ts_us)


def expire(matcher: Matcher, books: Mapping[str, Book], expiries: Expiries, ts_us: int) -> list[Output]:
    """EXPIRED and the level that changed, for each order that is due, REMOVALS_MAX at most."""
    outputs: list[Output] = []
    for _ in range(REMOVALS_MAX):
        due = expiries.take(books)
        if due is None:
            break
        outputs += _end(matcher, *due, _EXPIRED, ts_us)
    return outputs


def clear(matcher: Matcher, books: Iterable[Book], ts_us: int) -> list[Output]:
    """CANCELLED and the level that changed, for each order of killed books, REMOVALS_MAX at most."""
    outputs: list[Output] = []
    meant = ((book, order) for book in books for order in list(islice(book.orders.values(), REMOVALS_MAX)))
    for book, order in islice(meant, REMOVALS_MAX):
        outputs += _end(matcher, book, order, _KILLED, ts_us)
    return outputs


def _end(
    matcher: Matcher, book: Book, resting: OpenOrder, ending: tuple[ExecutionKind, Reason], ts_us: int
) -> list[Output]:
    level = resting.level
    book.remove(resting)
    matcher.execution_id += 1
    left = resting.leaves_e8, resting.cumulative_notional_e8
    told = ended(ending, resting, book.symbol, matcher.execution_id, *left, ts_us)
    outputs = [Output("executions", resting.account, told)]
    publish(book, [level], ts_us, outputs)
    return outputs
