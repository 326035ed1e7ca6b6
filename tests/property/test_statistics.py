"""Statistics against their oracles, which compute from everything again; and a restored shard goes on."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import Candle, Mark, Message, Tick, Ticker, Trade
from tests.oracle.market_inputs import SYMBOL, at, random_book, tick, trade
from tests.oracle.naive_candles import NaiveCandle, naive_candles
from workers.kernel.stage import Output
from workers.statistics.candles import INTERVALS_S
from workers.statistics.core import StatisticsCore

MINUTE_US = 60_000_000

M = TypeVar("M", bound=Message)

_STEPS = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from([-1.2, -0.3, 0.0, 0.1, 0.4, 1.0, 7.5, 61.0, 400.0, 4_000.0])),
    st.tuples(st.just("tick"), st.sampled_from([0.2, 0.6, 1.0, 1.0, 1.0, 3.0, 90.0])),
)


@st.composite
def events(draw: st.DrawFn) -> list[Trade | Tick]:
    """Trades and ticks as two topics merge: a trade's time may lie a little before what came earlier."""
    made: list[Trade | Tick] = []
    trade_s, tick_s = 0.0, 0.0
    for number, (kind, step_s) in enumerate(draw(st.lists(_STEPS, max_size=60))):
        if kind == "trade":
            now_s = max(trade_s, tick_s) + step_s
            trade_s = max(trade_s, now_s)
            price = draw(st.integers(95, 105))
            made.append(trade(price, draw(st.integers(1, 30)) / 10, seconds=now_s, number=number))
        else:
            tick_s = max(trade_s, tick_s) + step_s
            made.append(tick(tick_s))
    return made


def run(core: StatisticsCore, messages: Sequence[Message]) -> list[Output]:
    return [output for message in messages for output in core.apply(at(message))]


def of_kind(outputs: Sequence[Output], kind: type[M]) -> list[M]:
    return [output.message for output in outputs if isinstance(output.message, kind)]


def naive(candle: Candle) -> NaiveCandle:
    return NaiveCandle(
        candle.open_us,
        candle.open_e8,
        candle.high_e8,
        candle.low_e8,
        candle.close_e8,
        candle.volume_e8,
        candle.notional_e8,
        candle.trade_count,
    )


@given(events())
@settings(max_examples=150, deadline=None)
def test_candles_are_those_of_a_spreadsheet(made: list[Trade | Tick]) -> None:
    core = StatisticsCore(0, 1)
    candles = of_kind(run(core, made), Candle)
    # A long silence may still be in the filling: these ticks end nothing, they only give it time.
    for _ in range(70):
        candles += of_kind(core.apply(at(Tick(sequence=0, ts_us=0))), Candle)
    for interval_s in INTERVALS_S:
        finals = [candle for candle in candles if candle.interval_s == interval_s and candle.final]
        expected, expected_open = naive_candles(made, interval_s)
        assert sorted(naive(candle) for candle in finals) == expected
        states = [candle for candle in candles if candle.interval_s == interval_s and not candle.final]
        if expected_open is not None and expected_open.trade_count and states:
            assert naive(states[-1]) in {expected_open, *expected}


@given(events())
@settings(max_examples=80, deadline=None)
def test_the_day_is_that_of_all_trades_of_the_last_1440_minutes(made: list[Trade | Tick]) -> None:
    core = StatisticsCore(0, 1)
    minutes: list[tuple[int, Trade]] = []
    for event in made:
        outputs = core.apply(at(event))
        if isinstance(event, Trade):
            running = max((minute for minute, _ in minutes), default=0)
            minutes.append((max(event.ts_us // MINUTE_US, running), event))
        now = event.ts_us // MINUTE_US
        for ticker in of_kind(outputs, Ticker):
            day = [done for minute, done in minutes if minute > now - 1_440]
            assert ticker.trade_count_24h == len(day)
            assert ticker.volume_24h_e8 == sum(done.quantity_e8 for done in day)
            assert ticker.notional_24h_e8 == sum(done.notional_e8 for done in day)
            assert ticker.high_24h_e8 == max((done.price_e8 for done in day), default=None)
            assert ticker.low_24h_e8 == min((done.price_e8 for done in day), default=None)
            assert ticker.open_24h_e8 == (day[0].price_e8 if day else None)


@given(st.integers(0, 10**6), st.integers(1, 80))
@settings(max_examples=40, deadline=None)
def test_tickers_and_marks_count_on_and_show_the_naive_top(seed: int, effects: int) -> None:
    core = StatisticsCore(0, 1)
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    seen: list[Ticker] = []
    marks: list[Mark] = []
    for number, effect in enumerate(random_book(seed, effects)):
        for change in effect:
            book = bids if change.side == "BUY" else asks
            book[change.price_e8] = change.quantity_e8
            if not change.quantity_e8:
                del book[change.price_e8]
        outputs = [*run(core, effect), *core.apply(at(tick(number * 0.7)))]
        marks += of_kind(outputs, Mark)
        for ticker in of_kind(outputs, Ticker):
            seen.append(ticker)
            assert (ticker.bid_e8, ticker.ask_e8) == (max(bids, default=None), min(asks, default=None))
            assert ticker.bid_quantity_e8 == (bids[max(bids)] if bids else None)
            assert ticker.ask_quantity_e8 == (asks[min(asks)] if asks else None)
        if bids or asks:
            best = sorted([*([max(bids)] if bids else []), *([min(asks)] if asks else [])])
            assert marks[-1].price_e8 == sum(best) // len(best)
    assert [ticker.sequence for ticker in seen] == list(range(1, len(seen) + 1))
    assert [mark.sequence for mark in marks] == list(range(1, len(marks) + 1))
    assert all(first.price_e8 != second.price_e8 for first, second in pairwise(marks))


def market(seed: int, made: Sequence[Trade | Tick]) -> list[Message]:
    """A book, trades and ticks of three symbols, mixed."""
    messages: list[Message] = []
    books = [random_book(seed + n, 200, symbol=f"{name}-USD") for n, name in enumerate(("ZEC", "ADA"))]
    for number, event in enumerate(made):
        messages.append(event)
        messages += next(books[number % 2])
        if number % 3 == 0:
            messages.append(trade(50 + number, seconds=number, symbol="AAA-USD"))
    return messages


@given(st.integers(0, 10**6), events(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_restored_shard_goes_on_identically(seed: int, made: list[Trade | Tick], data: st.DataObject) -> None:
    messages = market(seed, made)
    cut = data.draw(st.integers(0, len(messages)))
    core, restored = StatisticsCore(0, 1), StatisticsCore(0, 1)
    run(core, messages[:cut])
    state = core.dump()
    restored.load(state, core.behaviour)
    assert restored.dump() == state == core.dump()
    assert run(restored, messages[cut:]) == run(core, messages[cut:])
    assert restored.dump() == core.dump()


def test_equal_states_give_equal_bytes_whatever_order_made_them() -> None:
    one, two = StatisticsCore(0, 1), StatisticsCore(0, 1)
    messages = [trade(100, symbol=symbol) for symbol in ("AAA-USD", SYMBOL, "ZZZ-USD")]
    run(one, messages)
    run(two, messages[::-1])
    assert one.dump() == two.dump()
