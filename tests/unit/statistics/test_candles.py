"""Candles: what belongs to an interval, when it is final, and how silence is filled."""

from schemas.messages import Candle, Message
from schemas.units import INT64_MAX
from tests.oracle.market_inputs import START_US, at, tick, trade
from workers.statistics.candles import FILL_MAX, INTERVALS_S
from workers.statistics.core import StatisticsCore

E8 = 10**8


def candles(core: StatisticsCore, message: Message, interval_s: int = 1) -> list[Candle]:
    """What one input published of one length."""
    made = [output.message for output in core.apply(at(message)) if output.topic == "candles"]
    return [candle for candle in made if isinstance(candle, Candle) and candle.interval_s == interval_s]


def prices(candle: Candle) -> tuple[float, float, float, float]:
    return candle.open_e8 / E8, candle.high_e8 / E8, candle.low_e8 / E8, candle.close_e8 / E8


def second(candle: Candle) -> float:
    return (candle.open_us - START_US) / 1_000_000


def test_a_trade_of_a_later_interval_makes_the_candle_final_at_once() -> None:
    core = StatisticsCore(0, 1)
    for price, at_s in ((100, 0.1), (104, 0.2), (98, 0.8), (101, 0.9)):
        assert candles(core, trade(price, 0.5, seconds=at_s)) == []
    (final,) = candles(core, trade(200, seconds=1.0))
    assert final.final
    assert prices(final) == (100, 104, 98, 101)
    assert (final.volume_e8, final.notional_e8, final.trade_count) == (2 * E8, 20_150_000_000, 4)
    assert (final.open_us, final.ts_us) == (START_US, START_US + 1_000_000)


def test_a_tick_waits_a_second_for_the_trades_that_it_overtook() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100, seconds=0.5))
    assert [candle.final for candle in candles(core, tick(1))] == [False]
    candles(core, trade(90, seconds=0.99))
    final, flat = candles(core, tick(2)), candles(core, tick(3))
    assert [(candle.final, prices(candle)) for candle in final] == [(True, (100, 100, 90, 90))]
    assert [(candle.final, prices(candle), candle.trade_count) for candle in flat] == [(True, (90, 90, 90, 90), 0)]


def test_the_state_of_a_candle_is_published_once_a_tick_if_it_changed() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100, seconds=0.5))
    states = candles(core, tick(1), 60)
    assert [(candle.final, candle.trade_count) for candle in states] == [(False, 1)]
    assert candles(core, tick(2), 60) == []
    candles(core, trade(101, seconds=2.2))
    candles(core, trade(102, seconds=2.3))
    states = candles(core, tick(3), 60)
    assert [(candle.final, candle.trade_count, prices(candle)) for candle in states] == [
        (False, 3, (100, 102, 100, 102))
    ]


def test_an_idle_symbol_gets_only_its_candle_of_each_second() -> None:
    core = StatisticsCore(0, 1)
    core.apply(at(trade(100)))
    core.apply(at(tick(1)))
    for at_s in range(2, 30):
        outputs = core.apply(at(tick(at_s)))
        assert [(output.topic, second(output.message)) for output in outputs] == [("candles", at_s - 2)]  # type: ignore[arg-type]


def test_a_symbol_that_never_traded_has_no_candles() -> None:
    core = StatisticsCore(0, 1)
    assert core.apply(at(tick(1))) == []


def test_silence_is_filled_with_flat_candles_at_the_last_close() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100, seconds=0.5))
    finals = candles(core, trade(120, seconds=4.5))
    assert [second(candle) for candle in finals] == [0, 1, 2, 3]
    assert {prices(candle) for candle in finals} == {(100, 100, 100, 100)}
    assert [candle.trade_count for candle in finals] == [1, 0, 0, 0]
    assert all(candle.final for candle in finals)


def test_the_first_trade_of_an_interval_is_its_open_not_the_last_close() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100, seconds=0.5))
    candles(core, tick(3))
    candles(core, trade(120, seconds=2.5))
    assert prices(candles(core, tick(4))[0]) == (120, 120, 120, 120)


def test_a_trade_older_than_the_open_interval_counts_into_that() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100, seconds=1.001))
    assert candles(core, trade(99, seconds=0.999)) == []
    (final,) = candles(core, trade(100, seconds=2))
    assert (second(final), final.trade_count, prices(final)) == (1, 2, (100, 100, 99, 99))


def test_all_lengths_become_final_on_their_own_boundaries() -> None:
    core = StatisticsCore(0, 1)
    core.apply(at(trade(100)))
    finals = dict.fromkeys(INTERVALS_S, 0)
    for at_s in range(1, 7_302):
        for output in core.apply(at(tick(at_s))):
            if isinstance(output.message, Candle) and output.message.final:
                assert (output.message.open_us / 1e6) % output.message.interval_s == 0
                finals[output.message.interval_s] += 1
    # It begins at 22:13:20, and two hours later (less the second of grace) 00:15:00 is past.
    assert finals == {1: 7_300, 60: 122, 300: 25, 3_600: 3 - 1, 86_400: 1}


def test_a_long_silence_is_filled_by_the_ticks_that_follow_while_trading_goes_on() -> None:
    core = StatisticsCore(0, 1)
    silence = 2 * FILL_MAX + 500
    candles(core, trade(100))
    seen = candles(core, trade(120, seconds=silence))
    assert [second(candle) for candle in seen] == [0]
    per_tick = []
    for later in range(1, 6):
        made = [candle for candle in candles(core, tick(silence + later)) if candle.final]
        per_tick.append(len(made))
        seen += made
    # One more each tick from the second on: the seconds that are over now.
    assert per_tick == [FILL_MAX, FILL_MAX + 1, 499 + 1, 1, 1]
    assert sorted(second(candle) for candle in seen) == list(range(silence + 4))
    flat = [candle for candle in seen if 0 < second(candle) < silence]
    assert {prices(candle) for candle in flat} == {(100, 100, 100, 100)}
    assert sum(candle.trade_count for candle in seen) == 2


def test_a_silence_of_as_many_as_one_input_may_make_is_filled_at_once() -> None:
    core = StatisticsCore(0, 1)
    candles(core, trade(100))
    assert len(candles(core, trade(120, seconds=FILL_MAX + 1))) == FILL_MAX + 1


def test_volumes_saturate_instead_of_overflowing() -> None:
    core = StatisticsCore(0, 1)
    huge = INT64_MAX / E8 * 0.9
    candles(core, trade(1, huge))
    candles(core, trade(1, huge, seconds=0.1))
    (final,) = candles(core, trade(1, 1, seconds=1))
    assert (final.volume_e8, final.notional_e8, final.trade_count) == (INT64_MAX, INT64_MAX, 2)
    restored = StatisticsCore(0, 1)
    restored.load(core.dump(), 1)
    assert restored.dump() == core.dump()
