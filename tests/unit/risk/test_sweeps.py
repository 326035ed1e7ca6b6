"""What a symbol takes, and what becomes of open orders that its new rules make invalid."""

from typing import Any

import pytest

from schemas.controls import control_error
from schemas.messages import (
    Control,
    ControlKind,
    ExecutionKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.risk_desk import BTC, Desk, open_desk
from workers.kernel.stage import Output
from workers.risk import sweeps
from workers.risk.core import RiskCore

MARKET = {"order_type": OrderType.MARKET, "price_e8": None}


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 100_000 * E8, "BTC": 100 * E8}, bob={"USD": 100_000 * E8})


def removed(outputs: Any) -> list[tuple[int, Reason | None, int | None, int | None]]:
    """Order, reason and numbers of removals."""
    found = []
    for output in outputs:
        assert isinstance(output, Output)
        order = output.message
        assert isinstance(order, Order)
        assert (order.kind, output.topic, output.key) == (OrderKind.REMOVE, "orders", order.symbol)
        found.append((order.order_id, order.reason, order.limit_e8, order.actual_e8))
    return found


# What a symbol takes


def test_a_symbol_takes_the_types_and_times_that_are_listed(desk: Desk) -> None:
    desk.symbol(order_types="LIMIT,STOP", times_in_force="GTC,IOC")
    desk.placed()
    assert desk.refused(**MARKET) == (Reason.ORDER_TYPE_NOT_TAKEN, None, None)
    assert desk.refused(time_in_force=TimeInForce.FOK) == (Reason.TIME_IN_FORCE_NOT_TAKEN, None, None)
    desk.symbol(order_types="MARKET,LIMIT")
    desk.placed(**MARKET)
    desk.placed(time_in_force=TimeInForce.FOK)
    desk.symbol(times_in_force="FOK")
    assert desk.refused() == (Reason.TIME_IN_FORCE_NOT_TAKEN, None, None)
    desk.symbol()
    desk.placed()


def test_an_account_has_so_many_open_orders_in_a_symbol(desk: Desk) -> None:
    desk.symbol(open_orders_max=2)
    desk.symbol(symbol="ETH-USD", base="ETH")
    first = desk.placed()
    desk.placed()
    assert desk.refused() == (Reason.SYMBOL_ORDERS_MAX, 2 * E8, 3 * E8)
    desk.placed("bob")
    desk.placed(symbol="ETH-USD")
    desk.ended(first)
    desk.placed()
    assert removed(desk.symbol(open_orders_max=0)) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"order_types": ""}, "order_types is '': it must be some of LIMIT,MARKET"),
        ({"order_types": "LIMIT,limit"}, "order_types is 'LIMIT,limit'"),
        ({"order_types": "LIMIT,LIMIT"}, "each once (null: all)"),
        ({"order_types": "UNKNOWN"}, "order_types is 'UNKNOWN'"),
        ({"times_in_force": "GTC,NEVER"}, "times_in_force is 'GTC,NEVER': it must be some of GTC,IOC"),
        ({"open_orders_max": -1}, "open_orders_max is -1: it must not be negative"),
    ],
)
def test_a_list_names_what_there_is(fields: dict[str, Any], sentence: str) -> None:
    control: dict[str, Any] = BTC | fields
    assert sentence in str(control_error(Control(ControlKind.SYMBOL, "c", **control)))
    control |= {"order_types": "LIMIT", "times_in_force": "GTC,DAY", "open_orders_max": 0}
    assert control_error(Control(ControlKind.SYMBOL, "c", **control)) is None


# What a change makes invalid


@pytest.mark.parametrize(
    ("placed", "change", "why"),
    [
        (
            {"price_e8": 100_001 * E8 // 100},
            {"tick_e8": E8 // 10},
            (Reason.PRICE_OFF_TICK, E8 // 10, 100_001 * E8 // 100),
        ),
        ({"quantity_e8": 1_001 * E8 // 1000}, {"lot_e8": E8 // 100}, (Reason.QUANTITY_OFF_LOT, E8 // 100, 100_100_000)),
        (
            {"display_quantity_e8": 501 * E8 // 1000},
            {"lot_e8": E8 // 100},
            (Reason.DISPLAY_INVALID, E8 // 100, 501 * E8 // 1000),
        ),
        ({}, {"quantity_min_e8": E8 + 1}, (Reason.QUANTITY_TOO_SMALL, E8 + E8 // 1000, E8)),
        ({}, {"quantity_max_e8": E8 - 1}, (Reason.QUANTITY_TOO_LARGE, E8 - E8 // 1000, E8)),
        ({}, {"notional_min_e8": 1000 * E8 + 1}, (Reason.NOTIONAL_TOO_SMALL, 1000 * E8 + 1, 1000 * E8)),
        ({}, {"notional_max_e8": 1000 * E8 - 1}, (Reason.NOTIONAL_TOO_LARGE, 1000 * E8 - 1, 1000 * E8)),
        ({}, {"order_types": "MARKET"}, (Reason.ORDER_TYPE_NOT_TAKEN, None, None)),
        ({}, {"times_in_force": "DAY"}, (Reason.TIME_IN_FORCE_NOT_TAKEN, None, None)),
        (
            {"order_type": OrderType.STOP, "price_e8": None, "trigger_price_e8": 100_001 * E8 // 100},
            {"tick_e8": E8 // 10},
            (Reason.TRIGGER_INVALID, E8 // 10, 100_001 * E8 // 100),
        ),
        (
            {"order_type": OrderType.TRAILING_STOP, "price_e8": None, "trail_e8": 101 * E8 // 100},
            {"tick_e8": E8 // 10},
            (Reason.TRAIL_INVALID, E8 // 10, 101 * E8 // 100),
        ),
        (
            {
                "order_type": OrderType.STOP_LIMIT,
                "trigger_price_e8": 1000 * E8,
                "time_in_force": TimeInForce.IOC,
            },
            {"order_types": "LIMIT"},
            (Reason.ORDER_TYPE_NOT_TAKEN, None, None),
        ),
    ],
)
def test_an_order_that_the_change_makes_invalid_is_taken_out(
    desk: Desk, placed: dict[str, Any], change: dict[str, Any], why: tuple[Reason, int | None, int | None]
) -> None:
    order = desk.placed(**placed)
    assert removed(desk.symbol(**change)) == [(order.order_id, *why)]
    assert removed(desk.symbol(**change)) == []
    held = desk.balance("alice", "USD")[1]
    assert held > 0
    desk.ended(order, reason=why[0], limit_e8=why[1], actual_e8=why[2])
    assert desk.balance("alice", "USD")[1] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"tick_e8": E8 // 20},
        {"lot_e8": E8 // 2},
        {"quantity_min_e8": E8},
        {"quantity_max_e8": E8},
        {"notional_min_e8": 1000 * E8},
        {"notional_max_e8": 1000 * E8},
        {"order_types": "LIMIT", "times_in_force": "GTC"},
        {"price_band_e8": 1},
        {"reference_price_e8": 10 * E8},
        {"symbol_status": SymbolStatus.HALTED},
    ],
)
def test_one_that_still_fits_stays(desk: Desk, change: dict[str, Any]) -> None:
    desk.placed()
    assert removed(desk.symbol(**change)) == []


def test_a_rule_that_became_wider_takes_nothing_out(desk: Desk) -> None:
    order = desk.placed(quantity_e8=2 * E8)
    desk.symbol(quantity_min_e8=2 * E8)
    decremented = {"quantity_e8": E8, "leaves_e8": E8, "price_e8": 1000 * E8, "reason": Reason.SELF_TRADE}
    desk.executed(order, ExecutionKind.AMENDED, OrderStatus.NEW, **decremented)
    assert removed(desk.symbol(quantity_min_e8=2 * E8, quantity_max_e8=60 * E8, tick_e8=E8 // 1000)) == []
    odd_e8 = E8 + E8 // 10_000
    desk.executed(order, ExecutionKind.AMENDED, OrderStatus.NEW, **(decremented | {"leaves_e8": odd_e8}))
    assert removed(desk.symbol(quantity_min_e8=2 * E8, quantity_max_e8=60 * E8, lot_e8=E8 // 4000)) == []
    assert removed(desk.symbol(quantity_min_e8=3 * E8, lot_e8=E8 // 4000)) == [
        (order.order_id, Reason.QUANTITY_TOO_SMALL, 3 * E8, E8),
    ]


def test_what_is_left_of_an_order_is_asked_of_the_lot(desk: Desk) -> None:
    order = desk.placed(quantity_e8=3 * E8)
    other = desk.placed(quantity_e8=2 * E8)
    for each in (order, other):
        desk.filled(each, E8, 1000 * E8)
    assert removed(desk.symbol(lot_e8=2 * E8)) == [(other.order_id, Reason.QUANTITY_OFF_LOT, 2 * E8, E8)]


def test_only_the_symbols_orders_that_rest_and_do_not_leave_already(desk: Desk) -> None:
    desk.symbol(symbol="ETH-USD", base="ETH")
    desk.placed(symbol="ETH-USD")
    desk.placed(**MARKET)
    desk.placed(time_in_force=TimeInForce.IOC)
    later = desk.placed("bob")
    first, second = desk.placed(), desk.placed(side=Side.SELL)
    leaves = desk.placed(quantity_e8=2 * E8)
    desk.ended(desk.placed())
    assert [order for order, *_ in removed(desk.symbol(quantity_max_e8=E8))] == [leaves.order_id]
    assert [order for order, *_ in removed(desk.symbol(quantity_max_e8=E8 // 2))] == [
        *(first.order_id, second.order_id),
        later.order_id,
    ]


def test_an_amendment_under_way_is_judged_too(desk: Desk) -> None:
    order = desk.placed()
    amended = desk.amend(order_id=order.order_id, quantity_e8=3 * E8)
    assert isinstance(amended, Order)
    assert removed(desk.symbol(quantity_max_e8=2 * E8)) == [
        (order.order_id, Reason.QUANTITY_TOO_LARGE, 2 * E8, 3 * E8),
    ]


@pytest.mark.parametrize("kind", [ExecutionKind.NEW, ExecutionKind.AMENDED])
def test_a_price_that_the_book_chose_by_the_old_tick_is_found_when_it_is_told(desk: Desk, kind: ExecutionKind) -> None:
    order = desk.placed(post_only=True, slide=True)
    assert removed(desk.symbol(tick_e8=E8)) == []
    if kind is ExecutionKind.AMENDED:
        desk.executed(order, ExecutionKind.NEW, OrderStatus.NEW, leaves_e8=E8, price_e8=999 * E8)
        assert desk.removed == []
    off_e8 = 99_999 * E8 // 100
    desk.executed(order, kind, OrderStatus.NEW, leaves_e8=E8, price_e8=off_e8)
    (sent,) = desk.removed
    assert (sent.order_id, sent.reason, sent.limit_e8, sent.actual_e8) == (
        *(order.order_id, Reason.PRICE_OFF_TICK),
        *(E8, off_e8),
    )


def test_a_record_looks_at_some_and_the_ticks_at_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "LOOKED_AT_MAX", 2)
    for name in ("carol", "dave"):
        desk.account(name, funds={"USD": 100_000 * E8})
    orders = [desk.placed(name).order_id for name in ("dave", "alice", "carol", "alice", "bob")]
    assert [order for order, *_ in removed(desk.symbol(quantity_max_e8=E8 // 2))] == [orders[1], orders[3]]
    other = RiskCore(0, 1, seal_secrets={})
    other.load(desk.core.dump(), desk.core.behaviour)
    assert other.dump() == desk.core.dump()
    desk.core = other
    assert [order for order, *_ in removed(desk.tick())] == [orders[4], orders[2]]
    assert [order for order, *_ in removed(desk.tick())] == [orders[0]]
    assert desk.core._sweeps.pending == {}
    assert removed(desk.tick()) == []


def test_a_second_change_looks_at_all_again_by_both(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "LOOKED_AT_MAX", 1)
    first, second = desk.placed(), desk.placed("bob")
    assert [order for order, *_ in removed(desk.symbol(quantity_max_e8=E8 // 2))] == [first.order_id]
    assert removed(desk.symbol(quantity_max_e8=E8 // 2, tick_e8=E8)) == []
    assert removed(desk.tick()) == [(second.order_id, Reason.QUANTITY_TOO_LARGE, E8 // 2, E8)]
