"""Margin calls: an account whose equity is below the maintenance margin may only reduce, until it is back."""

from typing import Any

import msgspec
import pytest

from schemas.messages import AccountKind, AccountStatus, ControlKind, Order, OrderKind, Reason, Side
from schemas.units import DAY_US, E8
from tests.oracle.risk_desk import SECRETS, Desk
from workers.risk.core import RiskCore

SECOND_US = 1_000_000
MARGIN: dict[str, Any] = {"account_kind": AccountKind.MARGIN, "leverage_e8": 5 * E8}
NO_NUMBERS = (None, None, None)


def desk(maintenance_e8: int | None = E8 // 10) -> Desk:
    """Alice has 1,000 USD and has bought 4 BTC at 1,000: her equity is the mark less 750, times four."""
    at = Desk()
    at.symbol(maintenance_margin_e8=maintenance_e8)
    at.account(**MARGIN, funds={"USD": 1000 * E8})
    at.account("bob", **MARGIN, funds={"USD": 1000 * E8})
    at.filled(at.placed(quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    return at


def newest(at: Desk, account: str = "alice") -> tuple[AccountStatus, Reason, str | None, int | None, int | None]:
    stands = [state for state in at.stands if state.account == account]
    assert [state.sequence for state in stands] == list(range(1, len(stands) + 1))
    said = stands[-1]
    return said.status, said.reason, said.currency, said.limit_e8, said.actual_e8


def marked(at: Desk, price_e8: int, symbol: str = "BTC-USD") -> None:
    at.ts_us += 2 * SECOND_US
    at.mark(price_e8, symbol)


ACTIVE = (AccountStatus.ACTIVE, Reason.NONE, *NO_NUMBERS)


def called(required_e8: int, equity_e8: int, currency: str = "USD") -> tuple[AccountStatus, Reason, str, int, int]:
    return AccountStatus.REDUCING, Reason.MARGIN_CALL, currency, required_e8, equity_e8


def test_a_debt_in_what_another_symbol_is_quoted_in_counts_at_once() -> None:
    at = Desk()
    at.symbol(maintenance_margin_e8=E8 // 10)
    at.symbol(symbol="ETH-BTC", base="ETH", quote="BTC", tick_e8=1, lot_e8=1, notional_min_e8=0)
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=100 * E8, funds={"USD": 1000 * E8, "ETH": 10 * E8})
    marked(at, 1000 * E8)
    marked(at, E8 // 10, "ETH-BTC")
    order = at.placed(symbol="ETH-BTC", price_e8=E8 // 10, quantity_e8=5 * E8)
    at.filled(order, 5 * E8, E8 // 10)
    marked(at, 1900 * E8)
    assert newest(at) == called(95 * E8, 50 * E8)


def test_it_comes_below_the_maintenance_margin_and_ends_at_it() -> None:
    at = desk()
    marked(at, 834 * E8)  # equity 336, asked for 333.6
    assert newest(at) == ACTIVE
    marked(at, 833 * E8)
    assert newest(at) == called(333 * E8 + E8 // 5, 332 * E8)
    assert at.refused(price_e8=800 * E8) == (Reason.ACCOUNT_REDUCING, 0, E8)
    order = at.placed(side=Side.SELL, price_e8=800 * E8, quantity_e8=E8)
    at.ended(order)
    marked(at, 834 * E8)
    assert newest(at) == ACTIVE
    assert newest(at, "bob") == ACTIVE


def test_equity_that_is_exactly_the_margin_is_enough() -> None:
    at = desk(E8 // 4)
    marked(at, 1000 * E8)
    assert newest(at) == ACTIVE
    marked(at, 1000 * E8 - 1)
    assert newest(at)[1] is Reason.MARGIN_CALL


def test_what_would_add_leaves_the_book_and_what_reduces_stays() -> None:
    at = desk()
    adds = at.placed(price_e8=950 * E8, quantity_e8=E8 // 10)
    at.placed(side=Side.SELL, price_e8=1050 * E8)
    marked(at, 800 * E8)
    assert [(gone.order_id, gone.kind, gone.reason) for gone in at.removed] == [
        (adds.order_id, OrderKind.REMOVE, Reason.MARGIN_CALL)
    ]


def test_a_short_position_asks_for_margin_too() -> None:
    at = desk()
    at.filled(at.placed("bob", side=Side.SELL, quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    marked(at, 1136 * E8)  # equity 5000 - 4544 = 456, asked for 454.4
    assert newest(at, "bob") == ACTIVE
    marked(at, 1137 * E8)
    assert newest(at, "bob") == called(454 * E8 + E8 * 8 // 10, 452 * E8)


def test_funds_are_a_time_to_look() -> None:
    at = desk()
    marked(at, 800 * E8)
    assert newest(at) == called(320 * E8, 200 * E8)
    at.aside(at.funds("alice", "USD", 119 * E8))
    assert newest(at)[0] is AccountStatus.REDUCING
    assert at.transfer("bob", "alice", "USD", E8) is None
    assert newest(at) == ACTIVE
    at.aside(at.funds("alice", "USD", -1))
    assert newest(at) == called(320 * E8, 320 * E8 - 1)


def test_an_equity_below_zero_is_called_without_a_position() -> None:
    at = desk()
    at.aside(at.funds("bob", "USD", -1001 * E8))
    assert newest(at, "bob") == called(0, -E8)


def test_what_was_only_paid_in_is_looked_at_with_its_mark() -> None:
    at = desk()
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=100 * E8, maintenance_margin_e8=None)
    at.aside(at.funds("alice", "ETH", 10 * E8))
    at.aside(at.funds("alice", "USD", -900 * E8))
    marked(at, 1000 * E8)
    assert newest(at) == ACTIVE
    marked(at, 20 * E8, "ETH-USD")  # equity 4000 - 3900 + 200, asked for 400
    assert newest(at) == called(400 * E8, 300 * E8)


def test_a_holding_that_nobody_can_value_calls_nothing() -> None:
    at = desk()
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=None, maintenance_margin_e8=None)
    at.aside(at.funds("alice", "ETH", 10 * E8))
    marked(at, 800 * E8)
    assert newest(at) == ACTIVE


def test_a_margin_call_is_not_over_while_nobody_knows_the_equity() -> None:
    at = desk()
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=None, maintenance_margin_e8=None)
    marked(at, 800 * E8)
    at.aside(at.funds("alice", "ETH", 10 * E8))
    assert newest(at) == called(320 * E8, 200 * E8)
    marked(at, 100 * E8, "ETH-USD")
    assert newest(at) == ACTIVE


def test_a_cash_account_has_no_margin() -> None:
    at = desk()
    marked(at, 800 * E8)
    assert newest(at)[0] is AccountStatus.REDUCING
    at.account(account_kind=AccountKind.CASH, leverage_e8=None)
    assert newest(at) == ACTIVE
    marked(at, 700 * E8)
    assert newest(at) == ACTIVE
    at.account(**MARGIN)
    assert newest(at)[1] is Reason.MARGIN_CALL


def test_the_operator_cannot_end_it_by_saying_so_but_by_asking_for_less() -> None:
    at = desk()
    marked(at, 800 * E8)
    at.account(**MARGIN, resume=True)
    assert newest(at) == called(320 * E8, 200 * E8)
    at.symbol(maintenance_margin_e8=None)
    at.placed(side=Side.SELL, quantity_e8=E8, price_e8=800 * E8)
    assert newest(at) == ACTIVE


def test_a_margin_that_is_asked_for_later_holds_for_what_is_there() -> None:
    at = desk(None)
    marked(at, 800 * E8)
    assert newest(at) == ACTIVE
    at.symbol(maintenance_margin_e8=E8 // 10)
    marked(at, 800 * E8)
    assert newest(at) == called(320 * E8, 200 * E8)


def test_a_daily_loss_and_a_margin_call_follow_each_other() -> None:
    at = desk()
    at.control(ControlKind.LIMITS, max_daily_loss_e8=500 * E8)
    marked(at, 1000 * E8)
    marked(at, 850 * E8)
    assert newest(at)[1] is Reason.DAILY_LOSS_LIMIT
    marked(at, 800 * E8)
    assert newest(at)[1] is Reason.DAILY_LOSS_LIMIT
    at.ts_us = (at.ts_us // DAY_US + 1) * DAY_US
    marked(at, 800 * E8)
    assert newest(at) == called(320 * E8, 200 * E8)


def test_a_restart_goes_on_as_it_was() -> None:
    at = desk()
    marked(at, 800 * E8)
    again = RiskCore(0, 1, seal_secrets=SECRETS)
    again.load(at.core.dump(), at.core.behaviour)
    at.core = again
    assert at.refused(price_e8=800 * E8)[0] is Reason.ACCOUNT_REDUCING
    marked(at, 850 * E8)
    assert newest(at) == ACTIVE


@pytest.mark.parametrize("price", [800, 1000])
def test_a_check_says_what_an_order_would_be_told(price: int) -> None:
    at = desk()
    at.mark(price * E8)
    at.mark(price * E8)
    fields = {"price_e8": price * E8, "quantity_e8": E8 // 100}
    expected = at.check(**fields)
    answer = at.place(**fields)
    assert (expected[0] is Reason.NONE) is isinstance(answer, Order)
    assert msgspec.structs.asdict(at.stands[-1])["status"] == ("REDUCING" if price == 800 else "ACTIVE")
