"""Positions and the ledger: nothing is made or lost, whatever the fills."""

from collections import defaultdict
from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import LedgerEntry, Side
from schemas.units import E8, fee_e8, notional_e8
from tests.oracle.fifo_positions import FifoPosition
from tests.oracle.fills import Book, positions_of, postings_of, random_day
from workers.positions.core import PositionsCore
from workers.positions.holding import Holding

SIDES = st.sampled_from((Side.BUY, Side.SELL))
QUANTITIES = st.one_of(st.integers(1, 20), st.integers(1, 10**12))
PRICES = st.one_of(st.integers(1, 10 * E8), st.integers(E8, 10**13))
FILLS = st.lists(st.tuples(SIDES, QUANTITIES, PRICES), min_size=1, max_size=40)


@given(FILLS)
def test_cost_is_what_was_paid_and_not_yet_realised_at_every_fill(fills: list[tuple[Side, int, int]]) -> None:
    holding = Holding()
    paid_e8 = bought_e8 = 0
    for side, quantity_e8, price_e8 in fills:
        sign = 1 if side is Side.BUY else -1
        value_e8 = notional_e8(price_e8, quantity_e8)
        holding.fill(side, quantity_e8, value_e8)
        paid_e8 += sign * value_e8
        bought_e8 += sign * quantity_e8
        assert holding.quantity_e8 == bought_e8
        assert holding.cost_e8 == paid_e8 + holding.realised_e8
        assert holding.cost_e8 * holding.quantity_e8 >= 0
        assert holding.quantity_e8 or not holding.cost_e8
        if holding.quantity_e8:
            exact = Fraction(abs(holding.cost_e8) * E8, abs(holding.quantity_e8))
            assert holding.average_price_e8() == round(exact)
        for mark_e8 in (1, price_e8):
            value = Fraction(holding.quantity_e8 * mark_e8, E8)
            profit = holding.realised_e8 + holding.unrealised_e8(mark_e8)
            assert abs(profit - (value - paid_e8)) < 1


@given(FILLS)
def test_once_flat_the_profit_is_that_of_first_in_first_out(fills: list[tuple[Side, int, int]]) -> None:
    holding, fifo = Holding(), FifoPosition()

    def fill(side: Side, quantity_e8: int, price_e8: int) -> None:
        value_e8 = notional_e8(price_e8, quantity_e8)
        holding.fill(side, quantity_e8, value_e8)
        fifo.fill(quantity_e8 if side is Side.BUY else -quantity_e8, value_e8)
        assert holding.quantity_e8 == fifo.quantity
        if not holding.quantity_e8:
            assert holding.realised_e8 == fifo.realised
            assert holding.cost_e8 == 0

    for item in fills:
        fill(*item)
    if holding.quantity_e8:
        side = Side.SELL if holding.quantity_e8 > 0 else Side.BUY
        fill(side, abs(holding.quantity_e8), fills[-1][2])
    assert holding.realised_e8 == fifo.realised


TRADES = st.lists(
    st.tuples(
        st.permutations(("alice", "bob", "carol")).map(lambda names: tuple(names[:2])),
        QUANTITIES,
        PRICES,
        st.sampled_from((0, 1, 100_000, E8 // 7)),
        st.sampled_from((-50_000, 0, 100_000)),
        st.sampled_from(("BTC-USD", "ETH-USD")),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(TRADES, st.lists(st.integers(-(10**15), 10**15).filter(bool), max_size=5))
def test_every_posting_balances_and_clearing_is_empty_after_both_sides(trades: list, deposits: list[int]) -> None:
    book = Book()
    book.symbol()
    book.symbol(symbol="ETH-USD", base="ETH")
    accounts: dict[tuple[str, str], int] = defaultdict(int)
    entry_ids: list[int] = []

    def post(entries: list[LedgerEntry]) -> None:
        for entry in entries:
            assert entry.amount_e8 > 0
            assert entry.account in {entry.debit_account, entry.credit_account}
            accounts[entry.debit_account, entry.currency] += entry.amount_e8
            accounts[entry.credit_account, entry.currency] -= entry.amount_e8
            assert entry.balance_e8 == accounts[entry.account, entry.currency]
            entry_ids.append(entry.entry_id)
        for currency in ("USD", "BTC", "ETH"):
            assert sum(amount for (_, held), amount in accounts.items() if held == currency) == 0

    for amount_e8 in deposits:
        post(postings_of(book.funds("alice", "USD", amount_e8)))
    for (buyer, seller), quantity_e8, price_e8, taker_rate, maker_rate, symbol in trades:
        value_e8 = notional_e8(price_e8, quantity_e8)
        for account, side, rate in ((buyer, Side.BUY, taker_rate), (seller, Side.SELL, maker_rate)):
            fee = fee_e8(value_e8, rate)
            post(postings_of(book.fill(account, side, quantity_e8, price_e8, fee_e8=fee, symbol=symbol)))
        for currency in ("USD", "BTC", "ETH"):
            assert accounts["venue:clearing", currency] == 0
    assert entry_ids == list(range(1, len(entry_ids) + 1))
    balances = book.core._ledger.balances
    for (account, currency), amount_e8 in accounts.items():
        if not account.startswith("venue:"):
            assert balances[account][currency] == amount_e8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150), st.integers(0, 150))
def test_a_loaded_core_goes_on_as_if_it_had_never_stopped(seed: int, before: int, after: int) -> None:
    first, rng = Book(), Random(seed)
    first.symbol()
    first.symbol(symbol="ETH-USD", base="ETH")
    random_day(first, rng, before)
    state = first.core.dump()
    second = Book()
    second.core = PositionsCore(0, 1)
    second.core.load(state, second.core.behaviour)
    assert second.core.dump() == state
    second.offsets, second.ts_us, second.trades = dict(first.offsets), first.ts_us, first.trades
    rest = rng.randint(0, 2**32)
    assert random_day(second, Random(rest), after) == random_day(first, Random(rest), after)
    assert second.core.dump() == first.core.dump()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_positions_of_an_account_are_numbered_without_a_gap(seed: int) -> None:
    book = Book()
    book.symbol()
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for outputs in random_day(book, Random(seed), 150):
        for position in positions_of(outputs):
            key = position.account, position.symbol
            numbers[key] += 1
            assert position.sequence == numbers[key]
