"""Pairs of which one cancels the other, as pre-trade risk sees them: all or nothing, and the dearer held once."""

from typing import Any

import pytest

from schemas.messages import (
    AccountKind,
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    GroupKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.order_stream import members
from tests.oracle.risk_desk import Desk, open_desk
from workers.risk.core import RiskCore

OCO: dict[str, Any] = {"group": GroupKind.OCO}
SELL: dict[str, Any] = OCO | {"side": Side.SELL, "price_e8": 1050 * E8, "trigger_price_e8": 950 * E8}
BUY: dict[str, Any] = OCO | {"price_e8": 950 * E8, "trigger_price_e8": 1050 * E8}


@pytest.fixture
def desk() -> Desk:
    return open_desk(alice={"USD": 10_000 * E8, "BTC": 10 * E8})


def entered(desk: Desk, pair: Order) -> tuple[Order, Order]:
    """Both orders, as the book has taken them."""
    first, stop = members(pair)
    desk.executed(stop, ExecutionKind.NEW, OrderStatus.NEW, leaves_e8=stop.quantity_e8, waits=True)
    desk.entered(first)
    return first, stop


def restarted(desk: Desk) -> None:
    """The desk goes on with a core that has read a snapshot."""
    state = desk.core.dump()
    desk.core = RiskCore(0, 1, seal_secrets={"gateway-1": bytes(range(32))})
    desk.core.load(state, desk.core.behaviour)
    assert desk.core.dump() == state


def test_one_record_carries_both_to_the_book(desk: Desk) -> None:
    pair = desk.placed(**SELL, client_order_id="exit", stop_price_e8=940 * E8)
    assert (pair.kind, pair.group_id, pair.client_order_id) == (OrderKind.OCO, pair.order_id, "exit")
    assert (pair.price_e8, pair.trigger_price_e8, pair.stop_price_e8, pair.stop_limit) == (
        1050 * E8,
        950 * E8,
        940 * E8,
        True,
    )
    pair = desk.placed(**SELL)
    assert (pair.stop_limit, pair.stop_price_e8) == (False, 855 * E8)  # the edge of the band around the trigger


def test_a_sell_holds_its_quantity_once_and_frees_it_with_the_last(desk: Desk) -> None:
    first, stop = entered(desk, desk.placed(**SELL, quantity_e8=10 * E8))
    assert desk.balance("alice", "BTC") == (10 * E8, 10 * E8)
    assert desk.refused(side=Side.SELL, quantity_e8=E8 // 100)[0] is Reason.FUNDS_INSUFFICIENT
    desk.filled(first, 4 * E8, 1050 * E8)
    assert desk.balance("alice", "BTC") == (6 * E8, 6 * E8)
    desk.ended(stop, reason=Reason.ONE_CANCELS_OTHER)
    assert desk.balance("alice", "BTC") == (6 * E8, 6 * E8)
    desk.ended(first, cumulative_e8=4 * E8)
    assert desk.balance("alice", "BTC") == (6 * E8, 0)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_buy_holds_what_the_stop_may_cost_until_the_limit_order_trades(desk: Desk, *, restarts: bool) -> None:
    first, stop = entered(desk, desk.placed(**BUY, quantity_e8=2 * E8))
    dear_e8, cheap_e8 = 2 * 1155 * E8 * 1002 // 1000, 2 * 950 * E8 * 1002 // 1000
    if restarts:
        restarted(desk)
    assert desk.balance("alice", "USD") == (10_000 * E8, dear_e8)
    desk.filled(first, E8, 950 * E8)
    assert desk.balance("alice", "USD")[1] == cheap_e8 // 2
    if restarts:
        restarted(desk)
    desk.ended(stop, reason=Reason.ONE_CANCELS_OTHER)
    assert desk.balance("alice", "USD")[1] == cheap_e8 // 2


def test_a_trigger_frees_what_only_the_limit_order_needed(desk: Desk) -> None:
    """The limit order is dearer: its stop may pay no more than its own limit."""
    first, stop = entered(desk, desk.placed(**BUY | {"trigger_price_e8": 960 * E8}, stop_price_e8=900 * E8))
    assert desk.balance("alice", "USD")[1] == 950 * E8 * 1002 // 1000
    desk.executed(stop, ExecutionKind.TRIGGERED, OrderStatus.NEW, leaves_e8=E8)
    assert desk.balance("alice", "USD")[1] == 900 * E8 * 1002 // 1000
    desk.ended(first, reason=Reason.ONE_CANCELS_OTHER)
    assert desk.balance("alice", "USD")[1] == 900 * E8 * 1002 // 1000


def test_a_margin_account_is_exposed_to_one_of_both(desk: Desk) -> None:
    desk.account("bob", account_kind=AccountKind.MARGIN, leverage_e8=E8, funds={"USD": 1_050 * E8})
    entered(desk, desk.placed("bob", **SELL))
    assert desk.refused("bob", side=Side.SELL, quantity_e8=E8 // 10)[0] is Reason.MARGIN_INSUFFICIENT
    assert desk.core._accounts["bob"].open_quantities["BTC", "USD"].sell_e8 == E8


def test_either_may_be_what_the_account_cannot_bear(desk: Desk) -> None:
    assert desk.refused(**BUY, quantity_e8=9 * E8) == (
        Reason.FUNDS_INSUFFICIENT,
        10_000 * E8,
        9 * 1155 * E8 * 1002 // 1000,
    )
    assert desk.refused(**SELL, quantity_e8=11 * E8)[0] is Reason.FUNDS_INSUFFICIENT
    assert desk.balance("alice", "USD") == (10_000 * E8, 0)
    assert desk.balance("alice", "BTC") == (10 * E8, 0)
    desk.control(ControlKind.LIMITS, account="alice", fat_finger_limit_e8=E8 // 50)
    assert desk.refused(**SELL, stop_price_e8=900 * E8) == (Reason.FAT_FINGER, 931 * E8, 900 * E8)


def test_limits_count_the_worse_one_and_limits_of_open_orders_both(desk: Desk) -> None:
    desk.control(ControlKind.LIMITS, account="alice", max_open_orders=3, max_position_size_e8=12 * E8)
    desk.placed(**BUY)
    desk.placed(**BUY | {"side": Side.BUY, "group": None, "trigger_price_e8": None})
    assert desk.refused(**BUY) == (Reason.SYMBOL_OPEN_ORDERS_LIMIT, 3 * E8, 4 * E8)
    desk.account("alice", open_orders_max=4)
    desk.control(ControlKind.LIMITS, account="alice", max_position_size_e8=13 * E8)
    assert desk.refused(**BUY, quantity_e8=2 * E8)[0] is Reason.POSITION_LIMIT
    assert desk.refused(**BUY) == (Reason.OPEN_ORDERS_LIMIT, 4 * E8, 5 * E8)


def test_a_pair_takes_one_token(desk: Desk) -> None:
    desk.control(ControlKind.LIMITS, account="alice", trade_frequency=2, trade_frequency_s=3600)
    desk.placed(**BUY)
    desk.placed(**BUY)
    assert desk.refused(**BUY)[0] is Reason.TRADE_FREQUENCY_LIMIT


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"group": GroupKind.UNKNOWN}, (Reason.GROUP_INVALID, None, None)),
        ({"group": None, "stop_price_e8": E8, "trigger_price_e8": None}, (Reason.GROUP_INVALID, None, None)),
        ({"post_only": True}, (Reason.GROUP_INVALID, None, None)),
        ({"slide": True}, (Reason.GROUP_INVALID, None, None)),
        ({"display_quantity_e8": E8}, (Reason.GROUP_INVALID, None, None)),
        ({"time_in_force": TimeInForce.IOC}, (Reason.GROUP_INVALID, None, None)),
        ({"order_type": OrderType.STOP_LIMIT}, (Reason.GROUP_INVALID, None, None)),
        ({"order_type": OrderType.MARKET, "price_e8": None}, (Reason.GROUP_INVALID, None, None)),
        ({"trigger_price_e8": 1050 * E8}, (Reason.GROUP_INVALID, 1050 * E8, 1050 * E8)),
        ({"side": Side.BUY}, (Reason.GROUP_INVALID, 950 * E8, 1050 * E8)),
        ({"trigger_price_e8": None}, (Reason.TRIGGER_INVALID, None, None)),
        ({"trail_e8": E8}, (Reason.TRAIL_INVALID, None, E8)),
        ({"price_e8": None}, (Reason.PRICE_MISSING, None, None)),
        ({"symbol": "DOGE-USD"}, (Reason.SYMBOL_UNKNOWN, None, None)),
        ({"client_order_id": "x" * 60}, (Reason.CLIENT_ORDER_ID_INVALID, 59 * E8, 60 * E8)),
    ],
)
def test_what_is_no_pair_is_refused_and_remembered(
    desk: Desk, changes: dict[str, Any], refusal: tuple[Reason, int | None, int | None]
) -> None:
    given = SELL | {"client_order_id": "one"} | changes
    assert desk.check(**given) == refusal
    assert desk.refused(**given) == refusal
    again = desk.place(**given)
    assert isinstance(again, Execution)
    assert (again.kind, again.reason, again.group_id) == (ExecutionKind.STATUS, refusal[0], None)
    restarted(desk)
    assert desk.core._accounts["alice"].open_count() == 0


def test_the_longest_client_order_id_leaves_room_for_the_other_one(desk: Desk) -> None:
    pair = desk.placed(**SELL, client_order_id="x" * 59)
    _, stop = members(pair)
    assert len(stop.client_order_id) == 64
    assert desk.refused(client_order_id=stop.client_order_id)[0] is Reason.CLIENT_ORDER_ID_REUSED


def test_a_pair_is_sent_again_as_it_was_or_is_another_order(desk: Desk) -> None:
    desk.placed(client_order_id="taken:stop")
    assert desk.refused(**SELL, client_order_id="taken")[0] is Reason.CLIENT_ORDER_ID_REUSED
    pair = desk.placed(**SELL, client_order_id="one")
    again = desk.place(**SELL, client_order_id="one")
    assert isinstance(again, Execution)
    assert (again.kind, again.order_id, again.group_id) == (ExecutionKind.STATUS, pair.order_id, pair.order_id)
    for change in ({"trigger_price_e8": 940 * E8}, {"stop_price_e8": 940 * E8}):
        assert desk.refused(**SELL | change, client_order_id="one")[0] is Reason.CLIENT_ORDER_ID_REUSED
    alone = {"side": Side.SELL, "price_e8": 1050 * E8, "client_order_id": "one"}
    assert desk.refused(**alone)[0] is Reason.CLIENT_ORDER_ID_REUSED


def test_members_are_cancelled_and_amended_by_both_their_ids_but_keep_their_quantity(desk: Desk) -> None:
    first, stop = entered(desk, desk.placed(**BUY, client_order_id="one"))
    cancel = desk.cancel(client_order_id="one:stop")
    assert isinstance(cancel, Order)
    assert (cancel.kind, cancel.order_id, cancel.group_id) == (OrderKind.CANCEL, stop.order_id, first.order_id)
    refused = desk.amend(order_id=first.order_id, quantity_e8=2 * E8)
    assert isinstance(refused, Execution)
    assert (refused.kind, refused.reason, refused.actual_e8, refused.group_id) == (
        ExecutionKind.AMEND_REJECTED,
        Reason.GROUP_QUANTITY,
        2 * E8,
        first.order_id,
    )
    sent = desk.amend(order_id=stop.order_id, trigger_price_e8=1060 * E8)
    assert isinstance(sent, Order)
    assert (sent.kind, sent.group_id, sent.trigger_price_e8) == (OrderKind.AMEND, first.order_id, 1060 * E8)
    assert desk.balance("alice", "USD")[1] == 1166 * E8 * 1002 // 1000


def test_an_amendment_is_asked_of_what_it_adds_to_the_dearer_one(desk: Desk) -> None:
    """The stop holds 1155 and its fee: the limit order may come as near as that for nothing."""
    first, stop = entered(desk, desk.placed(**BUY))
    desk.placed(quantity_e8=8 * E8)
    desk.funds("alice", "USD", 1155 * E8 * 1002 // 1000 + 8 * 1002 * E8 - 10_000 * E8)
    desk.control(ControlKind.LIMITS, account="alice", max_daily_volume_e8=(1155 + 8000) * E8)
    assert desk.balance("alice", "USD")[0] == desk.balance("alice", "USD")[1]
    assert isinstance(desk.amend(order_id=first.order_id, price_e8=1040 * E8), Order)
    refused = desk.amend(order_id=stop.order_id, trigger_price_e8=1060 * E8)
    assert isinstance(refused, Execution)
    assert (refused.reason, refused.actual_e8) == (Reason.DAILY_VOLUME_LIMIT, (1166 + 8000) * E8)
    desk.control(ControlKind.LIMITS, account="alice")
    refused = desk.amend(order_id=stop.order_id, trigger_price_e8=1060 * E8)
    assert isinstance(refused, Execution)
    dear_e8 = (1155 * E8 * 1002 // 1000, 1166 * E8 * 1002 // 1000)
    assert (refused.reason, refused.limit_e8, refused.actual_e8) == (Reason.FUNDS_INSUFFICIENT, *dear_e8)


def test_the_other_one_takes_no_amendment_once_a_pair_is_decided(desk: Desk) -> None:
    first, stop = entered(desk, desk.placed(**BUY))
    assert isinstance(desk.amend(order_id=stop.order_id, trigger_price_e8=1060 * E8), Order)
    desk.filled(first, E8 // 2, 950 * E8)
    refused = desk.amend(order_id=stop.order_id, trigger_price_e8=1055 * E8)
    assert isinstance(refused, Execution)
    assert refused.reason is Reason.ORDER_FINAL
    held_e8 = desk.balance("alice", "USD")[1]
    desk.ended(stop, reason=Reason.ONE_CANCELS_OTHER)
    desk.ended(first, cumulative_e8=E8 // 2)
    assert (held_e8, desk.balance("alice", "USD")[1]) == (475 * E8 * 1002 // 1000, 0)
    usage = desk.core._accounts["alice"].usages["BTC-USD"]
    assert (usage.buy_e8, usage.notional_e8, usage.orders) == (0, 0, 0)


def test_cancel_all_takes_both_out_in_the_order_of_their_commands(desk: Desk) -> None:
    pair = desk.placed(**BUY)
    later = desk.placed()
    answer, *removals = desk.send(Command(CommandKind.CANCEL_ALL, "alice"))
    assert isinstance(answer.message, Execution)
    assert answer.message.actual_e8 == 3 * E8
    order_ids = [removal.message.order_id for removal in removals if isinstance(removal.message, Order)]
    assert order_ids == [pair.order_id, pair.order_id | 2**45, later.order_id]


def test_both_are_reduce_only(desk: Desk) -> None:
    assert desk.refused(**SELL, quantity_e8=11 * E8, reduce_only=True)[0] is Reason.REDUCE_ONLY
    desk.placed(**SELL, quantity_e8=6 * E8, reduce_only=True)
    assert desk.refused(**SELL, quantity_e8=5 * E8, reduce_only=True) == (Reason.REDUCE_ONLY, 4 * E8, 5 * E8)
    desk.funds("alice", "BTC", -5 * E8)
    assert len(desk.core._accounts["alice"].reduce_only["BTC-USD", Side.SELL]) == 2


def test_both_end_when_the_book_takes_none(desk: Desk) -> None:
    first, stop = members(desk.placed(**BUY))
    desk.ended(first, OrderStatus.REJECTED, reason=Reason.BOOK_FULL)
    desk.ended(stop, OrderStatus.REJECTED, reason=Reason.BOOK_FULL)
    assert desk.balance("alice", "USD")[1] == 0
    assert desk.core._accounts["alice"].open_count() == 0
    assert desk.core._accounts["alice"].partners == {}
