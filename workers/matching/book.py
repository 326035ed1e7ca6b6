"""One symbol's resting orders: levels by price, and in each level a queue with the oldest order first.

An order is a link of its level's queue, so that it leaves in constant time wherever it stands. A side keeps the keys of
its levels sorted with the best one last: finding, taking and improving the best price touches only the end of the list.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Final

import msgspec

from schemas.messages import Order, OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy
from schemas.units import INT64_MAX
from workers.matching.session import Session
from workers.matching.triggers import Triggers
from workers.matching.waiting import Waiting

if TYPE_CHECKING:
    from workers.matching.breaker import Breaker

# An enum's member is looked up slowly through its class (0.1 us), so hot paths name it once.
_BUY: Final = Side.BUY

NO_BID_E8: Final = 0
NO_ASK_E8: Final = INT64_MAX + 1
"""Best prices of empty sides: no price is that low or high."""

ORDERS_MAX: Final = 1_000_000
"""Resting orders of one symbol; an order that would rest beyond it is refused."""


class OpenOrder(msgspec.Struct, gc=False):
    """An order that rests.

    Not seen by the garbage collector, which would pass over all of them again and again: an order that leaves is freed
    at once, and `Book.clear` frees the others.
    """

    order_id: int
    account: str
    client_order_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price_e8: int
    """The limit; for MARKET the worst price the band allows."""
    quantity_e8: int
    command_us: int
    correlation_id: str | None
    leaves_e8: int
    """What is open of it, and shown."""
    cumulative_notional_e8: int
    level: "Level"
    """Where it rests."""
    older: "OpenOrder | None" = None
    newer: "OpenOrder | None" = None
    expire_us: int | None = None
    """When it ends, by the log's clock, microseconds since 1970 UTC; None if it rests until somebody ends it."""
    terms: Order | None = None
    """What else was asked of it, a trigger or a display quantity; None of a plain order."""
    hidden_e8: int = 0
    """What is open of it beside `leaves_e8`, and not shown."""
    maker_fee_e8: int | None = None
    """The fraction of the notional that it pays; None for the book's."""

    def show(self, open_e8: int) -> None:
        """So much is open; show of it what may be shown."""
        shown_e8 = open_e8
        if self.terms is not None and self.terms.display_quantity_e8 is not None:
            shown_e8 = min(open_e8, self.terms.display_quantity_e8)
        self.leaves_e8, self.hidden_e8 = shown_e8, open_e8 - shown_e8

    def reduce(self, less_e8: int) -> int:
        """Take so much off what is open, the hidden part first; it keeps its place. Returns what is shown less."""
        hidden_e8 = min(self.hidden_e8, less_e8)
        shown_e8 = less_e8 - hidden_e8
        self.hidden_e8 -= hidden_e8
        self.leaves_e8 -= shown_e8
        self.level.hidden_e8 -= hidden_e8
        self.level.quantity_e8 -= shown_e8
        return shown_e8

    def parts(self) -> int:
        """How many parts follow the one that is shown."""
        shown_e8 = None if self.terms is None else self.terms.display_quantity_e8
        return -(-self.hidden_e8 // shown_e8) if shown_e8 else 0

    @property
    def open_e8(self) -> int:
        """All that is open of it."""
        return self.leaves_e8 + self.hidden_e8


class Level:
    """All orders at one price of one side. One that has become empty has left the book, and can still be read."""

    __slots__ = ("hidden_e8", "newest", "oldest", "order_count", "price_e8", "quantity_e8", "side")

    def __init__(self, side: Side, price_e8: int) -> None:
        self.side = side
        self.price_e8 = price_e8
        self.quantity_e8 = 0
        """All that is open here, and shown."""
        self.hidden_e8 = 0
        """What is open beside that."""
        self.order_count = 0
        self.oldest: OpenOrder | None = None
        self.newest: OpenOrder | None = None

    def all_e8(self) -> int:
        """All that is open here, be it shown or not."""
        return self.quantity_e8 + self.hidden_e8

    def shown(self) -> tuple[int, int]:
        """What all can see of it: quantity and number of orders."""
        return self.quantity_e8, self.order_count

    def orders(self) -> Iterator[OpenOrder]:
        """The queue, oldest first. It must not be changed meanwhile."""
        order = self.oldest
        while order is not None:
            yield order
            order = order.newer


class BookSide:
    """The levels of one side."""

    __slots__ = ("best_e8", "keys", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = 1 if side is _BUY else -1
        self.best_e8 = NO_BID_E8 if side is _BUY else NO_ASK_E8
        """The best price; without any, one that no order reaches."""
        self.levels: dict[int, Level] = {}
        """By price."""
        self.keys: list[int] = []
        """`sign * price_e8` of all levels, ascending: on both sides the best is last."""

    def open_level(self, price_e8: int) -> Level:
        """A new level, still empty."""
        level = self.levels[price_e8] = Level(self.side, price_e8)
        insort(self.keys, price_e8 * self.sign)
        self.best_e8 = self.keys[-1] * self.sign
        return level

    def close_level(self, price_e8: int) -> None:
        """Take out a level that has become empty."""
        del self.levels[price_e8]
        keys = self.keys
        if price_e8 != self.best_e8:
            del keys[bisect_left(keys, price_e8 * self.sign)]
            return
        keys.pop()
        if keys:
            self.best_e8 = keys[-1] * self.sign
        else:
            self.best_e8 = NO_BID_E8 if self.side is _BUY else NO_ASK_E8

    def best_first(self) -> Iterator[Level]:
        """The levels from the best price to the worst."""
        return (self.levels[key * self.sign] for key in reversed(self.keys))

    def can_fill(self, order: Order, limit_e8: int, trades: int) -> bool:
        """Whether an aggressor would trade all of its quantity here, within a limit and with so many trades.

        Its account's own orders count only if it may trade with them; when one would end the aggressor, nothing behind
        it counts. Takes time in proportion to the trades.
        """
        account = None if order.self_trade_prevention is SelfTradePrevention.NONE else order.account
        missing_e8, skips_own = order.quantity_e8, order.self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST
        for level in self._within(limit_e8):
            icebergs: list[OpenOrder] = []
            for maker in level.orders():
                trades -= 1
                if trades < 0:
                    return False
                if maker.account != account:
                    missing_e8 -= maker.leaves_e8
                    if maker.hidden_e8:
                        icebergs.append(maker)
                    if missing_e8 <= 0:
                        return True
                elif not skips_own:
                    return False
            for maker in icebergs:  # what is hidden comes after all that is shown at its price
                missing_e8 -= maker.hidden_e8
                trades -= maker.parts()
            if missing_e8 <= 0:
                return trades >= 0
        return False

    def _within(self, limit_e8: int) -> Iterator[Level]:
        limit_key = limit_e8 * self.sign
        return takewhile(lambda level: level.price_e8 * self.sign >= limit_key, self.best_first())


class Book:
    """Both sides of one symbol, and what its executions need to know."""

    __slots__ = (
        "asks",
        "bids",
        "breaker",
        "change_sequence",
        "last_e8",
        "lot_e8",
        "maker_fee_e8",
        "mark_e8",
        "orders",
        "pairs",
        "quantity_min_e8",
        "reference_e8",
        "session",
        "symbol",
        "taker_fee_e8",
        "tick_e8",
        "triggers",
        "waiting",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.maker_fee_e8 = 0
        self.taker_fee_e8 = 0
        self.tick_e8 = 1
        self.lot_e8 = 1
        self.quantity_min_e8 = 0
        """The smallest quantity of a new order, in whole lots."""
        self.reference_e8: int | None = None
        """The symbol's reference price, as the operator set it."""
        self.session = Session()
        self.breaker: Breaker | None = None
        self.change_sequence = 0
        """Of the last change of a level that was published."""
        self.bids = BookSide(_BUY)
        self.asks = BookSide(Side.SELL)
        self.orders: dict[int, OpenOrder] = {}
        """All that rest, by order_id."""
        self.last_e8: int | None = None
        """The newest trade's price."""
        self.mark_e8: int | None = None
        """The newest mark."""
        self.pairs: dict[int, tuple[int, int]] = {}
        """By group: both orders of each pair of which one cancels the other."""
        self.wait(Triggers())

    def wait(self, triggers: Triggers) -> None:
        """These are the orders that wait for a trigger, instead of those before."""
        self.triggers = triggers
        self.waiting = triggers.orders
        """All of them, by order_id."""

    def newest_e8(self, by: TriggerBy | None) -> int | None:
        """The newest price that triggers may look at; LAST where nothing is said."""
        return self.mark_e8 if by is TriggerBy.MARK else self.last_e8

    def find(self, order_id: int) -> OpenOrder | Waiting | None:
        """An order that rests or waits."""
        return self.orders.get(order_id) or self.waiting.get(order_id)

    def open_orders(self) -> Iterator[OpenOrder | Waiting]:
        """All that rest, then all that wait. The book must not be changed meanwhile."""
        return chain(self.orders.values(), self.waiting.values())

    def state_of(self, order: OpenOrder | Waiting) -> tuple[OpenOrder | Order, int, int]:
        """How an order is told: itself, what is open of it, and what the rest was traded for."""
        if isinstance(order, Waiting):
            return self.triggers.told(order), order.order.quantity_e8, 0
        return order, order.open_e8, order.cumulative_notional_e8

    def is_empty(self) -> bool:
        """Whether nothing rests or waits."""
        return not self.orders and not self.waiting

    def level(self, side: Side, price_e8: int) -> Level:
        """The level of a price, opened if there is none."""
        own = self.bids if side is _BUY else self.asks
        return own.levels.get(price_e8) or own.open_level(price_e8)

    def has_room(self, side: Side, price_e8: int, quantity_e8: int) -> bool:
        """Whether one more order may rest here."""
        level = (self.bids if side is _BUY else self.asks).levels.get(price_e8)
        return len(self.orders) < ORDERS_MAX and (level is None or level.all_e8() + quantity_e8 <= INT64_MAX)

    def append(self, order: OpenOrder) -> None:
        """Put the order behind all others of its level."""
        level = order.level
        newest = order.older = level.newest
        if newest is None:
            level.oldest = order
        else:
            newest.newer = order
        level.newest = order
        level.quantity_e8 += order.leaves_e8
        level.hidden_e8 += order.hidden_e8
        level.order_count += 1
        self.orders[order.order_id] = order

    def remove(self, order: OpenOrder) -> None:
        """Take a resting order out, with what is open of it."""
        level = order.level
        older, newer = order.older, order.newer
        if older is None:
            level.oldest = newer
        else:
            older.newer = newer
        if newer is None:
            level.newest = older
        else:
            newer.older = older
        level.quantity_e8 -= order.leaves_e8
        level.hidden_e8 -= order.hidden_e8
        level.order_count = order_count = level.order_count - 1
        del self.orders[order.order_id]
        if not order_count:
            (self.bids if level.side is _BUY else self.asks).close_level(level.price_e8)

    def refill(self, order: OpenOrder) -> int:
        """What is shown of an order was traded: show the next part, behind all others. Returns all that is open."""
        level, open_e8 = order.level, order.hidden_e8
        level.quantity_e8 -= order.leaves_e8
        level.hidden_e8 -= open_e8
        order.show(open_e8)
        level.quantity_e8 += order.leaves_e8
        level.hidden_e8 += order.hidden_e8
        self.orders[order.order_id] = self.orders.pop(order.order_id)
        older, newer, newest = order.older, order.newer, level.newest
        if newer is not None and newest is not None:
            newer.older = older
            if older is None:
                level.oldest = newer
            else:
                older.newer = newer
            order.older, order.newer = newest, None
            newest.newer = level.newest = order
        return open_e8

    def clear(self) -> None:
        """Cut the links between orders, so that a book that is no longer needed is freed."""
        for side in (self.bids, self.asks):
            for level in side.levels.values():
                level.oldest = level.newest = None
        for order in self.orders.values():
            order.older = order.newer = None

    def assert_uncrossed(self) -> None:
        """Raises AssertionError if the best bid would trade with the best ask."""
        if self.bids.best_e8 >= self.asks.best_e8:
            message = f"{self.symbol} is crossed: bid {self.bids.best_e8}, ask {self.asks.best_e8} (10^-8)"
            raise AssertionError(message)
