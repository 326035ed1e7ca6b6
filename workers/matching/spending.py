"""A market order that spends a notional instead of buying a quantity.

What it buys is found before it trades: level by level as far as the notional goes. From then on it is an order of that
quantity, and everything that holds for those holds for it.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.messages import Order, Reason, SelfTradePrevention
from schemas.units import E8
from workers.kernel.stage import Output
from workers.matching.book import Book, Level
from workers.matching.matcher import Matcher


def spend(matcher: Matcher, book: Book, order: Order, notional_e8: int, ts_us: int) -> Sequence[Output]:
    """As `Matcher.enter`, of the quantity that so much buys, or REJECTED where that is less than the smallest."""
    most_e8 = _affordable_e8(book, order, notional_e8)
    lots_e8, least_e8 = most_e8 // book.lot_e8 * book.lot_e8, max(book.quantity_min_e8, book.lot_e8)
    order = replace(order, quantity_e8=lots_e8)
    if lots_e8 < least_e8:
        return matcher.refuse(order, Reason.QUANTITY_TOO_SMALL, ts_us, least_e8, most_e8)
    return matcher.enter(book, order, ts_us)


def _affordable_e8(book: Book, order: Order, notional_e8: int) -> int:
    """What a notional buys of the asks within the order's limit, and at the limit where they do not last; 10^-8 base.

    At most the order's quantity. Reckoned before rounding: what the rounding of fills leaves over is not spent again.
    Takes time in proportion to what is then traded.
    """
    rest_e16, bought_e8, most_e8 = notional_e8 * E8, 0, order.quantity_e8
    for level in book.asks.best_first():
        if level.price_e8 > order.price_e8 or bought_e8 >= most_e8:
            break
        open_e8 = _tradable_e8(level, order)
        if level.price_e8 * open_e8 > rest_e16:
            return min(bought_e8 + rest_e16 // level.price_e8, most_e8)
        rest_e16 -= level.price_e8 * open_e8
        bought_e8 += open_e8
    return min(bought_e8 + rest_e16 // order.price_e8, most_e8)


def _tradable_e8(level: Level, order: Order) -> int:
    """What is open at a level, without what the order takes out rather than trade with it."""
    if order.self_trade_prevention is not SelfTradePrevention.CANCEL_OLDEST:
        return level.all_e8()
    return sum(maker.open_e8 for maker in level.orders() if maker.account != order.account)
