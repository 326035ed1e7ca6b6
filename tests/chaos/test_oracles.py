"""A million seeded operations of the books and as many of pre-trade risk: the answers of the cores and of naive models.

Each stream is short and its books are narrow, because the naive models look at everything again at each step.
"""

from random import Random

import pytest

from tests.oracle.naive_book import NaiveBook
from tests.oracle.order_stream import MAKER_FEE_E8, TAKER_FEE_E8, open_core, random_orders
from tests.oracle.random_market import check, end_all, open_market, step
from tests.oracle.session_stream import random_breakers
from tests.property import test_sessions
from tests.property.test_matching import compare

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1_800)]

OPERATIONS = 1_000_000
FIRST_SEED = 1_000
"""The seeds below are those of tests/property."""

BOOK_STREAM = 2_500
MARKET_STREAM = 250
BLOCK = 50_000
"""Operations of one test, so that one sees how far it is."""


@pytest.mark.parametrize("begin", range(0, OPERATIONS, BLOCK))
def test_the_books_say_what_the_naive_book_says(begin: int) -> None:
    for at in range(begin, begin + BLOCK, BOOK_STREAM):
        seed = FIRST_SEED + at // BOOK_STREAM
        orders = list(random_orders(seed, BOOK_STREAM, prices=8 + 4 * (seed % 5), accounts=2 + seed % 7))
        assert len(orders) == BOOK_STREAM
        compare(orders, open_core(), NaiveBook(MAKER_FEE_E8, TAKER_FEE_E8))


@pytest.mark.parametrize("begin", range(0, OPERATIONS, BLOCK))
def test_phases_and_circuit_breakers_are_those_of_the_naive_book(begin: int) -> None:
    for at in range(begin, begin + BLOCK, BOOK_STREAM):
        seed = FIRST_SEED + at // BOOK_STREAM
        stream = list(random_breakers(seed, BOOK_STREAM, prices=8 + 4 * (seed % 5), accounts=2 + seed % 7))
        test_sessions.compare(stream, test_sessions.session_core(), test_sessions.naive())


@pytest.mark.parametrize("begin", range(0, OPERATIONS, BLOCK))
def test_pre_trade_risk_says_what_the_naive_models_say(begin: int) -> None:
    for at in range(begin, begin + BLOCK, MARKET_STREAM):
        market = open_market(Random(FIRST_SEED + at // MARKET_STREAM))
        for number in range(MARKET_STREAM):
            step(market)
            if not number % 10:
                check(market)
        end_all(market)
        check(market)
