"""What accounts hold and are worth, in the simplest way: fractions, and all records read again for each question."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from schemas.messages import Control, LedgerEntry, Mark, Message, Position

E8 = 10**8


@dataclass
class NaivePortfolios:
    """All that was said."""

    said: list[Message] = field(default_factory=list)

    def newest(self, kind: type, **values: Any) -> Any:
        """The newest record of a kind with these values; None if there is none."""
        for message in reversed(self.said):
            if isinstance(message, kind) and all(getattr(message, name) == value for name, value in values.items()):
                return message
        return None

    def balances(self, account: str) -> dict[str, Fraction]:
        entries = [entry for entry in self.said if isinstance(entry, LedgerEntry) and entry.account == account]
        return {entry.currency: Fraction(entry.balance_e8, E8) for entry in entries}

    def positions(self, account: str) -> dict[str, Position]:
        found = [one for one in self.said if isinstance(one, Position) and one.account == account]
        return {position.symbol: position for position in found}

    def symbols(self) -> dict[str, Control]:
        return {
            control.symbol: control
            for control in self.said
            if isinstance(control, Control) and control.kind == "SYMBOL" and control.symbol is not None
        }

    def mark(self, symbol: str) -> Fraction | None:
        mark = self.newest(Mark, symbol=symbol)
        if mark is not None:
            return Fraction(mark.price_e8, E8)
        reference_e8 = self.symbols()[symbol].reference_price_e8
        return None if reference_e8 is None else Fraction(reference_e8, E8)

    def worth(self, account: str, quote: str) -> tuple[int, int, int] | None:
        """Equity, exposure and maintenance margin in 10^-8; None while something has no mark."""
        held = self.balances(account)
        equity, exposure, maintenance = held.get(quote, Fraction(0)), Fraction(0), Fraction(0)
        for symbol, control in self.symbols().items():
            quantity = held.get(control.base or "", Fraction(0))
            if control.quote != quote or not quantity:
                continue
            mark = self.mark(symbol)
            if mark is None:
                return None
            equity += quantity * mark
            exposure += abs(quantity * mark)
            maintenance += abs(quantity * mark) * Fraction(control.maintenance_margin_e8 or 0, E8)
        return math.floor(equity * E8), math.ceil(exposure * E8), math.ceil(maintenance * E8)

    def profit(self, account: str, quote: str) -> tuple[int, int, int]:
        """Realised, unrealised and fees in 10^-8."""
        symbols = self.symbols()
        counted = [position for position in self.positions(account).values() if symbols[position.symbol].quote == quote]
        return (
            sum(position.realised_e8 for position in counted),
            sum(position.unrealised_e8 for position in counted),
            sum(position.fees_e8 for position in counted),
        )
