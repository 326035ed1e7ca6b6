"""The audit of a log with sessions: it believes no auction, and no market that says it only collects."""

from copy import copy
from itertools import islice

import pytest
from msgspec.structs import replace

from schemas.messages import BookChange, Control, ControlKind, Execution, Liquidity, Phase, SessionChange, Side, Trade
from tradsys.audit.contents import Contents
from tradsys.audit.reconcile import reconcile
from tradsys.demo.flow import synthetic
from tradsys.demo.memory import MemoryVenue, command_of


@pytest.fixture(scope="module")
def good() -> Contents:
    """A venue that collects orders for a while, opens, and collects again."""
    venue = MemoryVenue(shards=2)
    for number, event in enumerate(islice(synthetic(3), 600)):
        if number == 0:
            venue.open("run", event.price_e8)
        if number in {100, 500}:
            venue.control(Control(ControlKind.SESSION, f"{number}", symbol="BTC-USD", phase=Phase.AUCTION))
        if number == 300:
            venue.control(Control(ControlKind.SESSION, f"{number}", symbol="BTC-USD", phase=Phase.CONTINUOUS))
        price_e8 = event.price_e8 + (20_000_000 if event.side is Side.BUY else -20_000_000)
        command = command_of(event, "run")
        collected = 100 < number < 300 and not event.cancel
        venue.send(replace(command, price_e8=price_e8) if collected else command)
        if number % 20 == 0:
            venue.tick()
        venue.pipeline.run()
    for _ in range(3):
        venue.tick()
        venue.pipeline.run()
    return Contents.read(venue.records, venue.codec)


def found(good: Contents, topic: str, number: int, **changes: object) -> set[str]:
    """The rules that find something after a change to one record."""
    broken = copy(good)
    entries = broken.records[topic]
    record, message = entries[number]
    broken.records = {
        **good.records,
        topic: [*entries[:number], (record, replace(message, **changes)), *entries[number + 1 :]],
    }
    return {result.rule for result in reconcile(broken).results if result.count}


def test_auctions_and_a_market_that_collects_agree_with_every_rule(good: Contents) -> None:
    result = reconcile(good)
    assert result.agrees, [finding for rule in result.results for finding in rule.findings][:5]
    auctioned = [trade for trade in good.trades() if trade.aggressor_side is Side.UNKNOWN]
    assert len(auctioned) > 5
    assert len({trade.price_e8 for trade in auctioned}) == 1


def test_a_trade_of_an_auction_at_another_price_is_found(good: Contents) -> None:
    entries = good.records["trades"]
    number = [n for n, (_, m) in enumerate(entries) if isinstance(m, Trade) and m.aggressor_side is Side.UNKNOWN][1]
    assert {"auctions", "fills"} <= found(good, "trades", number, price_e8=1)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_fill_beyond_its_limit_and_one_out_of_turn_are_found_on_both_sides(good: Contents, side: Side) -> None:
    entries = good.records["executions"]
    fills = [
        (number, message)
        for number, (_, message) in enumerate(entries)
        if isinstance(message, Execution) and message.liquidity is Liquidity.AUCTION and message.side is side
    ]
    number, fill = fills[0]
    limit_e8 = (fill.last_price_e8 or 0) + (-1 if side is Side.BUY else 1)
    assert "fills" in found(good, "executions", number, price_e8=limit_e8)
    later = next(message.order_id for _, message in reversed(fills) if message.order_id != fill.order_id)
    assert "priority" in found(good, "executions", number, order_id=later)


def test_a_market_that_trades_is_not_crossed_whatever_comes_after(good: Contents) -> None:
    entries = good.records["book"]
    collected = [n for n, (_, m) in enumerate(entries) if isinstance(m, BookChange) and m.collecting and m.last]
    crossed = [number for number in collected if "books" in found(good, "book", number, collecting=False)]
    assert crossed


def test_only_a_decision_lets_a_market_collect(good: Contents) -> None:
    broken = copy(good)
    controls = [
        (r, m) for r, m in good.records["control"] if isinstance(m, Control) and m.kind is not ControlKind.SESSION
    ]
    broken.records = {**good.records, "control": controls}
    assert {result.rule for result in reconcile(broken).results if result.count} == {"books"}


def test_a_lost_change_of_a_session_is_found(good: Contents) -> None:
    entries = good.records["sessions"]
    (_, first) = entries[0]
    assert isinstance(first, SessionChange)
    assert found(good, "sessions", 0, sequence=9) == {"sessions"}
