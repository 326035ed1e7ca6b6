"""The statistics stage: candles, tickers and marks of each symbol, folded from its trades and its book.

The only times here are those in the messages: Trade.ts_us and BookChange.ts_us (the log's time at the book) and
Tick.ts_us (the venue's time). What is published on a Tick comes symbol by symbol in name order, so that it does not
depend on the order in which a shard, or a restored one, came to know them.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.levels import Levels, LevelsState
from schemas.messages import BookChange, Control, Mark, Tick, Ticker, Trade
from schemas.units import INT64_MAX
from workers.kernel.stage import Input, Output
from workers.statistics.candles import CandleSeries
from workers.statistics.ticker import Minute, Window, mark_price_e8

TICKER_INTERVAL_US: Final = 100_000
"""Shortest time between two tickers of a symbol, but for those on a Tick."""


Top = tuple[int | None, int | None, int | None, int | None]


class MarketState(msgspec.Struct, frozen=True, array_like=True):
    """A market at rest."""

    levels: LevelsState
    top: Top
    last_e8: int | None
    series: CandleSeries | None
    minutes: list[Minute]
    ticker: Ticker
    moved: bool
    stale: bool
    mark_sequence: int
    mark_e8: int | None
    collecting: bool = False


class Market:
    """What is known of one symbol."""

    __slots__ = (
        "collecting",
        "last_e8",
        "levels",
        "mark_e8",
        "mark_sequence",
        "moved",
        "series",
        "stale",
        "ticker",
        "top",
        "window",
    )

    def __init__(self, state: MarketState) -> None:
        self.levels = Levels.from_state(state.levels)
        self.top = state.top
        """Best bid, its quantity, best ask, its quantity, after the last whole effect of an order; nothing while orders
        are collected for an auction.
        """
        self.last_e8 = state.last_e8
        self.series = state.series
        """None before the first trade."""
        self.window = Window(state.minutes)
        self.ticker = state.ticker
        """The last one published; its sequence is 0 before the first."""
        self.moved = state.moved
        """Top of book or last price changed since that ticker: the next may come before the Tick."""
        self.stale = state.stale
        """Anything else that a ticker shows changed since: the next comes with the Tick."""
        self.mark_sequence = state.mark_sequence
        self.mark_e8 = state.mark_e8
        """The last one published."""
        self.collecting = state.collecting
        """Whether the book stands without being traded: then anybody could set its best prices."""

    @classmethod
    def begin(cls, symbol: str) -> "Market":
        """A market of which nothing is known."""
        ticker = Ticker(symbol=symbol, sequence=0, volume_24h_e8=0, notional_24h_e8=0, trade_count_24h=0, ts_us=0)
        nothing = (None, None, None, None)
        return cls(
            MarketState(
                levels=LevelsState(0, [], []),
                top=nothing,
                last_e8=None,
                series=None,
                minutes=[],
                ticker=ticker,
                moved=False,
                stale=False,
                mark_sequence=0,
                mark_e8=None,
            )
        )

    def state(self) -> MarketState:
        """What a snapshot keeps."""
        return MarketState(
            levels=self.levels.state(),
            top=self.top,
            last_e8=self.last_e8,
            series=self.series,
            minutes=self.window.minutes,
            ticker=self.ticker,
            moved=self.moved,
            stale=self.stale,
            mark_sequence=self.mark_sequence,
            mark_e8=self.mark_e8,
            collecting=self.collecting,
        )

    def changed_ticker(self, ts_us: int) -> list[Output]:
        """The ticker, unless it would say what the last one said."""
        self.moved = self.stale = False
        bid_e8, bid_quantity_e8, ask_e8, ask_quantity_e8 = self.top
        window, last = self.window, self.ticker
        traded = window.trade_count > 0
        ticker = Ticker(
            symbol=last.symbol,
            sequence=last.sequence + 1,
            last_e8=self.last_e8,
            bid_e8=bid_e8,
            bid_quantity_e8=bid_quantity_e8,
            ask_e8=ask_e8,
            ask_quantity_e8=ask_quantity_e8,
            open_24h_e8=window.minutes[0].open_e8 if traded else None,
            high_24h_e8=window.high_e8 if traded else None,
            low_24h_e8=window.low_e8 if traded else None,
            volume_24h_e8=min(window.volume_e8, INT64_MAX),
            notional_24h_e8=min(window.notional_e8, INT64_MAX),
            trade_count_24h=window.trade_count,
            ts_us=ts_us,
        )
        if ticker == msgspec.structs.replace(last, sequence=ticker.sequence, ts_us=ts_us):
            return []
        self.ticker = ticker
        return [Output("tickers", ticker.symbol, ticker)]

    def changed_mark(self, ts_us: int) -> list[Output]:
        """The mark, unless it is the last one, or nothing is known to make one of, or the market is not continuous."""
        if self.collecting:
            return []
        price_e8 = mark_price_e8(self.top[0], self.top[2], self.last_e8)
        if price_e8 is None or price_e8 == self.mark_e8:
            return []
        self.mark_e8 = price_e8
        self.mark_sequence += 1
        symbol = self.ticker.symbol
        return [
            Output("marks", symbol, Mark(symbol=symbol, price_e8=price_e8, sequence=self.mark_sequence, ts_us=ts_us))
        ]


class StatisticsCore:
    """Implements workers.kernel.stage.Core."""

    behaviour = 1

    def __init__(self, shard: int, shards: int) -> None:
        """One shard's markets; which ones they are follows from the partitions that it reads."""
        self.shard = shard
        self.shards = shards
        self._markets: dict[str, Market] = {}
        self._symbols: list[str] = []
        """In name order."""

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one input. Raises BookError when book changes are missing or leave the book crossed."""
        message = record.message
        match record.topic:
            case "book" if isinstance(message, BookChange):
                return self._book_change(message)
            case "trades" if isinstance(message, Trade):
                return self._trade(message)
            case "clock" if isinstance(message, Tick):
                return self._tick(message)
            case "control" if isinstance(message, Control):
                return ()  # what is decided about a symbol changes no statistics of it
        raise TypeError(f"statistics reads no {type(message).__name__} from {record.topic}")

    def _book_change(self, change: BookChange) -> Sequence[Output]:
        market = self._markets.get(change.symbol) or self._begin(change.symbol)
        levels = market.levels
        levels.apply(change)
        if not change.last:
            return ()
        market.collecting = change.collecting
        top: Top = (None, None, None, None)
        if not change.collecting:
            top = (*(levels.bids.best() or (None, None)), *(levels.asks.best() or (None, None)))
        if top != market.top:
            market.top = top
            market.moved = True
        if market.moved and change.ts_us - market.ticker.ts_us >= TICKER_INTERVAL_US:
            return market.changed_ticker(change.ts_us)
        return ()

    def _trade(self, trade: Trade) -> Sequence[Output]:
        market = self._markets.get(trade.symbol) or self._begin(trade.symbol)
        series = market.series
        if series is None:
            series = market.series = CandleSeries.begin(trade)
        outputs = [Output("candles", trade.symbol, candle) for candle in series.add(trade)]
        market.window.add(trade)
        market.stale = True
        if trade.price_e8 != market.last_e8:
            market.last_e8 = trade.price_e8
            market.moved = True
        if market.moved and trade.ts_us - market.ticker.ts_us >= TICKER_INTERVAL_US:
            outputs += market.changed_ticker(trade.ts_us)
        return outputs

    def _tick(self, tick: Tick) -> Sequence[Output]:
        outputs: list[Output] = []
        for symbol in self._symbols:
            market = self._markets[symbol]
            if market.series is not None:
                outputs += [Output("candles", symbol, candle) for candle in market.series.tick(tick.ts_us)]
                if market.window.roll(tick.ts_us):
                    market.stale = True
            if market.moved or market.stale:
                outputs += market.changed_ticker(tick.ts_us)
            outputs += market.changed_mark(tick.ts_us)
        return outputs

    def _begin(self, symbol: str) -> Market:
        market = self._markets[symbol] = Market.begin(symbol)
        insort(self._symbols, symbol)
        return market

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""
        return msgspec.msgpack.encode([self._markets[symbol].state() for symbol in self._symbols])

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` of that behaviour version gave. Raises ValueError for another's."""
        if behaviour != self.behaviour:
            raise ValueError(f"statistics: a state of behaviour version {behaviour}, this is version {self.behaviour}")
        markets = msgspec.msgpack.decode(state, type=list[MarketState])
        self._markets = {market.ticker.symbol: Market(market) for market in markets}
        self._symbols = sorted(self._markets)
