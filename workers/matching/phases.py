"""A symbol's way through its phases, and what a book does that collects orders without matching them."""

from collections.abc import Sequence
from typing import Final

from schemas.messages import Order, OrderType, Phase, Reason, SessionChange, TriggerBy
from schemas.units import INT64_MAX, INT64_MIN
from workers.kernel.stage import Output
from workers.matching.auction import clearing, uncross
from workers.matching.book import Book, Level
from workers.matching.executions import accepted
from workers.matching.expiry import Expiries
from workers.matching.matcher import Matcher
from workers.matching.placing import RESTING, open_order, overflow, publish

_CONTINUOUS: Final = Phase.CONTINUOUS


def collect(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """A new order for a book that collects: the answer, and the level that changed.

    One that may not rest is refused. One that is post-only takes part as any other: an auction has no aggressor.
    """
    if order.order_type is not OrderType.LIMIT or order.time_in_force not in RESTING:
        return matcher.refuse(order, Reason.NOT_CONTINUOUS, ts_us)
    beyond = overflow(book, order)
    if beyond is not None:
        return matcher.refuse(order, Reason.BOOK_FULL, ts_us, *beyond)
    level = book.level(order.side, order.price_e8)
    book.append(open_order(order, order.quantity_e8, 0, level))
    book.session.changed = True
    matcher.execution_id += 1
    outputs = [Output("executions", order.account, accepted(order, matcher.execution_id, ts_us))]
    publish(book, [level], ts_us, outputs)
    return outputs


def turn(matcher: Matcher, expiries: Expiries, book: Book, phase: Phase, ts_us: int) -> list[Output]:
    """Go over to a phase: what the change itself does.

    Into CONTINUOUS, and from AUCTION into CLOSED, an auction leads, which may take until later ticks (`hold_auction`).
    """
    session = book.session
    if phase is session.target:
        return []
    session.target = None
    if phase is session.phase:
        return []
    session.changed = True
    if phase is _CONTINUOUS or (phase is Phase.CLOSED and session.phase is Phase.AUCTION):
        session.target = phase
        found = clearing(book)
        session.price_e8 = found.price_e8 if found is not None else 0
        return hold_auction(matcher, expiries, book, ts_us)
    session.phase = phase
    if phase is Phase.CLOSED:
        expiries.end_day(book)
    return []


def tell(book: Book, ts_us: int) -> list[Output]:
    """What is new about a session: its phase, or what its auction would do. One that always traded says nothing."""
    session = book.session
    price_e8 = volume_e8 = surplus_e8 = None
    if session.phase is Phase.AUCTION and not session.changed:
        return []
    session.changed = False
    if session.phase is Phase.AUCTION and (found := clearing(book)) is not None:
        price_e8, volume_e8 = found.price_e8, min(found.volume_e8, INT64_MAX)
        surplus_e8 = max(min(found.surplus_e8, INT64_MAX), INT64_MIN)
    now = session.phase, price_e8, volume_e8, surplus_e8
    if now == (session.told or (_CONTINUOUS, None, None, None)):
        return []
    session.told = now
    session.sequence += 1
    change = SessionChange(book.symbol, session.sequence, session.phase, ts_us, price_e8, volume_e8, surplus_e8)
    return [Output("sessions", book.symbol, change)]


def hold_auction(matcher: Matcher, expiries: Expiries, book: Book, ts_us: int) -> list[Output]:
    """Go on with an auction that has begun; at its end the phase changes. A book that was killed is emptied first."""
    session = book.session
    outputs: list[Output] = []
    changed: list[Level] = []
    if session.target is None or (session.killed and not book.is_empty()):
        return outputs
    session.changed = True
    trade_id = matcher.trade_id
    done = not session.price_e8 or uncross(matcher, book, session.price_e8, ts_us, outputs, changed)
    if matcher.trade_id != trade_id:
        book.triggers.see(TriggerBy.LAST, session.price_e8)
    if done:
        # What is cancelled between the pieces of a large auction can leave orders crossed beyond its price.
        rest = clearing(book)
        session.price_e8 = rest.price_e8 if rest is not None else 0
    if not session.price_e8:
        session.phase, session.target = session.target, None
        if session.phase is Phase.CLOSED:
            expiries.end_day(book)
        else:
            book.assert_uncrossed()
            # Who reads the levels learns from a change that the book trades again, even where none of them changed.
            changed = changed or [next(side.best_first()) for side in (book.asks, book.bids) if side.keys][:1]
    publish(book, changed, ts_us, outputs)
    return outputs
