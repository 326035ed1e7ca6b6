"""A command to cancel all: which orders risk takes out of the books, and what it says."""

import pytest

from schemas.messages import (
    AccountKind,
    AccountState,
    AccountStatus,
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    Reason,
    Side,
)
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk import accounts


def cancel_all(desk: Desk, account: str = "alice", **fields: object) -> tuple[Execution, list[int]]:
    """The answer, and the orders that are taken out."""
    outputs = desk.send(Command(CommandKind.CANCEL_ALL, account, **fields))  # type: ignore[arg-type]
    answer, *removals = [output.message for output in outputs]
    assert isinstance(answer, Execution)
    assert all(isinstance(removal, Order) and removal.kind is OrderKind.REMOVE for removal in removals)
    assert {output.key for output in outputs[1:]} <= {removal.symbol for removal in removals}  # type: ignore[union-attr]
    return answer, [removal.order_id for removal in removals]  # type: ignore[union-attr]


@pytest.fixture
def desk() -> Desk:
    desk = open_desk(alice={"USD": 10_000 * E8, "BTC": 10 * E8}, bob={"USD": 10_000 * E8})
    desk.symbol(symbol="BTC-EUR", quote="EUR")
    return desk


def test_open_orders_of_the_account_are_taken_out_and_counted(desk: Desk) -> None:
    pending, resting, ended = desk.placed(), desk.placed(), desk.placed()
    desk.placed("bob")
    desk.entered(resting)
    desk.ended(ended)
    answer, removed = cancel_all(desk)
    assert removed == [pending.order_id, resting.order_id]
    assert (answer.kind, answer.reason, answer.actual_e8) == (ExecutionKind.CANCELLING_ALL, Reason.NONE, 2 * E8)
    assert answer.command_id is not None


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"side": Side.BUY}, ["buy"]),
        ({"symbol": "BTC-USD"}, ["buy", "sell"]),
        ({"symbol": "BTC-EUR", "side": Side.SELL}, ["other"]),
        ({"symbol": "BTC-EUR", "side": Side.BUY}, []),
        ({"symbol": "DOGE-USD"}, []),
    ],
)
def test_a_symbol_or_a_side_narrows_it(desk: Desk, fields: dict[str, object], meant: list[str]) -> None:
    orders = {
        "other": desk.placed(symbol="BTC-EUR", side=Side.SELL),
        "buy": desk.placed(),
        "sell": desk.placed(side=Side.SELL),
    }
    assert cancel_all(desk, **fields)[1] == [orders[name].order_id for name in meant]


def test_what_leaves_already_is_not_taken_out_again_after_a_restart_neither(desk: Desk) -> None:
    orders = [desk.placed() for _ in range(3)]
    assert len(cancel_all(desk)[1]) == 3
    answer, removed = cancel_all(desk)
    assert (answer.kind, answer.actual_e8, removed) == (ExecutionKind.CANCELLING_ALL, 0, [])
    desk.core.load(desk.core.dump(), desk.core.behaviour)
    assert cancel_all(desk)[1] == []
    newest = desk.placed()
    assert cancel_all(desk)[1] == [newest.order_id]
    for order in orders:
        desk.ended(order)
    assert desk.core._accounts["alice"].removable == {}


def test_one_command_takes_out_so_many_at_most_the_oldest_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "REMOVALS_MAX", 2)
    ids = [desk.placed(side=side).order_id for side in (Side.BUY, Side.SELL, Side.BUY)]
    answer, removed = cancel_all(desk)
    assert (answer.actual_e8, removed) == (2 * E8, ids[:2])
    assert cancel_all(desk)[1] == ids[2:]


def test_a_suspended_account_may(desk: Desk) -> None:
    order = desk.placed()
    desk.account("alice", account_status=AccountStatus.SUSPENDED)
    assert cancel_all(desk)[1] == [order.order_id]


def test_an_unknown_account_is_refused(desk: Desk) -> None:
    answer, removed = cancel_all(desk, "stranger")
    assert (answer.kind, answer.reason, removed) == (ExecutionKind.CANCEL_REJECTED, Reason.ACCOUNT_UNKNOWN, [])


def test_a_killed_account_is_suspended_and_its_orders_are_taken_out(desk: Desk) -> None:
    pending, resting = desk.placed(), desk.placed(side=Side.SELL)
    desk.entered(resting)
    desk.placed("bob")
    fields = {"account_kind": AccountKind.CASH, "account_status": AccountStatus.SUSPENDED, "cancel_open": True}
    stands, *outputs = desk.control(ControlKind.ACCOUNT, account="alice", **fields)
    assert isinstance(stands.message, AccountState)
    assert (stands.message.status, stands.message.sequence) == (AccountStatus.SUSPENDED, 2)
    removals = [output.message for output in outputs]
    assert all(isinstance(removal, Order) for removal in removals)
    told = [(each.kind, each.order_id, each.account, each.reason) for each in removals if isinstance(each, Order)]
    assert told == [
        (OrderKind.REMOVE, pending.order_id, "alice", Reason.KILLED),
        (OrderKind.REMOVE, resting.order_id, "alice", Reason.KILLED),
    ]
    assert desk.refused("alice")[0] is Reason.ACCOUNT_SUSPENDED
