"""What an account holds of an instrument, at weighted average cost. Pure arithmetic on integers of 10^-8.

Rounding, so that no 10^-8 is made or lost: a part that is closed takes `cost * closed / open` of the cost, rounded
towards zero; what is left keeps the rest. A fill that flips the position is cut in two: the closing part takes
`notional * closed / quantity`, rounded towards zero, the opening part takes the rest. So at every moment
`cost = (notional bought - notional sold) + realised`, exactly.
"""

from typing import Final

import msgspec

from schemas.messages import Side
from schemas.units import E8

_BUY: Final = Side.BUY


class Holding(msgspec.Struct, array_like=True, gc=False):
    """One position; quantity and cost have the same sign."""

    sequence: int = 0
    quantity_e8: int = 0
    cost_e8: int = 0
    realised_e8: int = 0
    fees_e8: int = 0

    def fill(self, side: Side, quantity_e8: int, notional_e8: int) -> None:
        """Take in one fill: its positive quantity and its notional."""
        signed_e8 = quantity_e8 if side is _BUY else -quantity_e8
        value_e8 = notional_e8 if side is _BUY else -notional_e8
        held_e8 = self.quantity_e8
        if (held_e8 >= 0) == (signed_e8 > 0) or not held_e8:
            self.quantity_e8 = held_e8 + signed_e8
            self.cost_e8 += value_e8
            return
        open_e8 = abs(held_e8)
        if quantity_e8 <= open_e8:
            closed_cost_e8 = _part(self.cost_e8, quantity_e8, open_e8)
            self.quantity_e8 = held_e8 + signed_e8
            self.cost_e8 -= closed_cost_e8
            self.realised_e8 -= value_e8 + closed_cost_e8
            return
        closing_value_e8 = _part(value_e8, open_e8, quantity_e8)
        self.realised_e8 -= closing_value_e8 + self.cost_e8
        self.quantity_e8 = held_e8 + signed_e8
        self.cost_e8 = value_e8 - closing_value_e8

    def average_price_e8(self) -> int:
        """Cost over quantity, rounded half to even; 0 when flat."""
        quantity_e8 = abs(self.quantity_e8)
        if not quantity_e8:
            return 0
        price_e8, rest = divmod(abs(self.cost_e8) * E8, quantity_e8)
        return price_e8 + (2 * rest > quantity_e8 or (2 * rest == quantity_e8 and price_e8 & 1))

    def unrealised_e8(self, mark_e8: int) -> int:
        """Value at the mark, rounded towards zero, less cost."""
        return _part(self.quantity_e8, mark_e8, E8) - self.cost_e8


def _part(value: int, numerator: int, denominator: int) -> int:
    """A positive fraction of a value, rounded towards zero."""
    return value * numerator // denominator if value >= 0 else -(-value * numerator // denominator)
