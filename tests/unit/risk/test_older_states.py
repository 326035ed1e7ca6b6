"""A state of the foundation's release is read, and its accounts trade on by today's rules."""

import pytest

from schemas.messages import AccountKind, ExecutionKind, Order, OrderStatus, Reason, Side
from schemas.units import DAY_US, E8
from tests.oracle.older_states import RISK, RISK_BEHAVIOUR
from tests.oracle.risk_desk import SECRETS, Desk, open_desk
from workers.risk.core import RiskCore

HELD_E8 = 1002 * E8


@pytest.fixture
def desk() -> Desk:
    """Alice has 10,000 USD and buys 1 BTC at 1,000, by the core of the older release; the log is as it was then."""
    at = open_desk(alice={"USD": 10_000 * E8})
    at.account("margin", account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, funds={"USD": 1000 * E8})
    at.placed(client_order_id="mine")
    core = RiskCore(0, 1, seal_secrets=SECRETS)
    core.load(RISK, RISK_BEHAVIOUR)
    at.core = core
    return at


def mine(desk: Desk) -> Order:
    """Alice's order as the book has it."""
    sent = desk.cancel(client_order_id="mine")
    assert isinstance(sent, Order)
    return sent


def test_its_orders_are_filled_and_hold_what_they_held(desk: Desk) -> None:
    assert desk.balance("alice", "USD") == (10_000 * E8, HELD_E8)
    desk.filled(mine(desk), E8, 1000 * E8)
    assert desk.balance("alice", "USD") == (9_000 * E8, 0)
    assert desk.balance("alice", "BTC") == (E8, 0)


def test_its_orders_are_amended_at_the_symbols_fees(desk: Desk) -> None:
    desk.symbol(fee_tiers="1/0/0", taker_fee_e8=E8 // 100)
    amended = desk.amend(client_order_id="mine", quantity_e8=2 * E8)
    assert isinstance(amended, Order)
    assert (amended.taker_fee_e8, amended.strategy, amended.quantity_e8) == (None, None, 2 * E8)
    assert desk.balance("alice", "USD")[1] == 2000 * E8 + 20 * E8
    desk.executed(mine(desk), ExecutionKind.AMENDED, OrderStatus.NEW, command_id=amended.command_id, leaves_e8=2 * E8)
    assert desk.balance("alice", "USD")[1] == 2000 * E8 + 20 * E8


def test_new_rules_hold_for_what_comes_after_it(desk: Desk) -> None:
    desk.filled(mine(desk), E8, 1000 * E8)
    desk.symbol(fee_tiers="1/10000/20000", initial_margin_e8=E8)
    desk.ts_us += DAY_US
    order = desk.placed(side=Side.SELL)
    assert (order.maker_fee_e8, order.taker_fee_e8) == (10_000, 20_000)
    refusal = desk.refused("margin", quantity_e8=2 * E8)
    assert refusal == (Reason.INITIAL_MARGIN_INSUFFICIENT, 1000 * E8, 2000 * E8)


def test_until_then_the_rules_of_the_state_hold(desk: Desk) -> None:
    assert desk.placed("margin", quantity_e8=2 * E8).taker_fee_e8 is None
    assert desk.refused(quantity_e8=51 * E8)[0] is Reason.QUANTITY_TOO_LARGE


def test_written_again_it_is_a_state_of_today(desk: Desk) -> None:
    again = RiskCore(0, 1, seal_secrets=SECRETS)
    again.load(desk.core.dump(), desk.core.behaviour)
    assert again.dump() == desk.core.dump()
