"""A market of random decisions around pre-trade risk: accounts, orders, fills, marks, funds, changes of rules.

Every step is told to the desk and, if there is one, to the naive model; what the desk answers is compared with it.
"""

from random import Random

from schemas.units import E8
from tests.oracle.market_book import answer_amend, end_any, end_entry, fill_any, trigger_one
from tests.oracle.market_groups import place_bracket, place_pair
from tests.oracle.market_operator import (
    change_kind,
    change_limits,
    change_mark,
    change_rules,
    fund,
    move_funds,
    set_account,
    set_symbol,
    stop_strategy,
    transfer,
    wait,
)
from tests.oracle.market_orders import amend_one, cancel_one, place_order, repeat_one
from tests.oracle.market_state import ACCOUNTS, CURRENCIES, SYMBOLS, Market
from tests.oracle.market_timers import answer_taken_out, cancel_after, cancel_all, tick

ACTIONS = (
    place_order,
    place_order,
    place_order,
    place_pair,
    place_bracket,
    place_bracket,
    end_entry,
    fill_any,
    fill_any,
    trigger_one,
    end_any,
    cancel_one,
    amend_one,
    amend_one,
    answer_amend,
    repeat_one,
    change_mark,
    move_funds,
    transfer,
    stop_strategy,
    change_rules,
    change_kind,
    change_limits,
    wait,
    cancel_all,
    cancel_after,
    cancel_after,
    tick,
    answer_taken_out,
)
"""What may happen next; what stands here twice happens twice as often."""


def open_market(rng: Random) -> Market:
    """Three symbols and three accounts."""
    market = Market(rng)
    for symbol, (base, quote, price) in SYMBOLS.items():
        market.naive.pairs[symbol] = (base, quote)
        market.naive.marks[symbol] = price * E8
        set_symbol(market, symbol)
    for account in ACCOUNTS:
        set_account(market, account, 3 if account == "margin" else None)
        for currency in CURRENCIES:
            fund(market, account, currency, market.rng.randint(1, 5000 * E8))
    return market


def step(market: Market) -> None:
    """One random decision."""
    market.rng.choice(ACTIONS)(market)


def end_all(market: Market) -> None:
    """End every open order."""
    while market.open:
        end_any(market)


def check(market: Market) -> None:
    """What the desk holds is what the model counts again from all open orders."""
    for account in ACCOUNTS:
        for currency in CURRENCIES:
            expected = (market.naive.total(account, currency), market.naive.reserved(account, currency))
            assert market.desk.balance(account, currency) == expected, (account, currency)
        stands = [state for state in market.desk.stands if state.account == account]
        why = market.losses.lost.get(account, (None, 0))[0]
        said = stands[-1]
        status, reason = "REDUCING" if why else "ACTIVE", why and why[0]
        if account in market.losses.liquidating:
            status, reason = "SUSPENDED", "LIQUIDATION"
        assert (said.status, said.sequence) == (status, len(stands))
        assert (said.reason, (why or (None,) * 4)[1:]) == (
            reason or "NONE",
            (said.currency, said.limit_e8, said.actual_e8),
        )
