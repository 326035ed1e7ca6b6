"""Value at risk: against the naive model, as a limit, and over a restart."""

from schemas.messages import AccountKind, ControlKind, Reason, Side
from schemas.units import E8
from tests.oracle.naive_var import HOUR
from tests.oracle.risk_desk import SECRETS, Desk
from workers.risk.core import RiskCore
from workers.risk.value_at_risk import MarkHistory

SYMBOLS = ("BTC-USD", "ETH-USD", "XRP-USD")


def desk() -> Desk:
    """A month of marks of BTC that fall by a tenth for an hour in 72; alice trades on margin."""
    at = Desk()
    for symbol in ("BTC-USD", "ETH-USD"):
        at.symbol(symbol=symbol, base=symbol[:3], price_band_e8=None, quantity_max_e8=None, notional_max_e8=None)
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=100 * E8, funds={"USD": 100_000 * E8})
    at.ts_us = at.ts_us // HOUR * HOUR
    for hour in range(720):
        at.ts_us += HOUR - 2000
        at.mark((900 if hour % 72 == 70 else 1000) * E8)
        at.mark((1000 + hour) * E8, "ETH-USD")
    at.ts_us += HOUR
    return at


def limit(at: Desk, value_e8: int) -> None:
    at.control(ControlKind.LIMITS, account="alice", var_limit_e8=value_e8)


def test_an_order_is_refused_that_could_lose_more_in_a_day_than_it_may() -> None:
    at = desk()
    limit(at, 1000 * E8)
    at.placed(quantity_e8=10 * E8)
    assert at.refused(quantity_e8=E8) == (Reason.VAR_LIMIT, 1000 * E8, 1100 * E8)
    short_e8 = 11_111_111 * 10_000  # a short position of 10 loses a ninth of 10,000
    assert at.refused(side=Side.SELL, quantity_e8=10 * E8) == (Reason.VAR_LIMIT, 1000 * E8, short_e8)
    at.placed(side=Side.SELL, quantity_e8=9 * E8)


def test_what_makes_it_no_worse_passes() -> None:
    at = desk()
    at.funds("alice", "BTC", 50 * E8)
    limit(at, 1000 * E8)
    at.placed(side=Side.SELL, quantity_e8=30 * E8)  # 20 are left, which is still beyond the limit
    at.placed(side=Side.SELL, quantity_e8=20 * E8)
    assert at.refused(quantity_e8=E8) == (Reason.VAR_LIMIT, 1000 * E8, 5100 * E8)


def test_other_positions_of_the_currency_count_by_their_larger_side() -> None:
    at = desk()
    at.funds("alice", "ETH", -20 * E8)
    at.placed(symbol="ETH-USD", quantity_e8=5 * E8, price_e8=1700 * E8)
    limit(at, 600 * E8)
    values = {"BTC-USD": 20_000 * E8, "ETH-USD": -20 * 1719 * E8}
    both_e8 = at.core._history.value_at_risk_e8(values, at.ts_us)
    assert at.refused(quantity_e8=20 * E8) == (Reason.VAR_LIMIT, 600 * E8, both_e8)
    at.funds("alice", "ETH", 15 * E8)
    values["ETH-USD"] = -5 * 1719 * E8
    fewer_e8 = at.core._history.value_at_risk_e8(values, at.ts_us)
    assert fewer_e8 != both_e8
    assert at.refused(quantity_e8=20 * E8) == (Reason.VAR_LIMIT, 600 * E8, fewer_e8)


def test_a_month_of_hours_is_kept() -> None:
    history = MarkHistory()
    for half_hour in range(2000):
        history.see("BTC-USD", 1000 * E8, half_hour * HOUR // 2)
    ((_, samples),) = history.dump()
    assert [samples[0][0], samples[-1][0], len(samples)] == [280, 999, 720]


def test_without_a_day_of_marks_nothing_moves_and_without_a_mark_nothing_is_valued() -> None:
    at = Desk()
    at.symbol()
    at.account(funds={"USD": 10_000 * E8})
    limit(at, 0)
    at.placed()
    at.symbol(reference_price_e8=None, price_band_e8=None)
    assert at.refused() == (Reason.NO_MARK, None, None)
    at.symbol()
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=None)
    at.funds("alice", "ETH", E8)
    assert at.refused() == (Reason.NO_MARK, None, None)


def test_the_history_survives() -> None:
    at = desk()
    limit(at, 1000 * E8)
    state = at.core.dump()
    at.core = RiskCore(0, 1, seal_secrets=SECRETS)
    at.core.load(state, at.core.behaviour)
    assert at.core.dump() == state
    assert at.refused(quantity_e8=11 * E8) == (Reason.VAR_LIMIT, 1000 * E8, 1100 * E8)
