"""Candles of one symbol: open, high, low, close and volume per interval.

Rules, for every interval length:
- The series begins with the interval of the symbol's first trade, and has no gaps from there: an interval without
  trades is flat at the last close.
- A trade belongs to the interval of its own time (Trade.ts_us). An interval ends when a later trade comes, or
  when the venue's time is GRACE_US past its end: a Tick overtakes the trades that were made just before it, because
  each topic is read on its own. Then it is final, once.
- A trade that is older than the open interval counts into the open one: what is final stays so. It happens within
  milliseconds of a boundary, or when trades come in more than GRACE_US behind the clock.
- Intervals nest, and all lengths advance together: sixty seconds' volumes always sum to their minute's.
- Volumes saturate at the largest int64.
"""

from typing import Final

import msgspec

from schemas.messages import Candle, Trade
from schemas.units import INT64_MAX, SECOND_US

INTERVALS_S: Final = (1, 60, 300, 3_600, 86_400)
"""Lengths in seconds; each divides the next."""

GRACE_US: Final = SECOND_US
"""How long after an interval's end, by the venue's time, trades of it are waited for."""

FILL_MAX: Final = 1_000
"""Most flat intervals of one length that one input makes. A longer silence (the venue was down for days) is filled by
the following ticks, that many each, while trading goes on."""


class OpenCandle(msgspec.Struct, gc=False, array_like=True):
    """The interval that trades count into."""

    interval_s: int
    open_us: int
    end_us: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int = 0
    notional_e8: int = 0
    trade_count: int = 0
    changed: bool = False
    """Traded since its state was last published."""

    def message(self, symbol: str, ts_us: int, *, final: bool) -> Candle:
        """The candle as it travels."""
        return Candle(
            symbol=symbol,
            interval_s=self.interval_s,
            open_us=self.open_us,
            open_e8=self.open_e8,
            high_e8=self.high_e8,
            low_e8=self.low_e8,
            close_e8=self.close_e8,
            volume_e8=self.volume_e8,
            notional_e8=self.notional_e8,
            trade_count=self.trade_count,
            final=final,
            ts_us=ts_us,
        )


class Gap(msgspec.Struct, gc=False, array_like=True):
    """Flat intervals that are still to be made: a silence longer than FILL_MAX of them."""

    interval_s: int
    next_us: int
    """Start of the first one."""
    end_us: int
    """End of the last one."""
    close_e8: int


class CandleSeries(msgspec.Struct, array_like=True):
    """All candles of one symbol."""

    symbol: str
    candles: list[OpenCandle]
    """One a length, in the order of INTERVALS_S."""
    gaps: list[Gap] = []

    @classmethod
    def begin(cls, trade: Trade) -> "CandleSeries":
        """The series that begins with the interval of this trade, without the trade in it."""
        price_e8 = trade.price_e8
        candles = []
        for interval_s in INTERVALS_S:
            length_us = interval_s * SECOND_US
            open_us = trade.ts_us - trade.ts_us % length_us
            candles.append(OpenCandle(interval_s, open_us, open_us + length_us, price_e8, price_e8, price_e8, price_e8))
        return cls(trade.symbol, candles, [])

    def add(self, trade: Trade) -> list[Candle]:
        """Count a trade; the candles that it made final."""
        finals = self.advance(trade.ts_us, trade.ts_us) if trade.ts_us >= self.candles[0].end_us else []
        price_e8, quantity_e8, notional_e8 = trade.price_e8, trade.quantity_e8, trade.notional_e8
        for candle in self.candles:
            if not candle.trade_count:
                candle.open_e8 = candle.high_e8 = candle.low_e8 = price_e8
            elif price_e8 > candle.high_e8:
                candle.high_e8 = price_e8
            elif price_e8 < candle.low_e8:
                candle.low_e8 = price_e8
            candle.close_e8 = price_e8
            candle.volume_e8 += quantity_e8
            candle.notional_e8 += notional_e8
            candle.trade_count += 1
            candle.changed = True
        longest = self.candles[-1]
        if longest.volume_e8 > INT64_MAX or longest.notional_e8 > INT64_MAX:
            self._saturate()
        return finals

    def tick(self, ts_us: int) -> list[Candle]:
        """Let the venue's time pass: candles that became final, and the state of those that changed."""
        messages = self._fill_gaps(ts_us) if self.gaps else []
        if ts_us - GRACE_US >= self.candles[0].end_us:
            messages += self.advance(ts_us - GRACE_US, ts_us)
        for candle in self.candles:
            if candle.changed:
                candle.changed = False
                messages.append(candle.message(self.symbol, ts_us, final=False))
        return messages

    def advance(self, now_us: int, ts_us: int) -> list[Candle]:
        """End every interval that is over at now_us; they and the flat ones up to now, stamped ts_us."""
        finals = []
        for candle in self.candles:
            if now_us < candle.end_us:
                break  # the longer ones contain this one, so they are not over either
            finals.append(candle.message(self.symbol, ts_us, final=True))
            length_us = candle.interval_s * SECOND_US
            gap = Gap(candle.interval_s, candle.end_us, now_us - now_us % length_us, candle.close_e8)
            if gap.end_us - gap.next_us <= FILL_MAX * length_us:
                finals += self._fill(gap, ts_us)
            else:
                self.gaps.append(gap)
            candle.open_us, candle.end_us = gap.end_us, gap.end_us + length_us
            candle.open_e8 = candle.high_e8 = candle.low_e8 = candle.close_e8
            candle.volume_e8 = candle.notional_e8 = candle.trade_count = 0
            candle.changed = False
        return finals

    def _fill_gaps(self, ts_us: int) -> list[Candle]:
        """A piece of every gap, and those gone that are whole."""
        finals = []
        for gap in self.gaps:
            finals += self._fill(gap, ts_us)
        self.gaps = [gap for gap in self.gaps if gap.next_us < gap.end_us]
        return finals

    def _fill(self, gap: Gap, ts_us: int) -> list[Candle]:
        """The first FILL_MAX flat candles of a gap, which is shortened by them."""
        length_us = gap.interval_s * SECOND_US
        until_us = min(gap.end_us, gap.next_us + FILL_MAX * length_us)
        price_e8 = gap.close_e8
        finals = [
            OpenCandle(gap.interval_s, open_us, open_us + length_us, price_e8, price_e8, price_e8, price_e8).message(
                self.symbol, ts_us, final=True
            )
            for open_us in range(gap.next_us, until_us, length_us)
        ]
        gap.next_us = until_us
        return finals

    def _saturate(self) -> None:
        for candle in self.candles:
            candle.volume_e8 = min(candle.volume_e8, INT64_MAX)
            candle.notional_e8 = min(candle.notional_e8, INT64_MAX)
