"""Brackets: an entry, and what takes its profit or stops its loss once it has ended.

Until then these are terms of the entry: nothing is held or counted for them. When the entry ends with something filled
they come as a pair of which one cancels the other, reduce-only and of what was filled, as far as that still reduces the
position: an account may have closed a part of it meanwhile.
"""

from typing import Final

from msgspec.structs import replace

from schemas.groups import PROFIT_MEMBER, PROFIT_SUFFIX, STOP_MEMBER, STOP_SUFFIX, member_id
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Execution,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8
from workers.kernel.stage import Output
from workers.kernel.wide import int64
from workers.risk.accounts import Account
from workers.risk.answers import Answers, pair_to_book
from workers.risk.holding import hold, join
from workers.risk.limit_table import LimitTable
from workers.risk.limits import Venue, beyond_flat_e8, fat_finger_refusal
from workers.risk.orders import RiskOrder
from workers.risk.prices import UNBANDED_E8, around_e8, band_around
from workers.risk.refusal import Refusal
from workers.risk.rules import CLIENT_ORDER_ID_CHARACTERS_MAX, SymbolRules, rule_refusal
from workers.risk.volumes import take_tier

ENTRY_ID_CHARACTERS_MAX: Final = CLIENT_ORDER_ID_CHARACTERS_MAX - len(PROFIT_SUFFIX)
"""Longest client_order_id of an entry: those of the others are made of it."""

_ENTERS: Final = frozenset({OrderType.LIMIT, OrderType.MARKET})
_TAKEN_OUT: Final = frozenset({Reason.KILLED, Reason.LIQUIDATION, Reason.TIMER_EXPIRED})
"""Why nothing comes of an entry: all that the account had in the book was to leave it."""


def names_of(entry: RiskOrder) -> tuple[str, str]:
    """The client_order_ids of what an entry brings."""
    return entry.client_order_id + PROFIT_SUFFIX, entry.client_order_id + STOP_SUFFIX


def attached(entry: RiskOrder, quantity_e8: int, now_us: int | None = None) -> tuple[RiskOrder, RiskOrder]:
    """What takes the profit of so much, and what stops its loss. Their worst prices are still to be found."""
    stop = entry.stop
    assert stop is not None
    profit_name, stop_name = names_of(entry)
    profit = RiskOrder(
        member_id(entry.order_id, PROFIT_MEMBER),
        profit_name,
        entry.symbol,
        Side.SELL if entry.side is Side.BUY else Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        stop.profit_price_e8,
        quantity_e8,
        post_only=False,
        self_trade_prevention=entry.self_trade_prevention,
        command_us=entry.command_us if now_us is None else now_us,
        reduce_only=True,
        strategy=entry.strategy,
        group_id=entry.order_id,
    )
    return profit, replace(
        profit,
        order_id=member_id(entry.order_id, STOP_MEMBER),
        client_order_id=stop_name,
        order_type=OrderType.STOP if stop.price_e8 is None else OrderType.STOP_LIMIT,
        price_e8=stop.price_e8,
        trigger=stop.trigger,
        waits=True,
    )


def apart_refusal(entry: RiskOrder, price_e8: int) -> Refusal | None:
    """Whether what takes the profit lies beyond the entry's price, and what stops the loss before it."""
    stop = entry.stop
    assert stop is not None
    sign = 1 if entry.side is Side.BUY else -1
    for away_e8, way in ((stop.profit_price_e8, sign), (stop.trigger.price_e8, -sign)):
        if away_e8 is not None and (away_e8 - price_e8) * way <= 0:
            return Refusal(Reason.GROUP_INVALID, price_e8, away_e8)
    return None


class Brackets:
    """Which entries are taken, and what comes of them."""

    def __init__(self, limits: LimitTable, venue: Venue, answers: Answers) -> None:
        self._limits = limits
        self._venue = venue
        self._answers = answers

    def refusal(self, entry: RiskOrder, account: Account, rules: SymbolRules) -> Refusal | None:
        """The first rule that an entry breaks, or what it brings. Sets the entry's worst price.

        What it brings is asked as if the entry's price were the mark.
        """
        names = names_of(entry)
        if len(entry.client_order_id) > ENTRY_ID_CHARACTERS_MAX:
            numbers = ENTRY_ID_CHARACTERS_MAX * E8, len(entry.client_order_id) * E8
            return Refusal(Reason.CLIENT_ORDER_ID_INVALID, *numbers)
        if any(name in account.by_client_id for name in names):
            return Refusal(Reason.CLIENT_ORDER_ID_REUSED)
        # One that slid could come to rest beyond its own stop.
        if entry.order_type not in _ENTERS or entry.trigger is not None or entry.reduce_only or entry.slide:
            return Refusal(Reason.GROUP_INVALID)
        near, limit_e8 = replace(rules), self._fat_finger_e8(account, entry)
        near.set_mark(entry.price_e8 or rules.mark_e8)
        refusal = rule_refusal(rules, entry) or apart_refusal(entry, near.mark_e8 or 0)
        for each in attached(entry, entry.quantity_e8):
            refusal = refusal or rule_refusal(near, each)
            if refusal is None and limit_e8 is not None:
                refusal = fat_finger_refusal(limit_e8, each, near)
        held_e8 = account.held_e8(rules.base)
        opposite_e8 = -held_e8 if entry.side is Side.BUY else held_e8
        if refusal is None and entry.quantity_e8 <= opposite_e8:
            return Refusal(Reason.GROUP_POSITION, int64(opposite_e8), entry.quantity_e8)
        return refusal

    def follow(self, account: Account, entry: RiskOrder, end: Execution, now_us: int) -> list[Output]:
        """What comes of an entry that has ended: a pair for the book, or why it does not come; nothing of no fill."""
        account.promised.difference_update(names_of(entry))
        if not end.cumulative_e8:
            return []
        rules = self._venue.symbols[entry.symbol]
        room_e8 = self._room_e8(account, entry, rules)
        whole_e8 = end.cumulative_e8 if room_e8 >= end.cumulative_e8 else room_e8 // rules.lot_e8 * rules.lot_e8
        why = _withheld(account, entry, end)
        if why is None and whole_e8 <= 0:
            why = Refusal(Reason.REDUCE_ONLY, 0, end.cumulative_e8)
        pair = attached(entry, whole_e8 if why is None else end.cumulative_e8, now_us)
        if why is None:
            return [self._bring(account, pair, rules, end, now_us)]
        outputs = []
        for order in pair:
            account.remember(order)
            order.status, order.waits = OrderStatus.REJECTED, False
            order.reason, order.limit_e8, order.actual_e8 = why
            account.finish(order)
            outputs.append(self._answers.not_brought(account.name, order, end.correlation_id, now_us))
        return outputs

    def _room_e8(self, account: Account, entry: RiskOrder, rules: SymbolRules) -> int:
        """How much may be open against the entry beside what is, and do no more than reduce what is held."""
        side = Side.SELL if entry.side is Side.BUY else Side.BUY
        room_e8 = -beyond_flat_e8(account, rules.base, side, self._venue)
        if side is Side.SELL and account.kind is not AccountKind.MARGIN:
            balance = account.balance(rules.base)
            room_e8 = min(room_e8, balance.total_e8 - balance.reserved_e8)
        return room_e8

    def _bring(
        self, account: Account, pair: tuple[RiskOrder, RiskOrder], rules: SymbolRules, end: Execution, now_us: int
    ) -> Output:
        profit, stop = pair
        profit.worst_price_e8 = profit.price_e8 or 0
        stop.worst_price_e8 = stop.price_e8 or _worst_e8(rules, stop)
        limit_e8 = self._fat_finger_e8(account, stop)
        if limit_e8 is not None and stop.price_e8 is None:
            fat_finger_refusal(limit_e8, stop, rules)
        join(account, profit, stop)
        for each in pair:
            take_tier(each, rules, account.volumes.get(rules.quote))
            account.remember(each)
            hold(account, each, rules, each.quantity_e8)
            account.await_end(each)
        return pair_to_book(account.name, profit, stop, end.correlation_id, now_us)

    def _fat_finger_e8(self, account: Account, order: RiskOrder) -> int | None:
        if not self._limits.scopes:
            return None
        limits = self._limits.of(account.name, order.symbol)
        return None if limits is None else limits.fat_finger_limit_e8


def _withheld(account: Account, entry: RiskOrder, end: Execution) -> Refusal | None:
    """Why nothing comes of an entry, although something of it was filled."""
    with_all = end.reason is Reason.CANCELLED_BY_CLIENT and end.command_id is None  # it answers no cancel of its own
    if end.reason in _TAKEN_OUT or with_all:
        return Refusal(end.reason)
    if account.status not in {AccountStatus.ACTIVE, AccountStatus.REDUCING}:
        return Refusal(Reason.LIQUIDATION if account.liquidating else Reason.ACCOUNT_SUSPENDED)
    if account.strategies.get(entry.strategy or "") is AccountStatus.SUSPENDED:
        return Refusal(Reason.STRATEGY_SUSPENDED)
    return None


def _worst_e8(rules: SymbolRules, stop: RiskOrder) -> int:
    """The worst price at which a stop order without a limit trades: of the band around where it is going to trade."""
    near_e8 = around_e8(rules, stop) or 0
    band_e8 = UNBANDED_E8 if rules.band_e8 is None else rules.band_e8
    low_e8, high_e8 = band_around(near_e8, band_e8, rules.tick_e8)
    return max(low_e8 if stop.side is Side.SELL else high_e8, rules.tick_e8)
