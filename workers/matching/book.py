"""One symbol's resting orders: levels by price, and in each level a queue with the oldest order first.

An order is a link of its level's queue, so that it leaves in constant time wherever it stands. A side keeps the keys of
its levels sorted with the best one last: finding, taking and improving the best price touches only the end of the list.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

import msgspec

from schemas.messages import Order, OrderType, SelfTradePrevention, Side, TimeInForce

# An enum's member is looked up slowly through its class (0.1 us), so hot paths name it once.
_BUY: Final = Side.BUY

ORDERS_MAX: Final = 1_000_000
"""Resting orders of one symbol; an order that would rest beyond it is refused."""


class OpenOrder(msgspec.Struct):
    """An order that came to the book and is not final."""

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
    cumulative_notional_e8: int = 0
    level: "Level | None" = None
    """Where it rests; None while it is the aggressor and once it has left."""
    older: "OpenOrder | None" = None
    newer: "OpenOrder | None" = None


class Level:
    """All orders at one price of one side. One that has become empty has left the book, and can still be read."""

    __slots__ = ("newest", "oldest", "order_count", "price_e8", "quantity_e8", "side")

    def __init__(self, side: Side, price_e8: int) -> None:
        self.side = side
        self.price_e8 = price_e8
        self.quantity_e8 = 0
        """All that is open here."""
        self.order_count = 0
        self.oldest: OpenOrder | None = None
        self.newest: OpenOrder | None = None

    def orders(self) -> Iterator[OpenOrder]:
        """The queue, oldest first. It must not be changed meanwhile."""
        order = self.oldest
        while order is not None:
            yield order
            order = order.newer


class BookSide:
    """The levels of one side. A level's key is `sign * price_e8`: on both sides a better price has a greater key."""

    __slots__ = ("keys", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = 1 if side is _BUY else -1
        self.keys: list[int] = []
        """Of all levels, ascending: the best is last."""
        self.levels: dict[int, Level] = {}

    def open_level(self, key: int, price_e8: int) -> Level:
        """A new level, still empty."""
        level = self.levels[key] = Level(self.side, price_e8)
        insort(self.keys, key)
        return level

    def best_e8(self) -> int:
        """The best price. Only while there is one."""
        return self.keys[-1] * self.sign

    def best_first(self) -> Iterator[Level]:
        """The levels from the best price to the worst."""
        return (self.levels[key] for key in reversed(self.keys))

    def can_fill(self, order: Order, limit_key: int) -> bool:
        """Whether an aggressor would trade all of its quantity with levels of that key or better.

        Its account's own orders count only if it may trade with them; when one would end the aggressor, nothing behind
        it counts.
        """
        missing_e8 = order.quantity_e8
        for key in reversed(self.keys):
            if missing_e8 <= 0 or key < limit_key:
                break
            missing_e8 -= self.levels[key].quantity_e8
        if missing_e8 > 0 or order.self_trade_prevention is SelfTradePrevention.NONE:
            return missing_e8 <= 0
        return self._can_fill_with_others(order, limit_key)

    def _can_fill_with_others(self, order: Order, limit_key: int) -> bool:
        account, missing_e8 = order.account, order.quantity_e8
        skips_own = order.self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST
        for key in reversed(self.keys):
            if key < limit_key:
                break
            for maker in self.levels[key].orders():
                if maker.account != account:
                    missing_e8 -= maker.leaves_e8
                    if missing_e8 <= 0:
                        return True
                elif not skips_own:
                    return False
        return False


class Book:
    """Both sides of one symbol, and what its executions need to know."""

    __slots__ = ("asks", "bids", "change_sequence", "maker_fee_e8", "orders", "symbol", "taker_fee_e8")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.maker_fee_e8 = 0
        self.taker_fee_e8 = 0
        self.change_sequence = 0
        """Of the last change of a level that was published."""
        self.bids = BookSide(_BUY)
        self.asks = BookSide(Side.SELL)
        self.orders: dict[int, OpenOrder] = {}
        """All that rest, by order_id."""

    def rest(self, order: OpenOrder) -> Level:
        """Put the order behind all others of its price."""
        own, key = (self.bids, order.price_e8) if order.side is _BUY else (self.asks, -order.price_e8)
        level = own.levels.get(key)
        if level is None:
            level = own.open_level(key, order.price_e8)
        self.append(level, order)
        return level

    def append(self, level: Level, order: OpenOrder) -> None:
        """Put the order at the end of a level's queue."""
        newest = level.newest
        if newest is None:
            level.oldest = order
        else:
            newest.newer = order
            order.older = newest
        level.newest = order
        level.quantity_e8 += order.leaves_e8
        level.order_count += 1
        order.level = level
        self.orders[order.order_id] = order

    def remove(self, order: OpenOrder) -> Level:
        """Take a resting order out, with what is open of it."""
        level = order.level
        if level is None:
            message = f"{self.symbol}: order {order.order_id} does not rest"
            raise AssertionError(message)
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
        level.order_count -= 1
        del self.orders[order.order_id]
        if not level.order_count:
            side = self.bids if level.side is _BUY else self.asks
            key = level.price_e8 * side.sign
            del side.levels[key]
            if side.keys[-1] == key:
                side.keys.pop()
            else:
                del side.keys[bisect_left(side.keys, key)]
        return level

    def assert_uncrossed(self) -> None:
        """Raises AssertionError if the best bid would trade with the best ask."""
        bids, asks = self.bids.keys, self.asks.keys
        if bids and asks and bids[-1] >= -asks[-1]:
            message = f"{self.symbol} is crossed: bid {self.bids.best_e8()}, ask {self.asks.best_e8()} (10^-8)"
            raise AssertionError(message)
