"""What pre-trade risk says to amendments, and what it holds for them."""

import pytest

from schemas.messages import (
    AccountKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.risk_desk import Desk
from workers.risk.core import RiskCore
from workers.risk.holding import worst_cost_e8

FEE_E8 = 200_000


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.symbol()
    desk.account("alice", funds={"USD": 3_000 * E8, "BTC": 5 * E8})
    return desk


def rejected(desk: Desk, **fields: object) -> tuple[Reason, int | None, int | None]:
    answer = desk.amend(**fields)
    assert isinstance(answer, Execution)
    assert answer.kind is ExecutionKind.AMEND_REJECTED
    return answer.reason, answer.limit_e8, answer.actual_e8


def held(desk: Desk, currency: str = "USD") -> int:
    return desk.balance("alice", currency)[1]


def cost(price: int, quantity_e8: int) -> int:
    return worst_cost_e8(price * E8, quantity_e8, FEE_E8)


def answered(desk: Desk, order: Order, kind: ExecutionKind, amended: Order, **fields: object) -> None:
    quantity_e8 = amended.quantity_e8 or order.quantity_e8
    numbers = {"price_e8": amended.price_e8, "quantity_e8": quantity_e8, "command_id": amended.command_id}
    status = OrderStatus.PARTIALLY_FILLED if fields.get("cumulative_e8") else OrderStatus.NEW
    desk.executed(order, kind, status, **(numbers | fields))


def test_an_amendment_goes_to_the_book_with_what_stays_filled_in(desk: Desk) -> None:
    order = desk.placed(post_only=True)
    sent = desk.amend(order_id=order.order_id, price_e8=990 * E8)
    assert isinstance(sent, Order)
    assert (sent.kind, sent.order_id, sent.post_only) == (OrderKind.AMEND, order.order_id, True)
    assert (sent.price_e8, sent.quantity_e8) == (990 * E8, 0)  # 0: the book keeps the quantity that it has
    assert sent.command_id != order.command_id


def test_until_the_book_answers_the_dearer_of_both_is_held(desk: Desk) -> None:
    order = desk.placed()
    assert held(desk) == cost(1000, E8)
    sent = desk.amend(client_order_id=order.client_order_id, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    assert held(desk) == cost(1000, 2 * E8)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=2 * E8)
    assert held(desk) == cost(1000, 2 * E8)
    sent = desk.amend(order_id=order.order_id, price_e8=950 * E8, quantity_e8=E8 // 2)
    assert isinstance(sent, Order)
    assert held(desk) == cost(1000, 2 * E8)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=E8 // 2)
    assert held(desk) == cost(950, E8 // 2)


def test_fills_on_the_way_are_part_of_the_amended_quantity(desk: Desk) -> None:
    order = desk.placed()
    sent = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    desk.filled(order, E8 // 4, 1000 * E8)
    assert held(desk) == cost(1000, 2 * E8 - E8 // 4)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=2 * E8 - E8 // 4, cumulative_e8=E8 // 4)
    assert held(desk) == cost(1000, 2 * E8 - E8 // 4)


@pytest.mark.parametrize("kind", [ExecutionKind.AMEND_REJECTED, ExecutionKind.CANCELLED])
def test_a_refusal_by_the_book_or_the_end_gives_back_what_was_held_for_it(desk: Desk, kind: ExecutionKind) -> None:
    order = desk.placed()
    sent = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    if kind is ExecutionKind.CANCELLED:
        desk.executed(order, kind, OrderStatus.CANCELLED)
        assert held(desk) == 0
    answered(desk, order, ExecutionKind.AMEND_REJECTED, sent, reason=Reason.ORDER_FINAL)
    assert held(desk) == (0 if kind is ExecutionKind.CANCELLED else cost(1000, E8))


def test_one_amendment_of_an_order_at_a_time(desk: Desk) -> None:
    order = desk.placed()
    sent = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    assert rejected(desk, order_id=order.order_id, quantity_e8=E8) == (Reason.AMEND_PENDING, None, None)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=2 * E8)
    assert isinstance(desk.amend(order_id=order.order_id, quantity_e8=E8), Order)


def test_what_the_account_cannot_bear_is_refused_with_the_numbers_and_changes_nothing(desk: Desk) -> None:
    order = desk.placed()
    needed_e8 = cost(1000, 4 * E8)
    assert rejected(desk, order_id=order.order_id, quantity_e8=4 * E8) == (
        Reason.FUNDS_INSUFFICIENT,
        3_000 * E8,
        needed_e8,
    )
    assert held(desk) == cost(1000, E8)
    assert isinstance(desk.amend(order_id=order.order_id, quantity_e8=2 * E8), Order)


def test_a_margin_account_is_measured_by_what_more_would_be_open() -> None:
    desk = Desk()
    desk.symbol()
    desk.account("alice", funds={"USD": 1_000 * E8}, account_kind=AccountKind.MARGIN, leverage_e8=2 * E8)
    order = desk.placed()
    reason, limit_e8, actual_e8 = rejected(desk, order_id=order.order_id, quantity_e8=3 * E8)
    assert (reason, limit_e8, actual_e8) == (Reason.MARGIN_INSUFFICIENT, 2_000 * E8, 3_000 * E8)
    sent = desk.amend(order_id=order.order_id, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    assert desk.refused(quantity_e8=E8 // 10)[0] is Reason.MARGIN_INSUFFICIENT
    answered(desk, order, ExecutionKind.AMEND_REJECTED, sent, reason=Reason.ORDER_FINAL)
    assert isinstance(desk.place(quantity_e8=E8 // 10), Order)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"price_e8": 1000 * E8 + 1}, (Reason.PRICE_OFF_TICK, E8 // 100, 1000 * E8 + 1)),
        ({"price_e8": 1200 * E8}, (Reason.PRICE_OUTSIDE_BAND, 1100 * E8, 1200 * E8)),
        ({"price_e8": 0}, (Reason.PRICE_NOT_POSITIVE, 0, 0)),
        ({"quantity_e8": E8 + 1}, (Reason.QUANTITY_OFF_LOT, E8 // 1000, E8 + 1)),
        ({"quantity_e8": -E8}, (Reason.QUANTITY_NOT_POSITIVE, 0, -E8)),
        ({"quantity_e8": 51 * E8}, (Reason.QUANTITY_TOO_LARGE, 50 * E8, 51 * E8)),
        ({}, (Reason.MALFORMED, None, None)),
    ],
)
def test_the_symbols_rules_hold_for_what_it_becomes(
    desk: Desk, fields: dict[str, int], why: tuple[Reason, int | None, int | None]
) -> None:
    order = desk.placed()
    assert rejected(desk, order_id=order.order_id, **fields) == why


def test_a_price_that_stays_is_not_measured_again(desk: Desk) -> None:
    order = desk.placed(quantity_e8=2 * E8)
    desk.mark(2_000 * E8)
    assert isinstance(desk.amend(order_id=order.order_id, quantity_e8=E8), Order)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time_in_force": TimeInForce.IOC}, Reason.TIME_IN_FORCE_INVALID),
        ({"order_type": OrderType.MARKET, "price_e8": None}, Reason.TYPE_INVALID),
    ],
)
def test_what_never_rests_is_not_amended(desk: Desk, fields: dict[str, object], reason: Reason) -> None:
    order = desk.placed(**fields)
    assert rejected(desk, order_id=order.order_id, quantity_e8=E8)[0] is reason


def test_unknown_and_foreign_orders_get_the_same_answer(desk: Desk) -> None:
    desk.account("bob", funds={"USD": 3_000 * E8})
    foreign = desk.placed("bob")
    for order_id in (foreign.order_id, 999):
        answer = desk.amend(order_id=order_id, quantity_e8=E8)
        assert isinstance(answer, Execution)
        assert (answer.reason, answer.order_id, answer.client_order_id) == (Reason.ORDER_UNKNOWN, order_id, "")


def test_the_first_command_repeated_after_an_amendment_is_still_the_same_order(desk: Desk) -> None:
    order = desk.placed(client_order_id="mine")
    sent = desk.amend(order_id=order.order_id, price_e8=990 * E8, quantity_e8=2 * E8)
    assert isinstance(sent, Order)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=2 * E8)
    again = desk.place(client_order_id="mine")
    assert isinstance(again, Execution)
    assert (again.kind, again.price_e8, again.leaves_e8) == (ExecutionKind.STATUS, 990 * E8, 2 * E8)


def test_a_state_of_the_first_behaviour_holds_the_same_exposure() -> None:
    desk = Desk()
    desk.symbol()
    desk.account("alice", funds={"USD": 1_000 * E8}, account_kind=AccountKind.MARGIN, leverage_e8=2 * E8)
    order = desk.placed(side=Side.SELL)
    desk.core._accounts["alice"].orders[order.order_id].reserved_e8 = 0
    older = RiskCore(0, 1, seal_secrets={})
    older.load(desk.core.dump(), 1)
    assert older._accounts["alice"].open_quantities["BTC", "USD"].sell_e8 == E8


def test_a_dated_order_gets_another_end(desk: Desk) -> None:
    order = desk.placed(time_in_force=TimeInForce.GTD, expire_us=desk.ts_us + 10_000_000)
    later_us = desk.ts_us + 20_000_000
    sent = desk.amend(order_id=order.order_id, expire_us=later_us)
    assert isinstance(sent, Order)
    assert (sent.expire_us, sent.price_e8, sent.quantity_e8) == (later_us, order.price_e8, 0)
    assert rejected(desk, order_id=desk.placed().order_id, expire_us=later_us) == (Reason.EXPIRY_INVALID, None, None)


def test_the_first_command_repeated_is_the_same_order_with_its_first_end_only(desk: Desk) -> None:
    until_us = desk.ts_us + 10_000_000
    dated = {"client_order_id": "mine", "time_in_force": TimeInForce.GTD}
    order = desk.placed(expire_us=until_us, **dated)
    sent = desk.amend(order_id=order.order_id, expire_us=until_us + 1)
    assert isinstance(sent, Order)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=E8, expire_us=until_us + 1)
    again = desk.place(expire_us=until_us, **dated)
    assert isinstance(again, Execution)
    assert (again.kind, again.expire_us) == (ExecutionKind.STATUS, until_us + 1)
    assert desk.refused(expire_us=until_us + 1, **dated)[0] is Reason.CLIENT_ORDER_ID_REUSED


def test_a_refused_amendment_leaves_what_was_held_although_fees_have_risen() -> None:
    desk = Desk()
    desk.symbol(maker_fee_e8=0, taker_fee_e8=0)
    desk.account("alice", funds={"USD": 1_000 * E8})
    order = desk.placed(post_only=True)
    desk.symbol(maker_fee_e8=0, taker_fee_e8=E8 // 100)
    sent = desk.amend(order_id=order.order_id, price_e8=1_005 * E8, quantity_e8=9 * E8 // 10)
    assert isinstance(sent, Order)
    assert held(desk) == 1_000 * E8
    answered(desk, order, ExecutionKind.AMEND_REJECTED, sent, reason=Reason.POST_ONLY_WOULD_TRADE)
    assert held(desk) == 1_000 * E8
    sent = desk.amend(order_id=order.order_id, quantity_e8=E8 // 2)
    assert isinstance(sent, Order)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=E8 // 2)
    assert held(desk) == worst_cost_e8(1_000 * E8, E8 // 2, E8 // 100)


@pytest.mark.parametrize(
    "changed", [{"lot_e8": 3 * E8 // 10}, {"quantity_min_e8": 2 * E8}, {"quantity_max_e8": E8 // 2}]
)
def test_rules_are_not_asked_of_a_quantity_that_nobody_sent(desk: Desk, changed: dict[str, int]) -> None:
    order = desk.placed()
    desk.symbol(**changed)
    sent = desk.amend(order_id=order.order_id, price_e8=990 * E8)
    assert isinstance(sent, Order)
    answered(desk, order, ExecutionKind.AMENDED, sent, leaves_e8=E8)
    assert rejected(desk, order_id=order.order_id, quantity_e8=E8)[0] in {
        *(Reason.QUANTITY_OFF_LOT, Reason.QUANTITY_TOO_SMALL, Reason.QUANTITY_TOO_LARGE),
    }
