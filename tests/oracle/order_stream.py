"""Orders as they come to a book from pre-trade risk: all types, flags and accounts in a narrow range of prices."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from schemas.messages import (
    BookChange,
    Control,
    ControlKind,
    Execution,
    Mark,
    Message,
    Order,
    OrderKind,
    OrderType,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)
from workers.kernel.stage import Input
from workers.matching.core import MatchingCore

Asked = Order | Tick | Mark
"""What a stream is made of."""

SYMBOL = "BTC-USD"
MAKER_FEE_E8 = 100_000
TAKER_FEE_E8 = 250_001
TICK_E8 = 1_234_567
LOT_E8 = 7_654_321
RESTING = (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY)
WAITING = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP)
WEIGHTS = {TimeInForce.GTC: 7, TimeInForce.GTD: 1, TimeInForce.DAY: 0, TimeInForce.IOC: 1, TimeInForce.FOK: 1}
PREVENTIONS = (
    SelfTradePrevention.CANCEL_NEWEST,
    SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePrevention.CANCEL_BOTH,
    SelfTradePrevention.DECREMENT_AND_CANCEL,
    SelfTradePrevention.NONE,
)


def as_input(message: Message, number: int) -> Input:
    topic = {Order: "orders", Tick: "clock", Mark: "marks"}.get(type(message), "control")
    return Input(topic, 0, number, time_of(number), SYMBOL, message, b"")


def symbol_control(symbol: str = SYMBOL, *, control_id: str | None = None, **fields: int) -> Control:
    numbers = {"tick_e8": 1, "lot_e8": 1, "maker_fee_e8": MAKER_FEE_E8, "taker_fee_e8": TAKER_FEE_E8}
    return Control(
        kind=ControlKind.SYMBOL,
        control_id=control_id or f"set {symbol}",
        symbol=symbol,
        symbol_status=SymbolStatus.TRADING,
        base=symbol.partition("-")[0],
        quote="USD",
        **(numbers | fields),
    )


def open_core(shard: int = 0, shards: int = 1, **rules: int) -> MatchingCore:
    core = MatchingCore(shard, shards)
    core.apply(as_input(symbol_control(**rules), 0))
    return core


def new_order(
    number: int,
    side: Side,
    price_e8: int,
    quantity_e8: int,
    *,
    account: str = "alice",
    order_type: OrderType = OrderType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    post_only: bool = False,
    prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST,
    expire_us: int | None = None,
    trigger_e8: int | None = None,
    trigger_by: TriggerBy | None = None,
    trail_e8: int | None = None,
    trail_rate_e8: int | None = None,
    display_e8: int | None = None,
    slide: bool = False,
    notional_e8: int | None = None,
    reduce_only: bool = False,
    fees_e8: tuple[int, int] | None = None,
    strategy: str | None = None,
) -> Order:
    return Order(
        kind=OrderKind.NEW,
        command_id=number,
        order_id=number,
        account=account,
        client_order_id=f"mine-{number}",
        symbol=SYMBOL,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        price_e8=price_e8,
        quantity_e8=quantity_e8,
        post_only=post_only,
        self_trade_prevention=prevention,
        command_us=900_000 + number,
        correlation_id=f"correlation-{number}" if number % 2 else None,
        expire_us=expire_us,
        trigger_price_e8=trigger_e8,
        trigger_by=trigger_by,
        trail_e8=trail_e8,
        trail_rate_e8=trail_rate_e8,
        display_quantity_e8=display_e8,
        slide=slide,
        notional_e8=notional_e8,
        reduce_only=reduce_only,
        maker_fee_e8=None if fees_e8 is None else fees_e8[0],
        taker_fee_e8=None if fees_e8 is None else fees_e8[1],
        strategy=strategy,
    )


def pair_order(
    first: Order, trigger_e8: int, *, worst_e8: int, limit: bool = False, by: TriggerBy = TriggerBy.LAST
) -> Order:
    """A limit order and a stop order of which one cancels the other, as one record."""
    return replace(
        first,
        kind=OrderKind.OCO,
        group_id=first.order_id,
        stop_price_e8=worst_e8,
        stop_limit=limit,
        trigger_price_e8=trigger_e8,
        trigger_by=by,
    )


def members(pair: Order) -> tuple[Order, ...]:
    """The orders that a record stands for, as later commands name them: one, or both of a pair."""
    if pair.kind is not OrderKind.OCO:
        return (pair,)
    name = pair.client_order_id if pair.group_id == pair.order_id else pair.client_order_id.removesuffix(":profit")
    first = replace(
        pair, kind=OrderKind.NEW, stop_price_e8=None, stop_limit=False, trigger_price_e8=None, trigger_by=None
    )
    stop = replace(
        first,
        order_id=(pair.group_id or 0) + 2**45,
        client_order_id=f"{name}:stop",
        order_type=OrderType.STOP_LIMIT if pair.stop_limit else OrderType.STOP,
        price_e8=pair.stop_price_e8 or 0,
        trigger_price_e8=pair.trigger_price_e8,
        trigger_by=pair.trigger_by,
    )
    return first, stop


def bracket_pair(
    entry: Order, number: int, profit_e8: int, trigger_e8: int, quantity_e8: int, *, worst_e8: int, limit: bool = False
) -> Order:
    """What comes of a bracket's entry, as one record: a pair of the other side."""
    profit = replace(
        new_order(number, Side.SELL if entry.side is Side.BUY else Side.BUY, profit_e8, quantity_e8, reduce_only=True),
        order_id=entry.order_id + 2 * 2**45,
        account=entry.account,
        client_order_id=f"{entry.client_order_id}:profit",
        self_trade_prevention=entry.self_trade_prevention,
    )
    pair = pair_order(profit, trigger_e8, worst_e8=worst_e8, limit=limit)
    return replace(pair, group_id=entry.order_id)


def cancel_order(number: int, order: Order, *, account: str | None = None) -> Order:
    return replace(
        order,
        kind=OrderKind.CANCEL,
        command_id=number,
        account=account or order.account,
        post_only=False,
        command_us=900_000 + number,
        correlation_id=f"cancel-{number}",
    )


def amend_order(
    number: int,
    order: Order,
    price_e8: int,
    quantity_e8: int,
    *,
    account: str | None = None,
    expire_us: int | None = None,
    trigger_e8: int | None = None,
    display_e8: int | None = None,
) -> Order:
    return replace(
        order,
        kind=OrderKind.AMEND,
        command_id=number,
        account=account or order.account,
        price_e8=price_e8,
        quantity_e8=quantity_e8,
        command_us=900_000 + number,
        correlation_id=f"amend-{number}",
        expire_us=expire_us or order.expire_us,
        trigger_price_e8=trigger_e8 or order.trigger_price_e8,
        display_quantity_e8=display_e8 or order.display_quantity_e8,
    )


def time_of(number: int) -> int:
    """The log's time of a stream's message."""
    return 1_000_000 + number


def number_of(message: Asked) -> int:
    """Where a message stands in its stream."""
    return message.command_id if isinstance(message, Order) else message.sequence


def mark(number: int, price_e8: int) -> Mark:
    return Mark(symbol=SYMBOL, price_e8=price_e8, sequence=number, ts_us=time_of(number))


def trigger_terms(rng: random.Random, near_e8: int) -> dict[str, Any]:
    """A type that waits, and for what, near a price."""
    order_type = rng.choice(WAITING)
    terms: dict[str, Any] = {"order_type": order_type, "trigger_by": rng.choice((TriggerBy.LAST, TriggerBy.MARK))}
    if order_type is not OrderType.TRAILING_STOP:
        return terms | {"trigger_e8": near_e8 + rng.randint(-5, 5) * TICK_E8}
    if rng.random() < 0.5:
        return terms | {"trail_e8": rng.randint(1, 6) * TICK_E8}
    return terms | {"trail_rate_e8": rng.randint(1, 900_000)}


def may_be_amended(order: Order) -> bool:
    """Whether risk would let an amendment of it pass, as long as it is open."""
    return order.order_type is not OrderType.MARKET and order.time_in_force in RESTING


def _moved(rng: random.Random, order: Order) -> int | None:
    """Its trigger, perhaps at another price."""
    trigger_e8 = order.trigger_price_e8
    if trigger_e8 is None or rng.random() < 0.5:
        return trigger_e8
    return trigger_e8 + rng.randint(-3, 3) * TICK_E8


def _shown(rng: random.Random, order: Order) -> int | None:
    """How much of it is shown from now on, if not all is."""
    return rng.choice((order.display_quantity_e8, order.display_quantity_e8, rng.randint(1, 6) * LOT_E8))


def random_orders(seed: int, count: int, *, prices: int = 24, accounts: int = 5) -> Iterator[Asked]:
    """A day on a narrow market; every cancel names an order that came, be it open or not. Time passes now and then."""
    rng, beside = random.Random(seed), random.Random(~seed)
    recent: list[Order] = []
    ended: list[Order] = []
    """Entries of brackets that have ended."""
    for number in range(1, count + 1):
        if ended and rng.random() < 0.5:
            pair = _brought(rng, ended.pop(), number)
            recent += members(pair)
            yield pair
            continue
        roll = rng.random()
        if 0.5 < roll < 0.52:
            yield Tick(sequence=number, ts_us=time_of(number))
            continue
        if 0.52 < roll < 0.54:
            yield mark(number, (1_000 + rng.randint(-8, 8)) * TICK_E8)
            continue
        if roll > 0.85 and recent:
            victim = rng.choice(recent)
            if may_be_amended(victim):
                yield _amended(rng, victim, number)
                continue
        if roll < 0.35 and recent:
            victim = recent.pop(rng.randrange(len(recent)))
            own = rng.random() >= 0.03
            if own and _enters(victim):
                ended.append(victim)
            yield cancel_order(number, victim, account=None if own else "mallory")
            continue
        order = _new(rng, beside, number, roll, prices, accounts)
        del recent[:-200]
        order = _with_others(rng, order)
        recent += members(order)
        if _enters(order) and order.time_in_force not in RESTING:
            ended.append(recent.pop())
        yield order


def _amended(rng: random.Random, victim: Order, number: int) -> Order:
    """An amendment of what a new order may do; the quantity of one of a group stays."""
    price_e8 = victim.price_e8 + rng.choice((0, 0, 0, -2, -1, 1, 2)) * TICK_E8
    account = "mallory" if rng.random() < 0.03 else None
    dated = victim.time_in_force is TimeInForce.GTD
    expire_us = time_of(number) + rng.randint(-20, 300) if dated and rng.random() < 0.5 else None
    quantity_e8 = rng.choice((0, rng.randint(1, 40) * LOT_E8)) if victim.group_id is None else 0
    changes = {"account": account, "expire_us": expire_us, "trigger_e8": _moved(rng, victim)}
    changes["display_e8"] = _shown(rng, victim) if victim.group_id is None else None
    return amend_order(number, victim, price_e8, quantity_e8, **changes)


def _new(rng: random.Random, beside: random.Random, number: int, roll: float, prices: int, accounts: int) -> Order:
    side = rng.choice((Side.BUY, Side.SELL))
    away = rng.randint(-3, prices // 2)
    price = (1_000 - away if side is Side.BUY else 1_000 + away) * TICK_E8
    market = 0.8 < roll < 0.85
    terms: dict[str, Any] = {"order_type": OrderType.MARKET if market else OrderType.LIMIT}
    time_in_force = rng.choices(list(WEIGHTS), [0 if market and t in RESTING else w for t, w in WEIGHTS.items()])[0]
    if 0.54 < roll < 0.62:
        terms = trigger_terms(rng, price)
        if terms["order_type"] is not OrderType.STOP_LIMIT:
            market = True
            time_in_force = rng.choice((TimeInForce.GTC, TimeInForce.GTD))
    spends = terms["order_type"] is OrderType.MARKET and side is Side.BUY and rng.random() < 0.5
    return new_order(
        number,
        side,
        price if not market else (2_000 if side is Side.BUY else 1) * TICK_E8,
        rng.randint(1, 30) * LOT_E8 if not spends else rng.choice((40, 10**6)) * LOT_E8,
        notional_e8=rng.randint(1, 40_000 * TICK_E8 * LOT_E8 // 10**8) if spends else None,
        account=f"account-{rng.randrange(accounts)}",
        time_in_force=time_in_force,
        post_only=terms["order_type"] is OrderType.LIMIT and rng.random() < 0.1,
        slide=rng.random() < 0.5,
        display_e8=rng.randint(1, 6) * LOT_E8 if not market and rng.random() < 0.2 else None,
        prevention=rng.choice(PREVENTIONS),
        reduce_only=rng.random() < 0.1,
        fees_e8=(beside.randint(-90_000, 90_000), beside.randint(0, 200_000)) if beside.random() < 0.3 else None,
        strategy=beside.choice((None, None, None, "trend", "pairs")),
        expire_us=time_of(number) + rng.randint(-20, 300) if time_in_force is TimeInForce.GTD else None,
        **terms,
    )


def _enters(order: Order) -> bool:
    """Whether it is the entry of a bracket."""
    return order.correlation_id == "enters"


def _brought(rng: random.Random, entry: Order, number: int) -> Order:
    """What comes of an entry, on both sides of the market or, late, on one."""
    up, down = rng.randint(-2, 8) * TICK_E8, rng.randint(-2, 8) * TICK_E8
    buys, limit = entry.side is Side.SELL, rng.random() < 0.4
    profit_e8, trigger_e8 = 1_000 * TICK_E8 - (up if buys else -up), 1_000 * TICK_E8 + (down if buys else -down)
    worst_e8 = trigger_e8 if limit else (2_000 if buys else 1) * TICK_E8
    quantity_e8 = rng.randint(1, 20) * LOT_E8
    return bracket_pair(entry, number, profit_e8, trigger_e8, quantity_e8, worst_e8=worst_e8, limit=limit)


def _with_others(rng: random.Random, order: Order) -> Order:
    """Perhaps the first of a pair, where it can be, or the entry of a bracket."""
    if order.trigger_by is None and not order.reduce_only and rng.random() < 0.1:
        return replace(order, group_id=order.order_id, correlation_id="enters")
    plain = not order.post_only and order.display_quantity_e8 is None and order.trigger_by is None
    plain = plain and order.order_type is OrderType.LIMIT and order.time_in_force in RESTING
    if not plain or rng.random() > 0.25:
        return order
    buys, limit, behind_e8 = order.side is Side.BUY, rng.random() < 0.4, rng.randint(1, 6) * TICK_E8
    trigger_e8 = order.price_e8 + (behind_e8 if buys else -behind_e8)
    worst_e8 = trigger_e8 if limit else (2_000 if buys else 1) * TICK_E8
    return pair_order(
        order, trigger_e8, worst_e8=worst_e8, limit=limit, by=rng.choice((TriggerBy.LAST, TriggerBy.MARK))
    )


def replay(core: MatchingCore, orders: Iterable[Asked]) -> list[list[Message]]:
    """What the core says to each order, its outputs' topics and keys checked."""
    return [_checked(core, order) for order in orders]


def _checked(core: MatchingCore, order: Asked) -> list[Message]:
    outputs = core.apply(as_input(order, number_of(order)))
    for output in outputs:
        match output.message:
            case Execution(account=account):
                assert (output.topic, output.key) == ("executions", account)
            case Trade(symbol=symbol):
                assert (output.topic, output.key) == ("trades", symbol)
            case BookChange(symbol=symbol):
                assert (output.topic, output.key) == ("book", symbol)
            case other:
                raise AssertionError(other)
    return [output.message for output in outputs]
