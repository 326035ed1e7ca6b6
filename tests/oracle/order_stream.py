"""Orders as they come to a book from pre-trade risk: all types, flags and accounts in a narrow range of prices."""

import random
from collections.abc import Iterator

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
PREVENTIONS = (
    SelfTradePrevention.CANCEL_NEWEST,
    SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePrevention.CANCEL_BOTH,
    SelfTradePrevention.DECREMENT_AND_CANCEL,
    SelfTradePrevention.NONE,
)


def as_input(message: Message, number: int) -> Input:
    topic = "orders" if isinstance(message, Order) else "control"
    return Input(topic, 0, number, 1_000_000 + number, SYMBOL, message, b"")


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
    )


def cancel_order(number: int, order: Order, *, account: str | None = None) -> Order:
    return Order(
        kind=OrderKind.CANCEL,
        command_id=number,
        order_id=order.order_id,
        account=account or order.account,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price_e8=order.price_e8,
        quantity_e8=order.quantity_e8,
        post_only=False,
        self_trade_prevention=order.self_trade_prevention,
        command_us=900_000 + number,
        correlation_id=f"cancel-{number}",
    )


def amend_order(number: int, order: Order, price_e8: int, quantity_e8: int, *, account: str | None = None) -> Order:
    return Order(
        kind=OrderKind.AMEND,
        command_id=number,
        order_id=order.order_id,
        account=account or order.account,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price_e8=price_e8,
        quantity_e8=quantity_e8,
        post_only=order.post_only,
        self_trade_prevention=order.self_trade_prevention,
        command_us=900_000 + number,
        correlation_id=f"amend-{number}",
    )


def random_orders(seed: int, count: int, *, prices: int = 24, accounts: int = 5) -> Iterator[Order]:
    """A day on a narrow market; every cancel names an order that came, be it open or not."""
    rng = random.Random(seed)
    recent: list[Order] = []
    for number in range(1, count + 1):
        roll = rng.random()
        if roll > 0.85 and recent:
            victim = rng.choice(recent)
            if victim.order_type is OrderType.LIMIT and victim.time_in_force is TimeInForce.GTC:
                price_e8 = victim.price_e8 + rng.choice((0, 0, 0, -2, -1, 1, 2)) * TICK_E8
                account = "mallory" if rng.random() < 0.03 else None
                yield amend_order(number, victim, price_e8, rng.randint(1, 40) * LOT_E8, account=account)
                continue
        if roll < 0.35 and recent:
            victim = recent.pop(rng.randrange(len(recent)))
            yield cancel_order(number, victim, account="mallory" if rng.random() < 0.03 else None)
            continue
        side = rng.choice((Side.BUY, Side.SELL))
        away = rng.randint(-3, prices // 2)
        price = (1_000 - away if side is Side.BUY else 1_000 + away) * TICK_E8
        market = 0.8 < roll < 0.85
        order = new_order(
            number,
            side,
            price if not market else (2_000 if side is Side.BUY else 1) * TICK_E8,
            rng.randint(1, 30) * LOT_E8,
            account=f"account-{rng.randrange(accounts)}",
            order_type=OrderType.MARKET if market else OrderType.LIMIT,
            time_in_force=rng.choices((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK), (0 if market else 8, 1, 1))[
                0
            ],
            post_only=not market and rng.random() < 0.1,
            prevention=rng.choice(PREVENTIONS),
        )
        if len(recent) > 200:
            recent.pop(0)
        recent.append(order)
        yield order


def replay(core: MatchingCore, orders: Iterator[Order] | list[Order]) -> list[list[Message]]:
    """What the core says to each order, its outputs' topics and keys checked."""
    return [_checked(core, order) for order in orders]


def _checked(core: MatchingCore, order: Order) -> list[Message]:
    outputs = core.apply(as_input(order, order.command_id))
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
