"""Liquidation: far below the maintenance margin a margin account's positions are reduced in steps."""

from collections.abc import Sequence
from typing import Any

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
    GroupKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8, RISK_BIT, make_id
from tests.oracle.order_stream import members
from tests.oracle.risk_desk import SECRETS, Desk
from workers.kernel.stage import Output
from workers.risk import liquidation
from workers.risk.core import RiskCore

SECOND_US = 1_000_000
RULES: dict[str, Any] = {"maintenance_margin_e8": E8 // 10, "price_band_e8": E8 // 2}
MARGIN: dict[str, Any] = {"account_kind": AccountKind.MARGIN, "leverage_e8": 5 * E8}


def desk(shard: int = 0, **symbol: Any) -> Desk:
    """Alice has 1,000 USD and has bought 4 BTC at 1,000; a tenth is to be maintained."""
    at = Desk(shard)
    at.symbol(**(RULES | symbol))
    at.account(**MARGIN, funds={"USD": 1000 * E8})
    at.filled(at.placed(quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    return at


def marked(at: Desk, price: int) -> None:
    at.ts_us += 2 * SECOND_US
    at.mark(price * E8)


def told(outputs: Sequence[Output]) -> list[tuple[Any, ...]]:
    """States, removals and orders."""
    found: list[tuple[Any, ...]] = []
    for output in outputs:
        message = output.message
        if isinstance(message, AccountState):
            found.append((message.status, message.reason, message.limit_e8, message.actual_e8))
        else:
            assert isinstance(message, Order)
            new = message.kind is OrderKind.NEW
            found.append(("NEW", message.side, message.quantity_e8) if new else (message.order_id, message.reason))
    return found


def orders(outputs: Sequence[Output]) -> list[Order]:
    return [output.message for output in outputs if isinstance(output.message, Order)]


def begun(at: Desk, price: int = 780) -> None:
    marked(at, price)
    at.tick()


BEGUN = (AccountStatus.SUSPENDED, Reason.LIQUIDATION)


def test_it_begins_below_half_of_the_maintenance_margin_with_a_tick() -> None:
    at = desk()
    marked(at, 790)  # equity 160, half of the margin 158
    assert told(at.tick()) == []
    marked(at, 789)  # 156 and 157.8; what is said is how the margin was when it was called
    assert told(at.tick()) == [(*BEGUN, 316 * E8, 160 * E8)]
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_first_all_open_orders_leave_then_a_quarter_of_what_is_held_is_sold_each_tick() -> None:
    at = desk()
    resting = at.placed(side=Side.SELL, price_e8=1400 * E8, quantity_e8=E8)
    marked(at, 780)
    assert told(at.tick())[1:] == [(resting.order_id, Reason.LIQUIDATION)]
    assert told(at.tick()) == []  # the book has not answered
    at.ended(resting, reason=Reason.LIQUIDATION)
    (order,) = orders(at.tick())
    assert (order.order_type, order.time_in_force, order.price_e8, order.quantity_e8) == (
        *(OrderType.LIQUIDATION, TimeInForce.IOC),
        *(390 * E8, E8),
    )
    assert told(at.tick()) == []
    at.filled(order, E8 // 2, 780 * E8)
    at.ended(order, OrderStatus.EXPIRED, cumulative_e8=E8 // 2)
    assert told(at.tick()) == [("NEW", Side.SELL, 875 * E8 // 1000)]


@pytest.mark.parametrize("most", [10_000, 1])
def test_a_pair_is_taken_out_whole_and_waited_for(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whichever of its orders the book takes out first, the other one goes with it."""
    monkeypatch.setattr(liquidation, "OUTPUTS_MAX", most)
    at = desk()
    oco = {"group": GroupKind.OCO, "trigger_price_e8": 700 * E8}
    first, stop = members(at.placed(side=Side.SELL, price_e8=1400 * E8, quantity_e8=E8, **oco))
    marked(at, 780)
    removed = [order.order_id for order in (*orders(at.tick()), *orders(at.tick()))]
    assert removed == [first.order_id, stop.order_id]
    at.executed(first, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, reason=Reason.LIQUIDATION)
    assert told(at.tick()) == []
    at.executed(stop, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, reason=Reason.ONE_CANCELS_OTHER)
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_a_pair_that_ends_between_its_removals_is_not_removed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liquidation, "OUTPUTS_MAX", 1)
    at = desk()
    oco = {"group": GroupKind.OCO, "trigger_price_e8": 700 * E8}
    first, stop = members(at.placed(side=Side.SELL, price_e8=1400 * E8, quantity_e8=E8, **oco))
    marked(at, 780)
    assert [order.order_id for order in orders(at.tick())] == [first.order_id]
    at.executed(first, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, reason=Reason.LIQUIDATION)
    at.executed(stop, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, reason=Reason.ONE_CANCELS_OTHER)
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_it_is_over_when_the_margin_is_maintained_again() -> None:
    at = desk()
    begun(at)
    at.aside(at.funds("alice", "USD", 191 * E8))
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]
    at.ended(orders_open(at)[0], OrderStatus.EXPIRED)
    at.aside(at.funds("alice", "USD", E8))
    assert told(at.tick()) == [(AccountStatus.ACTIVE, Reason.NONE, None, None)]
    assert told(at.tick()) == []
    at.placed(side=Side.SELL, quantity_e8=E8 // 10, price_e8=780 * E8)


def orders_open(at: Desk) -> list[Order]:
    """Liquidation orders that have not ended, as risk remembers them."""
    account = at.core._accounts["alice"]
    found = [order for order in account.orders.values() if order.order_type is OrderType.LIQUIDATION]
    return [
        Order(
            *(OrderKind.NEW, order.order_id, order.order_id, "alice", order.client_order_id, order.symbol, order.side),
            *(order.order_type, order.time_in_force, order.worst_price_e8, order.quantity_e8, False),
            *(order.self_trade_prevention, order.command_us),
        )
        for order in found
        if order.leaves_e8
    ]


def test_meanwhile_the_account_may_only_cancel() -> None:
    at = desk()
    resting = at.placed(side=Side.SELL, price_e8=1400 * E8)
    begun(at)
    assert at.refused(side=Side.SELL) == (Reason.LIQUIDATION, None, None)
    assert at.check(side=Side.SELL) == (Reason.LIQUIDATION, None, None)
    answer = at.amend(order_id=resting.order_id, quantity_e8=E8 // 2)
    assert isinstance(answer, Execution)
    assert answer.reason is Reason.LIQUIDATION
    assert isinstance(at.cancel(order_id=resting.order_id), Order)
    at.account(**MARGIN, resume=True)
    assert (at.stands[-1].status, at.stands[-1].reason) == BEGUN
    at.account(**MARGIN, account_status=AccountStatus.SUSPENDED)
    at.ended(resting)
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_a_short_position_is_bought_back() -> None:
    at = desk()
    at.account("bob", **MARGIN, funds={"USD": 1000 * E8})
    at.filled(at.placed("bob", side=Side.SELL, quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    marked(at, 1200)  # equity 200 of 480
    at.tick()
    (order,) = orders(at.tick())
    assert (order.account, order.side, order.price_e8, order.quantity_e8) == ("bob", Side.BUY, 1800 * E8, E8)


def test_without_a_band_it_goes_five_per_cent_from_the_mark() -> None:
    at = desk(price_band_e8=None)
    begun(at)
    (order,) = orders(at.tick())
    assert order.price_e8 == 741 * E8


def test_a_loss_beyond_all_that_there_was_stays_on_the_account() -> None:
    at = desk(lot_e8=E8)
    begun(at, 700)  # equity -200
    for _ in range(4):
        (order,) = orders(at.tick())
        assert order.quantity_e8 == E8
        at.filled(order, E8, 700 * E8)
    assert told(at.tick()) == [(AccountStatus.REDUCING, Reason.MARGIN_CALL, 280 * E8, -200 * E8)]
    assert at.balance("alice", "USD") == (-200 * E8, 0)
    assert told(at.tick()) == []


def test_a_step_is_an_order_that_a_book_takes_whatever_the_symbol_says() -> None:
    at = desk()
    at.symbol(**RULES, lot_e8=E8 // 10, quantity_min_e8=0, quantity_max_e8=0)
    begun(at)
    assert [order.quantity_e8 for order in orders(at.tick())] == [E8 // 10]
    at = Desk()
    at.symbol(**RULES)
    at.account(**MARGIN, funds={"USD": 1000 * E8})
    at.filled(at.placed(side=Side.SELL, quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    at.symbol(**RULES, tick_e8=5000 * E8)
    begun(at, 1300)
    assert [(order.side, order.price_e8) for order in orders(at.tick())] == [(Side.BUY, 5000 * E8)]


def test_one_holding_is_sold_in_one_symbol_at_a_time() -> None:
    at = Desk()
    at.symbol(**RULES, lot_e8=E8)
    at.symbol(**RULES, lot_e8=E8, symbol="BTC-EUR", quote="EUR")
    at.mark(1000 * E8)
    at.mark(1000 * E8, symbol="BTC-EUR")
    at.account(**MARGIN, funds={"BTC": E8, "USD": -990 * E8, "EUR": -990 * E8})
    at.tick()
    assert [order.quantity_e8 for order in orders(at.tick())] == [E8]


def test_less_than_a_lot_is_not_traded() -> None:
    at = desk()
    at.aside(at.funds("alice", "BTC", -4 * E8 + E8 // 2000))
    at.tick()
    assert at.core._accounts["alice"].called
    assert told(at.tick()) == []


def test_a_halted_symbol_waits() -> None:
    at = desk()
    begun(at)
    halted = {"maintenance_margin_e8": E8 // 10, "symbol_status": SymbolStatus.HALTED}
    at.symbol(**halted)
    assert told(at.tick()) == []
    at.symbol(**(halted | {"symbol_status": SymbolStatus.TRADING}))
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_a_step_that_the_book_refuses_is_tried_again_a_minute_later() -> None:
    at = desk()
    begun(at)
    (order,) = orders(at.tick())
    at.ended(order, OrderStatus.REJECTED, reason=Reason.NOT_CONTINUOUS)
    assert told(at.tick()) == []
    at.ts_us = order.command_us + 60 * SECOND_US - 2000
    assert told(at.tick()) == []
    assert told(at.tick()) == [("NEW", Side.SELL, E8)]


def test_a_symbol_that_refuses_its_step_does_not_hold_back_the_others() -> None:
    at = desk()
    at.symbol(**RULES, symbol="ETH-USD", base="ETH")
    at.mark(10 * E8, symbol="ETH-USD")
    at.aside(at.funds("alice", "ETH", 4 * E8))
    begun(at, 770)
    bitcoin, ether = orders(at.tick())
    at.ended(bitcoin, OrderStatus.REJECTED, reason=Reason.NOT_CONTINUOUS)
    at.filled(ether, E8, 10 * E8)
    (ether,) = orders(at.tick())
    assert (ether.symbol, ether.quantity_e8) == ("ETH-USD", 3 * E8 // 4)
    at.ended(ether, OrderStatus.EXPIRED)
    at.ts_us = bitcoin.command_us + 60 * SECOND_US
    assert [order.symbol for order in orders(at.tick())] == ["BTC-USD", "ETH-USD"]


def test_what_one_symbol_does_not_take_is_sold_in_another() -> None:
    at = Desk()
    for quote in ("EUR", "USD"):
        at.symbol(**RULES, symbol=f"BTC-{quote}", quote=quote)
        at.mark(1000 * E8, symbol=f"BTC-{quote}")
    at.account(**MARGIN, funds={"BTC": 4 * E8, "USD": -3990 * E8, "EUR": -3990 * E8})
    at.tick()
    (euro,) = orders(at.tick())
    assert euro.symbol == "BTC-EUR"
    at.ended(euro, OrderStatus.REJECTED, reason=Reason.NOT_CONTINUOUS)
    assert [order.symbol for order in orders(at.tick())] == ["BTC-USD"]


def test_the_operator_ends_it_by_asking_for_no_margin() -> None:
    at = desk()
    begun(at)
    at.symbol(maintenance_margin_e8=None)
    outputs = at.tick()
    assert at.core._accounts["alice"].status is AccountStatus.ACTIVE
    assert told(outputs)[-1] == (AccountStatus.ACTIVE, Reason.NONE, None, None)
    assert told(at.tick()) == []


def test_a_cash_account_is_not_liquidated_any_more() -> None:
    at = desk()
    begun(at)
    at.account(account_kind=AccountKind.CASH, leverage_e8=None)
    assert told(at.tick()) == [(AccountStatus.ACTIVE, Reason.NONE, None, None)]


def test_a_daily_loss_does_not_keep_it_from_beginning() -> None:
    at = desk()
    at.control(ControlKind.LIMITS, max_daily_loss_e8=100 * E8)
    marked(at, 1000)
    marked(at, 780)
    assert at.stands[-1].reason is Reason.DAILY_LOSS_LIMIT
    assert told(at.tick()) == [(*BEGUN, 100 * E8, 880 * E8)]


def test_no_command_of_a_client_can_name_its_type_or_its_id() -> None:
    at = desk()
    assert at.refused(order_type=OrderType.LIQUIDATION, time_in_force=TimeInForce.IOC)[0] is Reason.TYPE_INVALID
    begun(at)
    (order,) = orders(at.tick())
    assert order.order_id == order.command_id == make_id(0, RISK_BIT | 1)
    answer = at.answer(Command(CommandKind.AMEND, "alice", order_id=order.order_id, price_e8=E8))
    assert isinstance(answer, Execution)
    assert answer.reason is Reason.LIQUIDATION
    at.ended(order, OrderStatus.EXPIRED)
    (order,) = orders(at.tick())
    assert order.order_id == make_id(0, RISK_BIT | 2)
    assert not order.client_order_id.isascii()


def test_one_tick_has_a_limit_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    at = desk()
    resting = [at.placed(side=Side.SELL, price_e8=1400 * E8, quantity_e8=E8) for _ in range(3)]
    monkeypatch.setattr(liquidation, "OUTPUTS_MAX", 2)
    marked(at, 780)
    taken = [orders(at.tick()) for _ in range(3)]
    assert [order.order_id for part in taken for order in part] == [order.order_id for order in resting]
    assert [len(part) for part in taken] == [2, 1, 0]


def test_accounts_beyond_the_limit_of_a_tick_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    at = desk()
    at.account("bob", **MARGIN, funds={"USD": 1000 * E8})
    at.filled(at.placed("bob", quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    monkeypatch.setattr(liquidation, "OUTPUTS_MAX", 1)
    marked(at, 780)
    begun_by = [[o.message.account for o in at.tick() if isinstance(o.message, AccountState)] for _ in range(3)]
    assert begun_by == [["alice"], [], ["bob"]]


def test_a_restart_goes_on_as_it_was() -> None:
    at = desk()
    begun(at)
    (order,) = orders(at.tick())
    again = RiskCore(0, 1, seal_secrets=SECRETS)
    again.load(at.core.dump(), at.core.behaviour)
    assert again.dump() == at.core.dump()
    at.core = again
    assert told(at.tick()) == []
    at.filled(order, E8, 780 * E8)
    (order,) = orders(at.tick())
    assert order.order_id == make_id(0, RISK_BIT | 2)
