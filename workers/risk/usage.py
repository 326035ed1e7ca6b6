"""What an account uses of its limits: what is open in each symbol at worst, the day's volume, and how fast it sends."""

import msgspec

from schemas.messages import Reason, Side
from schemas.units import DAY_US, E8, INT64_MAX
from workers.risk.orders import RiskOrder

_BUY = Side.BUY


class Usage:
    """One symbol's use of an account's limits. A day is one of UTC, by the log's time."""

    __slots__ = ("buy_e8", "day", "net_e8", "notional_e8", "orders", "sell_e8", "traded_e8")

    def __init__(self) -> None:
        self.buy_e8 = 0
        """What open orders may still buy; 10^-8 base."""
        self.sell_e8 = 0
        self.notional_e8 = 0
        """For how much they may still trade; 10^-8 quote, each order rounded up."""
        self.orders = 0
        """How many are open."""
        self.net_e8 = 0
        """What fills have bought, less what they have sold; 10^-8 base."""
        self.day = 0
        """The newest day of a fill, counted from 1970."""
        self.traded_e8 = 0
        """Notional of that day's fills; 10^-8 quote."""

    def count(self, order: RiskOrder, leaves_e8: int, partner: RiskOrder | None = None) -> None:
        """Count an order as if so much were left of it, instead of as it was counted before.

        Of an order and its partner only one trades: the larger counts.
        """
        open_e8, notional_e8 = at_worst(order, leaves_e8)
        more_e8, more_notional_e8 = open_e8 - order.open_e8, notional_e8 - order.open_notional_e8
        if partner is not None:
            more_e8 = rise_e8(order.open_e8, open_e8, partner.open_e8)
            more_notional_e8 = rise_e8(order.open_notional_e8, notional_e8, partner.open_notional_e8)
        if order.side is _BUY:
            self.buy_e8 += more_e8
        else:
            self.sell_e8 += more_e8
        self.notional_e8 += more_notional_e8
        self.orders += (open_e8 > 0) - (order.open_e8 > 0)
        order.open_e8, order.open_notional_e8 = open_e8, notional_e8

    def add(self, order: RiskOrder, notional_e8: int) -> None:
        """Count a new order, of that notional at worst: as `count`, and quicker."""
        if order.side is _BUY:
            self.buy_e8 += order.quantity_e8
        else:
            self.sell_e8 += order.quantity_e8
        self.notional_e8 += notional_e8
        self.orders += 1
        order.open_e8, order.open_notional_e8 = order.quantity_e8, notional_e8

    def release(self, order: RiskOrder) -> None:
        """Count an open order no longer: as `count` with nothing left, and quicker."""
        if order.side is _BUY:
            self.buy_e8 -= order.open_e8
        else:
            self.sell_e8 -= order.open_e8
        self.notional_e8 -= order.open_notional_e8
        self.orders -= 1
        order.open_e8 = order.open_notional_e8 = 0

    def trade(self, quantity_e8: int, notional_e8: int, now_us: int) -> None:
        """Count a fill, a sold quantity as negative.

        One whose time lies before a newer day's counts there: days never go back.
        """
        self.net_e8 += quantity_e8
        day = now_us // DAY_US
        if day > self.day:
            self.day, self.traded_e8 = day, 0
        self.traded_e8 += notional_e8

    def volume_e8(self, now_us: int) -> int:
        """The day's fills and what is open, 10^-8 quote."""
        return self.notional_e8 + (self.traded_e8 if self.day >= now_us // DAY_US else 0)


def rise_e8(before_e8: int, after_e8: int, partner_e8: int) -> int:
    """How much the larger of two numbers rises when one of them, not `partner_e8`, becomes another."""
    return max(after_e8, partner_e8) - max(before_e8, partner_e8)


def at_worst(order: RiskOrder, leaves_e8: int) -> tuple[int, int]:
    """What may still trade of an order with so much left, be the amendment under way made or not.

    10^-8 base, and for how much: 10^-8 quote, rounded up.
    """
    open_e8, notional_e8 = leaves_e8, order.worst_notional_e8(leaves_e8)
    if order.amend_id:
        amended_e8 = order.amended_leaves_e8(leaves_e8)
        open_e8 = max(open_e8, amended_e8)
        notional_e8 = max(notional_e8, -(-order.amend_price_e8 * amended_e8 // E8))
    return open_e8, min(notional_e8, INT64_MAX)


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """A token bucket on the log's time: `count` orders at once, which come back evenly within `window_us`.

    What is used is kept in orders times `window_us`, so that nothing is rounded.
    """

    scope: str
    """The symbol whose orders it counts; empty for those of all symbols without their own."""
    count: int
    window_us: int
    used: int = 0
    at_us: int = 0
    """When that much was used."""

    def used_with_one(self, now_us: int) -> int:
        """What one order more would make of it."""
        return max(self.used - max(now_us - self.at_us, 0) * self.count, 0) + self.window_us

    def take(self, now_us: int) -> None:
        """Count one order more."""
        self.used = self.used_with_one(now_us)
        self.at_us = max(self.at_us, now_us)


class Worth(msgspec.Struct, array_like=True, gc=False):
    """The equity of an account in one quote currency, as loss limits see it; 10^-8 of it."""

    currency: str
    day: int
    """The UTC day that `opening_e8` began, counted from 1970."""
    opening_e8: int
    highest_e8: int
    equity_e8: int
    """As it was last assessed."""

    def move(self, amount_e8: int) -> None:
        """What was paid in, or out, is neither profit nor loss."""
        self.opening_e8 += amount_e8
        self.highest_e8 += amount_e8
        self.equity_e8 += amount_e8


class Loss(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A loss that was beyond its limit."""

    reason: Reason
    currency: str
    limit_e8: int
    actual_e8: int
    day: int
    """The UTC day when it was seen, counted from 1970."""
