"""Orders as they come to a book from pre-trade risk: all types, flags and accounts in a narrow range of prices."""

import random
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from schemas.messages import (
    BookChange,
    Control,
    ControlKind,
    Execution,
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
)
from workers.kernel.stage import Input
from workers.matching.core import MatchingCore

SYMBOL = "BTC-USD"
MAKER_FEE_E8 = 100_000
TAKER_FEE_E8 = 250_001
TICK_E8 = 1_234_567
LOT_E8 = 7_654_321
RESTING = (TimeInForce.GTC, TimeInForce.GTD)
WEIGHTS = {TimeInForce.GTC: 7, TimeInForce.GTD: 1, TimeInForce.IOC: 1, TimeInForce.FOK: 1}
PREVENTIONS = (
    SelfTradePrevention.CANCEL_NEWEST,
    SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePrevention.CANCEL_BOTH,
    SelfTradePrevention.DECREMENT_AND_CANCEL,
    SelfTradePrevention.NONE,
)


def as_input(message: Message, number: int) -> Input:
    topic = {Order: "orders", Tick: "clock"}.get(type(message), "control")
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


def open_core(shard: int = 0, shards: int = 1) -> MatchingCore:
    core = MatchingCore(shard, shards)
    core.apply(as_input(symbol_control(), 0))
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
    )


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
    )


def time_of(number: int) -> int:
    """The log's time of a stream's message."""
    return 1_000_000 + number


def number_of(message: Order | Tick) -> int:
    """Where a message stands in its stream."""
    return message.sequence if isinstance(message, Tick) else message.command_id


def random_orders(seed: int, count: int, *, prices: int = 24, accounts: int = 5) -> Iterator[Order | Tick]:
    """A day on a narrow market; every cancel names an order that came, be it open or not. Time passes now and then."""
    rng = random.Random(seed)
    recent: list[Order] = []
    for number in range(1, count + 1):
        roll = rng.random()
        if 0.5 < roll < 0.52:
            yield Tick(sequence=number, ts_us=time_of(number))
            continue
        if roll > 0.85 and recent:
            victim = rng.choice(recent)
            if victim.order_type is OrderType.LIMIT and victim.time_in_force in RESTING:
                price_e8 = victim.price_e8 + rng.choice((0, 0, 0, -2, -1, 1, 2)) * TICK_E8
                account = "mallory" if rng.random() < 0.03 else None
                dated = victim.time_in_force is TimeInForce.GTD
                expire_us = time_of(number) + rng.randint(-20, 300) if dated and rng.random() < 0.5 else None
                quantity_e8 = rng.choice((0, rng.randint(1, 40) * LOT_E8))
                yield amend_order(number, victim, price_e8, quantity_e8, account=account, expire_us=expire_us)
                continue
        if roll < 0.35 and recent:
            victim = recent.pop(rng.randrange(len(recent)))
            yield cancel_order(number, victim, account="mallory" if rng.random() < 0.03 else None)
            continue
        side = rng.choice((Side.BUY, Side.SELL))
        away = rng.randint(-3, prices // 2)
        price = (1_000 - away if side is Side.BUY else 1_000 + away) * TICK_E8
        market = 0.8 < roll < 0.85
        time_in_force = rng.choices(list(WEIGHTS), [0 if market and t in RESTING else w for t, w in WEIGHTS.items()])[0]
        order = new_order(
            number,
            side,
            price if not market else (2_000 if side is Side.BUY else 1) * TICK_E8,
            rng.randint(1, 30) * LOT_E8,
            account=f"account-{rng.randrange(accounts)}",
            order_type=OrderType.MARKET if market else OrderType.LIMIT,
            time_in_force=time_in_force,
            post_only=not market and rng.random() < 0.1,
            prevention=rng.choice(PREVENTIONS),
            expire_us=time_of(number) + rng.randint(-20, 300) if time_in_force is TimeInForce.GTD else None,
        )
        if len(recent) > 200:
            recent.pop(0)
        recent.append(order)
        yield order


def replay(core: MatchingCore, orders: Iterable[Order | Tick]) -> list[list[Message]]:
    """What the core says to each order, its outputs' topics and keys checked."""
    return [_checked(core, order) for order in orders]


def _checked(core: MatchingCore, order: Order | Tick) -> list[Message]:
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
