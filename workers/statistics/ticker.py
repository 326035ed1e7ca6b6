"""The last 24 hours of one symbol, and the mark.

The window is made of minutes: the one that is running and the 1,439 before it, so nothing in it is older than 24 hours.
"""

from typing import Final

import msgspec

from schemas.messages import Trade
from schemas.units import INT64_MAX

MINUTE_US: Final = 60_000_000

WINDOW_MINUTES: Final = 1_440


class Minute(msgspec.Struct, gc=False, array_like=True):
    """The trades of one minute. Its sums saturate at the largest int64."""

    number: int
    """Minutes since 1970 UTC."""
    open_e8: int
    high_e8: int
    low_e8: int
    volume_e8: int = 0
    notional_e8: int = 0
    trade_count: int = 0


class Window:
    """Minutes with trades of the last 24 hours, and what they sum to. The prices are 0 while there are none."""

    __slots__ = ("high_e8", "low_e8", "minutes", "notional_e8", "trade_count", "volume_e8")

    def __init__(self, minutes: list[Minute]) -> None:
        self.minutes = minutes
        """Oldest first, at most WINDOW_MINUTES."""
        self._sum_up()

    def _sum_up(self) -> None:
        minutes = self.minutes
        self.volume_e8 = sum(minute.volume_e8 for minute in minutes)
        self.notional_e8 = sum(minute.notional_e8 for minute in minutes)
        self.trade_count = sum(minute.trade_count for minute in minutes)
        self.high_e8 = max((minute.high_e8 for minute in minutes), default=0)
        self.low_e8 = min((minute.low_e8 for minute in minutes), default=0)

    def add(self, trade: Trade) -> None:
        """Count a trade. One that is older than the running minute counts into that."""
        number, price_e8 = trade.ts_us // MINUTE_US, trade.price_e8
        if not self.minutes or number > self.minutes[-1].number:
            self.roll(trade.ts_us)
            self.minutes.append(Minute(number, price_e8, price_e8, price_e8))
        minute = self.minutes[-1]
        minute.high_e8 = max(minute.high_e8, price_e8)
        minute.low_e8 = min(minute.low_e8, price_e8)
        volume_e8 = min(trade.quantity_e8, INT64_MAX - minute.volume_e8)
        notional_e8 = min(trade.notional_e8, INT64_MAX - minute.notional_e8)
        minute.volume_e8 += volume_e8
        minute.notional_e8 += notional_e8
        minute.trade_count += 1
        if not self.trade_count:
            self.high_e8 = self.low_e8 = price_e8
        elif price_e8 > self.high_e8:
            self.high_e8 = price_e8
        elif price_e8 < self.low_e8:
            self.low_e8 = price_e8
        self.volume_e8 += volume_e8
        self.notional_e8 += notional_e8
        self.trade_count += 1

    def roll(self, now_us: int) -> bool:
        """Forget the minutes that are 24 hours old; whether there were any."""
        oldest = now_us // MINUTE_US - WINDOW_MINUTES
        gone = 0
        for minute in self.minutes:
            if minute.number > oldest:
                break
            gone += 1
        if not gone:
            return False
        del self.minutes[:gone]
        self._sum_up()
        return True


def mark_price_e8(bid_e8: int | None, ask_e8: int | None, last_e8: int | None) -> int | None:
    """The median of best bid, best ask and last trade, as far as they exist; of two, the mean rounded down."""
    prices = sorted(price for price in (bid_e8, ask_e8, last_e8) if price is not None)
    match prices:
        case []:
            return None
        case [low, high]:
            return (low + high) // 2
    return prices[len(prices) // 2]
