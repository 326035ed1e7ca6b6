"""The kill switch of a strategy: what names it is stopped, and nothing else."""

from typing import Any

import pytest

from schemas.messages import AccountStatus, ControlKind, Execution, ExecutionKind, Order, OrderKind, Reason, Side
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk import accounts
from workers.risk.core import RiskCore


@pytest.fixture
def at() -> Desk:
    return open_desk(alice={"USD": 100_000 * E8, "BTC": 2 * E8}, bob={"USD": 100_000 * E8})


def decide(at: Desk, status: AccountStatus, **fields: Any) -> list[Order]:
    given = {"account": "alice", "strategy": "trend", "account_status": status}
    outputs = at.control(ControlKind.STRATEGY, **(given | fields))
    orders = [output.message for output in outputs if isinstance(output.message, Order)]
    assert len(orders) == len(outputs)
    assert all((order.kind, order.reason) == (OrderKind.REMOVE, Reason.KILLED) for order in orders)
    return orders


def test_only_what_names_it_is_stopped(at: Desk) -> None:
    decide(at, AccountStatus.SUSPENDED)
    assert at.refused(strategy="trend") == (Reason.STRATEGY_SUSPENDED, None, None)
    at.placed(strategy="pairs")
    at.placed()
    at.placed("bob", strategy="trend")
    decide(at, AccountStatus.ACTIVE)
    at.placed(strategy="trend")


def test_one_that_is_reducing_places_what_reduces(at: Desk) -> None:
    decide(at, AccountStatus.REDUCING)
    assert at.refused(strategy="trend") == (Reason.STRATEGY_REDUCING, 0, E8)
    at.placed(side=Side.SELL, quantity_e8=E8)  # another strategy's counts too
    assert at.refused(strategy="trend", side=Side.SELL, quantity_e8=2 * E8) == (
        *(Reason.STRATEGY_REDUCING, E8),
        2 * E8,
    )
    at.placed(strategy="trend", side=Side.SELL, quantity_e8=E8)


def test_a_reducing_account_comes_first(at: Desk) -> None:
    at.account("alice", account_status=AccountStatus.REDUCING)
    decide(at, AccountStatus.REDUCING)
    assert at.refused(strategy="trend")[0] is Reason.ACCOUNT_REDUCING


def test_it_amends_nothing_and_cancels_what_it_wants(at: Desk) -> None:
    order = at.placed(strategy="trend")
    other = at.placed()
    decide(at, AccountStatus.SUSPENDED)
    for asked in ({"price_e8": 999 * E8}, {"quantity_e8": E8 // 2}):
        answer = at.amend(order_id=order.order_id, **asked)
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.reason) == (ExecutionKind.AMEND_REJECTED, Reason.STRATEGY_SUSPENDED)
    assert isinstance(at.amend(order_id=other.order_id, price_e8=999 * E8), Order)
    assert isinstance(at.cancel(order_id=order.order_id), Order)


def test_one_that_is_reducing_amends_to_less(at: Desk) -> None:
    order = at.placed(strategy="trend")
    decide(at, AccountStatus.REDUCING)
    answer = at.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(answer, Execution)
    assert (answer.reason, answer.limit_e8, answer.actual_e8) == (Reason.STRATEGY_REDUCING, 0, E8)
    assert isinstance(at.amend(order_id=order.order_id, quantity_e8=E8 // 2), Order)


def test_what_rests_of_it_is_taken_out_once_and_nothing_else(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = [at.placed(strategy="trend", side=side).order_id for side in (Side.BUY, Side.SELL, Side.BUY)]
    for strategy in ("pairs", None):
        at.placed(strategy=strategy)
    at.placed("bob", strategy="trend")
    ended = at.placed(strategy="trend")
    at.ended(ended)
    assert decide(at, AccountStatus.REDUCING) == []
    monkeypatch.setattr(accounts, "REMOVALS_MAX", 2)
    assert [order.order_id for order in decide(at, AccountStatus.SUSPENDED, cancel_open=True)] == mine[:2]
    assert [order.order_id for order in decide(at, AccountStatus.SUSPENDED, cancel_open=True)] == mine[2:]
    assert decide(at, AccountStatus.SUSPENDED, cancel_open=True) == []


def test_a_restart_forgets_neither_the_decision_nor_whose_orders_they_are(at: Desk) -> None:
    order = at.placed(strategy="trend")
    decide(at, AccountStatus.SUSPENDED)
    core = RiskCore(0, 1, seal_secrets={})
    core.load(at.core.dump(), at.core.behaviour)
    account = core._accounts["alice"]
    assert account.strategies == {"trend": AccountStatus.SUSPENDED}
    assert [one.order_id for one in account.take_out_strategy("trend")] == [order.order_id]


@pytest.mark.parametrize(("name", "length"), [("", 0), ("x" * 65, 65), ("a\n", 2), ("é", 1)])
def test_a_name_is_printable_and_short(at: Desk, name: str, length: int) -> None:
    assert at.refused(strategy=name) == (Reason.STRATEGY_INVALID, 64 * E8, length * E8)


def test_the_same_order_of_another_strategy_is_another_order(at: Desk) -> None:
    at.placed(client_order_id="mine", strategy="trend")
    answer = at.place(client_order_id="mine", strategy="trend")
    assert isinstance(answer, Execution)
    assert answer.reason is Reason.REPEATED_COMMAND
    assert at.refused(client_order_id="mine", strategy="pairs")[0] is Reason.CLIENT_ORDER_ID_REUSED


def test_its_executions_repeat_it(at: Desk) -> None:
    order = at.placed(strategy="trend", client_order_id="mine")
    assert order.strategy == "trend"
    amended = at.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(amended, Order)
    assert amended.strategy == "trend"
    refused = at.place(strategy="trend", quantity_e8=51 * E8)
    repeated = at.place(strategy="trend", client_order_id="mine")
    too_long = at.place(strategy="x" * 1000)
    said = [(ExecutionKind.REJECTED, "trend"), (ExecutionKind.STATUS, "trend"), (ExecutionKind.REJECTED, "x" * 64)]
    for answer, expected in zip((refused, repeated, too_long), said, strict=True):
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.strategy) == expected
    assert at.placed().strategy is None
