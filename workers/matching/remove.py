"""Orders that leave the book although nobody asked it for that very one: each is told, and no command answered."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from msgspec.structs import replace

from schemas.messages import ExecutionKind, Order, Reason, TimeInForce
from workers.kernel.stage import Output
from workers.matching.book import Book
from workers.matching.expiry import Expiries
from workers.matching.matcher import Matcher
from workers.matching.waiting import Waiting

REMOVALS_MAX: Final = 20_000
"""Orders that one record ends for time or for the operator; the next ticks end the rest. A transaction holds them."""

_KILLED: Final = (ExecutionKind.CANCELLED, Reason.KILLED)
_EXPIRED: Final = (ExecutionKind.EXPIRED, Reason.EXPIRY_REACHED)
_DAY_OVER: Final = (ExecutionKind.EXPIRED, Reason.SESSION_CLOSED)


def remove(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """For a command about many orders, which risk has answered: CANCELLED and the level that changed.

    Nothing if the account has no such order in the book any more.
    """
    ending = (ExecutionKind.CANCELLED, order.reason or Reason.CANCELLED_BY_CLIENT)
    found = book.find(order.order_id)
    if found is None or found.account != order.account:
        return ()
    return matcher.end(book, found, ending, ts_us, removal=order)


def expire(matcher: Matcher, expiries: Expiries, ts_us: int) -> list[Output]:
    """EXPIRED and the level that changed, for each order that is due, REMOVALS_MAX at most."""
    outputs: list[Output] = []
    while matcher.made() < REMOVALS_MAX and (due := expiries.take()) is not None:
        book, order, end_us = due
        ending = _DAY_OVER if order.time_in_force is TimeInForce.DAY else _EXPIRED
        if isinstance(order, Waiting):
            order.order = replace(order.order, expire_us=end_us)
        else:
            order.expire_us = end_us
        outputs += matcher.end(book, order, ending, ts_us)
    return outputs


def clear(matcher: Matcher, books: Iterable[Book], ts_us: int) -> list[Output]:
    """CANCELLED and the level that changed, for each order of killed books, REMOVALS_MAX at most."""
    outputs: list[Output] = []
    room = max(REMOVALS_MAX - matcher.made(), 0)
    meant = ((book, order) for book in books for order in list(islice(book.open_orders(), room)))
    for book, order in meant:
        if matcher.made() >= REMOVALS_MAX:
            break
        if book.find(order.order_id) is order:  # not the other one of a pair
            outputs += matcher.end(book, order, _KILLED, ts_us)
    return outputs
