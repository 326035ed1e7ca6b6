"""Profit by another method: lots are closed first in, first out. Once flat, the total is that of any method."""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class FifoPosition:
    """Open lots as (signed quantity, price per unit); exact fractions."""

    lots: deque[tuple[int, Fraction]] = field(default_factory=deque)
    realised: Fraction = Fraction(0)

    @property
    def quantity(self) -> int:
        return sum(quantity for quantity, _ in self.lots)

    def fill(self, signed_quantity: int, notional: int) -> None:
        """Take in a fill; `notional` is positive, for the whole quantity."""
        price = Fraction(notional, abs(signed_quantity))
        while signed_quantity and self.lots and (self.lots[0][0] > 0) != (signed_quantity > 0):
            quantity, opened_at = self.lots.popleft()
            closed = min(abs(quantity), abs(signed_quantity))
            sign = 1 if quantity > 0 else -1
            self.realised += sign * closed * (price - opened_at)
            signed_quantity += sign * closed
            if abs(quantity) > closed:
                self.lots.appendleft((quantity - sign * closed, opened_at))
        if signed_quantity:
            self.lots.append((signed_quantity, price))
