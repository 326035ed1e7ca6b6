"""Orders that pay by their account's volume."""

import pytest

from schemas.messages import Execution, ExecutionKind, Liquidity, OrderType, Phase, Side, TimeInForce, TriggerBy
from schemas.units import E8
from tests.oracle.order_stream import amend_order, as_input, new_order, open_core, pair_order
from tests.oracle.session_stream import session_control
from workers.matching.core import MatchingCore


def core() -> MatchingCore:
    return open_core(maker_fee_e8=E8 // 100, taker_fee_e8=E8 // 50)


def fees(at: MatchingCore, message: object, number: int) -> list[tuple[str, Liquidity | None, int]]:
    """Who pays what, of fills."""
    outputs = at.apply(as_input(message, number))  # type: ignore[arg-type]
    told = [output.message for output in outputs if isinstance(output.message, Execution)]
    return [(each.account, each.liquidity, each.fee_e8 or 0) for each in told if each.kind is ExecutionKind.TRADE]


def test_each_side_pays_its_own_or_the_symbols() -> None:
    at = core()
    at.apply(as_input(new_order(1, Side.SELL, 100 * E8, E8, account="bob", fees_e8=(-1000, 2000)), 1))
    at.apply(as_input(new_order(2, Side.SELL, 100 * E8, E8, account="carol"), 2))
    assert fees(at, new_order(3, Side.BUY, 100 * E8, 2 * E8, fees_e8=(3000, 0)), 3) == [
        ("alice", Liquidity.TAKER, 0),
        ("bob", Liquidity.MAKER, -100_000),
        ("alice", Liquidity.TAKER, 0),
        ("carol", Liquidity.MAKER, E8),
    ]
    at.apply(as_input(new_order(4, Side.BUY, 99 * E8, E8), 4))
    assert fees(at, new_order(5, Side.SELL, 99 * E8, E8, account="bob"), 5) == [
        ("bob", Liquidity.TAKER, 99 * E8 // 50),
        ("alice", Liquidity.MAKER, 99 * E8 // 100),
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_rests_after_trading_or_an_amendment_pays_its_own(restarts: bool) -> None:  # noqa: FBT001 - both ways
    at = core()
    order = new_order(1, Side.SELL, 101 * E8, 3 * E8, account="bob", fees_e8=(1000, 2000))
    at.apply(as_input(new_order(9, Side.BUY, 100 * E8, E8, account="dave"), 9))
    at.apply(as_input(order, 1))
    at.apply(as_input(amend_order(2, order, 100 * E8, 3 * E8), 2))
    if restarts:
        state, at = at.dump(), MatchingCore(0, 1)
        at.load(state, at.behaviour)
    assert fees(at, new_order(3, Side.BUY, 100 * E8, E8), 3)[1] == ("bob", Liquidity.MAKER, 100_000)
    at.apply(as_input(amend_order(4, order, 100 * E8, 2 * E8 + E8 // 2), 4))
    assert fees(at, new_order(5, Side.BUY, 100 * E8, E8 // 2, time_in_force=TimeInForce.IOC), 5)[1] == (
        *("bob", Liquidity.MAKER),
        50_000,
    )


def test_in_an_auction_each_pays_its_own_makers_fee_and_no_rebate_is_given() -> None:
    at = core()
    at.apply(as_input(session_control(1, Phase.AUCTION), 1))
    at.apply(as_input(new_order(2, Side.SELL, 100 * E8, E8, account="bob", fees_e8=(-1000, 2000)), 2))
    at.apply(as_input(new_order(3, Side.SELL, 100 * E8, E8, account="carol"), 3))
    at.apply(as_input(new_order(4, Side.BUY, 100 * E8, 2 * E8, fees_e8=(3000, 0)), 4))
    assert sorted(fees(at, session_control(5, Phase.CONTINUOUS), 5)) == [
        ("alice", Liquidity.AUCTION, 300_000),
        ("alice", Liquidity.AUCTION, 300_000),
        ("bob", Liquidity.AUCTION, 0),
        ("carol", Liquidity.AUCTION, E8),
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_stop_that_was_triggered_pays_its_own(restarts: bool) -> None:  # noqa: FBT001 - both ways
    at = core()
    stop = new_order(
        *(1, Side.SELL, 90 * E8, 2 * E8),
        account="bob",
        order_type=OrderType.STOP_LIMIT,
        trigger_e8=95 * E8,
        trigger_by=TriggerBy.LAST,
        fees_e8=(1000, 2000),
    )
    at.apply(as_input(stop, 1))
    if restarts:
        state, at = at.dump(), MatchingCore(0, 1)
        at.load(state, at.behaviour)
    at.apply(as_input(new_order(2, Side.BUY, 95 * E8, 2 * E8, account="carol"), 2))
    bob = [each for each in fees(at, new_order(3, Side.SELL, 95 * E8, E8), 3) if each[0] == "bob"]
    assert bob == [("bob", Liquidity.TAKER, 95 * 2000)]
    bob = [each for each in fees(at, new_order(4, Side.BUY, 90 * E8, E8), 4) if each[0] == "bob"]
    assert bob == [("bob", Liquidity.MAKER, 90 * 1000)]


def a_pair_and_a_bid(restarts: bool) -> MatchingCore:  # noqa: FBT001 - both ways
    """Bob sells 1 at 110, or below 90 whatever it brings; carol bids 89."""
    at = core()
    first = new_order(1, Side.SELL, 110 * E8, E8, account="bob", fees_e8=(1000, 2000))
    at.apply(as_input(pair_order(first, 90 * E8, worst_e8=E8), 1))
    at.apply(as_input(new_order(2, Side.BUY, 89 * E8, E8, account="carol"), 2))
    if restarts:
        state, at = at.dump(), MatchingCore(0, 1)
        at.load(state, at.behaviour)
    return at


@pytest.mark.parametrize("restarts", [False, True])
def test_both_orders_of_a_pair_pay_their_own(restarts: bool) -> None:  # noqa: FBT001 - both ways
    at = a_pair_and_a_bid(restarts)
    assert fees(at, new_order(3, Side.BUY, 110 * E8, E8), 3)[1] == ("bob", Liquidity.MAKER, 110 * 1000)
    at = a_pair_and_a_bid(restarts)
    at.apply(as_input(new_order(3, Side.BUY, 90 * E8, E8 // 2, account="dave"), 3))
    assert fees(at, new_order(4, Side.SELL, 90 * E8, E8 // 2), 4)[2] == ("bob", Liquidity.TAKER, 89 * 2000)
