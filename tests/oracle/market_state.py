"""The state of a market of random decisions, and what is known of it."""

from random import Random

from schemas.messages import (
    AccountStatus,
    Order,
    OrderType,
)
from schemas.units import E8
from tests.oracle.naive_funds import NaiveFunds
from tests.oracle.naive_limits import NaiveLimits, Why
from tests.oracle.naive_losses import NaiveLosses
from tests.oracle.naive_timers import NaiveTimers
from tests.oracle.risk_desk import Desk

ACCOUNTS = ("cash", "purse", "margin")
SYMBOLS = {"BTC-USD": ("BTC", "USD", 1000), "ETH-USD": ("ETH", "USD", 50), "BTC-EUR": ("BTC", "EUR", 900)}
STRATEGIES = ("trend", "pairs")
CURRENCIES = ("USD", "EUR", "BTC", "ETH")
RATES = (0, 1, 100_000, 250_000, E8 // 3)


class Market:
    """Accounts, orders and what the naive models know of them."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.desk = Desk()
        self.naive = NaiveFunds()
        self.limits = NaiveLimits(self.naive)
        self.losses = NaiveLosses(self.limits)
        self.timers = NaiveTimers()
        self.open: dict[int, Order] = {}
        self.filled: dict[int, int] = {}
        self.placed: dict[int, Order] = {}
        """As they were before amendments."""
        self.amends: dict[int, Order] = {}
        """Amendments that the book has not answered, by order."""
        self.tags: dict[int, str | None] = {}
        """The strategy that each order named."""
        self.stopped: dict[tuple[str, str | None], AccountStatus] = {}
        """What the operator decided about strategies, by account and name."""
        self.refused: dict[str, dict[str, int]] = {}
        """By account and symbol: when the step of a liquidation was placed that the book refused; until others end."""
        self.entries: dict[int, tuple[int, int, int | None]] = {}
        """Of each open entry of a bracket: where its profit is taken, the trigger of its stop, the limit of that."""
        self.rates: dict[str, int] = {}
        self.tiers: dict[str, list[tuple[int, int, int]]] = {}
        """Volume, maker's and taker's fee of each symbol's tiers."""
        self.largest: dict[str, int | None] = {}
        """Largest quantity of each symbol."""


def any_order(market: Market) -> Order | None:
    return market.open[market.rng.choice(sorted(market.open))] if market.open else None


def owners_of(market: Market) -> list[tuple[int, str]]:
    return [(number, order.account) for number, order in market.open.items()]


def at_most(market: Market, symbol: str, quantity_e8: int) -> int:
    largest = market.largest[symbol]
    return quantity_e8 if largest is None else max(min(quantity_e8, largest), -largest)


def too_large(market: Market, symbol: str, quantity_e8: int) -> Why:
    largest = market.largest[symbol]
    return None if largest is None or quantity_e8 <= largest else ("QUANTITY_TOO_LARGE", largest, quantity_e8)


def over(market: Market, account: str, order: Order | None = None, *, refused: bool = False) -> None:
    """An order has ended; None is one that was not accepted."""
    if order is None or order.order_type is not OrderType.LIQUIDATION:
        market.refused.pop(account, None)
    elif refused:
        market.refused.setdefault(account, {})[order.symbol] = order.command_us


def refused_lately(market: Market, account: str) -> set[str]:
    refused = market.refused.get(account, {})
    return {symbol for symbol, placed_us in refused.items() if market.desk.ts_us - placed_us < 60_000_000}
