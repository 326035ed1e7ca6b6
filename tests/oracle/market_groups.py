"""Pairs and brackets of a market of random decisions."""

import math
from fractions import Fraction

from schemas.messages import (
    AccountStatus,
    Execution,
    GroupKind,
    Order,
    OrderType,
    Reason,
    Side,
)
from schemas.units import E8
from tests.oracle.market_answers import account_refusal, compare_answer, compare_fees, why_not
from tests.oracle.market_operator import fund
from tests.oracle.market_state import ACCOUNTS, STRATEGIES, SYMBOLS, Market, over, too_large
from tests.oracle.naive_funds import OpenOrder
from tests.oracle.naive_limits import Why
from tests.oracle.order_stream import members


def place_pair(market: Market) -> None:
    """A limit order and a stop order of which one cancels the other."""
    strategy = market.rng.choice((None, *STRATEGIES))
    account, symbol = market.rng.choice(ACCOUNTS), market.rng.choice(list(SYMBOLS))
    side = market.rng.choice((Side.BUY, Side.SELL))
    mark_e8, buys = market.naive.marks[symbol], side is Side.BUY
    low_e8, high_e8 = sorted(market.rng.randint(-(-mark_e8 // 10), mark_e8 * 19 // 10) for _ in range(2))
    price_e8, trigger_e8 = (low_e8, high_e8 + 1) if buys else (high_e8 + 1, low_e8)
    price_e8 = min(price_e8, mark_e8 * 19 // 10)
    near_e8 = max(mark_e8, trigger_e8) if buys else min(mark_e8, trigger_e8)
    worst_e8 = near_e8 * 19 // 10 if buys else -(-near_e8 // 10)
    limited = bool(market.rng.randint(0, 1))
    if limited:
        worst_e8 = market.rng.randint(*sorted((near_e8, worst_e8)))
    quantity_e8 = market.rng.choice((market.rng.randint(1, 1000), market.rng.randint(1, 4 * E8)))
    fields = {
        "client_order_id": f"id-{market.desk.offsets.get('commands', 0)}",
        "symbol": symbol,
        "side": side,
        "price_e8": price_e8,
        "quantity_e8": quantity_e8,
        "group": GroupKind.OCO,
        "strategy": strategy,
        "trigger_price_e8": trigger_e8,
        "stop_price_e8": worst_e8 if limited else None,
    }
    if price_e8 <= trigger_e8 and not buys:
        return  # the highest price that there can be
    checked = market.desk.check(account, **fields) if not market.rng.randint(0, 3) else None
    answer, now_us = market.desk.place(account, **fields), market.desk.ts_us
    first = OpenOrder(account, symbol, side.value, price_e8, quantity_e8, market.rates[symbol])
    stop = OpenOrder(account, symbol, side.value, worst_e8, quantity_e8, market.rates[symbol], near=near_e8)
    compare_fees(market, answer, first, stop)
    market.losses.look(account, now_us)
    expected = ("LIQUIDATION", None, None) if account in market.losses.liquidating else None
    for ahead, (new, priced) in enumerate(((first, True), (stop, limited))):
        expected = expected or too_large(market, symbol, quantity_e8)
        expected = expected or account_refusal(market, new, strategy, priced=priced, ahead=ahead)
    if isinstance(answer, Execution):
        if answer.reason is not Reason.LIQUIDATION:
            over(market, account)
        assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected
        assert checked in {None, expected}
        return
    assert expected is None
    assert checked in {None, (Reason.NONE, None, None)}
    assert isinstance(answer, Order)
    assert (answer.price_e8, answer.stop_price_e8) == (first.worst_price, stop.worst_price)
    assert answer.strategy == strategy
    market.limits.passes(first, now_us)
    first.other, stop.other = stop, first
    for order, naive in zip(members(answer), (first, stop), strict=True):
        market.desk.entered(order)
        market.open[order.order_id] = market.placed[order.order_id] = order
        market.filled[order.order_id], market.tags[order.order_id] = 0, strategy
        market.naive.orders[order.order_id] = naive


def place_bracket(market: Market) -> None:
    """An entry, and what is to come of it, around its price or the mark."""
    rng, strategy = market.rng, market.rng.choice((None, *STRATEGIES))
    account, symbol = rng.choice(ACCOUNTS), rng.choice(list(SYMBOLS))
    mark_e8, base = market.naive.marks[symbol], market.naive.pairs[symbol][0]
    if not rng.randint(0, 2):  # so little that it turns, or that other orders use it up
        fund(market, account, base, (rng.randint(-E8, E8) - market.naive.total(account, base)) or 1)
    held_e8 = market.naive.total(account, base)
    side = rng.choice((Side.BUY, Side.SELL, *[Side.BUY if held_e8 >= 0 else Side.SELL] * 4))
    low_e8, high_e8, buys, immediate = -(-mark_e8 // 10), mark_e8 * 19 // 10, side is Side.BUY, not rng.randint(0, 2)
    price_e8 = None if immediate else rng.randint(low_e8, high_e8)
    near_e8 = price_e8 or mark_e8
    above_e8, below_e8 = rng.randint(near_e8 + 1, near_e8 * 19 // 10), rng.randint(-(-near_e8 // 10), near_e8 - 1)
    profit_e8, trigger_e8 = (above_e8, below_e8) if buys else (below_e8, above_e8)
    limit_e8, quantity_e8 = None, rng.choice((rng.randint(1, E8 // 4), rng.randint(1, 4 * E8)))
    worst_e8 = edge_e8(trigger_e8, sells=buys)
    if rng.randint(0, 1):
        limit_e8 = worst_e8 = rng.randint(*sorted((trigger_e8, worst_e8)))
    budget_e8 = rng.randint(low_e8, 4 * low_e8) if immediate and buys and rng.randint(0, 1) else None
    fields = {
        "client_order_id": f"id-{market.desk.offsets.get('commands', 0)}",
        "symbol": symbol,
        "side": side,
        "order_type": OrderType.MARKET if immediate else OrderType.LIMIT,
        "price_e8": price_e8,
        "quantity_e8": quantity_e8 if budget_e8 is None else None,
        "notional_e8": budget_e8,
        "strategy": strategy,
        "group": GroupKind.BRACKET,
        "take_profit_price_e8": profit_e8,
        "trigger_price_e8": trigger_e8,
        "stop_price_e8": limit_e8,
    }
    checked = market.desk.check(account, **fields) if not rng.randint(0, 3) else None
    answer = market.desk.place(account, **fields)
    if budget_e8 is not None:
        quantity_e8 = math.floor(Fraction(budget_e8, low_e8) * E8)
    entry = price_e8 or (high_e8 if buys else low_e8), quantity_e8, market.rates[symbol]
    new = OpenOrder(account, symbol, side.value, *entry, budget=budget_e8)
    stop = OpenOrder(account, symbol, "SELL" if buys else "BUY", worst_e8, quantity_e8, 0, near=trigger_e8)
    opposite_e8 = -held_e8 if buys else held_e8

    def why() -> Why:
        found = market.limits.fat_finger(stop, priced=limit_e8 is not None)
        return found or (("GROUP_POSITION", opposite_e8, quantity_e8) if quantity_e8 <= opposite_e8 else None)

    compare_fees(market, answer, new)
    compare_answer(market, answer, new, strategy, priced=not immediate, why=why)
    refused = (answer.reason, answer.limit_e8, answer.actual_e8) if isinstance(answer, Execution) else None
    assert checked in {None, refused or (Reason.NONE, None, None)}
    if isinstance(answer, Order):
        assert answer.group_id == answer.order_id
        market.entries[answer.order_id] = profit_e8, trigger_e8, limit_e8


def not_between(market: Market, entry: Order, price_e8: int | None) -> Why:
    """Whether an amended price leaves what is to come of an entry on both its sides."""
    if entry.order_id not in market.entries or price_e8 is None:
        return None
    profit_e8, trigger_e8, _ = market.entries[entry.order_id]
    buys = entry.side is Side.BUY
    if profit_e8 <= price_e8 if buys else profit_e8 >= price_e8:
        return "GROUP_INVALID", price_e8, profit_e8
    wrong = trigger_e8 >= price_e8 if buys else trigger_e8 <= price_e8
    return ("GROUP_INVALID", price_e8, trigger_e8) if wrong else None


def compare_brought(
    market: Market, entry: Order, filled_e8: int, reason: Reason = Reason.NONE, *, asked: bool = False
) -> None:
    """An order has ended: what came of it, if it was the entry of a bracket."""
    told, market.desk.brought = market.desk.brought, []
    if entry.order_id not in market.entries:
        assert told == []
        return
    profit_e8, trigger_e8, limit_e8 = market.entries.pop(entry.order_id)
    if not filled_e8:
        assert told == []
        return
    account, strategy, sells = entry.account, market.tags[entry.order_id], entry.side is Side.BUY
    near_e8 = (min if sells else max)(trigger_e8, market.naive.marks[entry.symbol])
    where = account, entry.symbol, "SELL" if sells else "BUY"
    rate, reduces = market.rates[entry.symbol], {"reduces": True}
    profit = OpenOrder(*where, profit_e8, 0, rate, **reduces)
    stop = OpenOrder(*where, limit_e8 or edge_e8(near_e8, sells=sells), 0, rate, near=near_e8, **reduces)
    room_e8 = market.limits.room(profit)
    if sells and market.naive.leverage[account] is None:
        base = market.naive.pairs[entry.symbol][0]
        room_e8 = min(room_e8, market.naive.total(account, base) - market.naive.reserved(account, base))
    why = withheld(market, entry, reason, asked=asked) or (None if room_e8 > 0 else ("REDUCE_ONLY", 0, filled_e8))
    if why is not None:
        assert [why_not(each) for each in told] == [(entry.order_id + number * 2**45, *why) for number in (2, 1)]
        over(market, account)
        return
    if limit_e8 is None:
        market.limits.fat_finger(stop, priced=False)
    profit.leaves = stop.leaves = min(filled_e8, room_e8)
    (pair,) = told
    assert isinstance(pair, Order)
    assert (pair.price_e8, pair.stop_price_e8, pair.quantity_e8) == (profit_e8, stop.worst_price, stop.leaves)
    assert (pair.stop_limit, pair.trigger_price_e8, pair.reduce_only) == (limit_e8 is not None, trigger_e8, True)
    compare_fees(market, pair, profit, stop)
    profit.other, stop.other = stop, profit
    for order, naive in zip(members(pair), (profit, stop), strict=True):
        market.naive.orders[order.order_id] = naive
        market.open[order.order_id] = market.placed[order.order_id] = order
        market.filled[order.order_id], market.tags[order.order_id] = 0, strategy
    for order in members(pair):
        market.desk.entered(order)


def withheld(market: Market, entry: Order, reason: Reason, *, asked: bool) -> Why:
    """Why nothing is to come of an entry that was filled; `asked` is whether a cancel of it was answered."""
    if reason in {Reason.KILLED, Reason.TIMER_EXPIRED} or (reason is Reason.CANCELLED_BY_CLIENT and not asked):
        return str(reason), None, None
    if entry.account in market.losses.liquidating:
        return "LIQUIDATION", None, None
    stopped = market.stopped.get((entry.account, market.tags[entry.order_id])) is AccountStatus.SUSPENDED
    return ("STRATEGY_SUSPENDED", None, None) if stopped else None


def edge_e8(near_e8: int, *, sells: bool) -> int:
    """Where the band of nine tenths ends."""
    return -(-near_e8 // 10) if sells else near_e8 * 19 // 10
