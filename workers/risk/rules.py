"""What a symbol asks of an order, apart from money: a pure check of one order against one symbol."""

from collections.abc import Container
from typing import Final

import msgspec

from schemas.controls import FeeTier, fee_tiers, names_in
from schemas.messages import (
    Command,
    Control,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
    TriggerBy,
)
from schemas.units import E8, INT64_MAX, INT64_MIN, TIME_US_MAX, US_E8
from workers.kernel.controls import whole_lots
from workers.risk.orders import KNOWN_TYPES, RiskOrder
from workers.risk.prices import band_around, moved_trigger_refusal, priced_refusal, trigger_refusal, unpriced_refusal
from workers.risk.refusal import Refusal

CLIENT_ORDER_ID_CHARACTERS_MAX: Final = 64
"""Longest client_order_id; it is printable ASCII."""

DISPLAY_PARTS_MAX: Final = 100
"""Parts in which an order may be shown, one after the other: so many fills at most one aggressor makes of it."""

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET
_STOP_LIMIT: Final = OrderType.STOP_LIMIT
_TRAILING_STOP: Final = OrderType.TRAILING_STOP
_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_GTC: Final = TimeInForce.GTC
_GTD: Final = TimeInForce.GTD
_UNKNOWN_TIME: Final = TimeInForce.UNKNOWN
_UNKNOWN_TRIGGER: Final = TriggerBy.UNKNOWN
_UNKNOWN_PREVENTION: Final = SelfTradePrevention.UNKNOWN


Takes = tuple[tuple[OrderType, ...] | None, tuple[TimeInForce, ...] | None]
"""Types and times in force; None stands for all."""


class SymbolRules(msgspec.Struct, array_like=True, gc=False):
    """One symbol as the operator set it, and its mark."""

    symbol: str
    base: str
    quote: str
    trading: bool
    tick_e8: int
    lot_e8: int
    quantity_min_e8: int
    quantity_max_e8: int
    notional_min_e8: int
    notional_max_e8: int
    band_e8: int | None
    """How far a price may lie from the mark, as a fraction."""
    fee_rate_e8: int
    """The dearest fee a fill may pay."""
    mark_e8: int | None = None
    """The newest Mark, else the reference price, else None."""
    low_e8: int = INT64_MIN
    """Lowest price within the band, on a tick."""
    high_e8: int = INT64_MAX
    """Highest price within the band, on a tick."""
    assessed_us: int = 0
    """When its mark was last compared with the loss limits of those who hold it."""
    maintenance_e8: int = 0
    """The part of a position's value that a margin account must maintain as equity; 0 asks for none."""
    assessed_to: str = ""
    """The last account of them that was, while others are left."""
    takes: Takes | None = None
    """The types and times in force of orders that it takes; None takes all."""
    open_orders_max: int | None = None
    """Most open orders of an account; None for as many as it may have anywhere."""
    fee_tiers: tuple[FeeTier, ...] = ()
    """Other fees by the account's volume, the smallest volume first."""
    initial_e8: int = 0
    """The part of a position's value that a margin account must have as equity to raise it, or more by its leverage."""

    def set_mark(self, mark_e8: int | None) -> None:
        """Value at this price from now on; the band moves with it."""
        self.mark_e8 = mark_e8
        if mark_e8 is not None and self.band_e8 is not None:
            self.low_e8, self.high_e8 = band_around(mark_e8, self.band_e8, self.tick_e8)


def symbol_rules(control: Control) -> SymbolRules:
    """The rules in a SYMBOL record that passed `control_error`. Absent limits become the largest numbers there are.

    The smallest and the largest quantity are whole lots, so that a refusal names one that could be ordered.
    """
    fees = (control.maker_fee_e8 or 0, control.taker_fee_e8 or 0)
    smallest_e8, largest_e8 = whole_lots(control)
    return SymbolRules(
        symbol=control.symbol or "",
        base=control.base or "",
        quote=control.quote or "",
        trading=control.symbol_status is SymbolStatus.TRADING,
        tick_e8=control.tick_e8 or 1,
        lot_e8=control.lot_e8 or 1,
        quantity_min_e8=smallest_e8,
        quantity_max_e8=largest_e8,
        notional_min_e8=control.notional_min_e8 or 0,
        notional_max_e8=INT64_MAX if control.notional_max_e8 is None else control.notional_max_e8,
        band_e8=control.price_band_e8,
        fee_rate_e8=max(fees),
        maintenance_e8=control.maintenance_margin_e8 or 0,
        takes=_takes(control),
        open_orders_max=control.open_orders_max,
        fee_tiers=fee_tiers(control.fee_tiers),
        initial_e8=control.initial_margin_e8 or 0,
    )


def _takes(control: Control) -> Takes | None:
    types, times = names_in(control.order_types, OrderType), names_in(control.times_in_force, TimeInForce)
    return None if types is None and times is None else (types, times)


def client_order_id_refusal(client_order_id: str | None, promised: Container[str]) -> Refusal | None:
    """Whether a client's id of an order can be one: 1 to 64 printable ASCII characters, not promised to another."""
    text = client_order_id or ""
    if text in promised:
        return Refusal(Reason.CLIENT_ORDER_ID_REUSED)
    if 1 <= len(text) <= CLIENT_ORDER_ID_CHARACTERS_MAX and text.isascii() and text.isprintable():
        return None
    return Refusal(Reason.CLIENT_ORDER_ID_INVALID, CLIENT_ORDER_ID_CHARACTERS_MAX * E8, len(text) * E8)


def rule_refusal(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    """The first rule of the symbol that the order breaks. Sets the order's worst price."""
    if not rules.trading:
        return Refusal(Reason.SYMBOL_HALTED)
    refusal = _kind(order)
    if refusal is None and rules.takes is not None:
        refusal = not_taken(rules, order)
    if refusal is not None:
        return refusal
    if order.expire_us is not None or order.time_in_force is _GTD:
        refusal = _expiry(order, order.command_us)
        if refusal is not None:
            return refusal
    if order.self_trade_prevention is _UNKNOWN_PREVENTION or (order.trigger and order.trigger.by is _UNKNOWN_TRIGGER):
        return Refusal(Reason.MALFORMED)
    if order.notional_e8 is None:
        refusal = _price(rules, order) or _quantity(rules, order) or notional_refusal(rules, order)
    else:
        refusal = _spending(rules, order, order.notional_e8)
    if refusal is None and (order.slide or order.display_quantity_e8 is not None):
        refusal = _way_of_resting(rules, order)
    return refusal


def _kind(order: RiskOrder) -> Refusal | None:
    """Whether side, type and time in force go together."""
    side, order_type, time_in_force = order.side, order.order_type, order.time_in_force
    if side is not _BUY and side is not _SELL:
        return Refusal(Reason.SIDE_INVALID)
    if order_type not in KNOWN_TYPES:
        return Refusal(Reason.TYPE_INVALID)
    if order_type is _MARKET:
        fits = not order.may_rest() and not order.post_only
    elif order_type is _LIMIT:
        fits = order.may_rest() or not order.post_only
    else:
        fits = not order.post_only and (order.may_rest() or order_type is _STOP_LIMIT)
    return None if fits and time_in_force is not _UNKNOWN_TIME else Refusal(Reason.TIME_IN_FORCE_INVALID)


def not_taken(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    """Whether the symbol takes orders of this type, and of this time in force."""
    types, times = rules.takes or (None, None)
    if types is not None and order.order_type not in types:
        return Refusal(Reason.ORDER_TYPE_NOT_TAKEN)
    if times is not None and order.time_in_force not in times:
        return Refusal(Reason.TIME_IN_FORCE_NOT_TAKEN)
    return None


def _price(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    if order.trigger is not None:
        return trigger_refusal(rules, order)
    return priced_refusal(rules, order) if order.order_type is _LIMIT else unpriced_refusal(rules, order)


def _spending(rules: SymbolRules, order: RiskOrder, notional_e8: int) -> Refusal | None:
    """Of an order that spends a notional. Its quantity becomes the most that it may buy: all at the band's low edge."""
    if order.order_type is not _MARKET or order.side is not _BUY or order.quantity_e8 or notional_e8 <= 0:
        return Refusal(Reason.NOTIONAL_INVALID, None, notional_e8)
    refusal = _price(rules, order)
    if refusal is not None:
        return refusal
    if rules.notional_min_e8 > notional_e8:
        return Refusal(Reason.NOTIONAL_TOO_SMALL, rules.notional_min_e8, notional_e8)
    if rules.notional_max_e8 < notional_e8:
        return Refusal(Reason.NOTIONAL_TOO_LARGE, rules.notional_max_e8, notional_e8)
    order.keep_as_placed()
    most_e8 = min(notional_e8 * E8 // rules.low_e8, INT64_MAX)
    order.quantity_e8 = most_e8 // rules.lot_e8 * rules.lot_e8
    least_e8 = max(rules.quantity_min_e8, rules.lot_e8)
    return Refusal(Reason.QUANTITY_TOO_SMALL, least_e8, most_e8) if most_e8 < least_e8 else _quantity(rules, order)


def _expiry(order: RiskOrder, now_us: int) -> Refusal | None:
    """A GTD order names an end that is still to come, before the year 10000, and no other order names one."""
    if order.time_in_force is not _GTD or order.expire_us is None:
        return Refusal(Reason.EXPIRY_INVALID)
    if not now_us < order.expire_us < TIME_US_MAX:
        return Refusal(Reason.EXPIRY_INVALID, now_us * US_E8, min(order.expire_us * US_E8, INT64_MAX))
    return None


def amend_refusal(rules: SymbolRules, amended: RiskOrder, command: Command, now_us: int) -> Refusal | None:
    """The first rule that an open order would break once it is amended. Sets the amended order's worst price.

    Rules are asked of what the command names only: what stays may have come to be beyond them, by a moved band, a
    changed lot or a decrement.
    """
    if not rules.trading:
        return Refusal(Reason.SYMBOL_HALTED)
    if amended.order_type is _MARKET:
        return Refusal(Reason.TYPE_INVALID)
    if not amended.may_rest() and not amended.waits:
        return Refusal(Reason.TIME_IN_FORCE_INVALID)
    refusal = _expiry(amended, now_us) if command.expire_us is not None else None
    if refusal is None and command.trigger_price_e8 is not None:
        refusal = moved_trigger_refusal(amended, command.trigger_price_e8)
    if refusal is None and (command.price_e8 is not None or command.trigger_price_e8 is not None):
        refusal = trigger_refusal(rules, amended) if amended.waits else priced_refusal(rules, amended)
    if refusal is None and command.quantity_e8 is not None:
        refusal = _quantity(rules, amended)
    if refusal is None and (command.price_e8, command.quantity_e8, command.trigger_price_e8) != (None, None, None):
        refusal = notional_refusal(rules, amended)
    if refusal is None and command.display_quantity_e8 is not None:
        refusal = _display(rules, amended, command.display_quantity_e8)
    elif refusal is None and command.quantity_e8 is not None and amended.display_quantity_e8 is not None:
        refusal = _display(rules, amended, min(amended.display_quantity_e8, amended.quantity_e8))
    return refusal


def _way_of_resting(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    if order.slide and not order.post_only:
        return Refusal(Reason.SLIDE_INVALID)
    return None if order.display_quantity_e8 is None else _display(rules, order, order.display_quantity_e8)


def _display(rules: SymbolRules, order: RiskOrder, display_e8: int) -> Refusal | None:
    """Whether so much of an order may be shown at a time: of one that rests, and in not too many parts."""
    if order.order_type not in _PRICED or not order.may_rest():
        return Refusal(Reason.DISPLAY_INVALID, None, display_e8)
    if display_e8 <= 0 or display_e8 % rules.lot_e8:
        return Refusal(Reason.DISPLAY_INVALID, rules.lot_e8, display_e8)
    if display_e8 > order.quantity_e8:
        return Refusal(Reason.DISPLAY_INVALID, order.quantity_e8, display_e8)
    if display_e8 * DISPLAY_PARTS_MAX < order.quantity_e8:
        least_e8 = -(-order.quantity_e8 // (DISPLAY_PARTS_MAX * rules.lot_e8)) * rules.lot_e8
        return Refusal(Reason.DISPLAY_INVALID, least_e8, display_e8)
    return None


def _quantity(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    quantity_e8 = order.quantity_e8
    if quantity_e8 <= 0:
        return Refusal(Reason.QUANTITY_NOT_POSITIVE, 0, quantity_e8)
    if quantity_e8 % rules.lot_e8:
        return Refusal(Reason.QUANTITY_OFF_LOT, rules.lot_e8, quantity_e8)
    return None if rules.quantity_min_e8 <= quantity_e8 <= rules.quantity_max_e8 else beyond_sizes(rules, order)


def beyond_sizes(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    """Whether the quantity is below the smallest or above the largest."""
    quantity_e8 = order.quantity_e8
    if quantity_e8 < rules.quantity_min_e8:
        return Refusal(Reason.QUANTITY_TOO_SMALL, rules.quantity_min_e8, quantity_e8)
    if quantity_e8 > rules.quantity_max_e8:
        return Refusal(Reason.QUANTITY_TOO_LARGE, rules.quantity_max_e8, quantity_e8)
    return None


def notional_refusal(rules: SymbolRules, order: RiskOrder) -> Refusal | None:
    """Whether the notional at the worst price is below the smallest or above the largest."""
    notional_e8, rest = divmod(order.worst_price_e8 * order.quantity_e8, E8)
    if notional_e8 < rules.notional_min_e8:
        return Refusal(Reason.NOTIONAL_TOO_SMALL, rules.notional_min_e8, notional_e8)
    if notional_e8 + (rest > 0) > rules.notional_max_e8:
        return Refusal(Reason.NOTIONAL_TOO_LARGE, rules.notional_max_e8, min(notional_e8 + (rest > 0), INT64_MAX))
    return None
