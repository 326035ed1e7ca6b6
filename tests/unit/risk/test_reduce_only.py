"""Orders that may only reduce the position, whatever is filled first."""

import random
from typing import Any

import pytest

from schemas.messages import AccountKind, Execution, ExecutionKind, Order, OrderKind, Reason, Side
from schemas.units import E8
from tests.oracle.risk_desk import Desk
from workers.risk.core import RiskCore

SELL: dict[str, Any] = {"side": Side.SELL, "reduce_only": True}


def long_desk() -> Desk:
    """Long 10 BTC."""
    desk = Desk()
    desk.symbol()
    desk.account("alice", account_kind=AccountKind.MARGIN, leverage_e8=10 * E8, funds={"USD": 100_000 * E8})
    desk.funds("alice", "BTC", 10 * E8)
    return desk


@pytest.fixture
def desk() -> Desk:
    return long_desk()


def test_it_may_bring_the_position_to_nothing_and_no_further(desk: Desk) -> None:
    desk.placed(**SELL, quantity_e8=6 * E8)
    assert desk.refused(**SELL, quantity_e8=5 * E8) == (Reason.REDUCE_ONLY, 4 * E8, 5 * E8)
    assert desk.refused(side=Side.BUY, reduce_only=True) == (Reason.REDUCE_ONLY, 0, E8)
    desk.placed(**SELL, quantity_e8=4 * E8)


def test_its_executions_say_that_it_is(desk: Desk) -> None:
    order = desk.placed(**SELL, quantity_e8=6 * E8, client_order_id="mine")
    assert order.reduce_only
    amended = desk.amend(order_id=order.order_id, quantity_e8=5 * E8)
    assert isinstance(amended, Order)
    assert amended.reduce_only
    refused = desk.place(**SELL, quantity_e8=5 * E8)
    repeated = desk.place(**SELL, quantity_e8=6 * E8, client_order_id="mine")
    for answer, kind in ((refused, ExecutionKind.REJECTED), (repeated, ExecutionKind.STATUS)):
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.reduce_only) == (kind, True)
    other = desk.placed(side=Side.BUY)
    assert not other.reduce_only


def test_others_of_its_side_wait_until_it_has_ended(desk: Desk) -> None:
    reduces = desk.placed(**SELL, quantity_e8=6 * E8)
    assert desk.refused(side=Side.SELL, quantity_e8=5 * E8) == (Reason.REDUCE_ONLY_OPEN, 4 * E8, 5 * E8)
    desk.placed(side=Side.BUY, quantity_e8=5 * E8)
    other = desk.placed(side=Side.SELL, quantity_e8=4 * E8)
    amended = desk.amend(order_id=other.order_id, quantity_e8=5 * E8)
    assert isinstance(amended, Execution)
    assert (amended.kind, amended.reason) == (ExecutionKind.AMEND_REJECTED, Reason.REDUCE_ONLY_OPEN)
    restarted = RiskCore(0, 1, seal_secrets={})
    restarted.load(desk.core.dump(), desk.core.behaviour)
    assert restarted._accounts["alice"].reduce_only.keys() == {("BTC-USD", Side.SELL)}
    desk.ended(reduces)
    desk.placed(side=Side.SELL, quantity_e8=20 * E8)


def test_a_withdrawal_takes_out_what_would_turn_the_position_round(desk: Desk) -> None:
    order = desk.placed(**SELL, quantity_e8=6 * E8)
    assert list(desk.funds("alice", "BTC", -4 * E8)) == []
    (output,) = desk.funds("alice", "BTC", -E8)
    assert isinstance(output.message, Order)
    assert (output.message.kind, output.message.order_id, output.message.reason) == (
        *(OrderKind.REMOVE, order.order_id),
        Reason.REDUCE_ONLY,
    )
    assert list(desk.funds("alice", "BTC", -E8)) == []


def test_another_order_of_the_same_id_is_one_that_does_not_reduce_only(desk: Desk) -> None:
    desk.placed(**SELL, client_order_id="mine")
    assert desk.refused(side=Side.SELL, client_order_id="mine")[0] is Reason.CLIENT_ORDER_ID_REUSED


def run(seed: int) -> int:
    """Random orders and fills of one that is long; how many reduce-only orders were filled."""
    desk, rng, reduced, held = long_desk(), random.Random(seed), 0, 10
    open_orders: list[tuple[Order, Side, int, bool]] = []
    for _ in range(120):
        side, quantity, only = rng.choice((Side.BUY, Side.SELL)), rng.randint(1, 8), rng.random() < 0.4
        answer = desk.place(side=side, quantity_e8=quantity * E8, reduce_only=only)
        if isinstance(answer, Order):
            open_orders.append((answer, side, quantity, only))
        if open_orders and rng.random() < 0.6:
            order, side, quantity, only = open_orders.pop(rng.randrange(len(open_orders)))
            before, held = held, held + (quantity if side is Side.BUY else -quantity)
            if only:
                reduced += 1
                assert abs(held) < abs(before)
                assert held * before >= 0
            desk.filled(order, quantity * E8, 1_000 * E8)
    return reduced


def test_no_order_of_fills_makes_one_do_more() -> None:
    assert sum(run(seed) for seed in range(20)) > 20
