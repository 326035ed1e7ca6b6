"""Positions: cost by weighted average, profit, revaluation."""

import pytest

from schemas.messages import DeadLetter, ExecutionKind, Position, Side, Tick
from schemas.units import E8
from tests.oracle.fills import Book, positions_of, postings_of
from workers.kernel.stage import Input
from workers.positions import core as positions_core
from workers.positions.core import PositionsCore

BUY, SELL = Side.BUY, Side.SELL


def book() -> Book:
    at = Book()
    at.symbol()
    return at


def held(at: Book, side: Side, quantity_e8: int, price_e8: int) -> tuple[int, int, int, int]:
    """Quantity, cost, average price and realised profit after a fill."""
    (position,) = positions_of(at.fill("alice", side, quantity_e8, price_e8))
    return position.quantity_e8, position.cost_e8, position.average_price_e8, position.realised_e8


def test_a_position_is_reported_whole_after_each_fill() -> None:
    at = book()
    at.mark(110 * E8)
    at.fill("alice", BUY, 2 * E8, 100 * E8, fee_e8=E8)
    (position,) = positions_of(at.fill("alice", SELL, E8, 103 * E8, fee_e8=E8 // 2))
    assert position == Position(
        account="alice",
        symbol="BTC-USD",
        sequence=2,
        quantity_e8=E8,
        cost_e8=100 * E8,
        average_price_e8=100 * E8,
        realised_e8=3 * E8,
        unrealised_e8=10 * E8,
        fees_e8=3 * E8 // 2,
        mark_price_e8=110 * E8,
        trade_id=2,
        ts_us=at.ts_us,
    )


def test_a_fill_says_whose_request_it_was_and_a_revaluation_none() -> None:
    at = book()
    at.correlation_id = "5f0c"
    filled = at.fill("alice", BUY, 2 * E8, 100 * E8, fee_e8=E8)
    (position,) = positions_of(filled)
    assert position.correlation_id == "5f0c"
    assert [entry.correlation_id for entry in postings_of(filled)] == ["5f0c"] * 3
    (revalued,) = positions_of(at.mark(110 * E8))
    assert (revalued.correlation_id, revalued.trade_id) == (None, None)
    at.correlation_id = None
    (position,) = positions_of(at.fill("alice", SELL, E8, 100 * E8))
    assert (position.correlation_id, position.trade_id) == (None, 2)
    assert [entry.correlation_id for entry in postings_of(at.funds("alice", "USD", E8))] == [None]


def test_buys_average_their_cost_and_sells_realise_against_it() -> None:
    at = book()
    assert held(at, BUY, E8, 100 * E8) == (E8, 100 * E8, 100 * E8, 0)
    assert held(at, BUY, 3 * E8, 200 * E8) == (4 * E8, 700 * E8, 175 * E8, 0)
    assert held(at, SELL, E8, 180 * E8) == (3 * E8, 525 * E8, 175 * E8, 5 * E8)
    assert held(at, SELL, 3 * E8, 170 * E8) == (0, 0, 0, -10 * E8)
    assert held(at, BUY, E8, 50 * E8) == (E8, 50 * E8, 50 * E8, -10 * E8)


def test_a_short_is_the_mirror_of_a_long() -> None:
    at = book()
    assert held(at, SELL, 2 * E8, 100 * E8) == (-2 * E8, -200 * E8, 100 * E8, 0)
    assert held(at, SELL, 2 * E8, 110 * E8) == (-4 * E8, -420 * E8, 105 * E8, 0)
    assert held(at, BUY, E8, 100 * E8) == (-3 * E8, -315 * E8, 105 * E8, 5 * E8)
    assert held(at, BUY, 3 * E8, 110 * E8) == (0, 0, 0, -10 * E8)


def test_a_flip_closes_all_and_opens_the_rest_at_the_fill() -> None:
    at = book()
    held(at, BUY, 2 * E8, 100 * E8)
    assert held(at, SELL, 5 * E8, 110 * E8) == (-3 * E8, -330 * E8, 110 * E8, 20 * E8)
    assert held(at, BUY, 4 * E8, 100 * E8) == (E8, 100 * E8, 100 * E8, 50 * E8)


@pytest.mark.parametrize(("first", "second"), [(BUY, SELL), (SELL, BUY)])
def test_a_part_of_the_cost_is_rounded_towards_zero_and_the_rest_stays(first: Side, second: Side) -> None:
    sign = 1 if first is BUY else -1
    at = book()
    assert held(at, first, 3, 10 * E8 // 3)[:2] == (sign * 3, sign * 9)
    assert held(at, first, 4, 7 * E8 // 4)[:2] == (sign * 7, sign * 16)
    # 16 * 3 / 7 = 6.86: 6 of the cost goes, 10 stays; the fill was worth 3.
    assert held(at, second, 3, E8) == (sign * 4, sign * 10, 10 * E8 // 4, -sign * 3)
    # 10 for 4; a flip of 7 worth 9 (1.3 each): 9 * 4 / 7 = 5.14: 5 close, 4 open.
    assert held(at, second, 7, 13 * E8 // 10) == (-sign * 3, -sign * 4, 4 * E8 // 3, -sign * 3 + sign * (5 - 10))


@pytest.mark.parametrize(
    ("quantity_e8", "cost_e8", "average_e8"),
    [(2 * E8, 3, 2), (2 * E8, 5, 2), (2 * E8, 1, 0), (3 * E8, 5, 2), (3 * E8, 4, 1), (-2 * E8, -3, 2), (E8, 0, 0)],
)
def test_the_average_price_is_rounded_half_to_even(quantity_e8: int, cost_e8: int, average_e8: int) -> None:
    holding = positions_core.Holding(0, quantity_e8, cost_e8)
    assert holding.average_price_e8() == average_e8
    assert type(holding.average_price_e8()) is int


def test_only_fills_change_positions() -> None:
    at = book()
    for kind in ExecutionKind:
        if kind is not ExecutionKind.TRADE:
            assert at.execution("alice", BUY, E8, kind=kind) == ()
    assert positions_of(at.fill("alice", BUY, E8, 100 * E8))[0].sequence == 1


# Marks


def test_before_the_first_mark_nothing_is_unrealised() -> None:
    at = book()
    (position,) = positions_of(at.fill("alice", BUY, E8, 100 * E8))
    assert (position.mark_price_e8, position.unrealised_e8) == (0, 0)


def test_a_mark_revalues_every_open_position_in_the_order_of_accounts() -> None:
    at = book()
    at.symbol(symbol="ETH-USD", base="ETH")
    at.fill("zoe", SELL, 2 * E8, 100 * E8)
    at.fill("alice", BUY, E8, 100 * E8)
    at.fill("flat", BUY, E8, 100 * E8)
    at.fill("flat", SELL, E8, 100 * E8)
    at.fill("alice", BUY, E8, 5 * E8, symbol="ETH-USD")
    found = positions_of(at.mark(90 * E8))
    assert [(item.account, item.symbol, item.unrealised_e8) for item in found] == [
        ("alice", "BTC-USD", -10 * E8),
        ("zoe", "BTC-USD", 20 * E8),
    ]
    assert [(item.sequence, item.trade_id, item.mark_price_e8) for item in found] == [(2, None, 90 * E8)] * 2


def test_positions_are_revalued_at_most_once_in_ten_seconds_and_only_if_the_mark_changed() -> None:
    at = book()
    at.fill("alice", BUY, E8, 100 * E8)
    assert [item.unrealised_e8 for item in positions_of(at.mark(101 * E8))] == [E8]
    assert at.mark(102 * E8, after_s=9) == ()
    assert [item.unrealised_e8 for item in positions_of(at.mark(103 * E8, after_s=1))] == [3 * E8]
    assert at.mark(103 * E8, after_s=60) == ()
    assert [item.unrealised_e8 for item in positions_of(at.mark(104 * E8))] == [4 * E8]
    at.mark(105 * E8, after_s=1)
    assert positions_of(at.fill("alice", BUY, E8, 100 * E8))[0].mark_price_e8 == 105 * E8


def test_the_value_at_the_mark_is_rounded_towards_zero() -> None:
    at = book()
    at.fill("long", BUY, 3, E8)
    at.fill("short", SELL, 3, E8)
    assert [item.unrealised_e8 for item in positions_of(at.mark(3 * E8 // 2))] == [4 - 3, -4 + 3]


# Topics have no common order


def test_fills_wait_for_their_symbol_and_are_settled_by_their_own_time() -> None:
    at = Book()
    at.mark(120 * E8)
    assert at.fill("alice", BUY, E8, 100 * E8) == ()
    assert at.fill("bob", SELL, E8, 100 * E8) == ()
    assert at.fill("alice", SELL, E8, 5 * E8, symbol="ETH-USD") == ()
    filled_us = at.ts_us
    at.ts_us += 1000
    found = positions_of(at.symbol())
    assert [(item.account, item.quantity_e8, item.ts_us) for item in found] == [
        ("alice", E8, filled_us),
        ("bob", -E8, filled_us),
    ]
    assert at.symbol() == []
    assert [item.symbol for item in positions_of(at.symbol(symbol="ETH-USD", base="ETH"))] == ["ETH-USD"]


def test_fills_that_wait_survive_a_snapshot_and_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_core, "WAITING_FILLS_MAX", 2)
    at = Book()
    at.fill("alice", BUY, E8, 100 * E8)
    at.fill("alice", BUY, E8, 5 * E8, symbol="ETH-USD")
    state = at.core.dump()
    at.core = PositionsCore(0, 1)
    at.core.load(state, 1)
    assert at.core.dump() == state
    with pytest.raises(AssertionError, match="2 fills wait for the SYMBOL record of BTC-USD, ETH-USD"):
        at.fill("alice", BUY, E8, 100 * E8)
    assert len(positions_of(at.symbol())) == 1
    at.fill("alice", BUY, E8, 5 * E8, symbol="ETH-USD")


def test_a_control_that_cannot_be_applied_becomes_a_dead_letter() -> None:
    (output,) = book().funds("alice", "USD", 0)
    assert isinstance(output.message, DeadLetter)
    assert output.message.stage == "positions"


@pytest.mark.parametrize("topic", ["control", "marks", "executions", "transfers"])
def test_a_record_of_another_type_ends_the_process(topic: str) -> None:
    with pytest.raises(TypeError, match=f"{topic} carries .* records, not Tick"):
        PositionsCore(0, 1).apply(Input(topic, 0, 0, 0, "k", Tick(1, 1), b""))


def test_a_state_of_another_behaviour_is_refused() -> None:
    with pytest.raises(ValueError, match="behaviour version 3"):
        PositionsCore(0, 1).load(b"", 3)


def test_a_state_of_the_first_behaviour_is_read() -> None:
    at = book()
    at.funds("alice", "USD", 5)
    loaded = PositionsCore(0, 1)
    loaded.load(at.core.dump(), 1)
    assert loaded.dump() == at.core.dump()
