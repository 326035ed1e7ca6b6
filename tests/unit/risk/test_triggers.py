"""Orders that wait for a trigger, as pre-trade risk sees them: terms, worst prices, amendments."""

from typing import Any

import pytest

from schemas.messages import (
    ControlKind,
    Execution,
    ExecutionKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    TriggerBy,
)
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk.core import RiskCore

STOP: dict[str, Any] = {"order_type": OrderType.STOP, "price_e8": None, "trigger_price_e8": 1_050 * E8}
STOP_LIMIT = STOP | {"order_type": OrderType.STOP_LIMIT, "price_e8": 1_060 * E8}
TRAILING = STOP | {"order_type": OrderType.TRAILING_STOP, "trigger_price_e8": None, "trail_e8": 20 * E8}
RATE = TRAILING | {"trail_e8": None, "trail_rate_e8": E8 // 20}


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 100_000 * E8, "BTC": 100 * E8})


@pytest.mark.parametrize(
    ("terms", "side", "worst_e8"),
    [
        (STOP, Side.BUY, 1_155 * E8),
        (STOP, Side.SELL, 900 * E8),
        (STOP | {"trigger_price_e8": 900 * E8}, Side.SELL, 810 * E8),
        (STOP | {"order_type": OrderType.TAKE_PROFIT, "trigger_by": TriggerBy.MARK}, Side.SELL, 945 * E8),
        (STOP_LIMIT, Side.BUY, 1_060 * E8),
        (STOP_LIMIT | {"time_in_force": TimeInForce.FOK}, Side.BUY, 1_060 * E8),
        (TRAILING, Side.BUY, 1_122 * E8),
        (TRAILING, Side.SELL, 882 * E8),
        (RATE, Side.SELL, 855 * E8),
    ],
)
def test_the_band_lies_around_the_trigger(desk: Desk, terms: dict[str, Any], side: Side, worst_e8: int) -> None:
    order = desk.placed(**terms, side=side)
    assert (order.price_e8, order.trigger_by, order.order_type) == (
        worst_e8,
        terms.get("trigger_by", TriggerBy.LAST),
        terms["order_type"],
    )
    assert [order.trigger_price_e8, order.trail_e8, order.trail_rate_e8] == [
        terms.get(name) for name in ("trigger_price_e8", "trail_e8", "trail_rate_e8")
    ]
    assert order.time_in_force is terms.get("time_in_force", TimeInForce.GTC)
    if side is Side.BUY:
        cost_e8 = worst_e8 + worst_e8 * 200_000 // E8
        assert desk.balance("alice", "USD")[1] == cost_e8


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        (STOP | {"trigger_price_e8": None}, (Reason.TRIGGER_INVALID, None, None)),
        (STOP | {"trigger_price_e8": 0}, (Reason.TRIGGER_INVALID, E8 // 100, 0)),
        (STOP | {"trigger_price_e8": E8 + 1}, (Reason.TRIGGER_INVALID, E8 // 100, E8 + 1)),
        (STOP | {"trail_e8": E8}, (Reason.TRAIL_INVALID, None, E8)),
        (STOP | {"trail_rate_e8": 1}, (Reason.TRAIL_INVALID, None, 1)),
        (STOP | {"price_e8": 1_060 * E8}, (Reason.PRICE_NOT_ALLOWED, None, 1_060 * E8)),
        (STOP | {"trigger_by": TriggerBy.UNKNOWN}, (Reason.MALFORMED, None, None)),
        (STOP | {"post_only": True}, (Reason.TIME_IN_FORCE_INVALID, None, None)),
        (STOP | {"time_in_force": TimeInForce.IOC}, (Reason.TIME_IN_FORCE_INVALID, None, None)),
        (STOP_LIMIT | {"price_e8": None}, (Reason.PRICE_MISSING, None, None)),
        (STOP_LIMIT | {"price_e8": 1_155 * E8 + E8 // 100}, (Reason.PRICE_OUTSIDE_BAND, 1_155 * E8, 115_501_000_000)),
        (STOP_LIMIT | {"price_e8": 1}, (Reason.PRICE_OFF_TICK, E8 // 100, 1)),
        (STOP_LIMIT | {"post_only": True}, (Reason.TIME_IN_FORCE_INVALID, None, None)),
        (TRAILING | {"trigger_price_e8": E8}, (Reason.TRIGGER_INVALID, None, E8)),
        (TRAILING | {"trail_e8": None}, (Reason.TRAIL_INVALID, None, None)),
        (TRAILING | {"trail_rate_e8": 1}, (Reason.TRAIL_INVALID, None, None)),
        (TRAILING | {"trail_e8": 1}, (Reason.TRAIL_INVALID, E8 // 100, 1)),
        (TRAILING | {"trail_e8": 0}, (Reason.TRAIL_INVALID, E8 // 100, 0)),
        (TRAILING | {"trail_e8": 1_000 * E8, "side": Side.SELL}, (Reason.TRAIL_INVALID, 1_000 * E8, 1_000 * E8)),
        (TRAILING | {"trail_e8": 1_000 * E8}, (Reason.TRAIL_INVALID, 1_000 * E8, 1_000 * E8)),
        (RATE | {"trail_rate_e8": E8}, (Reason.TRAIL_INVALID, E8, E8)),
        (RATE | {"trail_rate_e8": 0}, (Reason.TRAIL_INVALID, E8, 0)),
        ({"trigger_price_e8": E8}, (Reason.TRIGGER_INVALID, None, E8)),
        ({"trigger_by": TriggerBy.LAST}, (Reason.TRIGGER_INVALID, None, None)),
        ({"order_type": OrderType.UNKNOWN}, (Reason.TYPE_INVALID, None, None)),
    ],
)
def test_terms_that_do_not_fit_are_refused_with_their_numbers(
    desk: Desk, terms: dict[str, Any], refusal: tuple[Reason, int | None, int | None]
) -> None:
    assert desk.refused(**terms) == refusal
    assert desk.balance("alice", "USD")[1] == 0


def test_without_a_mark_a_trailing_stop_cannot_be_valued_and_without_a_band_no_stop_can() -> None:
    desk = open_desk(alice={"USD": 100_000 * E8})
    desk.symbol(reference_price_e8=None)
    assert desk.refused(**TRAILING)[0] is Reason.NO_MARK
    assert desk.placed(**STOP).price_e8 == 1_155 * E8
    desk.symbol(price_band_e8=None)
    assert desk.refused(**STOP)[0] is Reason.PRICE_OUTSIDE_BAND
    assert desk.placed(**STOP_LIMIT).price_e8 == 1_060 * E8


def test_a_trigger_is_moved_while_it_waits_and_not_later(desk: Desk) -> None:
    order = desk.placed(**STOP, client_order_id="mine")
    sent = desk.amend(order_id=order.order_id, trigger_price_e8=1_100 * E8)
    assert (sent.price_e8, sent.trigger_price_e8, sent.quantity_e8) == (1_210 * E8, 1_100 * E8, 0)
    held_e8 = desk.balance("alice", "USD")[1]
    assert held_e8 == 1_210 * E8 + 1_210 * E8 * 200_000 // E8
    terms = {"trigger_by": TriggerBy.LAST, "trigger_price_e8": 1_100 * E8, "waits": True}
    amended = {"command_id": sent.command_id, "leaves_e8": E8, **terms}
    desk.executed(order, ExecutionKind.AMENDED, OrderStatus.NEW, **amended)
    assert desk.balance("alice", "USD")[1] == held_e8
    again = desk.place(**STOP, client_order_id="mine")
    assert isinstance(again, Execution)
    assert (again.kind, again.waits, again.trigger_price_e8) == (ExecutionKind.STATUS, True, 1_100 * E8)
    assert desk.refused(**(STOP | {"trigger_price_e8": 1_100 * E8}), client_order_id="mine")[0] is (
        Reason.CLIENT_ORDER_ID_REUSED
    )
    desk.executed(order, ExecutionKind.TRIGGERED, OrderStatus.NEW, leaves_e8=E8)
    late = desk.amend(order_id=order.order_id, trigger_price_e8=1_050 * E8)
    assert isinstance(late, Execution)
    assert (late.kind, late.reason, late.actual_e8) == (
        *(ExecutionKind.AMEND_REJECTED, Reason.TRIGGER_MET),
        1_050 * E8,
    )


@pytest.mark.parametrize(
    ("terms", "change", "reason"),
    [
        (STOP, {"trigger_price_e8": 1}, Reason.TRIGGER_INVALID),
        (STOP, {"price_e8": 1_000 * E8}, Reason.PRICE_NOT_ALLOWED),
        (STOP_LIMIT, {"trigger_price_e8": 1_300 * E8}, Reason.PRICE_OUTSIDE_BAND),
        (STOP, {"trigger_price_e8": 2_000_000 * E8}, Reason.NOTIONAL_TOO_LARGE),
        (TRAILING, {"trigger_price_e8": 900 * E8}, Reason.TRIGGER_INVALID),
        ({}, {"trigger_price_e8": 900 * E8}, Reason.TRIGGER_INVALID),
    ],
)
def test_an_amendment_that_does_not_fit_is_refused(
    desk: Desk, terms: dict[str, Any], change: dict[str, Any], reason: Reason
) -> None:
    answer = desk.amend(order_id=desk.placed(**terms).order_id, **change)
    assert isinstance(answer, Execution)
    assert (answer.kind, answer.reason) == (ExecutionKind.AMEND_REJECTED, reason)


def test_the_fat_finger_limit_lies_around_the_trigger_too(desk: Desk) -> None:
    desk.control(ControlKind.LIMITS, account="alice", fat_finger_limit_e8=E8 // 100)
    order = desk.placed(**STOP)
    assert order.price_e8 == 106_050_000_000
    assert desk.placed(**STOP_LIMIT).price_e8 == 1_060 * E8
    assert desk.refused(**(STOP_LIMIT | {"price_e8": 1_061 * E8})) == (Reason.FAT_FINGER, 106_050_000_000, 1_061 * E8)
    moved = desk.amend(order_id=order.order_id, trigger_price_e8=1_100 * E8)
    assert (moved.trigger_price_e8, moved.price_e8) == (1_100 * E8, 1_111 * E8)


def test_a_restarted_risk_knows_what_waits(desk: Desk) -> None:
    order = desk.placed(**(STOP_LIMIT | {"time_in_force": TimeInForce.IOC}))
    restarted = RiskCore(0, 1, seal_secrets={})
    restarted.load(desk.core.dump(), desk.core.behaviour)
    assert restarted.dump() == desk.core.dump()
    sent = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert (sent.trigger_price_e8, sent.quantity_e8) == (1_050 * E8, 2 * E8)
