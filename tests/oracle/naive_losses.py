"""A naive model of the loss limits and of margin calls: it keeps every movement and every look, and adds them up.

It knows nothing of how pre-trade risk does it: no equity that moves along, no highest that is remembered.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracle.naive_funds import UNIT
from tests.oracle.naive_limits import DAY, NaiveLimits

SECOND = 1_000_000
NAMES = ("max_daily_loss_e8", "max_drawdown_e8")
Why = tuple[str, str, int, int]


@dataclass
class NaiveLosses:
    """Times are microseconds; all amounts 10^-8."""

    limits: NaiveLimits
    paid: list[tuple[str, str, int]] = field(default_factory=list)
    """Account, currency, amount of what is neither profit nor loss."""
    bought: list[tuple[str, str, int]] = field(default_factory=list)
    """Account, symbol, quantity of each fill; negative when sold."""
    looks: list[tuple[str, str, int, int, int]] = field(default_factory=list)
    """Account, currency, time, equity, how many payments there had been: since losses count for the account."""
    lost: dict[str, tuple[Why, int]] = field(default_factory=dict)
    """Accounts that may only reduce: why, and since which day."""
    maintenance: dict[str, int | None] = field(default_factory=dict)
    """By symbol: the part of a position's value that is asked for as equity."""
    called: set[str] = field(default_factory=set)
    """Accounts whose margin was called when they were last looked at."""
    liquidating: set[str] = field(default_factory=set)
    looked_at: dict[str, int] = field(default_factory=dict)
    """When the mark of each symbol was last looked at."""

    def anywhere(self) -> bool:
        newest = {(account, symbol): fields for account, symbol, fields in self.limits.records}
        return any(name in fields for fields in newest.values() for name in NAMES)

    def margins(self) -> bool:
        return any(self.maintenance.values())

    def on(self) -> bool:
        return self.anywhere() or self.margins()

    def forget(self, account: str | None = None) -> None:
        self.looks = [look for look in self.looks if account not in {None, look[0]}]

    def resume(self, account: str, now: int) -> None:
        self.forget(account)
        self.lost.pop(account, None)
        self.look(account, now)

    def mark(self, symbol: str, now: int) -> None:
        if not self.on() or now - self.looked_at.get(symbol, 0) < SECOND:
            return
        self.looked_at[symbol] = now
        base = self.limits.funds.pairs[symbol][0]
        for account, leverage in sorted(self.limits.funds.leverage.items()):
            on_margin = self.margins() and leverage is not None and self.limits.funds.total(account, base)
            if on_margin or (self.anywhere() and self.net(account, symbol)):
                self.look(account, now)

    def net(self, account: str, symbol: str) -> int:
        return sum(quantity for who, what, quantity in self.bought if (who, what) == (account, symbol))

    def equity(self, account: str, currency: str) -> int:
        funds = self.limits.funds
        positions = [
            self.net(account, symbol) * funds.marks[symbol] // 100_000_000
            for symbol, (_, quote) in funds.pairs.items()
            if quote == currency
        ]
        return funds.total(account, currency) + sum(positions)

    def look(self, account: str, now: int) -> None:
        """The account is compared with its limits."""
        if not self.on() and account not in self.lost:
            return
        self.look_again(account, now)

    def look_again(self, account: str, now: int) -> None:
        """The same, whatever is limited."""
        self.called.discard(account)
        self.called |= {account} if self._call(account) or account in self.liquidating else set()
        why = self._why(account, now) or self._call(account)
        if (
            account in self.lost
            and self.lost[account][0][0] == "DAILY_LOSS_LIMIT"
            and now // DAY > self.lost[account][1]
        ):
            del self.lost[account]
        if account in self.lost and self.lost[account][0][0] == "MARGIN_CALL" and self._call(account) is None:
            del self.lost[account]
        if why is not None and account not in self.lost:
            self.lost[account] = why, now // DAY

    def _why(self, account: str, now: int) -> Why | None:
        limits = {name: self.limits.holds(account, "", name)[0] for name in NAMES}
        if all(limit is None for limit in limits.values()):
            self.forget(account)
            return None
        traded = {symbol for who, symbol in self.limits.asked if who == account}
        found = None
        for currency in sorted({self.limits.funds.pairs[symbol][1] for symbol in traded}):
            payments = [amount for who, what, amount in self.paid if (who, what) == (account, currency)]
            self.looks.append((account, currency, now, self.equity(account, currency), len(payments)))
            seen = [
                (at, equity + sum(payments[count:]))
                for who, what, at, equity, count in self.looks
                if (who, what) == (account, currency)
            ]
            earlier = [equity for at, equity in seen if at // DAY < now // DAY]
            opening, equity, highest = [*earlier[-1:], seen[0][1]][0], seen[-1][1], max(equity for _, equity in seen)
            daily, drawdown = limits["max_daily_loss_e8"], limits["max_drawdown_e8"]
            if found is None and daily is not None and opening - equity > daily:
                found = "DAILY_LOSS_LIMIT", currency, daily, opening - equity
            if found is None and drawdown is not None and highest > 0:
                fallen = -(-(highest - equity) * 100_000_000 // highest)
                if fallen > drawdown:
                    found = "DRAWDOWN_LIMIT", currency, drawdown, fallen
        return found

    def to_reduce(self, account: str, without: Collection[str] = ()) -> list[tuple[str, int]]:
        """Symbols and quantities of the next orders of a liquidation, negative to sell; empty where none is to be."""
        found: list[tuple[str, int]] = []
        bases: set[str] = set()
        for quote in sorted({self.limits.funds.pairs[symbol][1] for symbol, rate in self.maintenance.items() if rate}):
            equity, required = self._margin(account, quote)
            if equity < required if account in self.liquidating else 2 * equity < required:
                pairs = sorted(
                    (base, symbol)
                    for symbol, (base, other) in self.limits.funds.pairs.items()
                    if other == quote and base not in bases and symbol not in without
                )
                bases |= {base for base, _ in pairs}
                held = [(symbol, self.limits.funds.total(account, base)) for base, symbol in pairs]
                found += [(symbol, -max(abs(have) // 4, 1) * (1 if have > 0 else -1)) for symbol, have in held if have]
        return found if self.limits.funds.leverage[account] is not None else []

    def _call(self, account: str) -> Why | None:
        """Whether a margin account has less equity than what it holds asks for."""
        funds = self.limits.funds
        if funds.leverage[account] is None:
            return None
        for quote in sorted({funds.pairs[symbol][1] for symbol, rate in self.maintenance.items() if rate}):
            equity, required = self._margin(account, quote)
            if equity < required:
                return "MARGIN_CALL", quote, required, equity
        return None

    def _margin(self, account: str, quote: str) -> tuple[int, int]:
        funds = self.limits.funds
        equity, required = Fraction(funds.total(account, quote)), Fraction(0)
        for symbol, (base, other) in funds.pairs.items():
            if other == quote:
                value = Fraction(funds.total(account, base) * funds.marks[symbol], UNIT)
                equity += value
                required += abs(value) * Fraction(self.maintenance[symbol] or 0, UNIT)
        return math.floor(equity), math.ceil(required)
