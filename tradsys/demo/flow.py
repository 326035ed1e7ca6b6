"""Order flow to trade with: a recorded market, or one made from a seed."""

import csv
import gzip
import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from schemas.messages import Side
from schemas.units import E8

SYMBOL: Final = "BTC-USD"
ACCOUNTS: Final = tuple(f"bot-{number:02d}" for number in range(1, 25))
"""Who trades the flow; an order belongs to one of them by its number."""

TICK_E8: Final = E8 // 100
SAMPLE_PACKAGE: Final = "ob_analytics"


class FlowEvent(NamedTuple):
    """One thing a participant does."""

    at_us: int
    """Microseconds since the beginning of the flow."""
    cancel: bool
    """False: place the limit order. True: cancel it."""
    number: int
    """Names the order within the flow."""
    account: str
    side: Side
    price_e8: int
    quantity_e8: int


def sample_path() -> Path | None:
    """The recorded events of the package `ob-analytics`, None if it is not installed."""
    spec = importlib.util.find_spec(SAMPLE_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_sample_data" / "orders.csv.gz"
    return path if path.exists() else None


def recorded(path: Path) -> Iterator[FlowEvent]:
    """Bitstamp BTC/USD level-3 events: creations become limit orders, deletions become cancels.

    Changes are left out: they are what our own matching does to a resting order.
    """
    start_ms: int | None = None
    with gzip.open(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["action"] not in {"created", "deleted"}:
                continue
            at_ms = int(row["timestamp"])
            start_ms = at_ms if start_ms is None else start_ms
            number = int(row["id"])
            quantity_e8 = _e8(row["volume"])
            cancel = row["action"] == "deleted"
            if quantity_e8 <= 0 and not cancel:
                continue
            yield FlowEvent(
                at_us=(at_ms - start_ms) * 1000,
                cancel=cancel,
                number=number,
                account=ACCOUNTS[number % len(ACCOUNTS)],
                side=Side.BUY if row["direction"] == "bid" else Side.SELL,
                price_e8=_e8(row["price"]),
                quantity_e8=quantity_e8,
            )


def synthetic(seed: int) -> Iterator[FlowEvent]:
    """An endless market from a seed: a random walk, six of ten events place and four cancel, about 300 a second."""
    chance = random.Random(seed)  # noqa: S311 - a simulated market, not a secret
    open_events: list[FlowEvent] = []
    middle, at_us, number = 60_000 * 100, 0, 0
    while True:
        at_us += int(chance.expovariate(300) * 1_000_000)
        middle += chance.choice((-1, 0, 0, 1))
        if open_events and chance.random() < 0.4:  # noqa: PLR2004 - the mix named above
            placed = open_events.pop(chance.randrange(len(open_events)))
            yield placed._replace(at_us=at_us, cancel=True)
            continue
        number += 1
        side = chance.choice((Side.BUY, Side.SELL))
        away = int(chance.expovariate(1 / 400)) - 40
        event = FlowEvent(
            at_us=at_us,
            cancel=False,
            number=number,
            account=ACCOUNTS[number % len(ACCOUNTS)],
            side=side,
            price_e8=(middle - away if side is Side.BUY else middle + away) * TICK_E8,
            quantity_e8=chance.randint(1, 200) * E8 // 1000,
        )
        open_events.append(event)
        yield event


def _e8(text: str) -> int:
    """A recorded number in 10^-8; recordings may use an exponent."""
    return round(float(text) * E8)
