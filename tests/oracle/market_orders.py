"""What accounts of a market of random decisions ask of single orders."""

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec.structs import replace

from schemas.messages import (
    Execution,
    Order,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.market_answers import compare_answer, compare_fees, strategy_refusal
from tests.oracle.market_groups import not_between
from tests.oracle.market_state import ACCOUNTS, STRATEGIES, SYMBOLS, Market, any_order, too_large
from tests.oracle.naive_funds import OpenOrder

if TYPE_CHECKING:
    from tests.oracle.naive_limits import Why


def place_order(market: Market) -> None:
    account, symbol = market.rng.choice(ACCOUNTS), market.rng.choice(list(SYMBOLS))
    side = market.rng.choice((Side.BUY, Side.SELL))
    mark_e8 = market.naive.marks[symbol]
    low_e8, high_e8 = -(-mark_e8 // 10), mark_e8 * 19 // 10
    immediate = not market.rng.randint(0, 4)
    price_e8 = None if immediate else market.rng.randint(low_e8, high_e8)
    worst_e8 = price_e8 or (high_e8 if side is Side.BUY else low_e8)
    quantity_e8 = market.rng.choice((market.rng.randint(1, 1000), market.rng.randint(1, 4 * E8)))
    spends = immediate and side is Side.BUY and market.rng.random() < 0.5
    budget_e8 = market.rng.randint(low_e8, 4 * low_e8) if spends else None
    asked: dict[str, int | None] = {"quantity_e8": quantity_e8}
    if budget_e8 is not None:
        asked = {"quantity_e8": None, "notional_e8": budget_e8}
        quantity_e8 = math.floor(Fraction(budget_e8, low_e8) * E8)
    strategy = market.rng.choice((None, *STRATEGIES))
    fields = {
        "client_order_id": f"id-{market.desk.offsets.get('commands', 0)}",
        "symbol": symbol,
        "side": side,
        "order_type": OrderType.MARKET if immediate else OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC if immediate else TimeInForce.GTC,
        "price_e8": price_e8,
        **asked,
        "strategy": strategy,
    }
    checked = market.desk.check(account, **fields) if not market.rng.randint(0, 3) else None
    answer = market.desk.place(account, **fields)
    if checked is not None:
        refused = answer if isinstance(answer, Execution) else None
        assert checked == (
            (refused.reason, refused.limit_e8, refused.actual_e8) if refused else (Reason.NONE, None, None)
        )
    new = OpenOrder(account, symbol, side.value, worst_e8, quantity_e8, market.rates[symbol], budget=budget_e8)
    compare_fees(market, answer, new)
    compare_answer(market, answer, new, strategy, priced=not immediate)


def repeat_one(market: Market) -> None:
    order = any_order(market)
    if order is None or order.order_type is OrderType.LIQUIDATION or order.group_id is not None:
        return
    if order.account in market.losses.liquidating:
        return
    immediate, placed = order.order_type is OrderType.MARKET, market.placed[order.order_id]
    answer = market.desk.place(
        order.account,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        price_e8=None if immediate else placed.price_e8,
        quantity_e8=placed.quantity_e8 if placed.notional_e8 is None else None,
        notional_e8=placed.notional_e8,
        strategy=market.tags[order.order_id],
    )
    market.losses.look(order.account, market.desk.ts_us)
    assert isinstance(answer, Execution)
    assert answer.order_id == order.order_id
    assert answer.leaves_e8 == market.naive.orders[order.order_id].leaves


def cancel_one(market: Market) -> None:
    order = any_order(market)
    if order is not None:
        answer = market.desk.cancel(order.account, order_id=order.order_id)
        market.losses.look(order.account, market.desk.ts_us)
        assert isinstance(answer, Order)


def amend_one(market: Market) -> None:
    order = any_order(market)
    if order is None or order.order_type in {OrderType.MARKET, OrderType.LIQUIDATION}:
        return
    old, mark_e8 = market.naive.orders[order.order_id], market.naive.marks[order.symbol]
    price_e8 = market.rng.choice((None, market.rng.randint(-(-mark_e8 // 10), mark_e8 * 19 // 10)))
    quantity_e8 = (
        market.rng.choice((None, market.rng.randint(1, 4 * E8))) if price_e8 else market.rng.randint(1, 4 * E8)
    )
    if order.trigger_by is not None or (order.group_id is not None and price_e8 is None):
        return  # the limit of one that waits depends on its trigger, and a member of a group keeps its quantity
    if order.group_id is not None:
        quantity_e8 = None
    answer = market.desk.amend(order.account, order_id=order.order_id, price_e8=price_e8, quantity_e8=quantity_e8)
    market.losses.look(order.account, market.desk.ts_us)
    asked_e8, asked_price_e8 = quantity_e8 or 0, price_e8
    price_e8, quantity_e8 = price_e8 or order.price_e8, quantity_e8 or order.quantity_e8
    leaves_e8 = max(quantity_e8 - market.filled[order.order_id], 0)
    expected: Why = ("AMEND_PENDING", None, None)
    if order.account in market.losses.liquidating:
        expected = "LIQUIDATION", None, None
    elif order.order_id not in market.amends:
        new = OpenOrder(old.account, old.symbol, old.side, price_e8, leaves_e8, 0, reduces=old.reduces)
        now_us, changed_e8 = market.desk.ts_us, 0 if quantity_e8 == order.quantity_e8 else quantity_e8
        expected = too_large(market, order.symbol, asked_e8)
        expected = expected or not_between(market, order, asked_price_e8)
        lost = new.account in market.losses.lost
        expected = expected or market.limits.reducing_refusal(new, old, lost=lost)
        expected = expected or strategy_refusal(market, market.tags[order.order_id], new, old)
        expected = expected or market.limits.refusal(new, changed_e8, now_us, old, priced=True)
        rate = 0 if old.tiered else market.rates[order.symbol]
        expected = expected or market.naive.amend_refusal(old, price_e8, leaves_e8, rate)
    if isinstance(answer, Order):
        market.limits.passes(old, market.desk.ts_us)
        assert expected is None
        assert (answer.price_e8, answer.quantity_e8) == (price_e8, asked_e8)
        assert (answer.maker_fee_e8, answer.taker_fee_e8) == (order.maker_fee_e8, order.taker_fee_e8)
        old.amended = price_e8, leaves_e8, max(old.fee_rate, 0 if old.tiered else market.rates[order.symbol])
        market.amends[order.order_id] = replace(answer, quantity_e8=quantity_e8)
    else:
        assert isinstance(answer, Execution)
        assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected
