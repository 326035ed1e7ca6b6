"""docs/trading.md: each ladder says what the book does."""

import re
from pathlib import Path

import pytest

from schemas.messages import OrderType, SelfTradePrevention, Side, TimeInForce
from tests.unit.matching.ladder import Market, rungs

PAGE = (Path(__file__).parents[3] / "docs" / "trading.md").read_text("utf-8")
BLOCKS = re.findall(r"^```ladder\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MARKET_PRICES = {"buys": 1_000.0, "sells": 1.0}


def ask(market: Market, sentence: str) -> list[str]:
    """Do what a line after `>` says: an account's newest order is the one that it cancels or amends."""
    if sentence.startswith("the clock says "):
        return market.clock(float(sentence.rpartition(" ")[2]))
    account, verb, *rest = sentence.split()
    if verb in {"amends", "cancels"}:
        number = max(number for number, order in market.orders.items() if order.account == account)
        if verb == "cancels":
            return market.cancel(number)
        _, quantity, _, price = rest
        return market.amend(number, float(quantity), float(price))
    order, _, until = " ".join(rest).partition(" until ")
    quantity, _, price, *flags = order.split()
    at_market = price == "market"
    options: dict[str, object] = {
        "order_type": OrderType.MARKET if at_market else OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC if at_market else TimeInForce.GTC,
    }
    if until:
        options |= {"time_in_force": TimeInForce.GTD, "until": float(until)}
    for flag in flags:
        if flag == "post_only":
            options["post_only"] = True
        elif flag.upper() in list(TimeInForce):
            options["time_in_force"] = TimeInForce(flag.upper())
        else:
            options["prevention"] = SelfTradePrevention(flag.upper())
    side = Side.BUY if verb == "buys" else Side.SELL
    return market.place(account, side, float(quantity), MARKET_PRICES[verb] if at_market else float(price), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"^> (.*)$", block, re.MULTILINE)[-1])
def test_a_ladder_says_what_the_book_does(block: str) -> None:
    before, told, after = block.strip().split("\n\n")
    market = Market(before)
    said: list[str] = []
    for line in told.splitlines():
        if line.startswith("> "):
            said += [line, *ask(market, line.removeprefix("> "))]
    assert said == told.splitlines()
    assert market.ladder() == rungs(after)


def test_there_are_ladders() -> None:
    assert len(BLOCKS) > 8
