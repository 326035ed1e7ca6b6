"""Pre-trade risk against the naive model: what is held equals what all open orders may cost, at every position."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.market_state import ACCOUNTS, CURRENCIES
from tests.oracle.random_market import check, end_all, open_market, step

STEPS = 60


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, STEPS))
def test_what_is_held_is_the_worst_case_of_all_open_orders(rng: Random, steps: int) -> None:
    market = open_market(rng)
    for _ in range(steps):
        step(market)
        check(market)
    end_all(market)
    check(market)
    for account in ACCOUNTS:
        assert all(market.desk.balance(account, currency)[1] == 0 for currency in CURRENCIES)
        quantities = market.desk.core._accounts[account].open_quantities.values()
        assert all((item.buy_e8, item.sell_e8) == (0, 0) for item in quantities)


def test_long_markets_of_many_seeds_agree_with_the_model() -> None:
    for seed in range(40):
        market = open_market(Random(seed))
        for number in range(250):
            step(market)
            if not number % 10:
                check(market)
        end_all(market)
        check(market)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150), st.integers(0, 150))
def test_a_loaded_core_goes_on_as_if_it_had_never_stopped(seed: int, before: int, after: int) -> None:
    market = open_market(Random(seed))
    for _ in range(before):
        step(market)
    state, position = market.desk.core.dump(), len(market.desk.inputs)
    loaded = open_market(Random(0)).desk.core
    loaded.load(state, loaded.behaviour)
    assert loaded.dump() == state
    for account in ACCOUNTS:
        for currency in CURRENCIES:
            balance = loaded._accounts[account].balance(currency)
            assert (balance.total_e8, balance.reserved_e8) == market.desk.balance(account, currency)
    # The rest of the day is folded by both; only the market's core has seen it as it happened.
    outputs = []
    apply = market.desk.core.apply
    market.desk.core.apply = lambda record: outputs.append(apply(record)) or outputs[-1]  # type: ignore[method-assign, assignment]
    for _ in range(after):
        step(market)
    assert [loaded.apply(record) for record in market.desk.inputs[position:]] == outputs
    assert loaded.dump() == market.desk.core.dump()
