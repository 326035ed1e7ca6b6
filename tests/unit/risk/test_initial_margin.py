"""A symbol's initial margin: what a margin account must have to raise a position, beside its leverage."""

from schemas.messages import AccountKind, Execution, Order, Reason, Side
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk

SHORT = Reason.INITIAL_MARGIN_INSUFFICIENT


def desk(initial_e8: int | None = E8 // 2, leverage: int = 5) -> Desk:
    """The account of docs/trading.md: 1,000 USD; BTC at 1,000 and ETH at 100."""
    at = open_desk(bob={})
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=leverage * E8, funds={"USD": 1000 * E8})
    at.symbol(initial_margin_e8=initial_e8)
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=100 * E8)
    return at


def ether(at: Desk, quantity: int) -> tuple[Reason, int | None, int | None]:
    return at.refused(symbol="ETH-USD", price_e8=100 * E8, quantity_e8=quantity * E8)


def test_the_orders_of_the_page_on_trading() -> None:
    at = desk()
    at.placed()
    at.placed(side=Side.SELL)
    assert ether(at, 30) == (SHORT, 1000 * E8, 1100 * E8)
    at.placed(symbol="ETH-USD", price_e8=100 * E8, quantity_e8=25 * E8)
    assert at.refused(quantity_e8=E8 // 10) == (SHORT, 1000 * E8, 1050 * E8)


def test_a_leverage_that_asks_for_more_counts_instead() -> None:
    at = desk(initial_e8=E8 // 10, leverage=2)
    assert at.refused(quantity_e8=2 * E8 + E8 // 10) == (Reason.MARGIN_INSUFFICIENT, 2000 * E8, 2100 * E8)
    at.placed()
    assert ether(at, 11) == (Reason.MARGIN_INSUFFICIENT, 2000 * E8, 2100 * E8)
    at.placed(symbol="ETH-USD", price_e8=100 * E8, quantity_e8=10 * E8)


def test_each_symbol_asks_for_its_own_or_what_the_leverage_does() -> None:
    at = desk(initial_e8=E8, leverage=2)
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=100 * E8, initial_margin_e8=E8 // 10)
    at.placed(quantity_e8=E8 // 2)
    assert ether(at, 12) == (SHORT, 1000 * E8, 500 * E8 + 600 * E8)
    at.placed(symbol="ETH-USD", price_e8=100 * E8, quantity_e8=10 * E8)


def test_what_is_required_is_rounded_up() -> None:
    at = desk(initial_e8=E8 - 1)
    at.symbol(initial_margin_e8=E8 - 1, lot_e8=1, quantity_min_e8=None, notional_min_e8=None)
    answer = at.refused(quantity_e8=E8 + 12_345_678)
    exact_e16 = (E8 + 12_345_678) * 1000 * (E8 - 1)
    assert exact_e16 % E8
    assert answer == (SHORT, 1000 * E8, exact_e16 // E8 + 1)


def test_another_rate_holds_for_what_comes_after_it_and_reducing_stays_free() -> None:
    at = desk(initial_e8=None)
    order = at.placed(quantity_e8=2 * E8)
    at.filled(order, 2 * E8, 1000 * E8)
    at.symbol(initial_margin_e8=E8)
    assert at.refused(quantity_e8=E8 // 10) == (SHORT, 1000 * E8, 2100 * E8)
    assert isinstance(at.place(side=Side.SELL, quantity_e8=2 * E8), Order)
    at.symbol(initial_margin_e8=None)
    assert isinstance(at.place(quantity_e8=E8 // 10), Order)


def test_an_amendment_and_a_transfer_need_it() -> None:
    at = desk()
    order = at.placed()
    answer = at.amend(order_id=order.order_id, quantity_e8=3 * E8)
    assert isinstance(answer, Execution)
    assert (answer.reason, answer.limit_e8, answer.actual_e8) == (SHORT, 1000 * E8, 1500 * E8)
    assert at.transfer("alice", "bob", "USD", 500 * E8 + 1) == (SHORT, 500 * E8 - 1, 500 * E8)
    assert at.transfer("alice", "bob", "USD", 500 * E8) is None


def test_a_cash_account_needs_none() -> None:
    at = open_desk(alice={"USD": 1100 * E8})
    at.symbol(initial_margin_e8=E8)
    assert isinstance(at.place(), Order)
