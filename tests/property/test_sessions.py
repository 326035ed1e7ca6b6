"""Phases and auctions against the naive book, and the auction's price against a search through all prices."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import Control, Execution, Message, Phase, Side, Trade
from tests.oracle.naive_auction import Wish, best_outcome
from tests.oracle.naive_session import NaiveSession
from tests.oracle.order_stream import (
    MAKER_FEE_E8,
    SYMBOL,
    TAKER_FEE_E8,
    TICK_E8,
    Asked,
    as_input,
    new_order,
    symbol_control,
    time_of,
)
from tests.oracle.session_stream import at, random_breakers, random_session, session_control
from workers.matching.auction import clearing
from workers.matching.book import Book
from workers.matching.core import MatchingCore

SEEDED_ORDERS = 40_000
STREAMS = 20
REFERENCE_E8 = 1_003 * TICK_E8


def session_core(**fields: int) -> MatchingCore:
    core = MatchingCore(0, 1)
    core.apply(as_input(symbol_control(**{"tick_e8": TICK_E8, "reference_price_e8": REFERENCE_E8} | fields), 0))
    return core


def the_book(core: MatchingCore) -> Book:
    return core.books.get(SYMBOL) or core.apart[SYMBOL]


def naive() -> NaiveSession:
    return NaiveSession(SYMBOL, MAKER_FEE_E8, TAKER_FEE_E8, TICK_E8, REFERENCE_E8)


def said(core: MatchingCore, message: Asked | Control) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, at(message)))]


def compare(messages: Sequence[Asked | Control], core: MatchingCore, oracle: NaiveSession) -> int:
    """Fails at the first message to which the engine says something else; the number of trades of auctions."""
    auctioned = 0
    for message in messages:
        ours = said(core, message)
        assert ours == oracle.apply(message, time_of(at(message))), message
        auctioned += sum(isinstance(each, Trade) and each.aggressor_side is Side.UNKNOWN for each in ours)
        assert the_book(core).session.phase is oracle.phase
    book = the_book(core)
    for side in (book.bids, book.asks):
        ours_resting = [
            (each.order_id, each.leaves_e8, each.open_e8, each.cumulative_notional_e8)
            for level in side.best_first()
            for each in level.orders()
        ]
        assert ours_resting == [
            (each.order.order_id, each.shown, each.left, each.paid) for each in oracle.queue(side.side)
        ]
    return auctioned


@pytest.mark.parametrize("seed", range(STREAMS))
def test_seeded_streams_with_phases_say_what_the_naive_book_says(seed: int) -> None:
    options = {"prices": 8 + 4 * (seed % 5), "accounts": 2 + seed % 7}
    stream = list(random_session(seed, SEEDED_ORDERS // STREAMS, **options))
    assert compare(stream, session_core(), naive()) >= 3


@pytest.mark.parametrize("seed", range(STREAMS))
def test_seeded_streams_with_circuit_breakers_say_what_the_naive_book_says(seed: int) -> None:
    options = {"prices": 8 + 4 * (seed % 5), "accounts": 2 + seed % 7}
    oracle = naive()
    compare(list(random_breakers(seed, SEEDED_ORDERS // STREAMS, **options)), session_core(), oracle)
    assert oracle.halts


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_in_the_midst_of_a_day_changes_nothing(seed: int) -> None:
    stream = list(random_session(seed, 1_500))
    core, oracle = session_core(), naive()
    for first in range(0, len(stream), 100):
        restarted = MatchingCore(0, 1)
        restarted.load(core.dump(), core.behaviour)
        assert restarted.dump() == core.dump()
        core = restarted
        compare(stream[first : first + 100], core, oracle)


wishes = st.lists(
    st.builds(Wish, st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 14), st.integers(1, 5)), max_size=12
)


@given(wishes, st.integers(1, 4), st.none() | st.integers(1, 16))
@settings(max_examples=1_000, deadline=None)
def test_no_price_is_better_than_that_of_the_auction(orders: list[Wish], tick: int, reference: int | None) -> None:
    core = MatchingCore(0, 1)
    core.apply(as_input(symbol_control(tick_e8=tick), 0))
    core.apply(as_input(session_control(1, Phase.AUCTION), 1))
    for number, wish in enumerate(orders, 2):
        core.apply(as_input(new_order(number, wish.side, wish.price, wish.quantity, account=f"a{number}"), number))
    book = the_book(core)
    book.reference_e8 = reference
    found, expected = clearing(book), best_outcome(orders, tick, reference)
    assert (found and tuple(found)) == (expected and tuple(expected))
    traded = said(core, session_control(100, Phase.CONTINUOUS))
    trades = [message for message in traded if isinstance(message, Trade)]
    assert sum(trade.quantity_e8 for trade in trades) == (expected.volume if expected else 0)
    assert {trade.price_e8 for trade in trades} == ({expected.price} if expected else set())
    fills = [message for message in traded if isinstance(message, Execution) and message.trade_id is not None]
    assert all(
        fill.price_e8 is not None
        and (fill.price_e8 >= trades[0].price_e8 if fill.side is Side.BUY else fill.price_e8 <= trades[0].price_e8)
        for fill in fills
    )
