"""Orders that are good till a date: what time ends, and what an entry that nobody needs any more costs."""

import pytest
from msgspec.structs import replace

from schemas.codec import local_codec
from schemas.messages import Execution, ExecutionKind, Order, OrderKind, Reason, Side, Tick, TimeInForce
from schemas.units import E8
from tests.oracle.order_stream import amend_order, as_input, cancel_order, new_order, open_core, symbol_control
from tests.unit.matching.ladder import Market, rungs
from workers.kernel.heap import SWEEP_FROM
from workers.matching import matcher, remove
from workers.matching.core import MatchingCore

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def dated(number: int, expire_us: int) -> Order:
    return new_order(number, Side.BUY, 99 * E8, E8, time_in_force=TimeInForce.GTD, expire_us=expire_us)


def expired(core: MatchingCore, now_us: int) -> list[int]:
    outputs = core.apply(as_input(Tick(sequence=1, ts_us=now_us), 1))
    return [output.message.order_id for output in outputs if isinstance(output.message, Execution)]


def test_orders_end_in_the_order_of_their_dates_whatever_their_book() -> None:
    core = open_core()
    for number, second in ((1, 3), (2, 1), (3, 2), (4, 9)):
        core.apply(as_input(dated(number, second * SECOND_US), number))
    assert expired(core, 3 * SECOND_US) == [2, 3, 1]
    assert expired(core, 8 * SECOND_US) == []


def test_a_partial_fill_ends_with_what_is_left() -> None:
    market = Market("---")
    market.buy("zoe", 3, 99, time_in_force=TimeInForce.GTD, until=60)
    market.sell("bob", 1, 99)
    (end,) = market.core.apply(as_input(Tick(sequence=1, ts_us=60 * SECOND_US), 9))[:1]
    assert isinstance(end.message, Execution)
    assert (end.message.cumulative_e8, end.message.leaves_e8, end.message.expire_us) == (E8, 0, 60 * SECOND_US)
    assert market.ladder() == rungs("---")


def test_the_newest_date_counts() -> None:
    core = open_core()
    for number in (1, 2, 3):
        core.apply(as_input(dated(number, 5 * SECOND_US), number))
    core.apply(as_input(amend_order(4, dated(1, 0), 99 * E8, E8, expire_us=9 * SECOND_US), 4))
    core.apply(as_input(amend_order(5, dated(2, 0), 98 * E8, E8, expire_us=2 * SECOND_US), 5))
    assert expired(core, 4 * SECOND_US) == [2]
    assert expired(core, 8 * SECOND_US) == [3]
    assert expired(core, 9 * SECOND_US) == [1]


def test_a_loaded_core_knows_what_is_due() -> None:
    core, loaded = open_core(), MatchingCore(0, 1)
    core.apply(as_input(dated(1, 5 * SECOND_US), 1))
    loaded.load(core.dump(), core.behaviour)
    assert expired(loaded, 5 * SECOND_US) == [1]


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.GTD])
def test_a_level_that_cannot_hold_an_order_refuses_it(time_in_force: TimeInForce) -> None:
    core, codec = open_core(), local_codec()
    end_us = 5 * SECOND_US if time_in_force is TimeInForce.GTD else None
    for number, kind in ((1, ExecutionKind.NEW), (2, ExecutionKind.REJECTED)):
        huge = new_order(number, Side.BUY, 1, 5 * 10**18, time_in_force=time_in_force, expire_us=end_us)
        outputs = core.apply(as_input(replace(huge, account=f"account-{number}"), number))
        assert isinstance(outputs[0].message, Execution)
        assert outputs[0].message.kind is kind
        assert all(codec.encode(output.message) for output in outputs)
    assert outputs[0].message.reason is Reason.BOOK_FULL


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.GTD])
def test_a_full_book_takes_no_more(time_in_force: TimeInForce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "ORDERS_MAX", 1)
    core = open_core()
    end_us = 5 * SECOND_US if time_in_force is TimeInForce.GTD else None
    for number, reason in ((1, Reason.NONE), (2, Reason.BOOK_FULL)):
        order = new_order(number, Side.BUY, 99 * E8, E8, time_in_force=time_in_force, expire_us=end_us)
        told = core.apply(as_input(order, number))[0].message
        assert isinstance(told, Execution)
        assert told.reason is reason


def test_an_order_that_comes_after_its_date_is_refused_and_trades_with_nobody() -> None:
    market = Market("100 1 alice \n ---")
    market.clock(60)
    assert market.buy("zoe", 1, 100, time_in_force=TimeInForce.GTD, until=60) == ["zoe REJECTED EXPIRY_INVALID"]
    assert market.ladder() == rungs("100 1 alice \n ---")
    told = market.core.apply(as_input(dated(9, 59 * SECOND_US), 9))[0].message
    assert isinstance(told, Execution)
    assert (told.limit_e8, told.actual_e8) == (60 * E8, 59 * E8)


def test_an_amendment_that_comes_after_its_new_date_leaves_the_order() -> None:
    core = open_core()
    core.apply(as_input(dated(1, 90 * SECOND_US), 1))
    expired(core, 60 * SECOND_US)
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    (told,) = restarted.apply(as_input(amend_order(2, dated(1, 0), 98 * E8, E8, expire_us=60 * SECOND_US), 2))
    assert isinstance(told.message, Execution)
    assert (told.message.kind, told.message.reason) == (ExecutionKind.AMEND_REJECTED, Reason.EXPIRY_INVALID)
    assert (told.message.expire_us, told.message.leaves_e8) == (90 * SECOND_US, E8)
    assert expired(restarted, 90 * SECOND_US) == [1]


def test_a_tick_ends_so_many_at_most_and_the_next_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 2)
    core = open_core()
    for number in (1, 2, 3):
        core.apply(as_input(dated(number, SECOND_US), number))
    assert [expired(core, second * SECOND_US) for second in (1, 2, 3)] == [[1, 2], [3], []]


def test_what_left_before_its_date_is_swept() -> None:
    core = open_core()
    core.apply(as_input(dated(1, SECOND_US), 1))
    for number in range(2, 5 * SWEEP_FROM):
        order = dated(number, 10**9 * SECOND_US)
        core.apply(as_input(order, number))
        core.apply(as_input(cancel_order(number, order), number))
    assert len(core._expiries._due) <= 2 * SWEEP_FROM
    assert expired(core, SECOND_US) == [1]


def test_a_removal_and_a_cancel_of_a_dated_order_work_as_of_any_other() -> None:
    core = open_core()
    for number in (1, 2):
        core.apply(as_input(dated(number, SECOND_US), number))
    core.apply(as_input(cancel_order(3, dated(1, SECOND_US)), 3))
    removal = cancel_order(4, dated(2, SECOND_US))
    outputs = core.apply(as_input(replace(removal, kind=OrderKind.REMOVE), 4))
    assert [o.message.expire_us for o in outputs if isinstance(o.message, Execution)] == [SECOND_US]
    assert expired(core, SECOND_US) == []


def day(number: int) -> Order:
    return new_order(number, Side.BUY, 99 * E8, E8, time_in_force=TimeInForce.DAY)


def test_a_day_that_is_over_ends_its_orders_in_pieces_and_after_a_restart_and_keeps_what_came_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 2)
    core = open_core()
    for number in (5, 1, 4, 2, 3):
        core.apply(as_input(day(number), number))
    assert expired(core, DAY_US) == [1, 2]
    core.apply(as_input(day(9), 9))
    core.apply(as_input(amend_order(10, day(3), 98 * E8, E8), 10))
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    assert restarted.dump() == core.dump()
    for each in (core, restarted):
        told = [output.message for output in each.apply(as_input(Tick(sequence=2, ts_us=DAY_US + 5), 11))]
        ends = [message for message in told if isinstance(message, Execution)]
        assert [(end.order_id, end.expire_us, end.reason) for end in ends] == [
            (3, DAY_US, Reason.SESSION_CLOSED),
            (4, DAY_US, Reason.SESSION_CLOSED),
        ]
        assert expired(each, DAY_US + 9) == [5]
        assert expired(each, 2 * DAY_US) == [9]


def test_days_of_several_symbols_end_in_one_order_whatever_came_first_and_after_a_restart() -> None:
    core = open_core()
    core.apply(as_input(symbol_control("ETH-USD"), 1))
    for number, symbol in ((2, "ETH-USD"), (3, "BTC-USD")):
        core.apply(as_input(replace(day(number), symbol=symbol), number))
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    assert expired(core, DAY_US) == expired(restarted, DAY_US) == [3, 2]
