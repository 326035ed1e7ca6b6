"""Which decisions count: each once, and none that cannot be. Pure; all who fold the control topic decide alike."""

from typing import Final

from schemas.controls import control_error
from schemas.messages import Control, ControlKind

CONTROL_IDS_MAX: Final = 100_000
"""Decisions remembered, so that one seen twice does nothing; the oldest is forgotten first."""

Pair = tuple[str, str]
"""Base and quote currency."""


class DecisionGate:
    """Lets each decision through once."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        self.pairs: dict[str, Pair] = {}
        """Per symbol: its currencies. They never change: balances and open orders were counted in them."""

    def knows(self, control_id: str) -> bool:
        """Whether a decision of this id was let through: another one does nothing."""
        return control_id in self._seen

    def error(self, control: Control) -> str | None:
        """A sentence that says why a decision cannot be applied; None when it can."""
        return control_error(control) or self._pair_error(control)

    def let_through(self, control: Control) -> None:
        """Remember a decision that is applied."""
        if len(self._seen) >= CONTROL_IDS_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[control.control_id] = None
        if control.kind is ControlKind.SYMBOL and control.symbol and control.base and control.quote:
            self.pairs[control.symbol] = (control.base, control.quote)

    def dump(self) -> tuple[list[str], list[tuple[str, Pair]]]:
        """The gate's state; both lists are in the order in which things were first seen."""
        return list(self._seen), list(self.pairs.items())

    def load(self, state: tuple[list[str], list[tuple[str, Pair]]]) -> None:
        """Replace the state by what `dump` gave."""
        seen, pairs = state
        self._seen = dict.fromkeys(seen)
        self.pairs = dict(pairs)

    def _pair_error(self, control: Control) -> str | None:
        if control.kind is ControlKind.SESSION and control.symbol not in self.pairs:
            return f"control {control.control_id!r} (SESSION): there is no symbol {control.symbol}; make it first"
        if control.kind is not ControlKind.SYMBOL or control.symbol is None:
            return None
        known = self.pairs.get(control.symbol)
        if known is None or known == (control.base, control.quote):
            return None
        return (
            f"control {control.control_id!r} (SYMBOL): {control.symbol} trades {known[0]} for {known[1]}, it cannot "
            f"become {control.base} for {control.quote}; give the other pair another symbol"
        )
