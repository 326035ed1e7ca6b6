"""Market orders that spend a notional: what they buy of the book."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.messages import Execution, ExecutionKind, Order, OrderType, Phase, SelfTradePrevention, Side, TimeInForce
from schemas.units import E8
from tests.oracle.order_stream import as_input, new_order, open_core, symbol_control
from tests.unit.matching.ladder import SYMBOL, Market, rungs
from workers.matching.core import MatchingCore

LADDER = "101 3 carol\n100 2 alice\n---\n99 5 dave"


def market(ladder: str = LADDER, *, lot: float = 0.5, smallest: float = 0) -> Market:
    asks = Market(ladder)
    book = asks.core.books[SYMBOL]
    book.lot_e8, book.quantity_min_e8 = round(lot * E8), round(smallest * E8)
    return asks


def spend(asks: Market, notional: float, *, account: str = "zoe", most: float = 1000, **options: Any) -> list[str]:
    terms = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC} | options
    return asks.buy(account, most, 110, notional_e8=round(notional * E8), **terms)


def order_ioc(order: Order) -> Order:
    return replace(order, time_in_force=TimeInForce.IOC)


def test_it_goes_level_by_level_as_far_as_it_lasts() -> None:
    asks = market()
    assert spend(asks, 360) == [
        "zoe NEW",
        "zoe PARTIALLY_FILLED leaves 1.5",
        "alice FILLED leaves 0",
        "trade 2 at 100",
        "zoe FILLED leaves 0",
        "carol PARTIALLY_FILLED leaves 1.5",
        "trade 1.5 at 101",
    ]
    assert asks.ladder() == rungs("101 1.5 carol\n---\n99 5 dave")


def test_a_level_that_it_pays_for_to_the_last_bit_is_bought_whole() -> None:
    assert spend(market(), 200)[1] == "zoe FILLED leaves 0"
    assert "leaves 0.5" in spend(market(lot=0.5), 199.99)[2]


def test_what_is_not_there_expires_and_is_reckoned_at_the_worst_price() -> None:
    asks = market()
    order = spend(asks, 503 + 110)
    assert order[-1] == "zoe EXPIRED IMMEDIATE_REMAINDER"
    assert order[1] == "zoe PARTIALLY_FILLED leaves 4"
    asks = market("120 9 bob\n" + LADDER)
    assert spend(asks, 503 + 110)[1] == "zoe PARTIALLY_FILLED leaves 4"
    assert asks.ladder() == rungs("120 9 bob\n---\n99 5 dave")
    asks = market()
    assert spend(asks, 503 + 54)[-3:] == ["zoe FILLED leaves 0", "carol FILLED leaves 0", "trade 3 at 101"]


def test_an_empty_book_has_nothing_to_trade_with() -> None:
    assert spend(market("---"), 110) == ["zoe NEW", "zoe EXPIRED NO_LIQUIDITY"]


def test_less_than_the_smallest_quantity_is_refused_with_the_numbers() -> None:
    asks = market()
    assert spend(asks, 49.99) == ["zoe REJECTED QUANTITY_TOO_SMALL"]
    assert asks.ladder() == rungs(LADDER)
    order = new_order(9, Side.BUY, 110 * E8, 1000 * E8, order_type=OrderType.MARKET, notional_e8=49 * E8)
    asks = market()
    (output,) = asks.core.apply(as_input(order_ioc(order), 9))
    refused = output.message
    assert isinstance(refused, Execution)
    assert (refused.limit_e8, refused.actual_e8, refused.quantity_e8) == (E8 // 2, 49 * E8 // 100, 0)
    assert spend(market(smallest=1), 99) == ["zoe REJECTED QUANTITY_TOO_SMALL"]
    assert spend(market(smallest=1), 100)[1] == "zoe FILLED leaves 0"


def test_it_never_buys_more_than_risk_has_let_pass() -> None:
    assert spend(market(), 360, most=3)[-3:] == [
        *("zoe FILLED leaves 0", "carol PARTIALLY_FILLED leaves 2"),
        "trade 1 at 101",
    ]
    asks = market()
    assert spend(asks, 10_000, most=3)[-1] == "trade 1 at 101"
    assert asks.ladder() == rungs("101 2 carol\n---\n99 5 dave")


def test_hidden_parts_are_paid_for_too() -> None:
    asks = market("101 3 carol\n---")
    asks.sell("bob", 4, 100, display_e8=E8)
    assert spend(asks, 400)[-3:] == ["zoe FILLED leaves 0", "bob FILLED leaves 0", "trade 1 at 100"]


def test_fill_or_kill_spends_all_or_nothing() -> None:
    assert spend(market(), 503, time_in_force=TimeInForce.FOK)[-1] == "trade 3 at 101"
    assert spend(market(), 503 + 55, time_in_force=TimeInForce.FOK) == [
        "zoe NEW",
        "zoe EXPIRED FILL_OR_KILL_UNFILLABLE",
    ]
    assert spend(market(), 503 + 54, time_in_force=TimeInForce.FOK)[-1] == "trade 3 at 101"


@pytest.mark.parametrize(
    ("prevention", "said"),
    [
        ("CANCEL_NEWEST", ["alice NEW", "alice CANCELLED SELF_TRADE"]),
        ("CANCEL_BOTH", ["alice NEW", "alice CANCELLED SELF_TRADE", "alice CANCELLED SELF_TRADE"]),
        (
            "CANCEL_OLDEST",
            [
                *("alice NEW", "alice CANCELLED SELF_TRADE", "alice FILLED leaves 0"),
                *("carol PARTIALLY_FILLED leaves 1", "trade 2 at 101"),
            ],
        ),
        (
            "DECREMENT_AND_CANCEL",
            ["alice NEW", "alice CANCELLED SELF_TRADE", "alice CANCELLED SELF_TRADE"],
        ),
        ("NONE", ["alice NEW", "alice FILLED leaves 0", "alice FILLED leaves 0", "trade 2 at 100"]),
    ],
)
def test_its_own_orders_are_paid_for_only_where_it_trades_with_them(prevention: str, said: list[str]) -> None:
    assert spend(market(), 202, account="alice", prevention=SelfTradePrevention(prevention)) == said


def test_an_auction_takes_none() -> None:
    asks = market()
    asks.phase(Phase.AUCTION)
    assert spend(asks, 200) == ["zoe REJECTED NOT_CONTINUOUS"]


def test_where_it_would_go_beyond_the_circuit_breaker_the_symbol_halts() -> None:
    asks = market()
    asks.breaker(0.005, 300, 60, 100)
    assert spend(asks, 360)[-2:] == ["zoe EXPIRED IMMEDIATE_REMAINDER", "the symbol halts"]


def test_executions_say_what_it_was_to_spend() -> None:
    core = open_core(lot_e8=E8)
    core.apply(as_input(new_order(1, Side.SELL, 100 * E8, 5 * E8, account="maker"), 1))
    order = order_ioc(new_order(2, Side.BUY, 110 * E8, 9 * E8, order_type=OrderType.MARKET, notional_e8=250 * E8))
    told = [o.message for o in core.apply(as_input(order, 2)) if isinstance(o.message, Execution)]
    assert [(each.kind, each.account, each.quantity_e8, each.notional_e8) for each in told] == [
        (ExecutionKind.NEW, "alice", 2 * E8, 250 * E8),
        (ExecutionKind.TRADE, "alice", 2 * E8, 250 * E8),
        (ExecutionKind.TRADE, "maker", 5 * E8, None),
    ]


def test_the_lot_and_the_smallest_quantity_outlive_a_restart() -> None:
    core = open_core(lot_e8=10, quantity_min_e8=25)
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    book = restarted.books[SYMBOL]
    assert (book.lot_e8, book.quantity_min_e8) == (10, 30)
    restarted.apply(as_input(symbol_control(control_id="again", lot_e8=7), 1))
    assert (book.lot_e8, book.quantity_min_e8) == (7, 0)
