"""The prices of an order against one symbol: its limit, its trigger, and the worst that it may trade at."""

from typing import TYPE_CHECKING, Final

from schemas.messages import OrderType, Reason, Side
from schemas.triggers import rises
from schemas.units import E8, INT64_MAX, INT64_MIN
from workers.risk.orders import WAITING_TYPES, RiskOrder, Trigger
from workers.risk.refusal import Refusal

if TYPE_CHECKING:
    from workers.risk.rules import SymbolRules

_BUY: Final = Side.BUY
_STOP_LIMIT: Final = OrderType.STOP_LIMIT
_TRAILING_STOP: Final = OrderType.TRAILING_STOP


UNBANDED_E8: Final = E8 // 20
"""How far from where it is going to trade an order without a limit that is not asked for now trades at worst, where its
symbol has no price band."""


def band_around(price_e8: int, band_e8: int, tick_e8: int) -> tuple[int, int]:
    """The lowest and the highest tick that lie within the band, a fraction of 10^-8, around a price."""
    low_e8 = max(-(-price_e8 * (E8 - band_e8) // (E8 * tick_e8)), 1) * tick_e8
    return low_e8, min(price_e8 * (E8 + band_e8) // E8, INT64_MAX) // tick_e8 * tick_e8


def priced_refusal(rules: "SymbolRules", order: RiskOrder) -> Refusal | None:
    """What is wrong with the price of an order that rests or trades at it. Sets the order's worst price."""
    if rules.band_e8 is not None and rules.mark_e8 is None and order.price_e8 is not None:
        return _own_price(rules, order.price_e8) or Refusal(Reason.NO_MARK)
    return _price_within(rules, order, rules.low_e8, rules.high_e8)


def _price_within(rules: "SymbolRules", order: RiskOrder, low_e8: int, high_e8: int) -> Refusal | None:
    price_e8 = order.price_e8
    if price_e8 is None:
        return Refusal(Reason.PRICE_MISSING)
    if price_e8 <= 0 or price_e8 % rules.tick_e8:
        return _own_price(rules, price_e8)
    if price_e8 < low_e8:
        return Refusal(Reason.PRICE_OUTSIDE_BAND, low_e8, price_e8)
    if price_e8 > high_e8:
        return Refusal(Reason.PRICE_OUTSIDE_BAND, high_e8, price_e8)
    order.worst_price_e8 = price_e8
    return None


def _own_price(rules: "SymbolRules", price_e8: int) -> Refusal | None:
    """What is wrong with a price itself, wherever the market is."""
    if price_e8 <= 0:
        return Refusal(Reason.PRICE_NOT_POSITIVE, 0, price_e8)
    if price_e8 % rules.tick_e8:
        return Refusal(Reason.PRICE_OFF_TICK, rules.tick_e8, price_e8)
    return None


def unpriced_refusal(rules: "SymbolRules", order: RiskOrder) -> Refusal | None:
    """Whether the market is known well enough for an order without a price. Sets the order's worst price."""
    if order.price_e8 is None and rules.mark_e8 is None:
        return Refusal(Reason.NO_MARK)
    return _worst_within(rules, order, rules.low_e8, rules.high_e8)


def _worst_within(rules: "SymbolRules", order: RiskOrder, low_e8: int, high_e8: int) -> Refusal | None:
    """The worst price of the band, on a tick inside it: an order without a price needs one to be worth something."""
    if order.price_e8 is not None:
        return Refusal(Reason.PRICE_NOT_ALLOWED, None, order.price_e8)
    if rules.band_e8 is None or low_e8 > high_e8:
        return Refusal(Reason.PRICE_OUTSIDE_BAND)
    order.worst_price_e8 = high_e8 if order.side is _BUY else low_e8
    return None


def trigger_refusal(rules: "SymbolRules", order: RiskOrder) -> Refusal | None:
    """The first rule that an order breaks with its trigger. Sets the order's worst price.

    The band lies around the trigger, not around the mark: there the order is going to trade.
    """
    trigger = order.trigger
    if trigger is None or order.order_type not in WAITING_TYPES:
        return Refusal(Reason.TRIGGER_INVALID, None, None if trigger is None else trigger.price_e8)
    refusal = _trail(rules, trigger) if order.order_type is _TRAILING_STOP else _fixed_trigger(rules, trigger)
    return refusal or _price_by_trigger(rules, order, trigger)


def moved_trigger_refusal(order: RiskOrder, trigger_e8: int) -> Refusal | None:
    """Whether an open order's trigger can be moved at all."""
    if order.trigger is None or order.order_type is _TRAILING_STOP:
        return Refusal(Reason.TRIGGER_INVALID, None, trigger_e8)
    return None if order.waits else Refusal(Reason.TRIGGER_MET, None, trigger_e8)


def _price_by_trigger(rules: "SymbolRules", order: RiskOrder, trigger: Trigger) -> Refusal | None:
    near_e8 = around_e8(rules, order)
    if near_e8 is None:
        return Refusal(Reason.NO_MARK)
    if not 0 < near_e8 <= INT64_MAX or (trigger.trail_e8 or 0) >= (rules.mark_e8 or INT64_MAX):
        return Refusal(Reason.TRAIL_INVALID, rules.mark_e8, trigger.trail_e8 or trigger.trail_rate_e8)
    low_e8, high_e8 = INT64_MIN, INT64_MAX
    if rules.band_e8 is not None:
        low_e8, high_e8 = band_around(near_e8, rules.band_e8, rules.tick_e8)
    if order.order_type is _STOP_LIMIT:
        return _price_within(rules, order, low_e8, high_e8)
    return _worst_within(rules, order, low_e8, high_e8)


def _fixed_trigger(rules: "SymbolRules", trigger: Trigger) -> Refusal | None:
    """A price on the tick, and nothing that trails."""
    for trail_e8 in (trigger.trail_e8, trigger.trail_rate_e8):
        if trail_e8 is not None:
            return Refusal(Reason.TRAIL_INVALID, None, trail_e8)
    if trigger.price_e8 is None:
        return Refusal(Reason.TRIGGER_INVALID)
    if trigger.price_e8 <= 0 or trigger.price_e8 % rules.tick_e8:
        return Refusal(Reason.TRIGGER_INVALID, rules.tick_e8, trigger.price_e8)
    return None


def _trail(rules: "SymbolRules", trigger: Trigger) -> Refusal | None:
    """Either an amount on the tick, or a fraction below one; no price."""
    if trigger.price_e8 is not None:
        return Refusal(Reason.TRIGGER_INVALID, None, trigger.price_e8)
    amount_e8, rate_e8 = trigger.trail_e8, trigger.trail_rate_e8
    if (amount_e8 is None) is (rate_e8 is None):
        return Refusal(Reason.TRAIL_INVALID)
    if amount_e8 is not None and (amount_e8 <= 0 or amount_e8 % rules.tick_e8):
        return Refusal(Reason.TRAIL_INVALID, rules.tick_e8, amount_e8)
    if rate_e8 is not None and not 0 < rate_e8 < E8:
        return Refusal(Reason.TRAIL_INVALID, E8, rate_e8)
    return None


def around_e8(rules: "SymbolRules", order: RiskOrder) -> int | None:
    """About where an order is going to trade: at its trigger, of a trailing stop where that begins, else at the mark.

    A trigger that the mark has reached already is in the past. None if nobody knows the market.
    """
    mark_e8, trigger = rules.mark_e8, order.trigger
    if trigger is None or mark_e8 is None:
        return mark_e8 if trigger is None else trigger.price_e8
    if trigger.price_e8 is not None:
        if rises(order.side, order.order_type):
            return max(mark_e8, trigger.price_e8)
        return min(mark_e8, trigger.price_e8)
    away_e8 = trigger.trail_e8 or -(-mark_e8 * (trigger.trail_rate_e8 or 0) // E8)
    return mark_e8 + (away_e8 if order.side is _BUY else -away_e8)
