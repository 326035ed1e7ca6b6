"""Orders straight to the matching stage's input, as pre-trade risk would write them."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.messages import (
    Control,
    ControlKind,
    Order,
    OrderKind,
    OrderType,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8
from stream_topology.sharding import partition_of
from tradsys.settings import Settings

SYMBOLS_PER_SHARD: Final = 2
OPEN_AT_TOUCH: Final = 10
"""Orders of each symbol that wait at the touch to be taken or cancelled."""


def symbols(shards: int) -> list[str]:
    """As many for each shard, the shards in turn."""
    found: list[list[str]] = [[] for _ in range(shards)]
    number = 0
    while min(map(len, found)) < SYMBOLS_PER_SHARD:
        name = f"COIN{number}-USD"
        found[partition_of(name, shards)].append(name)
        number += 1
    return [found[shard][place] for place in range(SYMBOLS_PER_SHARD) for shard in range(shards)]


class Flow:
    """Makes orders of all symbols in turn; each names the moment it was made."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self.prefix, self.codec = settings.topic_prefix, codec
        self.producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 5, "log_level": 0})
        self.shards = settings.shards
        self.symbols = symbols(self.shards)
        self.sent = [0] * self.shards
        """Orders per shard: the input's next offsets, as nobody else writes."""
        self.count = 0
        self.resting = 0
        self._touch: dict[str, deque[Order]] = {symbol: deque() for symbol in self.symbols}
        for symbol in self.symbols:
            control = Control(
                kind=ControlKind.SYMBOL,
                control_id=symbol,
                symbol=symbol,
                symbol_status=SymbolStatus.TRADING,
                base=symbol.partition("-")[0],
                quote="USD",
                tick_e8=E8 // 100,
                lot_e8=E8 // 100,
                maker_fee_e8=E8 // 10_000,
                taker_fee_e8=E8 // 5_000,
            )
            for shard in range(self.shards):
                self.producer.produce(f"{self.prefix}control", codec.encode(control), partition=shard)

    def rest(self, count: int, advance: Callable[[], None]) -> None:
        """Grow the number of resting orders away from the market to `count`."""
        while self.resting < count:
            self.resting += 1
            side = (Side.BUY, Side.SELL)[self.resting // len(self.symbols) % 2]
            ticks = 100 + self.resting // len(self.symbols) % 2_000
            self._send(self._new(side, ticks if side is Side.SELL else -ticks))
            advance()

    def step(self) -> None:
        """The next order at the touch: it rests, or takes the oldest there, or cancels the newest."""
        touch = self._touch[self._symbol()]
        turn = self.count // len(self.symbols) % 4
        if turn % 2 == 0 or len(touch) < OPEN_AT_TOUCH:
            order = self._new(Side.SELL, 1)
            touch.append(order)
        elif turn == 1:
            touch.popleft()
            order = self._new(Side.BUY, 1)
        else:
            newest = touch.pop()
            order = msgspec.structs.replace(newest, kind=OrderKind.CANCEL, command_id=self.count + 1)
        self._send(order)

    def _symbol(self) -> str:
        return self.symbols[self.count % len(self.symbols)]

    def _new(self, side: Side, ticks: int) -> Order:
        return Order(
            kind=OrderKind.NEW,
            command_id=self.count + 1,
            order_id=self.count + 1,
            account=f"account-{side.name}-{self.count % 40:02}",
            client_order_id="",
            symbol=self._symbol(),
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_e8=(100_000 + ticks) * E8 // 100,
            quantity_e8=E8,
            post_only=False,
            self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
            command_us=time.time_ns() // 1_000,
        )

    def _send(self, order: Order) -> None:
        shard = partition_of(order.symbol, self.shards)
        value = self.codec.encode(order)
        while True:
            try:
                self.producer.produce(f"{self.prefix}orders", value, key=order.symbol, partition=shard)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)
        self.sent[shard] += 1
        self.count += 1
