"""What open orders hold of an account's funds.

CASH: an order holds its worst case. MARGIN: as `margin` says.
"""

from collections.abc import Mapping
from typing import Final

from schemas.messages import AccountKind, Reason, Side
from schemas.units import E8
from workers.kernel.controls import Pair
from workers.kernel.wide import int64
from workers.risk.accounts import Account, OpenQuantity
from workers.risk.margin import order_refusal
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules
from workers.risk.usage import rise_e8
from workers.risk.volumes import take_tier

_BUY: Final = Side.BUY
_MARGIN: Final = AccountKind.MARGIN


def cover(
    account: Account, order: RiskOrder, rules: SymbolRules, pairs: Mapping[Pair, SymbolRules], *, holds: bool = True
) -> Refusal | None:
    """Hold what a new order may cost, unless it is only asked for, or say why the account cannot."""
    if rules.fee_tiers:
        take_tier(order, rules, account.volumes.get(rules.quote))
    else:
        order.fee_rate_e8 = rules.fee_rate_e8
    if account.kind is _MARGIN:
        refusal = order_refusal(account, order.side, order.quantity_e8, rules, pairs)
        if refusal is None and holds:
            hold(account, order, rules, order.quantity_e8)
        return refusal
    if order.notional_e8 is None:
        notional_e8 = -(-order.worst_price_e8 * order.quantity_e8 // E8)
    else:
        notional_e8 = order.worst_notional_e8(order.quantity_e8)
    if order.side is _BUY:
        balance = account.balances.get(rules.quote)
        needed_e8 = notional_e8 - (-notional_e8 * order.fee_rate_e8 // E8)
    else:
        balance = account.balances.get(rules.base)
        needed_e8 = order.quantity_e8
    available_e8 = 0 if balance is None else balance.total_e8 - balance.reserved_e8
    if balance is None or needed_e8 > available_e8:
        return Refusal(Reason.FUNDS_INSUFFICIENT, int64(available_e8), int64(needed_e8))
    if not holds:
        return None
    balance.reserved_e8 += needed_e8
    order.reserved_e8 = needed_e8
    order.leaves_e8 = order.quantity_e8
    account.usage(order.symbol).add(order, notional_e8)
    return None


def cover_amended(
    account: Account,
    order: RiskOrder,
    amended: RiskOrder,
    command_id: int,
    rules: SymbolRules,
    pairs: Mapping[Pair, SymbolRules],
    *,
    keeps_quantity: bool,
) -> Refusal | None:
    """Hold what an open order may cost, be it amended or not, or say why the account cannot."""
    amended.fee_rate_e8 = order.fee_rate_e8
    if order.taker_fee_e8 is None:
        amended.fee_rate_e8 = max(order.fee_rate_e8, rules.fee_rate_e8)
    leaves_e8 = max(amended.quantity_e8 - order.cumulative_e8, 0)
    needed_e8 = _needed_e8(account, order, amended.worst_price_e8, leaves_e8, amended.fee_rate_e8)
    more_e8 = _more_e8(account, order, needed_e8)
    if more_e8 > 0:
        if account.kind is _MARGIN:
            refusal = order_refusal(account, order.side, more_e8, rules, pairs)
            if refusal is not None:
                return refusal
        else:
            balance = account.balance(rules.quote if order.side is _BUY else rules.base)
            available_e8 = balance.total_e8 - balance.reserved_e8
            if more_e8 > available_e8:
                numbers = available_e8 + needed_e8 - more_e8, needed_e8
                return Refusal(Reason.FUNDS_INSUFFICIENT, *map(int64, numbers))
    order.amend_id, order.amend_fee_rate_e8 = command_id, amended.fee_rate_e8
    order.amend_price_e8 = amended.worst_price_e8
    order.amend_quantity_e8 = 0 if keeps_quantity else amended.quantity_e8
    hold(account, order, rules, order.leaves_e8)
    return None


def hold(account: Account, order: RiskOrder, rules: SymbolRules, leaves_e8: int) -> None:
    """Hold for what is left of an order, or would be left if the amendment under way is made, and no more."""
    if not leaves_e8 and not order.amend_id:
        _reserve(account, order, rules, 0)
        order.leaves_e8 = 0
        account.usages[order.symbol].release(order)
        return
    needed_e8 = _needed_e8(account, order, order.worst_price_e8, leaves_e8, order.fee_rate_e8)
    if order.amend_id:
        amended = order.amend_price_e8, order.amended_leaves_e8(leaves_e8), order.amend_fee_rate_e8
        needed_e8 = max(needed_e8, _needed_e8(account, order, *amended))
    _reserve(account, order, rules, needed_e8)
    order.leaves_e8 = leaves_e8
    partner = account.partners.get(order.order_id) if order.group_id is not None else None
    account.usage(order.symbol).count(order, leaves_e8, partner)


def join(account: Account, order: RiskOrder, partner: RiskOrder) -> None:
    """From now on only one of the two trades."""
    account.partners[order.order_id], account.partners[partner.order_id] = partner, order


def part(account: Account, order: RiskOrder, rules: SymbolRules) -> None:
    """The book has decided a pair for this order, or it has ended: the other one has left the book with it.

    What was held for that one is free.
    """
    partner = account.partners.get(order.order_id)
    if partner is None:
        return
    partner.amend_id = 0
    _reserve(account, partner, rules, 0)
    account.usages[order.symbol].count(partner, 0, order)
    partner.leaves_e8 = 0
    del account.partners[order.order_id], account.partners[partner.order_id]


def become(account: Account, kind: AccountKind, symbols: Mapping[str, SymbolRules]) -> None:
    """Another kind of account: what open orders hold is counted again under its rules."""
    if kind is account.kind:
        return
    leaves = [(order, symbols[order.symbol], order.leaves_e8) for order in account.orders.values() if order.leaves_e8]
    for order, rules, _ in leaves:
        _reserve(account, order, rules, 0)
    account.kind = kind
    for order, rules, leaves_e8 in leaves:
        hold(account, order, rules, leaves_e8)


def hold_again(account: Account, order: RiskOrder, rules: SymbolRules, needed_e8: int) -> None:
    """Hold so much for an order of a snapshot, for which nothing is held or counted yet."""
    _reserve(account, order, rules, needed_e8)
    account.usage(order.symbol).count(order, order.leaves_e8, account.partners.get(order.order_id))


def _more_e8(account: Account, order: RiskOrder, needed_e8: int) -> int:
    """How much more is held when an order needs so much."""
    partner = account.partners.get(order.order_id) if order.group_id is not None else None
    if partner is None:
        return needed_e8 - order.reserved_e8
    return rise_e8(order.reserved_e8, needed_e8, partner.reserved_e8)


def _needed_e8(account: Account, order: RiskOrder, price_e8: int, leaves_e8: int, fee_rate_e8: int) -> int:
    """What is held for so much of an order: quote currency for a cash account's buy, else base."""
    if order.side is _BUY and account.kind is not _MARGIN:
        if order.notional_e8 is not None:
            return with_fee_e8(order.worst_notional_e8(leaves_e8), fee_rate_e8)
        return worst_cost_e8(price_e8, leaves_e8, fee_rate_e8)
    return leaves_e8


def _reserve(account: Account, order: RiskOrder, rules: SymbolRules, needed_e8: int) -> None:
    more_e8 = _more_e8(account, order, needed_e8)
    if account.kind is _MARGIN:
        pair = (rules.base, rules.quote)
        quantity = account.open_quantities.get(pair)
        if quantity is None:
            quantity = account.open_quantities[pair] = OpenQuantity()
            account.balance(rules.base)  # so that whoever goes through the balances meets this pair
        if order.side is _BUY:
            quantity.buy_e8 += more_e8
        else:
            quantity.sell_e8 += more_e8
    else:
        account.balance(rules.quote if order.side is _BUY else rules.base).reserved_e8 += more_e8
    order.reserved_e8 = needed_e8


def worst_cost_e8(price_e8: int, quantity_e8: int, fee_rate_e8: int) -> int:
    """The most that a buy may cost: the notional at its price rounded up, and the fee on that, rounded up; 10^-8 quote.

    Each fill's fee is rounded up for itself: a balance may so end at most 10^-8 a fill below what was held.
    """
    return with_fee_e8(-(-price_e8 * quantity_e8 // E8), fee_rate_e8)


def with_fee_e8(notional_e8: int, fee_rate_e8: int) -> int:
    """A notional and the fee on it, rounded up; 10^-8 quote."""
    return notional_e8 - (-notional_e8 * fee_rate_e8 // E8)
