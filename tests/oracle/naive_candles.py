"""Candles computed again from all trades at once, the way a person would with a spreadsheet: the oracle of the
statistics stage.

A trade's effective time is its own, or that of the interval that was open when it came, whichever is later. All trades
are then grouped by the interval of their effective time; an interval without any repeats the close before it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.messages import Tick, Trade

SECOND_US = 1_000_000
GRACE_US = SECOND_US
"""A tick ends what was over a second before it."""


class NaiveCandle(NamedTuple):
    open_us: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    notional_e8: int
    trade_count: int


def naive_candles(events: Iterable[Trade | Tick], interval_s: int) -> tuple[list[NaiveCandle], NaiveCandle | None]:
    """The final candles of one symbol, and the open one; None before the first trade."""
    length_us = interval_s * SECOND_US
    groups: dict[int, list[Trade]] = {}
    now_us: int | None = None
    for event in events:
        if isinstance(event, Trade):
            now_us = event.ts_us if now_us is None else max(now_us, event.ts_us)
            groups.setdefault(now_us // length_us, []).append(event)
        elif now_us is not None:
            now_us = max(now_us, event.ts_us - GRACE_US)
    if now_us is None:
        return [], None
    candles: list[NaiveCandle] = []
    for number in range(min(groups), now_us // length_us + 1):
        trades = groups.get(number, [])
        prices = [trade.price_e8 for trade in trades] or [candles[-1].close_e8]
        candles.append(
            NaiveCandle(
                number * length_us,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                sum(trade.quantity_e8 for trade in trades),
                sum(trade.notional_e8 for trade in trades),
                len(trades),
            )
        )
    return candles[:-1], candles[-1]
