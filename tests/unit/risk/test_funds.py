"""What orders hold of an account's balances, and what fills move."""

import pytest

from schemas.messages import AccountKind, Execution, ExecutionKind, Order, OrderStatus, OrderType, Reason, Side
from schemas.units import E8, INT64_MAX, INT64_MIN, RISK_BIT
from tests.oracle.risk_desk import Desk, open_desk

MARKET = {"order_type": OrderType.MARKET, "price_e8": None}


def cash() -> Desk:
    return open_desk(alice={"USD": 3000 * E8, "BTC": 2 * E8})


def test_a_buy_holds_its_notional_and_the_takers_fee() -> None:
    at = cash()
    at.placed()
    assert at.balance("alice", "USD") == (3000 * E8, 1002 * E8)
    at.placed(**MARKET)
    assert at.balance("alice", "USD") == (3000 * E8, 1002 * E8 + 1102 * E8 + E8 // 5)
    assert at.balance("alice", "BTC") == (2 * E8, 0)


def test_a_sell_holds_its_quantity() -> None:
    at = cash()
    at.placed(side=Side.SELL, quantity_e8=3 * E8 // 2)
    assert at.balance("alice", "BTC") == (2 * E8, 3 * E8 // 2)
    assert at.refused(side=Side.SELL) == (Reason.FUNDS_INSUFFICIENT, E8 // 2, E8)


def test_every_fraction_is_rounded_up() -> None:
    at = cash()
    at.symbol(tick_e8=1, lot_e8=1, quantity_min_e8=None, notional_min_e8=None)
    at.placed(price_e8=1000 * E8 + 1, quantity_e8=1)
    assert at.balance("alice", "USD")[1] == 1001 + 3


def test_a_dearer_makers_fee_is_the_worst_case_and_a_later_change_does_not_touch_open_orders() -> None:
    at = cash()
    at.symbol(maker_fee_e8=E8 // 100)
    order = at.placed()
    assert at.balance("alice", "USD")[1] == 1010 * E8
    at.symbol(maker_fee_e8=0, taker_fee_e8=0)
    at.placed()
    assert at.balance("alice", "USD")[1] == 2010 * E8
    at.filled(order, E8 // 2, 1000 * E8)
    assert at.balance("alice", "USD")[1] == 1505 * E8


def test_an_order_beyond_what_is_available_is_refused_with_the_numbers() -> None:
    at = cash()
    at.placed(quantity_e8=2 * E8)
    assert at.refused() == (Reason.FUNDS_INSUFFICIENT, 996 * E8, 1002 * E8)
    at.funds("alice", "USD", 6 * E8)
    assert isinstance(at.place(), Order)
    assert at.refused(quantity_e8=E8 // 100) == (Reason.FUNDS_INSUFFICIENT, 0, 1002 * E8 // 100)


def test_a_withdrawal_applies_whatever_is_held() -> None:
    at = cash()
    at.placed()
    at.funds("alice", "USD", -2999 * E8)
    assert at.balance("alice", "USD") == (E8, 1002 * E8)
    assert at.refused() == (Reason.FUNDS_INSUFFICIENT, -1001 * E8, 1002 * E8)


def test_fills_use_up_what_was_held_and_the_end_releases_the_rest() -> None:
    at = cash()
    order = at.placed(quantity_e8=2 * E8)
    at.entered(order)
    at.filled(order, E8, 990 * E8, fee_e8=198 * E8 // 100)
    assert at.balance("alice", "USD") == (3000 * E8 - 990 * E8 - 198 * E8 // 100, 1002 * E8)
    assert at.balance("alice", "BTC") == (3 * E8, 0)
    at.ended(order, cumulative_e8=E8)
    assert at.balance("alice", "USD") == (3000 * E8 - 990 * E8 - 198 * E8 // 100, 0)


def test_a_filled_sell_leaves_nothing_held() -> None:
    at = cash()
    order = at.placed(side=Side.SELL, quantity_e8=2 * E8)
    at.filled(order, 2 * E8, 1010 * E8, fee_e8=2 * E8)
    assert at.balance("alice", "BTC") == (0, 0)
    assert at.balance("alice", "USD") == (3000 * E8 + 2018 * E8, 0)


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_each_end_releases_all(status: OrderStatus) -> None:
    at = cash()
    at.ended(at.placed(), status)
    at.ended(at.placed(side=Side.SELL), status)
    assert at.balance("alice", "USD") == (3000 * E8, 0)
    assert at.balance("alice", "BTC") == (2 * E8, 0)


def test_answers_to_cancels_and_risks_own_executions_change_nothing() -> None:
    at = cash()
    order = at.placed()
    before = at.core.dump()
    at.executed(order, ExecutionKind.CANCEL_REJECTED, OrderStatus.FILLED, reason=Reason.ORDER_FINAL)
    at.executed(order, ExecutionKind.REJECTED, OrderStatus.REJECTED, execution_id=RISK_BIT | 1, account="stranger")
    assert at.core.dump() == before


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"order_id": 77}, ExecutionKind.TRADE),
        ({"account": "stranger"}, ExecutionKind.NEW),
        ({}, ExecutionKind.UNKNOWN),
    ],
)
def test_an_execution_that_cannot_be_accounted_for_ends_the_process(
    fields: dict[str, object], kind: ExecutionKind
) -> None:
    at = cash()
    order = at.placed()
    with pytest.raises(AssertionError, match=r"risk shard 0, executions offset \d: .* what is held"):
        at.executed(order, kind, OrderStatus.NEW, **fields)


def test_an_order_that_ended_cannot_trade() -> None:
    at = cash()
    order = at.placed()
    at.ended(order)
    with pytest.raises(AssertionError, match="which is CANCELLED here"):
        at.filled(order, E8, 1000 * E8)


# Margin


def margin(**funds: int) -> Desk:
    at = Desk()
    at.symbol()
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=2 * E8, funds=funds or {"USD": 1000 * E8})
    return at


def test_margin_allows_exposure_up_to_equity_times_leverage() -> None:
    at = margin()
    at.placed(quantity_e8=2 * E8)
    assert at.refused(quantity_e8=E8 // 100) == (Reason.MARGIN_INSUFFICIENT, 2000 * E8, 2010 * E8)
    assert isinstance(at.place(side=Side.SELL, quantity_e8=2 * E8), Order)
    assert at.refused(side=Side.SELL, quantity_e8=E8 // 100)[0] is Reason.MARGIN_INSUFFICIENT
    assert at.balance("alice", "USD") == (1000 * E8, 0)


def test_margin_orders_ended_free_their_exposure() -> None:
    at = margin()
    order = at.placed(quantity_e8=2 * E8)
    at.filled(order, E8, 1000 * E8)
    assert at.refused(quantity_e8=E8 // 100)[0] is Reason.MARGIN_INSUFFICIENT
    at.ended(order)
    assert isinstance(at.place(), Order)


def test_margin_may_go_short_and_its_equity_moves_with_the_mark() -> None:
    at = margin()
    at.filled(at.placed(side=Side.SELL), E8, 1000 * E8)
    assert at.balance("alice", "BTC") == (-E8, 0)
    at.mark(1050 * E8)
    # Equity 2000 - 1050 = 950, twice that is 1900; one more short would make 2 * 1050.
    assert at.refused(side=Side.SELL) == (Reason.MARGIN_INSUFFICIENT, 1900 * E8, 2100 * E8)


def test_an_order_that_does_not_raise_the_exposure_passes_even_under_water() -> None:
    at = margin()
    at.filled(at.placed(quantity_e8=2 * E8), 2 * E8, 1000 * E8)
    at.mark(500 * E8)
    assert at.refused(price_e8=500 * E8, quantity_e8=E8 // 10) == (
        Reason.MARGIN_INSUFFICIENT,
        0,
        1050 * E8,
    )
    assert isinstance(at.place(side=Side.SELL, price_e8=500 * E8, quantity_e8=2 * E8), Order)


def test_margin_counts_what_other_pairs_of_the_currency_hold() -> None:
    at = margin(USD=1000 * E8, ETH=E8)
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=200 * E8)
    at.symbol(symbol="ETH-EUR", base="ETH", quote="EUR", reference_price_e8=None)
    # Equity 1000 + 200; exposure 200 before any order.
    assert at.refused(quantity_e8=2210 * E8 // 1000) == (Reason.MARGIN_INSUFFICIENT, 2400 * E8, 2410 * E8)
    assert isinstance(at.place(quantity_e8=2200 * E8 // 1000), Order)


def test_margin_without_a_mark_for_a_pair_it_holds_cannot_be_judged() -> None:
    at = margin(USD=1000 * E8, ETH=E8)
    at.symbol(symbol="ETH-USD", base="ETH", price_band_e8=None, reference_price_e8=None)
    assert at.refused() == (Reason.NO_MARK, None, None)
    at.mark(1 * E8, "ETH-USD")
    assert isinstance(at.place(), Order)


def test_a_pair_without_holdings_needs_no_mark() -> None:
    at = margin(USD=1000 * E8, ETH=E8)
    at.symbol(symbol="ETH-USD", base="ETH", price_band_e8=None, reference_price_e8=None)
    at.funds("alice", "ETH", -E8)
    assert isinstance(at.place(), Order)


def test_a_pair_with_two_symbols_is_one_exposure_valued_by_the_first() -> None:
    at = margin()
    at.symbol(symbol="BTC-USD-2", reference_price_e8=900 * E8)
    at.placed()
    at.placed(symbol="BTC-USD-2", price_e8=900 * E8)
    assert at.refused(quantity_e8=E8 // 10) == (Reason.MARGIN_INSUFFICIENT, 2000 * E8, 2100 * E8)
    at.symbol(reference_price_e8=950 * E8)
    assert isinstance(at.place(quantity_e8=E8 // 10), Order)


def test_numbers_beyond_64_bits_are_reported_as_the_nearest_that_fit() -> None:
    at = Desk()
    at.symbol(
        tick_e8=1,
        lot_e8=1,
        quantity_max_e8=None,
        notional_max_e8=None,
        price_band_e8=None,
        reference_price_e8=INT64_MAX,
    )
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=INT64_MAX, funds={"USD": 1, "BTC": -INT64_MAX})
    answer = at.place(side=Side.SELL, price_e8=E8, quantity_e8=INT64_MAX)
    assert isinstance(answer, Execution)
    assert (answer.limit_e8, answer.actual_e8) == (INT64_MIN, INT64_MAX)


def test_another_kind_of_account_counts_its_open_orders_again() -> None:
    at = cash()
    buy, sell = at.placed(), at.placed(side=Side.SELL)
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=E8 // 100)
    assert (at.balance("alice", "USD")[1], at.balance("alice", "BTC")[1]) == (0, 0)
    assert at.refused()[0] is Reason.MARGIN_INSUFFICIENT
    at.account(account_kind=AccountKind.CASH)
    assert (at.balance("alice", "USD")[1], at.balance("alice", "BTC")[1]) == (1002 * E8, E8)
    at.account(account_kind=AccountKind.CASH)
    at.ended(buy)
    at.ended(sell)
    assert (at.balance("alice", "USD")[1], at.balance("alice", "BTC")[1]) == (0, 0)
