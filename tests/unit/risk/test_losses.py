"""Losses beyond the limit, and what an account that may only reduce may do."""

from itertools import pairwise

import msgspec
import pytest

from schemas.messages import AccountKind, AccountStatus, ControlKind, Execution, Order, OrderKind, Reason, Side
from schemas.units import DAY_US, E8
from tests.oracle.risk_desk import SECRETS, Desk, open_desk
from workers.risk import losses
from workers.risk.core import RiskCore

SECOND_US = 1_000_000


def desk(**limits: int) -> Desk:
    """Alice trades on margin with 10,000 USD and these limits; she has bought 4 BTC at 1,000."""
    at = open_desk()
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, funds={"USD": 10_000 * E8})
    if limits:
        at.control(ControlKind.LIMITS, account="alice", **limits)
    at.filled(at.placed(quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    return at


def newest(at: Desk) -> tuple[AccountStatus, Reason, str | None, int | None, int | None]:
    said = at.stands[-1]
    assert said.sequence == len(at.stands)
    return said.status, said.reason, said.currency, said.limit_e8, said.actual_e8


def marked(at: Desk, price: int) -> None:
    at.ts_us += 2 * SECOND_US
    at.mark(price * E8)


def test_an_account_is_active_until_it_loses_more_than_it_may() -> None:
    at = desk(max_daily_loss_e8=1000 * E8)
    marked(at, 750)
    assert newest(at) == (AccountStatus.ACTIVE, Reason.NONE, None, None, None)
    at.mark(700 * E8)  # within a second of the last
    assert len(at.stands) == 1
    marked(at, 749)
    assert newest(at) == (AccountStatus.REDUCING, Reason.DAILY_LOSS_LIMIT, "USD", 1000 * E8, 1004 * E8)
    marked(at, 1000)
    assert len(at.stands) == 2
    assert at.refused(price_e8=1000 * E8) == (Reason.ACCOUNT_REDUCING, 0, E8)


def test_an_order_and_a_fill_are_a_time_to_look_too() -> None:
    at = desk(max_daily_loss_e8=1000 * E8)
    marked(at, 800)
    at.mark(700 * E8)
    assert at.refused(price_e8=700 * E8)[0] is Reason.ACCOUNT_REDUCING
    assert newest(at)[1] is Reason.DAILY_LOSS_LIMIT
    at = desk(max_daily_loss_e8=1000 * E8)
    order = at.placed(side=Side.SELL, price_e8=900 * E8, quantity_e8=4 * E8)
    at.filled(order, 4 * E8, 700 * E8, fee_e8=E8)
    assert newest(at)[3:] == (1000 * E8, 1201 * E8)


def test_a_drawdown_is_of_the_highest_equity_and_does_not_end_with_the_day() -> None:
    at = desk(max_drawdown_e8=E8 // 4)
    marked(at, 2000)
    marked(at, 1125)
    assert newest(at)[0] is AccountStatus.ACTIVE
    marked(at, 1124)
    assert newest(at) == (AccountStatus.REDUCING, Reason.DRAWDOWN_LIMIT, "USD", E8 // 4, 25_028_572)
    at.ts_us += 2 * DAY_US
    marked(at, 2000)
    assert newest(at)[1] is Reason.DRAWDOWN_LIMIT


def test_a_daily_loss_is_over_with_the_next_day_of_utc() -> None:
    at = desk(max_daily_loss_e8=1000 * E8)
    marked(at, 700)
    at.ts_us = (at.ts_us // DAY_US + 1) * DAY_US - 1002
    at.cancel(client_order_id="none")
    assert newest(at)[0] is AccountStatus.REDUCING
    at.placed(price_e8=700 * E8)
    assert newest(at) == (AccountStatus.ACTIVE, Reason.NONE, None, None, None)
    marked(at, 451)
    assert newest(at)[0] is AccountStatus.ACTIVE
    marked(at, 449)
    assert newest(at)[3:] == (1000 * E8, 1004 * E8)


def test_a_day_opens_with_what_there_was_when_the_last_one_ended() -> None:
    """What a price does over midnight is the new day's loss."""
    at = desk(max_daily_loss_e8=1000 * E8)
    marked(at, 1000)
    at.ts_us = (at.ts_us // DAY_US + 1) * DAY_US
    marked(at, 749)
    assert newest(at)[3:] == (1000 * E8, 1004 * E8)


def test_what_is_paid_in_or_out_is_no_profit_and_no_loss() -> None:
    at = desk(max_daily_loss_e8=1000 * E8, max_drawdown_e8=E8 // 10)
    at.funds("alice", "USD", -5000 * E8)
    marked(at, 1000)
    assert newest(at)[0] is AccountStatus.ACTIVE
    at.funds("alice", "USD", 5000 * E8)
    marked(at, 740)
    assert newest(at)[1] is Reason.DAILY_LOSS_LIMIT


def test_what_is_traded_for_another_currency_is_no_loss_in_this_one() -> None:
    at = desk(max_daily_loss_e8=E8)
    at.symbol(symbol="USD-EUR", base="USD", quote="EUR", tick_e8=1, reference_price_e8=E8, price_band_e8=None)
    order = at.placed(symbol="USD-EUR", side=Side.SELL, price_e8=E8, quantity_e8=40 * E8)
    at.filled(order, 40 * E8, E8)
    marked(at, 1000)
    assert newest(at)[0] is AccountStatus.ACTIVE


def test_the_operator_ends_it_only_by_saying_so_and_losses_count_anew() -> None:
    at = desk(max_daily_loss_e8=1000 * E8, max_drawdown_e8=E8 // 2)
    marked(at, 700)
    margin = {"account_kind": AccountKind.MARGIN, "leverage_e8": 5 * E8}
    at.account(**margin, open_orders_max=7)
    assert (newest(at)[0], len(at.stands)) == (AccountStatus.REDUCING, 2)
    at.account(**margin, account_status=AccountStatus.SUSPENDED)
    assert newest(at) == (AccountStatus.SUSPENDED, Reason.NONE, None, None, None)
    at.account(**margin)
    assert newest(at)[1] is Reason.DAILY_LOSS_LIMIT
    at.account(**margin, resume=True)
    assert newest(at)[0] is AccountStatus.ACTIVE
    marked(at, 451)
    assert newest(at)[0] is AccountStatus.ACTIVE
    marked(at, 449)
    assert newest(at)[3:] == (1000 * E8, 1004 * E8)


def test_losses_count_from_when_the_limit_holds() -> None:
    at = desk()
    marked(at, 500)
    at.control(ControlKind.LIMITS, max_daily_loss_e8=100 * E8)
    marked(at, 480)
    marked(at, 456)
    assert newest(at)[0] is AccountStatus.ACTIVE
    for fields in ({"account": "alice", "max_order_size_e8": 50 * E8}, {}):
        at.control(ControlKind.LIMITS, **fields)
    marked(at, 300)
    at.control(ControlKind.LIMITS, max_daily_loss_e8=100 * E8)
    marked(at, 290)
    assert newest(at)[0] is AccountStatus.ACTIVE


def test_an_account_of_its_own_limits_does_not_watch_the_others() -> None:
    at = desk()
    at.account("bob", funds={"USD": 10_000 * E8})
    at.control(ControlKind.LIMITS, account="bob", max_daily_loss_e8=0)
    marked(at, 500)
    assert {state.account: state.status for state in at.stands} == dict.fromkeys(("alice", "bob"), AccountStatus.ACTIVE)


def test_what_would_add_to_the_position_is_taken_out() -> None:
    at = desk(max_daily_loss_e8=1000 * E8)
    buy = at.placed(quantity_e8=E8)
    reduces = at.placed(side=Side.SELL, quantity_e8=4 * E8)
    marked(at, 700)
    assert [(order.order_id, order.kind, order.reason) for order in at.removed] == [
        (buy.order_id, OrderKind.REMOVE, Reason.DAILY_LOSS_LIMIT)
    ]
    at = desk(max_daily_loss_e8=1000 * E8)
    flips = at.placed(side=Side.SELL, quantity_e8=4 * E8 + E8 // 100)
    marked(at, 700)
    assert [order.order_id for order in at.removed] == [flips.order_id]
    assert reduces.order_id not in {order.order_id for order in at.removed}


def test_an_account_that_reduces_goes_no_further_than_flat() -> None:
    at = desk()
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, account_status=AccountStatus.REDUCING)
    assert newest(at) == (AccountStatus.REDUCING, Reason.NONE, None, None, None)
    order = at.placed(side=Side.SELL, quantity_e8=3 * E8)
    at.entered(order)
    assert at.refused(side=Side.SELL, quantity_e8=E8 * 3 // 2) == (Reason.ACCOUNT_REDUCING, E8, E8 * 3 // 2)
    assert at.refused() == (Reason.ACCOUNT_REDUCING, 0, E8)
    answer = at.amend(order_id=order.order_id, quantity_e8=5 * E8)
    assert isinstance(answer, Execution)
    assert (answer.reason, answer.limit_e8, answer.actual_e8) == (Reason.ACCOUNT_REDUCING, E8, 2 * E8)
    assert isinstance(at.amend(order_id=order.order_id, quantity_e8=2 * E8), Order)
    at.placed(side=Side.SELL)
    assert isinstance(at.cancel(order_id=order.order_id), Order)


def test_a_short_position_is_reduced_by_buying() -> None:
    at = open_desk()
    reducing = {"account_kind": AccountKind.MARGIN, "leverage_e8": 5 * E8, "account_status": AccountStatus.REDUCING}
    at.account(**reducing, funds={"USD": 10_000 * E8, "BTC": -2 * E8})
    at.placed(quantity_e8=2 * E8)
    assert at.refused(quantity_e8=E8)[0] is Reason.ACCOUNT_REDUCING
    assert at.refused(side=Side.SELL) == (Reason.ACCOUNT_REDUCING, 0, E8)


@pytest.mark.parametrize("price", [700, 900])
def test_how_an_account_stands_survives(price: int) -> None:
    at = desk(max_daily_loss_e8=1000 * E8, max_drawdown_e8=E8 // 2)
    marked(at, price)
    state = at.core.dump()
    at.core = RiskCore(0, 1, seal_secrets=SECRETS)
    at.core.load(state, at.core.behaviour)
    assert at.core.dump() == state
    marked(at, 700)
    assert newest(at) == (AccountStatus.REDUCING, Reason.DAILY_LOSS_LIMIT, "USD", 1000 * E8, 1200 * E8)


def test_an_older_state_has_no_losses() -> None:
    at = desk()
    fields = msgspec.msgpack.decode(at.core.dump())
    fields[4] = [account[:10] for account in fields[4]]
    core = RiskCore(0, 1, seal_secrets=SECRETS)
    core.load(msgspec.msgpack.encode(fields[:5]), 5)
    account = core._accounts["alice"]
    assert (account.status, account.loss, account.usages) == (AccountStatus.ACTIVE, None, {})


def test_a_position_without_a_mark_is_no_loss() -> None:
    at = Desk()
    at.symbol(reference_price_e8=None, price_band_e8=None)
    at.account("alice", funds={"USD": 10_000 * E8})
    at.control(ControlKind.LIMITS, account="alice", max_daily_loss_e8=500 * E8)
    at.placed(price_e8=900 * E8)
    at.filled(at.placed(), E8, 1_000 * E8)
    at.placed(price_e8=900 * E8)
    assert at.core._accounts["alice"].status is AccountStatus.ACTIVE


def test_a_record_about_something_else_does_not_touch_the_keys() -> None:
    at = open_desk(alice={"USD": 1_000 * E8})
    at.control(ControlKind.SESSION, account="alice", key_id="mine", public_key=b"xx", symbol="BTC-USD")
    assert at.core._accounts["alice"].keys == {}


def holders(count: int) -> Desk:
    """So many accounts as Alice in `desk`, which may lose 1,000."""
    at = desk()
    at.control(ControlKind.LIMITS, max_daily_loss_e8=1000 * E8)
    for number in range(count):
        name = f"holder-{number}"
        at.account(name, account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, funds={"USD": 10_000 * E8})
        at.filled(at.placed(name, quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    at.tick()
    marked(at, 1000)
    return at


def restarted(at: Desk) -> None:
    """The desk goes on with a core that was loaded from the dump of its own."""
    state, core = at.core.dump(), RiskCore(0, 1, seal_secrets=SECRETS)
    core.load(state, core.behaviour)
    assert core.dump() == state
    at.core = core


def test_a_mark_assesses_so_many_accounts_and_the_ticks_after_it_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    at = holders(4)
    monkeypatch.setattr(losses, "ASSESSED_MAX", 2)
    reducing = [len(at.stands)]
    marked(at, 700)
    reducing.append(len(at.stands))
    marked(at, 1000)  # the others are assessed at the newest mark, when their turn comes
    marked(at, 700)
    for _ in range(3):
        restarted(at)
        at.aside(at.tick())
        reducing.append(len(at.stands))
    assert [later - earlier for earlier, later in pairwise(reducing)] == [2, 2, 1, 0]
    assert [state.account for state in at.stands[-5:]] == ["alice", *(f"holder-{number}" for number in range(4))]


def test_new_rules_of_a_symbol_leave_nobody_out_who_is_still_to_be_assessed(monkeypatch: pytest.MonkeyPatch) -> None:
    at = holders(4)
    monkeypatch.setattr(losses, "ASSESSED_MAX", 2)
    marked(at, 700)
    before = len(at.stands)
    at.aside(at.symbol())
    for _ in range(2):
        at.aside(at.tick())
    assert [state.account for state in at.stands[before:]] == ["holder-1", "holder-2", "holder-3"]


def test_a_loss_takes_out_so_many_orders_and_the_ticks_after_it_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "REMOVALS_MAX", 2)
    at = desk(max_daily_loss_e8=1000 * E8)
    for _ in range(5):
        at.placed(quantity_e8=E8)
    marked(at, 700)
    counts = [len(at.removed)]
    for _ in range(3):
        restarted(at)
        at.aside(at.tick())
        counts.append(len(at.removed))
    assert counts == [2, 4, 5, 5]


def test_what_is_left_of_a_loss_is_forgotten_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "REMOVALS_MAX", 2)
    at = desk(max_daily_loss_e8=1000 * E8)
    for _ in range(5):
        at.placed(quantity_e8=E8)
    marked(at, 700)
    at.account("alice", account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, resume=True)
    at.aside(at.tick())
    assert len(at.removed) == 2
