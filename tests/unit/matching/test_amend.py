"""Amendments as price ladders: before, what is said, after."""

import pytest
from msgspec.structs import replace

from schemas.messages import BookChange, Execution, ExecutionKind, OrderKind, OrderStatus, Reason, SelfTradePrevention
from schemas.units import E8
from tests.oracle.order_stream import amend_order, as_input, cancel_order
from tests.unit.matching.ladder import Market, rungs

LADDER = """
    101 3 carol
    100 2 alice, 1 bob
    ---
     99 5 dave, 1 erin
"""
CAROL, ALICE, BOB, DAVE, ERIN = 1, 2, 3, 4, 5


def test_a_smaller_quantity_keeps_its_place() -> None:
    market = Market(LADDER)
    assert market.amend(ALICE, 0.5, 100) == ["alice AMENDED"]
    assert market.ladder() == rungs("101 3 carol \n 100 0.5 alice, 1 bob \n --- \n 99 5 dave, 1 erin")


def test_a_larger_quantity_goes_to_the_end_of_the_queue() -> None:
    market = Market(LADDER)
    assert market.amend(ALICE, 2.5, 100) == ["alice AMENDED"]
    assert market.ladder() == rungs("101 3 carol \n 100 1 bob, 2.5 alice \n --- \n 99 5 dave, 1 erin")


def test_another_price_goes_to_the_end_of_that_queue() -> None:
    market = Market(LADDER)
    assert market.amend(ALICE, 1, 101) == ["alice AMENDED"]
    assert market.ladder() == rungs("101 3 carol, 1 alice \n 100 1 bob \n --- \n 99 5 dave, 1 erin")


def test_and_back_again_is_last() -> None:
    market = Market(LADDER)
    market.amend(ALICE, 2, 101)
    market.amend(ALICE, 2, 100)
    assert market.ladder() == rungs("101 3 carol \n 100 1 bob, 2 alice \n --- \n 99 5 dave, 1 erin")


def test_an_amendment_to_what_it_is_changes_nothing() -> None:
    market = Market(LADDER)
    assert market.amend(ALICE, 2, 100) == ["alice AMENDED"]
    assert market.ladder() == rungs(LADDER)


def test_a_price_that_crosses_trades_as_the_aggressor_and_rests_with_what_is_left() -> None:
    market = Market(LADDER)
    assert market.amend(DAVE, 5, 100) == [
        "dave AMENDED",
        *("dave PARTIALLY_FILLED leaves 3", "alice FILLED leaves 0", "trade 2 at 100"),
        *("dave PARTIALLY_FILLED leaves 2", "bob FILLED leaves 0", "trade 1 at 100"),
    ]
    assert market.ladder() == rungs("101 3 carol \n --- \n 100 2 dave \n 99 1 erin")


def test_what_has_been_filled_is_part_of_the_quantity() -> None:
    market = Market(LADDER)
    market.buy("zoe", 1, 100)
    assert market.amend(ALICE, 1.25, 100) == ["alice AMENDED"]
    assert market.ladder() == rungs("101 3 carol \n 100 0.25 alice, 1 bob \n --- \n 99 5 dave, 1 erin")


@pytest.mark.parametrize("quantity", [1, 0.5])
def test_a_quantity_that_has_been_filled_already_ends_the_order(quantity: float) -> None:
    market = Market(LADDER)
    market.buy("zoe", 1, 100)
    assert market.amend(ALICE, quantity, 102) == ["alice CANCELLED AMENDED_BELOW_FILLED"]
    assert market.ladder() == rungs("101 3 carol \n 100 1 bob \n --- \n 99 5 dave, 1 erin")


def test_a_post_only_order_is_not_amended_into_a_trade() -> None:
    market = Market(LADDER)
    market.buy("zoe", 1, 98, post_only=True)
    before = market.ladder()
    assert market.amend(6, 1, 100) == ["zoe AMEND_REJECTED POST_ONLY_WOULD_TRADE"]
    assert market.ladder() == before
    assert market.amend(6, 1, 99) == ["zoe AMENDED"]


def test_an_order_that_ended_or_is_anothers_is_not_amended() -> None:
    market = Market(LADDER)
    assert market.amend(ALICE, 1, 100, by="mallory") == ["mallory AMEND_REJECTED ORDER_FINAL"]
    market.cancel(ALICE)
    assert market.amend(ALICE, 1, 100) == ["alice AMEND_REJECTED ORDER_FINAL"]


def test_an_amended_order_meets_its_own_accounts() -> None:
    market = Market(LADDER)
    market.buy("alice", 1, 98)
    assert market.amend(6, 1, 100) == ["alice AMENDED", "alice CANCELLED SELF_TRADE"]
    assert market.ladder() == rungs(LADDER)


def test_the_levels_are_told_from_the_best_ask_on_then_from_the_best_bid_on() -> None:
    market = Market(LADDER)
    outputs = market.core.apply(as_input(amend_order(90, market.orders[CAROL], 98 * E8, 7 * E8), 90))
    changes = [output.message for output in outputs if isinstance(output.message, BookChange)]
    assert [(change.price_e8 // E8, change.quantity_e8 // E8, change.last) for change in changes] == [
        *((98, 1, False), (101, 0, False)),
        (99, 0, True),
    ]
    answer = outputs[0].message
    assert isinstance(answer, Execution)
    assert (answer.command_id, answer.quantity_e8, answer.leaves_e8, answer.correlation_id) == (
        *(90, 7 * E8, 7 * E8),
        "amend-90",
    )


def test_a_removal_tells_the_owner_and_answers_nobody() -> None:
    market = Market(LADDER)
    order = replace(cancel_order(90, market.orders[ALICE]), kind=OrderKind.REMOVE)
    outputs = [output.message for output in market.core.apply(as_input(order, 90))]
    told = outputs[0]
    assert isinstance(told, Execution)
    assert (told.kind, told.reason, told.command_id, told.leaves_e8) == (
        *(ExecutionKind.CANCELLED, Reason.CANCELLED_BY_CLIENT),
        *(None, 0),
    )
    assert market.ladder() == rungs("101 3 carol \n 100 1 bob \n --- \n 99 5 dave, 1 erin")
    assert market.core.apply(as_input(order, 91)) == ()
    foreign = replace(cancel_order(92, market.orders[BOB], account="mallory"), kind=OrderKind.REMOVE)
    assert market.core.apply(as_input(foreign, 92)) == ()


def test_a_quantity_that_stays_is_the_one_that_the_book_has() -> None:
    market = Market("---\n99 5 dave")
    market.sell("dave", 2, 99, prevention=SelfTradePrevention.DECREMENT_AND_CANCEL)
    assert market.ladder() == rungs("---\n99 3 dave")
    assert market.amend(1, 0, 98) == ["dave AMENDED"]
    assert market.ladder() == rungs("---\n98 3 dave")


def test_a_refusal_says_how_the_order_stands() -> None:
    market = Market(LADDER)
    market.buy("zoe", 1, 100)
    wanted = replace(market.orders[ALICE], post_only=True)
    market.buy("zoe", 1, 98)
    (told,) = market.core.apply(as_input(amend_order(90, wanted, 98 * E8, 9 * E8), 90))
    answer = told.message
    assert isinstance(answer, Execution)
    assert (answer.kind, answer.status, answer.command_id) == (
        *(ExecutionKind.AMEND_REJECTED, OrderStatus.PARTIALLY_FILLED),
        90,
    )
    assert (answer.price_e8, answer.quantity_e8, answer.leaves_e8, answer.cumulative_e8) == (100 * E8, 2 * E8, E8, E8)
