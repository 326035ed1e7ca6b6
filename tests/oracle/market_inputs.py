"""Inputs of a market as the log holds them, in few words; and a book flow that is right by construction."""

import random
from collections.abc import Iterable, Iterator

from schemas.messages import BookChange, Message, Side, Tick, Trade
from schemas.units import E8, notional_e8
from workers.kernel.stage import Input

SYMBOL = "BTC-USD"
START_US = 1_700_000_000_000_000
"""A Tuesday, 22:13:20 UTC."""

SECOND_US = 1_000_000

_TOPIC = {
    "AccountState": "accounts",
    "BookChange": "book",
    "Candle": "candles",
    "Control": "control",
    "Execution": "executions",
    "LedgerEntry": "ledger",
    "Mark": "marks",
    "Position": "positions",
    "Tick": "clock",
    "SessionChange": "sessions",
    "Ticker": "tickers",
    "Trade": "trades",
}


def at(message: Message, *, offset: int = 0) -> Input:
    """The message as a core receives it."""
    return Input(
        topic=_TOPIC[type(message).__name__],
        shard=0,
        offset=offset,
        ts_us=getattr(message, "ts_us", 0),
        key="",
        message=message,
        value=b"",
    )


def trade(price: float, quantity: float = 1, *, seconds: float = 0, symbol: str = SYMBOL, number: int = 1) -> Trade:
    """A trade that many seconds after the start."""
    price_e8, quantity_e8 = round(price * E8), round(quantity * E8)
    return Trade(
        trade_id=number,
        symbol=symbol,
        price_e8=price_e8,
        quantity_e8=quantity_e8,
        notional_e8=notional_e8(price_e8, quantity_e8),
        aggressor_side=Side.BUY,
        maker_order_id=1,
        taker_order_id=2,
        maker_account="maker",
        taker_account="taker",
        ts_us=START_US + round(seconds * SECOND_US),
    )


def tick(seconds: float) -> Tick:
    """The venue's time that many seconds after the start."""
    return Tick(sequence=int(seconds), ts_us=START_US + round(seconds * SECOND_US))


class BookFlow:
    """Makes gap-free changes of one book."""

    def __init__(self, symbol: str = SYMBOL) -> None:
        self.symbol = symbol
        self.sequence = 0

    def effect(self, *levels: tuple[Side, float, float], seconds: float = 0) -> list[BookChange]:
        """One order's effect: (side, price, quantity) of each level that it changed."""
        changes = []
        for index, (side, price, quantity) in enumerate(levels):
            self.sequence += 1
            changes.append(
                BookChange(
                    symbol=self.symbol,
                    sequence=self.sequence,
                    side=side,
                    price_e8=round(price * E8),
                    quantity_e8=round(quantity * E8),
                    order_count=1 if quantity else 0,
                    last=index == len(levels) - 1,
                    ts_us=START_US + round(seconds * SECOND_US),
                )
            )
        return changes


def random_book(seed: int, effects: int, *, symbol: str = SYMBOL, levels: int = 40) -> Iterator[list[BookChange]]:
    """Effects of random orders on a book that is never crossed after one, though it may be within."""
    chance, flow = random.Random(seed), BookFlow(symbol)
    books: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    for number in range(effects):
        side = chance.choice((Side.BUY, Side.SELL))
        other = Side.SELL if side is Side.BUY else Side.BUY
        price = chance.randint(1, levels)
        if chance.random() < 0.4 and books[side]:
            changes = _some_levels_gone(chance, books[side], side)
        else:
            # An order takes what it crosses; its remainder rests.
            crossed = [p for p in books[other] if (p <= price if side is Side.BUY else p >= price)]
            changes = [(side, price, chance.randint(1, 50))] + [(other, p, 0) for p in crossed]
            changes = sorted(changes, key=lambda change: (change[0] is Side.BUY, change[1]))
        for changed_side, changed_price, quantity in changes:
            if quantity:
                books[changed_side][changed_price] = quantity
            else:
                del books[changed_side][changed_price]
        yield flow.effect(*((s, p / 100, q / 1_000) for s, p, q in changes), seconds=number * 0.7)


def _some_levels_gone(chance: random.Random, book: dict[int, int], side: Side) -> list[tuple[Side, int, int]]:
    prices = chance.sample(sorted(book), chance.randint(1, min(3, len(book))))
    return [(side, price, 0) for price in prices]


def inputs(messages: Iterable[Message]) -> list[Input]:
    """The messages as a core receives them, one after the other."""
    return [at(message, offset=offset) for offset, message in enumerate(messages)]
