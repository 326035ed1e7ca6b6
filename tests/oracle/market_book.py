"""What the book answers in a market of random decisions: amendments, fills, ends."""

from msgspec.structs import replace

from schemas.messages import (
    ExecutionKind,
    Order,
    OrderStatus,
    Reason,
    Side,
)
from schemas.units import E8, fee_e8, notional_e8
from tests.oracle.market_groups import compare_brought
from tests.oracle.market_state import Market, any_order, over

ENDS = (*[Reason.CANCELLED_BY_CLIENT] * 5, Reason.KILLED, Reason.TIMER_EXPIRED, Reason.MARGIN_CALL)


def answer_amend(market: Market) -> None:
    """The book answers an amendment."""
    if not market.amends:
        return
    order_id = market.rng.choice(sorted(market.amends))
    amended = market.amends.pop(order_id)
    order, naive, filled_e8 = market.open[order_id], market.naive.orders[order_id], market.filled[order_id]
    leaves_e8, (_, _, rate) = amended.quantity_e8 - filled_e8, naive.amended or (0, 0, 0)
    naive.amended = None
    kind = market.rng.choice((ExecutionKind.AMENDED, ExecutionKind.AMENDED, ExecutionKind.AMEND_REJECTED))
    fields = {"command_id": amended.command_id, "price_e8": amended.price_e8, "cumulative_e8": filled_e8}
    if kind is ExecutionKind.AMENDED and leaves_e8 <= 0:
        market.desk.ended(order, command_id=amended.command_id, cumulative_e8=filled_e8)
        del market.open[order_id], market.naive.orders[order_id]
        over(market, order.account, order)
        compare_brought(market, order, filled_e8)
    elif kind is ExecutionKind.AMENDED:
        status = OrderStatus.PARTIALLY_FILLED if filled_e8 else OrderStatus.NEW
        market.desk.executed(amended, kind, status, leaves_e8=leaves_e8, **fields)
        naive.worst_price, naive.leaves, naive.fee_rate = amended.price_e8, leaves_e8, rate
        market.open[order_id] = amended
    else:
        market.desk.executed(order, kind, OrderStatus.UNKNOWN, **fields)


def trigger_one(market: Market) -> None:
    waiting = [order for order in market.open.values() if order.trigger_by is not None]
    if waiting and market.naive.orders[(order := market.rng.choice(waiting)).order_id].other is not None:
        market.desk.executed(order, ExecutionKind.TRIGGERED, OrderStatus.NEW, leaves_e8=order.quantity_e8)
        cancelled(market, market.naive.part(order.order_id))


def cancelled(market: Market, order_id: int | None) -> None:
    """The book has taken out the other order of a pair."""
    if order_id is None:
        return
    order = market.open.pop(order_id)
    why = Reason.LIQUIDATION if order.account in market.losses.liquidating else Reason.ORDER_FINAL
    assert market.desk.amend(order.account, order_id=order_id, price_e8=1).reason is why
    market.losses.look(order.account, market.desk.ts_us)
    market.desk.ended(order, reason=Reason.ONE_CANCELS_OTHER)
    over(market, order.account, order)
    market.amends.pop(order_id, None)


def fill_any(market: Market) -> None:
    order = any_order(market)
    if order is not None:
        fill_one(market, order)


def fill_one(market: Market, order: Order) -> None:
    before_e8 = market.filled[order.order_id]
    naive = market.naive.orders[order.order_id]
    if order.notional_e8 is not None and not before_e8 and order.order_id not in market.desk.in_book:
        # What it buys is found by the book.
        order = replace(order, quantity_e8=order.notional_e8 * E8 // order.price_e8)
        market.open[order.order_id], naive.leaves = order, order.quantity_e8
    quantity_e8 = market.rng.randint(1, order.quantity_e8 - before_e8)
    worse = market.rng.randint(0, 2)
    price_e8 = order.price_e8 * (E8 + (-worse if order.side is Side.BUY else worse) * E8 // 10) // E8
    if naive.budget is not None:
        price_e8 = order.price_e8
    value_e8 = notional_e8(price_e8, quantity_e8)
    fee = fee_e8(value_e8, market.rng.choice((0, market.naive.orders[order.order_id].fee_rate)))
    market.desk.filled(order, quantity_e8, price_e8, before_e8=before_e8, fee_e8=fee)
    other = market.naive.part(order.order_id)
    market.naive.fill(order.order_id, quantity_e8, value_e8, fee)
    market.limits.fills.append((order.account, order.symbol, value_e8, market.desk.ts_us))
    signed_e8 = quantity_e8 if order.side is Side.BUY else -quantity_e8
    market.losses.bought.append((order.account, order.symbol, signed_e8))
    market.losses.paid.append((order.account, market.naive.pairs[order.symbol][0], signed_e8))
    if market.losses.on():
        market.losses.look(order.account, market.desk.ts_us)
    cancelled(market, other)
    market.filled[order.order_id] += quantity_e8
    if order.order_id not in market.naive.orders:
        del market.open[order.order_id]
        over(market, order.account, order)
        market.amends.pop(order.order_id, None)
        compare_brought(market, order, market.filled[order.order_id])


def end_any(market: Market) -> None:
    order = any_order(market)
    if order is not None:
        end_one(market, order)


def end_one(market: Market, order: Order) -> None:
    status = market.rng.choice((OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED))
    if status is OrderStatus.REJECTED and order.order_id in market.desk.in_book:
        status = OrderStatus.CANCELLED
    reason = market.rng.choice(ENDS) if status is OrderStatus.CANCELLED else Reason.NONE
    asked = reason is Reason.CANCELLED_BY_CLIENT and bool(market.rng.randint(0, 3))
    command_id = 1 if asked else None
    market.desk.ended(order, status, cumulative_e8=market.filled[order.order_id], reason=reason, command_id=command_id)
    cancelled(market, market.naive.part(order.order_id))
    del market.open[order.order_id], market.naive.orders[order.order_id]
    over(market, order.account, order, refused=status is OrderStatus.REJECTED)
    market.amends.pop(order.order_id, None)
    compare_brought(market, order, market.filled[order.order_id], reason, asked=asked)


def end_entry(market: Market) -> None:
    """The entry of a bracket is filled, in part or whole, and ends."""
    if market.entries:
        order = market.open[market.rng.choice(sorted(market.entries))]
        fill_one(market, order)
        if order.order_id in market.open:
            end_one(market, order)
