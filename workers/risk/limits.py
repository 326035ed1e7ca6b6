"""Whether an order would be beyond one of the operator's limits.

All count the worst case: what is open as if it were filled. The position of an account is what it has of the base
currency, as margin counts it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.messages import AccountStatus, Reason, Side
from schemas.units import E8, INT64_MAX, SECOND_US
from workers.kernel.controls import Pair
from workers.kernel.wide import int64
from workers.risk.accounts import Account
from workers.risk.limit_table import Limits
from workers.risk.orders import RiskOrder
from workers.risk.prices import around_e8
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules
from workers.risk.usage import Bucket, rise_e8
from workers.risk.value_at_risk import MarkHistory

_BUY: Final = Side.BUY


class Venue(NamedTuple):
    """Every symbol, the one by whose mark each pair is valued, and how marks were."""

    symbols: Mapping[str, SymbolRules]
    pairs: Mapping[Pair, SymbolRules]
    marks: MarkHistory


class _Asked(NamedTuple):
    """What a command asks for."""

    order: RiskOrder
    """As it would be."""
    more_e8: int
    """What may trade at worst beyond what may now; 10^-8 base."""
    more_notional_e8: int
    """For how much; 10^-8 quote."""


def limit_refusal(
    limits: Limits,
    order: RiskOrder,
    before: RiskOrder | None,
    account: Account,
    rules: SymbolRules,
    venue: Venue,
    now_us: int,
    ahead: int = 0,
) -> Refusal | None:
    """The first limit that an order would be beyond; `before` is the open order that it is an amendment of.

    So many orders would be open `ahead` of it that are not counted yet.

    An amendment is asked of what it changes only. A market order's worst price moves to where the fat-finger limit is.
    """
    size_e8 = limits.max_order_size_e8
    if size_e8 is not None and order.quantity_e8 > size_e8 and not (before and before.quantity_e8 == order.quantity_e8):
        return Refusal(Reason.ORDER_SIZE_LIMIT, size_e8, order.quantity_e8)
    refusal = None
    if limits.fat_finger_limit_e8 is not None and not (before and before.worst_price_e8 == order.worst_price_e8):
        refusal = fat_finger_refusal(limits.fat_finger_limit_e8, order, rules)
    if refusal is None and limits.max_open_orders is not None and before is None:
        reason = Reason.SYMBOL_OPEN_ORDERS_LIMIT
        refusal = open_orders_refusal(limits.max_open_orders, account, order.symbol, reason, ahead)
    if refusal is None and limits.trade_frequency is not None:
        refusal = _frequency(limits, account, now_us)
    if refusal is not None:
        return refusal
    asked = _asked(order, before, account)
    if asked.more_notional_e8 > 0 and limits.max_daily_volume_e8 is not None:
        refusal = _volume(limits, asked, account, rules, venue, now_us)
    if refusal is None and asked.more_e8 > 0:
        refusal = _holding(limits, asked, account, rules, venue)
        if refusal is None and limits.var_limit_e8 is not None:
            refusal = _value_at_risk(limits.var_limit_e8, asked, account, rules, venue, now_us)
    return refusal


def _asked(order: RiskOrder, before: RiskOrder | None, account: Account) -> _Asked:
    if before is None:
        return _Asked(order, order.quantity_e8, order.worst_notional_e8(order.quantity_e8))
    leaves_e8 = max(order.quantity_e8 - before.cumulative_e8, 0)
    notional_e8 = -(-order.worst_price_e8 * leaves_e8 // E8)
    partner = account.partners.get(order.order_id)
    if partner is None:
        return _Asked(order, leaves_e8 - before.open_e8, notional_e8 - before.open_notional_e8)
    return _Asked(
        order,
        rise_e8(before.open_e8, leaves_e8, partner.open_e8),
        rise_e8(before.open_notional_e8, notional_e8, partner.open_notional_e8),
    )


def fat_finger_refusal(limit_e8: int, order: RiskOrder, rules: SymbolRules) -> Refusal | None:
    """Whether an order's worst price lies too far from the mark; that of one without a limit moves to the edge.

    Worse for the account is a buy above the mark and a sell below it; the edge is the last tick within.

    Of an order that waits for a trigger that stands in the mark's place.
    """
    near_e8 = around_e8(rules, order)
    if near_e8 is None:
        return Refusal(Reason.NO_MARK)
    tick_e8 = rules.tick_e8
    if order.side is _BUY:
        edge_e8 = min(near_e8 * (E8 + limit_e8) // E8, INT64_MAX) // tick_e8 * tick_e8
        worse = order.worst_price_e8 > edge_e8
    else:
        edge_e8 = -(-near_e8 * (E8 - limit_e8) // (E8 * tick_e8)) * tick_e8
        worse = order.worst_price_e8 < edge_e8
    if not worse:
        return None
    if order.price_e8 is not None or edge_e8 <= 0:
        return Refusal(Reason.FAT_FINGER, edge_e8, order.worst_price_e8)
    order.worst_price_e8 = edge_e8
    return None


def open_orders_refusal(limit: int, account: Account, symbol: str, reason: Reason, ahead: int) -> Refusal | None:
    """Whether an account has as many open orders in a symbol as it may have, so many others `ahead`."""
    used = account.usages.get(symbol)
    count = ahead + 1 if used is None else used.orders + ahead + 1
    return Refusal(reason, limit * E8, count * E8) if count > limit else None


def _frequency(limits: Limits, account: Account, now_us: int) -> Refusal | None:
    bucket = _bucket(limits, account)
    used = bucket.used_with_one(now_us)
    if used <= bucket.count * bucket.window_us:
        return None
    return Refusal(Reason.TRADE_FREQUENCY_LIMIT, bucket.count * E8, -(-used * E8 // bucket.window_us))


def take_token(limits: Limits, account: Account, now_us: int) -> None:
    """Count an order or amendment that passed."""
    if limits.trade_frequency is not None:
        bucket = account.buckets[limits.frequency_of] = _bucket(limits, account)
        bucket.take(now_us)


def _bucket(limits: Limits, account: Account) -> Bucket:
    """The account's bucket; an unused one where the operator has changed its measures."""
    count, window_us = limits.trade_frequency or 0, (limits.trade_frequency_s or 0) * SECOND_US
    bucket = account.buckets.get(limits.frequency_of)
    if bucket is None or (bucket.count, bucket.window_us) != (count, window_us):
        return Bucket(limits.frequency_of, count, window_us)
    return bucket


def _volume(
    limits: Limits, asked: _Asked, account: Account, rules: SymbolRules, venue: Venue, now_us: int
) -> Refusal | None:
    volume_e8 = asked.more_notional_e8 + sum(
        used.volume_e8(now_us)
        for name, used in account.usages.items()
        if (name == limits.volume_of if limits.volume_of else venue.symbols[name].quote == rules.quote)
    )
    limit_e8 = limits.max_daily_volume_e8 or 0
    return Refusal(Reason.DAILY_VOLUME_LIMIT, limit_e8, int64(volume_e8)) if volume_e8 > limit_e8 else None


def _holding(limits: Limits, asked: _Asked, account: Account, rules: SymbolRules, venue: Venue) -> Refusal | None:
    """What the account would hold at worst: in base, of its equity, and with all its other positions."""
    after_e8 = beyond_flat_e8(account, rules.base, asked.order.side, venue, asked.more_e8)
    if limits.max_position_size_e8 is not None and after_e8 > limits.max_position_size_e8:
        return Refusal(Reason.POSITION_LIMIT, limits.max_position_size_e8, int64(after_e8))
    refusal = None
    if limits.concentration_limit_e8 is not None and after_e8 > 0:
        refusal = _concentration(limits.concentration_limit_e8, after_e8, account, rules, venue)
    if refusal is None and limits.max_leverage_e8 is not None:
        refusal = _leverage(limits.max_leverage_e8, asked, account, rules, venue)
    return refusal


def reducing_refusal(
    status: AccountStatus,
    order: RiskOrder,
    before: RiskOrder | None,
    account: Account,
    rules: SymbolRules,
    venue: Venue,
) -> Refusal | None:
    """Why what may only reduce may not be placed: all open orders of its side filled, it would do more.

    That may be anything of an account that is REDUCING, a reduce-only order, or any order of a side where such a one is
    open: it would else use up the position first. The limit is what may still be placed on that side.
    """
    if status is AccountStatus.REDUCING:
        reason = Reason.ACCOUNT_REDUCING
    elif order.reduce_only:
        reason = Reason.REDUCE_ONLY
    elif any(side is order.side and venue.symbols[name].base == rules.base for name, side in account.reduce_only):
        reason = Reason.REDUCE_ONLY_OPEN
    else:
        return None
    asked = _asked(order, before, account)
    beyond_e8 = beyond_flat_e8(account, rules.base, order.side, venue, asked.more_e8)
    if asked.more_e8 <= 0 or beyond_e8 <= 0:
        return None
    return Refusal(reason, int64(max(asked.more_e8 - beyond_e8, 0)), int64(asked.more_e8))


def beyond_flat_e8(account: Account, base: str, side: Side, venue: Venue, more_e8: int = 0) -> int:
    """What would be held on a side, were all open orders of it and so much more filled; negative on the other."""
    held_e8, (buy_e8, sell_e8) = account.held_e8(base), open_of_base(account, base, venue)
    return more_e8 + (held_e8 + buy_e8 if side is _BUY else sell_e8 - held_e8)


def overtaken(account: Account, venue: Venue) -> list[RiskOrder]:
    """Takes out the reduce-only orders that, all of their side filled, would do more than reduce what is held now."""
    orders: list[RiskOrder] = []
    for name, side in sorted(account.reduce_only):
        if beyond_flat_e8(account, venue.symbols[name].base, side, venue) > 0:
            orders += account.take_out_reduce_only(name, side)
    return orders


def open_of_base(account: Account, base: str, venue: Venue) -> tuple[int, int]:
    """What all open orders may buy and sell of a currency, whatever it is traded for; 10^-8."""
    usages = [used for name, used in account.usages.items() if venue.symbols[name].base == base]
    return sum(used.buy_e8 for used in usages), sum(used.sell_e8 for used in usages)


def _concentration(limit_e8: int, after_e8: int, account: Account, rules: SymbolRules, venue: Venue) -> Refusal | None:
    valued = venue.pairs[rules.base, rules.quote]
    equity_e16 = _equity_e16(account, rules.quote, venue)
    if equity_e16 is None or valued.mark_e8 is None:
        return Refusal(Reason.NO_MARK)
    value_e16 = after_e8 * valued.mark_e8
    if value_e16 * E8 <= equity_e16 * limit_e8:
        return None
    return Refusal(Reason.CONCENTRATION_LIMIT, int64(equity_e16 * limit_e8 // (E8 * E8)), int64(-(-value_e16 // E8)))


def _leverage(limit_e8: int, asked: _Asked, account: Account, rules: SymbolRules, venue: Venue) -> Refusal | None:
    """As margin, whatever the account's kind: an order that does not raise the exposure of its pair passes."""
    open_e8 = _open_by_base(account, rules.quote, venue)
    before_e8 = _worst_e8(account, rules.base, open_e8)
    buy_e8, sell_e8 = open_e8.get(rules.base, (0, 0))
    buys = asked.order.side is _BUY
    open_e8[rules.base] = (buy_e8 + asked.more_e8, sell_e8) if buys else (buy_e8, sell_e8 + asked.more_e8)
    if _worst_e8(account, rules.base, open_e8) <= before_e8:
        return None
    exposure_e16 = 0
    for base in sorted(open_e8.keys() | account.balances.keys()):
        valued = venue.pairs.get((base, rules.quote))
        if valued is not None and (worst_e8 := _worst_e8(account, base, open_e8)):
            if valued.mark_e8 is None:
                return Refusal(Reason.NO_MARK)
            exposure_e16 += worst_e8 * valued.mark_e8
    equity_e16 = _equity_e16(account, rules.quote, venue)
    if equity_e16 is None:
        return Refusal(Reason.NO_MARK)
    if exposure_e16 * E8 <= equity_e16 * limit_e8:
        return None
    return Refusal(Reason.LEVERAGE_LIMIT, int64(equity_e16 * limit_e8 // (E8 * E8)), int64(-(-exposure_e16 // E8)))


def _value_at_risk(
    limit_e8: int, asked: _Asked, account: Account, rules: SymbolRules, venue: Venue, now_us: int
) -> Refusal | None:
    """Of all positions in the quote currency, each with all open orders of one side filled: the larger holding.

    Of the order's own pair either side is tried, with the order and without: one that makes it no worse passes.
    """
    open_e8 = _open_by_base(account, rules.quote, venue)
    values_e8: dict[str, int] = {}
    for base in sorted(open_e8.keys() | account.balances.keys()):
        valued = venue.pairs.get((base, rules.quote))
        if valued is not None and base != rules.base and (held_e8 := _worst_side_e8(account, base, open_e8)):
            if valued.mark_e8 is None:
                return Refusal(Reason.NO_MARK)
            values_e8[valued.symbol] = held_e8 * valued.mark_e8 // E8
    own, (buy_e8, sell_e8) = venue.pairs[rules.base, rules.quote], open_e8.get(rules.base, (0, 0))
    mark_e8 = own.mark_e8
    if mark_e8 is None:
        return Refusal(Reason.NO_MARK)
    held_e8, buys = account.held_e8(rules.base), asked.order.side is _BUY

    def at_risk_e8(position_e8: int) -> int:
        value_e8 = position_e8 * mark_e8 // E8
        return venue.marks.value_at_risk_e8(values_e8 | {own.symbol: value_e8}, now_us)

    after_e8 = at_risk_e8(held_e8 + buy_e8 + asked.more_e8 if buys else held_e8 - sell_e8 - asked.more_e8)
    if after_e8 <= limit_e8 or after_e8 <= max(at_risk_e8(held_e8 + buy_e8), at_risk_e8(held_e8 - sell_e8)):
        return None
    return Refusal(Reason.VAR_LIMIT, limit_e8, int64(after_e8))


def _worst_side_e8(account: Account, base: str, open_e8: Mapping[str, tuple[int, int]]) -> int:
    """The larger holding, long or short (negative), were all open orders of one side filled."""
    (buy_e8, sell_e8), held_e8 = open_e8.get(base, (0, 0)), account.held_e8(base)
    return max(held_e8 + buy_e8, held_e8 - sell_e8, key=abs)


def _open_by_base(account: Account, quote: str, venue: Venue) -> dict[str, tuple[int, int]]:
    """What open orders may still buy and sell of each currency that is traded for `quote`; 10^-8."""
    found: dict[str, tuple[int, int]] = {}
    for name, used in account.usages.items():
        symbol = venue.symbols[name]
        if symbol.quote == quote:
            buy_e8, sell_e8 = found.get(symbol.base, (0, 0))
            found[symbol.base] = buy_e8 + used.buy_e8, sell_e8 + used.sell_e8
    return found


def _worst_e8(account: Account, base: str, open_e8: Mapping[str, tuple[int, int]]) -> int:
    """The larger holding, long or short, were all open orders of one side filled."""
    return abs(_worst_side_e8(account, base, open_e8))


def _equity_e16(account: Account, quote: str, venue: Venue) -> int | None:
    """The quote currency and what is traded for it, at the marks; None where a mark is missing."""
    equity_e16 = account.held_e8(quote) * E8
    for currency, balance in account.balances.items():
        valued = venue.pairs.get((currency, quote))
        if valued is not None and balance.total_e8:
            if valued.mark_e8 is None:
                return None
            equity_e16 += balance.total_e8 * valued.mark_e8
    return equity_e16
