"""Market orders that spend a notional, as pre-trade risk sees them."""

from typing import Any

import pytest

from schemas.messages import (
    AccountKind,
    ControlKind,
    Execution,
    ExecutionKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk.core import RiskCore

SPEND: dict[str, Any] = {
    "order_type": OrderType.MARKET,
    "price_e8": None,
    "quantity_e8": None,
    "notional_e8": 1000 * E8,
    "client_order_id": "spend",
}
"""A buy of 1000 USD, where the mark is 1000, the band 10 % and the taker's fee 0.2 %."""
MOST_E8 = 1_111 * E8 // 1000
"""What it would buy at 900, in lots of 0.001."""


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 3000 * E8, "BTC": E8})


def again(desk: Desk) -> Desk:
    """The same, restarted from what is kept."""
    other = Desk()
    other.__dict__ |= {name: value for name, value in vars(desk).items() if name != "core"}
    other.core = RiskCore(0, 1, seal_secrets={})
    other.core.load(desk.core.dump(), desk.core.behaviour)
    return other


def test_it_holds_the_notional_and_the_fee_on_it(desk: Desk) -> None:
    order = desk.placed(**SPEND)
    assert (order.notional_e8, order.quantity_e8, order.price_e8) == (1000 * E8, MOST_E8, 1100 * E8)
    assert order.time_in_force is TimeInForce.IOC
    assert desk.balance("alice", "USD") == (3000 * E8, 1002 * E8)
    assert again(desk).balance("alice", "USD") == (3000 * E8, 1002 * E8)


def test_each_fill_releases_what_it_spent_and_the_end_the_rest(desk: Desk) -> None:
    order = desk.placed(**SPEND)
    desk.executed(order, ExecutionKind.NEW, OrderStatus.NEW, quantity_e8=E8, leaves_e8=E8)
    assert desk.balance("alice", "USD") == (3000 * E8, 1002 * E8)
    bought = {"quantity_e8": E8, "last_quantity_e8": E8 // 2, "cumulative_e8": E8 // 2, "leaves_e8": E8 // 2}
    spent = {"last_notional_e8": 495 * E8, "cumulative_notional_e8": 495 * E8, "fee_e8": 99 * E8 // 100}
    desk.executed(order, ExecutionKind.TRADE, OrderStatus.PARTIALLY_FILLED, **bought, **spent)
    left_e8 = 3000 * E8 - 495 * E8 - 99 * E8 // 100
    assert desk.balance("alice", "USD") == (left_e8, 505 * E8 + 101 * E8 // 100)
    assert again(desk).balance("alice", "USD") == (left_e8, 505 * E8 + 101 * E8 // 100)
    desk.ended(order, OrderStatus.EXPIRED, quantity_e8=E8, cumulative_e8=E8 // 2, cumulative_notional_e8=495 * E8)
    assert desk.balance("alice", "USD") == (left_e8, 0)


def test_what_the_book_finds_is_what_counts(desk: Desk) -> None:
    desk.account("alice", account_kind=AccountKind.MARGIN, leverage_e8=10 * E8)
    order = desk.placed(**SPEND)
    assert desk.core._accounts["alice"].open_quantities["BTC", "USD"].buy_e8 == MOST_E8
    desk.executed(order, ExecutionKind.NEW, OrderStatus.NEW, quantity_e8=E8, leaves_e8=E8)
    assert desk.core._accounts["alice"].open_quantities["BTC", "USD"].buy_e8 == E8


def test_the_fee_comes_on_top_of_it(desk: Desk) -> None:
    desk.funds("alice", "USD", -2000 * E8)
    assert desk.refused(**SPEND) == (Reason.FUNDS_INSUFFICIENT, 1000 * E8, 1002 * E8)
    desk.funds("alice", "USD", 2 * E8)
    desk.placed(**SPEND | {"client_order_id": "another"})


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"side": Side.SELL}, (Reason.NOTIONAL_INVALID, None, 1000 * E8)),
        ({"order_type": OrderType.LIMIT, "price_e8": 1000 * E8}, (Reason.NOTIONAL_INVALID, None, 1000 * E8)),
        ({"order_type": OrderType.STOP, "trigger_price_e8": 1000 * E8}, (Reason.NOTIONAL_INVALID, None, 1000 * E8)),
        ({"quantity_e8": E8}, (Reason.NOTIONAL_INVALID, None, 1000 * E8)),
        ({"notional_e8": 0}, (Reason.NOTIONAL_INVALID, None, 0)),
        ({"notional_e8": -1}, (Reason.NOTIONAL_INVALID, None, -1)),
        ({"price_e8": 1000 * E8}, (Reason.PRICE_NOT_ALLOWED, None, 1000 * E8)),
        ({"trigger_price_e8": 1000 * E8}, (Reason.TRIGGER_INVALID, None, 1000 * E8)),
        ({"time_in_force": TimeInForce.GTC}, (Reason.TIME_IN_FORCE_INVALID, None, None)),
        ({"notional_e8": 10 * E8 - 1}, (Reason.NOTIONAL_TOO_SMALL, 10 * E8, 10 * E8 - 1)),
        ({"notional_e8": 1_000_000 * E8 + 1}, (Reason.NOTIONAL_TOO_LARGE, 1_000_000 * E8, 1_000_000 * E8 + 1)),
        ({"notional_e8": 45_001 * E8}, (Reason.QUANTITY_TOO_LARGE, 50 * E8, 5_000_100_000)),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(
    desk: Desk, fields: dict[str, Any], refusal: tuple[Reason, int | None, int | None]
) -> None:
    assert desk.check(**SPEND | fields) == refusal
    assert desk.refused(**SPEND | fields) == refusal
    repeated = desk.place(**SPEND | fields)
    assert isinstance(repeated, Execution)
    assert (repeated.kind, repeated.reason, repeated.notional_e8) == (
        *(ExecutionKind.STATUS, refusal[0]),
        (SPEND | fields)["notional_e8"],
    )


def test_it_must_afford_the_smallest_quantity_at_least_at_the_bands_edge(desk: Desk) -> None:
    desk.symbol(notional_min_e8=None)
    assert desk.refused(**SPEND | {"notional_e8": 9 * E8 - 1}) == (Reason.QUANTITY_TOO_SMALL, E8 // 100, 999_999)
    assert desk.placed(**SPEND | {"notional_e8": 9 * E8, "client_order_id": "a"}).quantity_e8 == E8 // 100
    desk.symbol(notional_min_e8=None, quantity_min_e8=None)
    assert desk.refused(**SPEND | {"notional_e8": 1, "client_order_id": "b"}) == (
        Reason.QUANTITY_TOO_SMALL,
        E8 // 1000,
        0,
    )


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        ({"max_order_size_e8": E8}, (Reason.ORDER_SIZE_LIMIT, E8, MOST_E8)),
        ({"max_position_size_e8": 2 * E8}, (Reason.POSITION_LIMIT, 2 * E8, E8 + MOST_E8)),
        ({"max_daily_volume_e8": 999 * E8}, (Reason.DAILY_VOLUME_LIMIT, 999 * E8, 1000 * E8)),
    ],
)
def test_limits_count_the_most_that_it_may_buy_and_what_it_may_spend(
    desk: Desk, limit: dict[str, int], refusal: tuple[Reason, int, int]
) -> None:
    desk.control(ControlKind.LIMITS, account="alice", **limit)
    assert desk.refused(**SPEND) == refusal


def test_a_fat_finger_limit_moves_the_worst_price_and_not_what_is_held(desk: Desk) -> None:
    desk.control(ControlKind.LIMITS, account="alice", fat_finger_limit_e8=E8 // 20)
    assert desk.placed(**SPEND).price_e8 == 1050 * E8
    assert desk.balance("alice", "USD")[1] == 1002 * E8


def test_the_same_again_is_one_order_whatever_the_book_made_of_it(desk: Desk) -> None:
    order = desk.placed(**SPEND)
    for _ in range(2):
        repeated = desk.place(**SPEND)
        assert isinstance(repeated, Execution)
        assert (repeated.kind, repeated.order_id, repeated.notional_e8) == (
            *(ExecutionKind.STATUS, order.order_id),
            1000 * E8,
        )
        if order.order_id not in desk.in_book:
            desk.executed(order, ExecutionKind.NEW, OrderStatus.NEW, quantity_e8=E8, leaves_e8=E8)
    assert repeated.quantity_e8 == E8
    for other in ({"notional_e8": 999 * E8}, {"notional_e8": None, "quantity_e8": MOST_E8}):
        assert desk.refused(**SPEND | other)[0] is Reason.CLIENT_ORDER_ID_REUSED
