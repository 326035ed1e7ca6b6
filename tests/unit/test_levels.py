"""Price levels: the fold of book changes, what it refuses, and the checksum that clients compare."""

import zlib

import msgspec
import pytest
from msgspec.structs import replace

from schemas.levels import BookError, Levels
from schemas.messages import BookChange, Side
from tests.oracle.market_inputs import BookFlow

BUY, SELL = Side.BUY, Side.SELL


def folded(*changes: BookChange) -> Levels:
    levels = Levels()
    for change in changes:
        levels.apply(change)
    return levels


def test_the_best_levels_come_first_on_both_sides() -> None:
    levels = folded(
        *BookFlow().effect((SELL, 102, 1), (SELL, 101, 2), (SELL, 103, 3), (BUY, 99, 4), (BUY, 100, 5), (BUY, 98, 6))
    )
    e8 = 10**8
    assert levels.asks.best() == (101 * e8, 2 * e8)
    assert levels.bids.best() == (100 * e8, 5 * e8)
    assert levels.asks.top(2) == [(101 * e8, 2 * e8), (102 * e8, 1 * e8)]
    assert levels.bids.top(9) == [(100 * e8, 5 * e8), (99 * e8, 4 * e8), (98 * e8, 6 * e8)]
    assert (len(levels.asks), len(levels.bids)) == (3, 3)


def test_a_book_that_collects_may_be_crossed_until_it_trades_again() -> None:
    flow = BookFlow()
    collected = [replace(change, collecting=True) for change in flow.effect((SELL, 99, 1), (BUY, 100, 1))]
    assert folded(*collected).bids.best() == (100 * 10**8, 10**8)
    with pytest.raises(BookError, match="crossed after change 3"):
        folded(*collected, *flow.effect((BUY, 98, 1)))


def test_a_quantity_of_zero_removes_a_level_and_does_nothing_where_there_is_none() -> None:
    flow = BookFlow()
    levels = folded(*flow.effect((BUY, 100, 1), (BUY, 99, 1)), *flow.effect((BUY, 100, 0)), *flow.effect((BUY, 50, 0)))
    assert levels.bids.top(9) == [(99 * 10**8, 10**8)]
    assert levels.asks.best() is None


def test_a_missing_change_is_a_broken_invariant() -> None:
    flow = BookFlow()
    levels = folded(*flow.effect((BUY, 100, 1)))
    flow.effect((BUY, 99, 1))
    with pytest.raises(BookError, match="BTC-USD: book change 3 follows 1; changes are missing"):
        levels.apply(*flow.effect((BUY, 98, 1)))


def test_a_change_that_comes_twice_is_a_broken_invariant() -> None:
    change = BookFlow().effect((BUY, 100, 1))[0]
    with pytest.raises(BookError, match="book change 1 follows 1"):
        folded(change, change)


def test_a_side_of_a_newer_writer_is_refused() -> None:
    with pytest.raises(BookError, match="must be BUY or SELL"):
        folded(*BookFlow().effect((Side.UNKNOWN, 100, 1)))


@pytest.mark.parametrize("ask", [100, 99.5])
def test_a_book_that_is_locked_or_crossed_after_an_effect_is_a_broken_invariant(ask: float) -> None:
    with pytest.raises(BookError, match=r"crossed after change 2: bid 100, ask (100|99\.5)$"):
        folded(*BookFlow().effect((BUY, 100, 1), (SELL, ask, 1)))


def test_a_book_may_be_crossed_within_an_effect() -> None:
    flow = BookFlow()
    levels = folded(*flow.effect((BUY, 100, 1)), *flow.effect((SELL, 100, 3), (BUY, 100, 0)))
    assert levels.asks.best() == (100 * 10**8, 3 * 10**8)
    assert levels.bids.best() is None


def test_the_checksum_is_over_ten_asks_then_ten_bids_as_clients_read_them() -> None:
    asks = [(SELL, 101 + n / 2, 1.5) for n in range(12)]
    bids = [(BUY, 100 - n / 2, 0.00000001) for n in range(3)]
    levels = folded(*BookFlow().effect(*asks, *bids))
    text = "101:1.5|101.5:1.5|102:1.5|102.5:1.5|103:1.5|103.5:1.5|104:1.5|104.5:1.5|105:1.5|105.5:1.5"
    assert levels.checksum() == zlib.crc32(f"{text}|100:0.00000001|99.5:0.00000001|99:0.00000001".encode())


def test_the_checksum_of_an_empty_book_is_that_of_no_text() -> None:
    assert Levels().checksum() == 0


def test_the_checksum_follows_a_level_whose_quantity_changes_back_and_forth() -> None:
    flow = BookFlow()
    levels = folded(*flow.effect((BUY, 100, 1)))
    first = levels.checksum()
    levels.apply(*flow.effect((BUY, 100, 2)))
    assert levels.checksum() == zlib.crc32(b"100:2")
    levels.apply(*flow.effect((BUY, 100, 1)))
    assert levels.checksum() == first == zlib.crc32(b"100:1")


def test_levels_go_on_from_their_state() -> None:
    flow = BookFlow()
    levels = folded(*flow.effect((BUY, 99, 1), (BUY, 100, 2), (SELL, 101, 3)))
    copy = Levels.from_state(levels.state())
    assert msgspec.msgpack.encode(copy.state()) == msgspec.msgpack.encode(levels.state())
    for change in flow.effect((BUY, 100, 0), (SELL, 102, 1)):
        levels.apply(change)
        copy.apply(change)
    assert copy.state() == levels.state()
    assert copy.checksum() == levels.checksum()
