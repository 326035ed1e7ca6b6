"""What a trader sees: the ladder before, an order, what is told, the ladder after."""

import pytest

from schemas.messages import OrderType, SelfTradePrevention, TimeInForce
from tests.unit.matching.ladder import Market, rungs

LADDER = """
    102  4 dave
    101  2 carol
    100  1 alice, 2 bob
    ---
     99  3 erin
     98  1 frank, 5 alice
"""


def test_a_limit_that_meets_nobody_rests_behind_those_of_its_price() -> None:
    market = Market(LADDER)
    assert market.buy("zoe", 2, 99) == ["zoe NEW"]
    assert market.ladder() == rungs(LADDER.replace("3 erin", "3 erin, 2 zoe"))


def test_the_best_price_trades_first_then_the_oldest_and_at_the_resting_price() -> None:
    market = Market(LADDER)
    assert market.buy("zoe", 4, 101) == [
        "zoe NEW",
        "zoe PARTIALLY_FILLED leaves 3",
        "alice FILLED leaves 0",
        "trade 1 at 100",
        "zoe PARTIALLY_FILLED leaves 1",
        "bob FILLED leaves 0",
        "trade 2 at 100",
        "zoe FILLED leaves 0",
        "carol PARTIALLY_FILLED leaves 1",
        "trade 1 at 101",
    ]
    assert market.ladder() == rungs("""
        102  4 dave
        101  1 carol
        ---
         99  3 erin
         98  1 frank, 5 alice
    """)


def test_what_is_left_of_a_limit_rests_at_its_own_price() -> None:
    market = Market(LADDER)
    market.sell("zoe", 5, 98.5)
    assert market.ladder() == rungs("""
        102  4 dave
        101  2 carol
        100  1 alice, 2 bob
        98.5 2 zoe
        ---
        98   1 frank, 5 alice
    """)


def test_a_partial_fill_keeps_its_place_in_the_queue() -> None:
    market = Market("100 5 alice, 5 bob\n---")
    market.buy("zoe", 2, 100)
    assert market.ladder() == rungs("100 3 alice, 5 bob\n---")
    assert market.buy("zoe", 3, 100)[2] == "alice FILLED leaves 0"


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.IOC])
def test_a_market_order_takes_what_the_band_allows_and_never_rests(time_in_force: TimeInForce) -> None:
    market = Market(LADDER)
    told = market.buy("zoe", 9, 101, order_type=OrderType.MARKET, time_in_force=time_in_force)
    assert told[-1] == "zoe EXPIRED IMMEDIATE_REMAINDER"
    assert market.ladder() == rungs("102 4 dave\n---\n99 3 erin\n98 1 frank, 5 alice")


@pytest.mark.parametrize("order_type", [OrderType.MARKET, OrderType.LIQUIDATION])
def test_a_market_order_that_finds_nobody_says_so(order_type: OrderType) -> None:
    market = Market("---\n99 3 erin")
    told = market.buy("zoe", 1, 110, order_type=order_type, time_in_force=TimeInForce.IOC)
    assert told == ["zoe NEW", "zoe EXPIRED NO_LIQUIDITY"]


def test_a_liquidation_trades_as_a_market_order() -> None:
    market = Market(LADDER)
    told = market.sell("zoe", 9, 99, order_type=OrderType.LIQUIDATION, time_in_force=TimeInForce.IOC)
    assert told[-2:] == ["trade 3 at 99", "zoe EXPIRED IMMEDIATE_REMAINDER"]


def test_immediate_or_cancel_drops_the_remainder() -> None:
    market = Market(LADDER)
    told = market.sell("zoe", 4, 99, time_in_force=TimeInForce.IOC)
    assert told[-2:] == ["trade 3 at 99", "zoe EXPIRED IMMEDIATE_REMAINDER"]
    assert "zoe" not in market.ladder()


def test_immediate_or_cancel_that_meets_nobody_expires_whole() -> None:
    told = Market(LADDER).sell("zoe", 4, 99.5, time_in_force=TimeInForce.IOC)
    assert told == ["zoe NEW", "zoe EXPIRED IMMEDIATE_REMAINDER"]


def test_fill_or_kill_takes_all() -> None:
    market = Market(LADDER)
    told = market.buy("zoe", 5, 101, time_in_force=TimeInForce.FOK)
    assert told[-3:] == ["zoe FILLED leaves 0", "carol FILLED leaves 0", "trade 2 at 101"]


def test_fill_or_kill_takes_nothing_when_one_lot_is_missing() -> None:
    market = Market(LADDER)
    told = market.buy("zoe", 5.00000001, 101, time_in_force=TimeInForce.FOK)
    assert told == ["zoe NEW", "zoe EXPIRED FILL_OR_KILL_UNFILLABLE"]
    assert market.ladder() == rungs(LADDER)


def test_post_only_is_refused_rather_than_trade_and_rests_otherwise() -> None:
    market = Market(LADDER)
    assert market.buy("zoe", 1, 100, post_only=True) == ["zoe REJECTED POST_ONLY_WOULD_TRADE"]
    assert market.ladder() == rungs(LADDER)
    assert market.buy("zoe", 1, 99.5, post_only=True) == ["zoe NEW"]


def test_a_cancel_takes_an_order_out_of_the_middle_of_its_queue() -> None:
    market = Market("100 1 alice, 2 bob, 3 carol\n---")
    assert market.cancel(2) == ["bob CANCELLED CANCELLED_BY_CLIENT"]
    assert market.ladder() == rungs("100 1 alice, 3 carol\n---")
    assert market.buy("zoe", 2, 100)[3:5] == ["trade 1 at 100", "zoe FILLED leaves 0"]


def test_a_cancel_of_what_is_gone_or_of_another_account_gets_one_answer() -> None:
    market = Market("100 1 alice, 2 bob\n---")
    market.cancel(1)
    gone = market.cancel(1)
    foreign = market.cancel(2, by="mallory")
    assert gone == ["alice CANCEL_REJECTED ORDER_FINAL"]
    assert foreign == ["mallory CANCEL_REJECTED ORDER_FINAL"]
    assert market.ladder() == rungs("100 2 bob\n---")


@pytest.mark.parametrize(
    ("prevention", "told", "ladder"),
    [
        (
            SelfTradePrevention.CANCEL_NEWEST,
            ["zoe CANCELLED SELF_TRADE"],
            "100 2 zoe, 2 bob\n---",
        ),
        (
            SelfTradePrevention.CANCEL_OLDEST,
            ["zoe CANCELLED SELF_TRADE", "zoe FILLED leaves 0", "bob PARTIALLY_FILLED leaves 1", "trade 1 at 100"],
            "100 1 bob\n---",
        ),
        (
            SelfTradePrevention.CANCEL_BOTH,
            ["zoe CANCELLED SELF_TRADE", "zoe CANCELLED SELF_TRADE"],
            "100 2 bob\n---",
        ),
        (
            SelfTradePrevention.NONE,
            ["zoe FILLED leaves 0", "zoe PARTIALLY_FILLED leaves 1", "trade 1 at 100"],
            "100 1 zoe, 2 bob\n---",
        ),
    ],
)
def test_self_trade_prevention(prevention: SelfTradePrevention, told: list[str], ladder: str) -> None:
    market = Market("100 1 alice, 2 zoe, 2 bob\n---")
    said = market.buy("zoe", 2, 100, prevention=prevention)
    assert said[:4] == ["zoe NEW", "zoe PARTIALLY_FILLED leaves 1", "alice FILLED leaves 0", "trade 1 at 100"]
    assert said[4:] == told
    assert market.ladder() == rungs(ladder)


def test_fill_or_kill_counts_only_what_it_may_trade_with() -> None:
    ladder = "101 2 bob\n100 2 zoe\n---"
    for prevention, filled in (
        (SelfTradePrevention.CANCEL_NEWEST, False),
        (SelfTradePrevention.CANCEL_BOTH, False),
        (SelfTradePrevention.CANCEL_OLDEST, True),
        (SelfTradePrevention.NONE, True),
    ):
        market = Market(ladder)
        told = market.buy("zoe", 2, 101, time_in_force=TimeInForce.FOK, prevention=prevention)
        assert ("trade" in " ".join(told)) is filled, prevention
        if not filled:
            assert market.ladder() == rungs(ladder)
