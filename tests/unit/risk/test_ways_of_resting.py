"""Display quantities and post-only orders that slide, as pre-trade risk sees them."""

from typing import Any

import pytest

from schemas.messages import Execution, ExecutionKind, OrderStatus, OrderType, Reason, Side, TimeInForce
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk.core import RiskCore


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 100_000 * E8, "BTC": 100 * E8})


def test_a_display_quantity_goes_to_the_book(desk: Desk) -> None:
    order = desk.placed(quantity_e8=10 * E8, display_quantity_e8=E8)
    assert (order.display_quantity_e8, order.slide) == (E8, False)
    assert desk.placed(quantity_e8=E8, display_quantity_e8=E8 // 100).display_quantity_e8 == E8 // 100
    assert desk.placed(quantity_e8=E8, display_quantity_e8=E8).display_quantity_e8 == E8


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"display_quantity_e8": 0}, (Reason.DISPLAY_INVALID, E8 // 1000, 0)),
        ({"display_quantity_e8": 1}, (Reason.DISPLAY_INVALID, E8 // 1000, 1)),
        ({"display_quantity_e8": 2 * E8}, (Reason.DISPLAY_INVALID, E8, 2 * E8)),
        ({"quantity_e8": E8, "display_quantity_e8": E8 // 125}, (Reason.DISPLAY_INVALID, E8 // 100, E8 // 125)),
        ({"display_quantity_e8": E8, "time_in_force": TimeInForce.IOC}, (Reason.DISPLAY_INVALID, None, E8)),
        (
            {"display_quantity_e8": E8, "order_type": OrderType.MARKET, "price_e8": None},
            (Reason.DISPLAY_INVALID, None, E8),
        ),
        ({"slide": True}, (Reason.SLIDE_INVALID, None, None)),
    ],
)
def test_what_does_not_fit_is_refused(
    desk: Desk, fields: dict[str, Any], refusal: tuple[Reason, int | None, int | None]
) -> None:
    assert desk.refused(**fields) == refusal


def test_a_display_quantity_is_amended_and_a_repetition_is_still_known(desk: Desk) -> None:
    placed = {"quantity_e8": 10 * E8, "display_quantity_e8": E8, "client_order_id": "ice"}
    order = desk.placed(**placed)
    sent = desk.amend(order_id=order.order_id, display_quantity_e8=2 * E8)
    assert (sent.display_quantity_e8, sent.price_e8, sent.quantity_e8) == (2 * E8, order.price_e8, 0)
    amended = {"command_id": sent.command_id, "leaves_e8": 10 * E8, "price_e8": order.price_e8}
    desk.executed(order, ExecutionKind.AMENDED, OrderStatus.NEW, display_quantity_e8=2 * E8, **amended)
    again = desk.place(**placed)
    assert isinstance(again, Execution)
    assert (again.kind, again.display_quantity_e8) == (ExecutionKind.STATUS, 2 * E8)
    assert desk.refused(**(placed | {"display_quantity_e8": 2 * E8}))[0] is Reason.CLIENT_ORDER_ID_REUSED
    for change in ({"display_quantity_e8": 11 * E8}, {"quantity_e8": 49 * E8, "display_quantity_e8": E8 // 10}):
        refused = desk.amend(order_id=order.order_id, **change)
        assert isinstance(refused, Execution)
        assert (refused.kind, refused.reason) == (ExecutionKind.AMEND_REJECTED, Reason.DISPLAY_INVALID)
    assert desk.amend(order_id=order.order_id, quantity_e8=E8).quantity_e8 == E8


def test_a_larger_quantity_needs_a_display_quantity_that_still_fits(desk: Desk) -> None:
    order = desk.placed(quantity_e8=E8, display_quantity_e8=E8 // 100)
    refused = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(refused, Execution)
    assert (refused.reason, refused.limit_e8, refused.actual_e8) == (Reason.DISPLAY_INVALID, E8 // 50, E8 // 100)


def test_what_slid_is_held_at_its_new_price_and_known_by_its_old_one(desk: Desk) -> None:
    placed = {"post_only": True, "slide": True, "client_order_id": "maker", "side": Side.BUY}
    order = desk.placed(**placed)
    assert order.slide
    held_e8 = desk.balance("alice", "USD")[1]
    desk.executed(order, ExecutionKind.NEW, OrderStatus.NEW, leaves_e8=E8, price_e8=990 * E8)
    assert held_e8 - desk.balance("alice", "USD")[1] == 10 * E8 + 2_000_000
    again = desk.place(**placed)
    assert isinstance(again, Execution)
    assert (again.kind, again.price_e8) == (ExecutionKind.STATUS, 990 * E8)
    restarted = RiskCore(0, 1, seal_secrets={})
    restarted.load(desk.core.dump(), desk.core.behaviour)
    assert restarted.dump() == desk.core.dump()
