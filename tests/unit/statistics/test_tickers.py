"""Tickers and marks, and what the statistics stage refuses."""

import msgspec
import pytest
from msgspec.structs import replace

from schemas.levels import BookError
from schemas.messages import Control, ControlKind, Mark, Message, Side, Ticker
from schemas.units import E8, INT64_MAX
from tests.oracle.market_inputs import START_US, BookFlow, at, tick, trade
from workers.kernel.stage import Input
from workers.statistics.core import StatisticsCore
from workers.statistics.ticker import mark_price_e8

BUY, SELL = Side.BUY, Side.SELL
DAY_S = 86_400


def published(core: StatisticsCore, *messages: Message, kind: type[Message] = Ticker) -> list[Message]:
    """What some inputs published of one record type."""
    outputs = [output for message in messages for output in core.apply(at(message))]
    return [output.message for output in outputs if isinstance(output.message, kind)]


def tickers(core: StatisticsCore, *messages: Message) -> list[Ticker]:
    return [ticker for ticker in published(core, *messages) if isinstance(ticker, Ticker)]


def marks(core: StatisticsCore, *messages: Message) -> list[Mark]:
    return [mark for mark in published(core, *messages, kind=Mark) if isinstance(mark, Mark)]


def test_a_market_that_collects_has_no_best_prices_and_keeps_its_mark() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    traded = [*flow.effect((SELL, 102, 1), (BUY, 100, 1)), tick(1)]
    assert [mark.price_e8 for mark in marks(core, *traded)] == [101 * E8]
    collected = [replace(change, collecting=True) for change in flow.effect((SELL, 60, 1), (BUY, 140, 9), seconds=2)]
    (ticker,) = tickers(core, *collected)
    assert (ticker.bid_e8, ticker.bid_quantity_e8, ticker.ask_e8, ticker.ask_quantity_e8) == (None, None, None, None)
    restarted = StatisticsCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    assert marks(restarted, tick(3)) == []
    opened = flow.effect((SELL, 60, 0), (BUY, 140, 0), (BUY, 101, 1), seconds=4)
    assert [mark.price_e8 for mark in marks(restarted, *opened, tick(5))] == [(101 + 102) * E8 // 2]


def test_a_ticker_shows_top_of_book_and_the_day() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    tickers(core, *flow.effect((SELL, 101, 2), (SELL, 102, 9), (BUY, 100, 3), (BUY, 99, 9)))
    tickers(core, trade(100.5, 2), trade(104, 1, seconds=60), trade(98, 1, seconds=61.9))
    (ticker,) = tickers(core, trade(98, 1, seconds=61.95), tick(62))
    assert ticker == Ticker(
        symbol="BTC-USD",
        sequence=ticker.sequence,
        last_e8=98 * E8,
        bid_e8=100 * E8,
        bid_quantity_e8=3 * E8,
        ask_e8=101 * E8,
        ask_quantity_e8=2 * E8,
        open_24h_e8=100 * E8 + E8 // 2,
        high_24h_e8=104 * E8,
        low_24h_e8=98 * E8,
        volume_24h_e8=5 * E8,
        notional_24h_e8=501 * E8,
        trade_count_24h=4,
        ts_us=START_US + 62_000_000,
    )


def test_a_new_top_of_book_is_told_at_most_every_100_ms_and_at_the_tick() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    times = [
        ticker.ts_us - START_US
        for n in range(50)
        for ticker in tickers(core, *flow.effect((BUY, 100 + n, 1), seconds=n * 0.03))
    ]
    assert times == [n * 120_000 for n in range(13)]
    (last,) = tickers(core, tick(1.5))
    assert (last.bid_e8, last.sequence) == (149 * E8, 14)
    assert tickers(core, tick(2.5)) == []


def test_a_change_deeper_in_the_book_is_no_news() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    assert len(tickers(core, *flow.effect((BUY, 100, 1)))) == 1
    assert tickers(core, *flow.effect((BUY, 99, 1), seconds=5), tick(6)) == []


def test_a_top_that_came_back_before_the_tick_is_no_news() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    tickers(core, *flow.effect((BUY, 100, 1)))
    away = flow.effect((BUY, 101, 1), seconds=0.01)
    assert tickers(core, *away, *flow.effect((BUY, 101, 0), seconds=0.02), tick(1)) == []


def test_the_top_within_an_effect_is_nobodys_business() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    tickers(core, *flow.effect((BUY, 100, 1)))
    first, second = flow.effect((SELL, 99, 1), (BUY, 100, 0), seconds=1)
    assert marks(core, first, tick(1)) == [
        Mark(symbol="BTC-USD", price_e8=100 * E8, sequence=1, ts_us=START_US + 1_000_000)
    ]
    (ticker,) = tickers(core, second)
    assert (ticker.bid_e8, ticker.ask_e8) == (None, 99 * E8)


def test_a_new_last_price_is_told_between_ticks_and_more_volume_with_the_tick() -> None:
    core = StatisticsCore(0, 1)
    assert [ticker.last_e8 for ticker in tickers(core, trade(100))] == [100 * E8]
    assert tickers(core, trade(101, seconds=0.05)) == []
    assert [ticker.last_e8 for ticker in tickers(core, trade(101, seconds=0.1))] == [101 * E8]
    assert tickers(core, trade(101, seconds=0.5)) == []
    (ticker,) = tickers(core, tick(1))
    assert (ticker.trade_count_24h, ticker.sequence) == (4, 3)


def test_news_that_waits_for_the_tick_survives_a_restart() -> None:
    core, restored = StatisticsCore(0, 1), StatisticsCore(0, 1)
    tickers(core, trade(100), trade(100, seconds=0.5))
    restored.load(core.dump(), 1)
    (ticker,) = tickers(restored, tick(1))
    assert (ticker.trade_count_24h, ticker.sequence) == (2, 2)


def test_the_day_forgets_what_is_24_hours_old_minute_by_minute() -> None:
    core = StatisticsCore(0, 1)
    # The start is 20 s after a full minute.
    assert tickers(core, trade(200, 5), trade(50, 1, seconds=40), trade(100, 1, seconds=100))[-1].trade_count_24h == 3
    assert tickers(core, tick(DAY_S - 21)) == []
    (second,) = tickers(core, tick(DAY_S - 20))
    assert (second.open_24h_e8, second.high_24h_e8, second.low_24h_e8) == (50 * E8, 100 * E8, 50 * E8)
    assert (second.volume_24h_e8, second.notional_24h_e8, second.trade_count_24h) == (2 * E8, 150 * E8, 2)
    assert tickers(core, tick(DAY_S + 39)) == []
    assert tickers(core, tick(DAY_S + 40))[0].low_24h_e8 == 100 * E8
    (empty,) = tickers(core, tick(DAY_S + 100))
    assert (empty.last_e8, empty.open_24h_e8, empty.high_24h_e8, empty.low_24h_e8) == (100 * E8, None, None, None)
    assert (empty.volume_24h_e8, empty.trade_count_24h) == (0, 0)


def test_a_trade_after_a_day_of_silence_begins_the_day_again() -> None:
    core = StatisticsCore(0, 1)
    tickers(core, trade(200))
    tickers(core, trade(100, seconds=2 * DAY_S))
    ticker = tickers(core, trade(100, seconds=2 * DAY_S + 0.01), tick(2 * DAY_S + 1))[-1]
    assert (ticker.high_24h_e8, ticker.low_24h_e8, ticker.trade_count_24h) == (100 * E8, 100 * E8, 2)


def test_the_day_holds_at_most_one_bucket_a_minute() -> None:
    core = StatisticsCore(0, 1)
    for minute in range(3 * 1_440):
        core.apply(at(trade(100 + minute % 7, seconds=minute * 60)))
        core.apply(at(trade(100, seconds=minute * 60 + 1)))
    (ticker,) = tickers(core, tick(3 * DAY_S))
    assert ticker.trade_count_24h == 2 * 1_439
    assert len(core.dump()) < 80_000


def test_the_day_saturates_instead_of_overflowing() -> None:
    core = StatisticsCore(0, 1)
    for minute in range(3):
        core.apply(at(trade(1, INT64_MAX / E8 * 0.9, seconds=minute * 60)))
        core.apply(at(trade(1, INT64_MAX / E8 * 0.9, seconds=minute * 60)))
    (ticker,) = tickers(core, tick(121))
    assert (ticker.volume_24h_e8, ticker.notional_24h_e8, ticker.trade_count_24h) == (INT64_MAX, INT64_MAX, 6)
    restored = StatisticsCore(0, 1)
    restored.load(core.dump(), 1)
    assert restored.dump() == core.dump()


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        (None, None, None, None),
        (100, None, None, 100),
        (None, 101, None, 101),
        (None, None, 99, 99),
        (100, 103, None, 101),
        (100, None, 97, 98),
        (100, 102, 101, 101),
        (100, 102, 150, 102),
        (100, 102, 50, 100),
    ],
)
def test_the_mark_is_the_median_of_what_exists(
    bid: int | None, ask: int | None, last: int | None, mark: int | None
) -> None:
    assert mark_price_e8(bid, ask, last) == mark


def test_marks_come_with_the_tick_when_they_changed_and_count_on() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    assert marks(core, *flow.effect((BUY, 100, 1)), trade(104)) == []
    assert [(mark.price_e8, mark.sequence) for mark in marks(core, tick(1))] == [(102 * E8, 1)]
    assert marks(core, tick(2)) == []
    assert [(mark.price_e8, mark.sequence) for mark in marks(core, trade(102, seconds=2), tick(3))] == [(101 * E8, 2)]


def test_a_mark_stays_when_nothing_is_left_to_make_one_of() -> None:
    core, flow = StatisticsCore(0, 1), BookFlow()
    marks(core, *flow.effect((BUY, 100, 1)), tick(1))
    assert marks(core, *flow.effect((BUY, 100, 0)), tick(2)) == []


def test_what_a_tick_makes_comes_in_name_order_whoever_came_first() -> None:
    core = StatisticsCore(0, 1)
    for symbol in ("ZEC-USD", "ADA-USD", "ETH-USD"):
        core.apply(at(trade(100, symbol=symbol)))
    keys = [output.key for output in core.apply(at(tick(1))) if output.topic == "marks"]
    assert keys == ["ADA-USD", "ETH-USD", "ZEC-USD"]


def test_the_operators_decisions_change_no_statistics() -> None:
    core = StatisticsCore(0, 1)
    before = core.dump()
    assert core.apply(at(Control(kind=ControlKind.SYMBOL, control_id="1", symbol="BTC-USD"))) == ()
    assert core.dump() == before


def test_a_gap_and_a_crossed_book_end_the_process() -> None:
    flow = BookFlow()
    flow.effect((BUY, 100, 1))
    with pytest.raises(BookError, match="changes are missing"):
        StatisticsCore(0, 1).apply(at(flow.effect((BUY, 99, 1))[0]))
    core, flow = StatisticsCore(0, 1), BookFlow()
    with pytest.raises(BookError, match="crossed"):
        tickers(core, *flow.effect((BUY, 100, 1), (SELL, 99, 1)))


def test_a_record_that_is_not_the_topics_is_a_bug() -> None:
    record = msgspec.structs.replace(at(tick(1)), topic="trades")
    with pytest.raises(TypeError, match="statistics reads no Tick from trades"):
        StatisticsCore(0, 1).apply(record)
    unknown = Input(topic="orders", shard=0, offset=0, ts_us=0, key="", message=tick(1), value=b"")
    with pytest.raises(TypeError, match="statistics reads no Tick from orders"):
        StatisticsCore(0, 1).apply(unknown)


def test_a_state_of_another_behaviour_version_is_refused() -> None:
    core = StatisticsCore(0, 1)
    with pytest.raises(ValueError, match="behaviour version 2, this is version 1"):
        core.load(core.dump(), 2)
