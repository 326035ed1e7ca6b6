"""docs/trading.md: each ladder says what the book does."""

import re
from pathlib import Path

import pytest

from schemas.messages import OrderType, Phase, SelfTradePrevention, Side, TimeInForce, TriggerBy
from schemas.units import E8
from tests.unit.matching.ladder import Market, rungs

PAGE = (Path(__file__).parents[3] / "docs" / "trading.md").read_text("utf-8")
BLOCKS = re.findall(r"^```ladder\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MARKET_PRICES = {"buys": 1_000.0, "sells": 1.0}


def ask(market: Market, sentence: str) -> list[str]:
    """Do what a line after `>` says: an account's newest order is the one that it cancels or amends."""
    if sentence.startswith("the clock says "):
        return market.clock(float(sentence.rpartition(" ")[2]))
    if sentence.startswith("the breaker "):
        return market.breaker(*(float(word) for word in sentence.split() if word[0].isdigit()))
    if sentence.startswith("the phase becomes "):
        return market.phase(Phase(sentence.rpartition(" ")[2].upper()))
    account, verb, *rest = sentence.split()
    if verb in {"amends", "cancels"}:
        number = max(number for number, order in market.orders.items() if order.account == account)
        if verb == "cancels":
            return market.cancel(number)
        _, quantity, _, price = rest
        return market.amend(number, float(quantity), float(price))
    order, _, until = " ".join(rest).replace(" showing ", " showing=").partition(" until ")
    quantity, _, price, *flags = order.split()
    at_market = price == "market"
    options: dict[str, object] = {
        "order_type": OrderType.MARKET if at_market else OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC if at_market else TimeInForce.GTC,
    }
    if until:
        options |= {"time_in_force": TimeInForce.GTD, "until": float(until)}
    if verb == "spends":
        options["notional_e8"], quantity, verb = round(float(quantity) * E8), "1000", "buys"
    options |= comes_with(flags)
    options |= waits_for(flags, has_price=not at_market)
    for flag in flags:
        options |= option(flag)
    side = Side.BUY if verb == "buys" else Side.SELL
    return market.place(account, side, float(quantity), MARKET_PRICES[verb] if at_market else float(price), **options)  # type: ignore[arg-type]


def option(flag: str) -> dict[str, object]:
    """What a word after the price asks for."""
    if flag in {"post_only", "slide"}:
        return {flag: True}
    if flag.startswith("showing="):
        return {"display_e8": round(float(flag.removeprefix("showing=")) * E8)}
    if flag.upper() in list(TimeInForce):
        return {"time_in_force": TimeInForce(flag.upper())}
    return {"prevention": SelfTradePrevention(flag.upper())}


def comes_with(flags: list[str]) -> dict[str, object]:
    """What a group needs, taken off the flags: `oco 99`, or `bracket 105 98`."""
    options: dict[str, object] = {}
    if "oco" in flags:
        at = flags.index("oco")
        options["oco"] = float(flags.pop(at + 1))
        del flags[at]
    if "bracket" in flags:
        at = flags.index("bracket")
        options["bracket"] = float(flags.pop(at + 1)), float(flags.pop(at + 1))
        del flags[at]
    return options


def waits_for(flags: list[str], *, has_price: bool) -> dict[str, object]:
    """What a type that waits needs, taken off the flags: `stop 99`, `take_profit 101` or `trail 2`."""
    if not flags or flags[0] not in {"stop", "take_profit", "trail"}:
        return {}
    kind, distance_e8 = flags.pop(0), round(float(flags.pop(0)) * E8)
    options: dict[str, object] = {"trigger_by": TriggerBy.LAST, "time_in_force": TimeInForce.GTC}
    if kind == "trail":
        return options | {"order_type": OrderType.TRAILING_STOP, "trail_e8": distance_e8}
    if kind == "take_profit":
        return options | {"order_type": OrderType.TAKE_PROFIT, "trigger_e8": distance_e8}
    return options | {"order_type": OrderType.STOP_LIMIT if has_price else OrderType.STOP, "trigger_e8": distance_e8}


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
