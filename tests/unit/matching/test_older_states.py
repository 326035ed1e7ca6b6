"""A state of the foundation's release is read, and the books in it trade on by today's rules."""

import pytest

from schemas.messages import Execution, ExecutionKind, Liquidity, OrderType, Reason, Side, TimeInForce
from schemas.units import E8
from tests.oracle.older_states import MATCHING, MATCHING_BEHAVIOUR
from tests.oracle.order_stream import amend_order, as_input, cancel_order, new_order, symbol_control
from workers.matching.core import MatchingCore

ASK = new_order(1, Side.SELL, 100 * E8, 2 * E8, account="bob")
BID = new_order(2, Side.BUY, 99 * E8, E8, account="carol")


@pytest.fixture
def core() -> MatchingCore:
    core = MatchingCore(0, 1)
    core.load(MATCHING, MATCHING_BEHAVIOUR)
    return core


def told(core: MatchingCore, message: object, number: int) -> list[Execution]:
    outputs = core.apply(as_input(message, number))  # type: ignore[arg-type]
    return [output.message for output in outputs if isinstance(output.message, Execution)]


def fees(executions: list[Execution]) -> list[tuple[str, Liquidity | None, int | None]]:
    return [(each.account, each.liquidity, each.fee_e8) for each in executions if each.kind is ExecutionKind.TRADE]


def test_its_orders_pay_the_symbols_fees_and_others_their_own(core: MatchingCore) -> None:
    said = told(core, new_order(3, Side.BUY, 100 * E8, E8, fees_e8=(0, 1000)), 3)
    assert fees(said) == [("alice", Liquidity.TAKER, 100_000), ("bob", Liquidity.MAKER, E8)]
    said = told(core, new_order(4, Side.SELL, 99 * E8, E8, account="dave"), 4)
    assert fees(said) == [("dave", Liquidity.TAKER, 99 * E8 // 50), ("carol", Liquidity.MAKER, 99 * E8 // 100)]


def test_its_orders_are_amended_and_cancelled(core: MatchingCore) -> None:
    (amended,) = told(core, amend_order(3, BID, 98 * E8, 2 * E8), 3)
    assert (amended.kind, amended.leaves_e8) == (ExecutionKind.AMENDED, 2 * E8)
    (cancelled,) = told(core, cancel_order(4, ASK), 4)
    assert (cancelled.kind, cancelled.account) == (ExecutionKind.CANCELLED, "bob")
    assert [order.order_id for order in core.books[ASK.symbol].open_orders()] == [BID.order_id]


def spends(number: int, notional_e8: int) -> object:
    return new_order(
        *(number, Side.BUY, 200 * E8, 100 * E8),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        notional_e8=notional_e8,
    )


def test_a_notional_is_spent_to_the_last_part_until_the_lot_is_told_again(core: MatchingCore) -> None:
    """The older state has no lots: what is bought is whole lots from the symbol's next record on."""
    new, trade, _ = told(core, spends(3, E8 + 1), 3)
    assert (new.quantity_e8, trade.last_quantity_e8) == (E8 // 100, E8 // 100)
    core.apply(as_input(symbol_control(control_id="again", lot_e8=E8 // 10), 4))
    (refused,) = told(core, spends(5, E8), 5)
    assert (refused.reason, refused.limit_e8, refused.actual_e8) == (
        Reason.QUANTITY_TOO_SMALL,
        E8 // 10,
        E8 // 100,
    )


def test_written_again_it_is_a_state_of_today(core: MatchingCore) -> None:
    again = MatchingCore(0, 1)
    again.load(core.dump(), core.behaviour)
    assert again.dump() == core.dump()
