"""What anybody may ask of a venue around a price of 100: strategies for whole streams of commands."""

from typing import Any

from hypothesis import strategies as st

from schemas.messages import GroupKind, OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy
from tests.oracle.whole_venue import ACCOUNTS, STAGE_NAMES, UNIT

TICK_E8, LOT_E8 = UNIT, UNIT // 10

accounts = st.sampled_from(sorted(ACCOUNTS))
symbols = st.sampled_from(["BTC-USD", "BTC-USD", "BTC-USD", "ETH-USD", "BTC-EUR"])
sides = st.sampled_from([Side.BUY, Side.SELL])
prices = st.integers(94, 106).map(lambda price: price * TICK_E8)
quantities = st.integers(1, 60).map(lambda lots: lots * LOT_E8)
parts = st.integers(1, 8).map(lambda lots: lots * LOT_E8)
resting = st.sampled_from([None, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY])
any_time = st.sampled_from([None, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD, TimeInForce.DAY])
preventions = st.sampled_from([None, *SelfTradePrevention])
stages = st.sampled_from(STAGE_NAMES)
often = st.booleans()
seldom = st.integers(0, 5).map(lambda number: number == 0)
members = st.sampled_from(["", "", "", ":stop", ":profit"])
"""Which order of a group, if it is one."""
WAITING = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP)


@st.composite
def plain_orders(draw: st.DrawFn) -> dict[str, Any]:
    market = draw(seldom)
    post_only = not market and draw(seldom)
    return {
        "order_type": OrderType.MARKET if market else OrderType.LIMIT,
        "price_e8": None if market else draw(prices),
        "time_in_force": draw(st.sampled_from([None, TimeInForce.FOK])) if market else draw(any_time),
        "post_only": post_only,
        "slide": post_only and draw(st.booleans()),
        "display_quantity_e8": draw(parts) if draw(seldom) else None,
    }


@st.composite
def waiting_orders(draw: st.DrawFn) -> dict[str, Any]:
    order_type = draw(st.sampled_from(WAITING))
    terms: dict[str, Any] = {"order_type": order_type, "time_in_force": draw(resting)}
    terms["trigger_by"] = draw(st.sampled_from([None, TriggerBy.LAST, TriggerBy.MARK]))
    if order_type is OrderType.STOP_LIMIT:
        terms |= {"price_e8": draw(prices), "time_in_force": draw(any_time)}
        terms["display_quantity_e8"] = draw(parts) if draw(seldom) else None
    if order_type is not OrderType.TRAILING_STOP:
        terms["trigger_price_e8"] = draw(prices)
    elif draw(st.booleans()):
        terms["trail_e8"] = draw(st.integers(1, 4)) * TICK_E8
    else:
        terms["trail_rate_e8"] = draw(st.integers(1, UNIT // 10))
    return terms


limits = prices.map(lambda price: {"order_type": OrderType.LIMIT, "price_e8": price, "time_in_force": None})
orders = st.one_of(limits, limits, plain_orders(), plain_orders(), waiting_orders())


@st.composite
def groups(draw: st.DrawFn, terms: dict[str, Any]) -> dict[str, Any]:
    """What makes an order the entry of a bracket, or now and then the first of a pair."""
    near, way = terms["price_e8"] or 100 * TICK_E8, TICK_E8 if terms["side"] is Side.BUY else -TICK_E8
    away = way * draw(st.integers(0, 4))
    found: dict[str, Any] = {"trigger_by": draw(st.sampled_from([None, TriggerBy.LAST, TriggerBy.MARK]))}
    if draw(seldom):
        return found | {"group": GroupKind.OCO, "trigger_price_e8": near + away}
    if terms["price_e8"] is not None and draw(st.booleans()):  # it trades at once, if there is somebody
        near = found["price_e8"] = 100 * TICK_E8 + 4 * way
    stops = near - away
    found |= {"group": GroupKind.BRACKET, "trigger_price_e8": stops, "take_profit_price_e8": near + 2 * away}
    return found | ({"stop_price_e8": stops - way} if draw(st.booleans()) else {})


@st.composite
def placings(draw: st.DrawFn) -> dict[str, Any]:
    """A new order, all but its account and its own id."""
    terms = {"symbol": draw(symbols), "side": draw(sides), "quantity_e8": draw(quantities), **draw(orders)}
    if terms["order_type"] is OrderType.MARKET and terms["side"] is Side.BUY and draw(st.booleans()):
        terms |= {"quantity_e8": None, "notional_e8": draw(st.integers(1, 700)) * UNIT}
    if terms["order_type"] in {OrderType.LIMIT, OrderType.MARKET} and draw(often):
        return terms | draw(groups(terms))
    if draw(seldom):
        terms |= {"reduce_only": draw(st.booleans()), "self_trade_prevention": draw(preventions)}
    return terms


Flow = list[tuple[str, dict[str, Any]]]
flows = st.lists(st.tuples(accounts, placings()), min_size=1, max_size=8)
reads = st.sampled_from([None, 1, 3, 0, 0, 0])
"""So many records of each topic by all stages, one after the other; 0 until nothing is under way, None: none."""
