"""Dead man's timers: when they run out, whose orders leave, and how much one tick does."""

import msgspec
import pytest

from schemas.messages import (
    AccountStatus,
    Command,
    CommandKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderStatus,
    Reason,
    Side,
)
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.kernel import heap
from workers.risk import timers

S = 1_000_000
"""Microseconds."""


def ask(desk: Desk, account: str = "alice", **fields: object) -> Execution:
    """The answer to a CANCEL_AFTER."""
    (output,) = desk.send(Command(CommandKind.CANCEL_AFTER, account, **fields))  # type: ignore[arg-type]
    assert isinstance(output.message, Execution)
    return output.message


def armed(desk: Desk, timeout_s: int, account: str = "alice") -> int:
    """The time at which the timer runs out."""
    answer = ask(desk, account, timeout_s=timeout_s)
    assert (answer.kind, answer.expire_us) == (
        ExecutionKind.CANCEL_AFTER_SET,
        answer.command_us + timeout_s * 1_000_000,
    )
    assert answer.expire_us is not None
    return answer.expire_us


def taken(desk: Desk, now_us: int) -> list[int]:
    """The orders that a tick takes out."""
    messages = [output.message for output in desk.tick(now_us)]
    orders = [message for message in messages if isinstance(message, Order)]
    assert all((order.kind, order.reason) == (OrderKind.REMOVE, Reason.TIMER_EXPIRED) for order in orders)
    return [order.order_id for order in orders]


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 10_000 * E8, "BTC": 10 * E8}, bob={"USD": 10_000 * E8})


def test_the_first_tick_that_is_not_before_the_end_takes_out_the_accounts_open_orders(desk: Desk) -> None:
    pending, resting, ended = desk.placed(), desk.placed(side=Side.SELL), desk.placed()
    desk.placed("bob")
    desk.entered(resting)
    desk.ended(ended)
    deadline_us = armed(desk, 60)
    assert desk.tick(deadline_us - 1) == []
    told, *removals = [output.message for output in desk.tick(deadline_us)]
    assert isinstance(told, Execution)
    assert (told.kind, told.reason, told.account) == (ExecutionKind.CANCELLING_ALL, Reason.TIMER_EXPIRED, "alice")
    assert (told.command_id, told.actual_e8, told.status) == (None, 2 * E8, OrderStatus.UNKNOWN)
    ids = [removal.order_id for removal in removals if isinstance(removal, Order)]
    assert ids == [pending.order_id, resting.order_id]
    desk.placed()
    assert desk.tick(deadline_us + 3600 * S) == []


def test_it_is_renewed_and_called_off(desk: Desk) -> None:
    order = desk.placed()
    first_us = armed(desk, 10)
    renewed_us = armed(desk, 60)
    assert taken(desk, first_us) == []
    off = ask(desk, timeout_s=0)
    assert (off.kind, off.expire_us) == (ExecutionKind.CANCEL_AFTER_SET, None)
    assert taken(desk, renewed_us) == []
    again_us = armed(desk, 5)
    assert taken(desk, max(again_us, renewed_us)) == [order.order_id]


def test_a_shorter_renewal_counts(desk: Desk) -> None:
    order = desk.placed()
    armed(desk, 3600)
    assert taken(desk, armed(desk, 1)) == [order.order_id]


def test_an_account_without_open_orders_is_told_too(desk: Desk) -> None:
    (told,) = desk.tick(armed(desk, 1))
    assert isinstance(told.message, Execution)
    assert (told.key, told.message.reason, told.message.actual_e8) == ("alice", Reason.TIMER_EXPIRED, 0)


def test_it_survives_a_restart(desk: Desk) -> None:
    order = desk.placed()
    deadline_us = armed(desk, 60)
    desk.core.load(desk.core.dump(), desk.core.behaviour)
    assert taken(desk, deadline_us - 1) == []
    assert taken(desk, deadline_us) == [order.order_id]
    desk.core.load(desk.core.dump(), desk.core.behaviour)
    assert desk.tick(deadline_us) == []


def test_a_tick_does_so_much_and_the_next_ones_the_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "REMOVALS_MAX", 3)
    hers = [desk.placed().order_id for _ in range(2)]
    his = [desk.placed("bob", quantity_e8=E8 // 10).order_id for _ in range(3)]
    armed(desk, 10)
    deadline_us = armed(desk, 11, "bob")
    assert taken(desk, deadline_us) == hers
    assert taken(desk, deadline_us) == his
    assert desk.tick(deadline_us) == []


def test_what_one_tick_leaves_is_kept_by_a_renewal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "REMOVALS_MAX", 2)
    ids = [desk.placed(side=side).order_id for side in (Side.SELL, Side.BUY, Side.SELL)]
    deadline_us = armed(desk, 10)
    assert taken(desk, deadline_us) == ids[:2]
    renewed_us = armed(desk, 60)
    assert taken(desk, deadline_us) == []
    assert taken(desk, renewed_us) == ids[2:]


def test_renewals_do_not_gather(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "SWEEP_FROM", 8)
    order = desk.placed()
    desk.core.load(desk.core.dump(), desk.core.behaviour)
    for _ in range(100):
        deadline_us = armed(desk, 60)
        assert len(desk.core._timers._due) <= 10
    assert taken(desk, deadline_us - 1) == []
    assert taken(desk, deadline_us) == [order.order_id]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, (Reason.MALFORMED, None, None)),
        ({"timeout_s": 1, "symbol": "BTC-USD"}, (Reason.MALFORMED, None, None)),
        ({"timeout_s": 1, "side": Side.BUY}, (Reason.MALFORMED, None, None)),
        ({"timeout_s": -1}, (Reason.TIMEOUT_INVALID, 86_400 * E8, -E8)),
        ({"timeout_s": 86_401}, (Reason.TIMEOUT_INVALID, 86_400 * E8, 86_401 * E8)),
        ({"timeout_s": 2**31 - 1}, (Reason.TIMEOUT_INVALID, 86_400 * E8, (2**31 - 1) * E8)),
    ],
)
def test_what_no_timer_can_be_is_refused_and_changes_nothing(
    desk: Desk, fields: dict[str, object], refusal: tuple[Reason, int | None, int | None]
) -> None:
    order = desk.placed()
    deadline_us = armed(desk, 86_400)
    answer = ask(desk, **fields)
    assert answer.kind is ExecutionKind.CANCEL_REJECTED
    assert (answer.reason, answer.limit_e8, answer.actual_e8) == refusal
    assert taken(desk, deadline_us) == [order.order_id]


def test_a_suspended_account_may_and_an_unknown_one_may_not(desk: Desk) -> None:
    order = desk.placed()
    desk.account("alice", account_status=AccountStatus.SUSPENDED)
    assert taken(desk, armed(desk, 1)) == [order.order_id]
    answer = ask(desk, "stranger", timeout_s=1)
    assert (answer.kind, answer.reason) == (ExecutionKind.CANCEL_REJECTED, Reason.ACCOUNT_UNKNOWN)


def test_a_state_from_before_there_were_timers_loads(desk: Desk) -> None:
    order = desk.placed()
    before = msgspec.msgpack.decode(desk.core.dump())
    for account in before[4]:
        del account[16:]
    desk.core.load(msgspec.msgpack.encode(before), desk.core.behaviour)
    assert desk.core._accounts["alice"].cancel_after_us is None
    assert taken(desk, armed(desk, 1)) == [order.order_id]
