"""A naive value at risk: it keeps every mark, and for each scenario looks for the marks of both its hours."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

HOUR = 3_600_000_000
UNIT = 100_000_000


@dataclass
class NaiveVar:
    """All marks: symbol, hour, price."""

    marks: list[tuple[str, int, int]] = field(default_factory=list)

    def see(self, symbol: str, price: int, time: int) -> None:
        self.marks.append((symbol, time // HOUR, price))

    def at(self, symbol: str, hour: int, now: int) -> int | None:
        """The mark with which an hour ended, None before the first that is still kept."""
        mine = [(at, price) for name, at, price in self.marks if name == symbol]
        newest = max((at for at, _ in mine), default=0)
        earlier = [price for at, price in mine if newest - 720 < at <= hour]
        return earlier[-1] if earlier and now - hour <= 720 else None

    def at_risk(self, values: dict[str, int], time: int) -> int:
        """The loss that at most one scenario in a hundred is beyond."""
        now = time // HOUR
        losses = []
        for end in range(now - 1, now - 721, -1):
            moves: dict[str, int] = {}
            for symbol in values:
                new, old = self.at(symbol, end, now), self.at(symbol, end - 24, now)
                if new is not None and old is not None:
                    moves[symbol] = math.floor(Fraction(new - old, old) * UNIT)
            if moves:
                losses.append(-sum(values[symbol] * move for symbol, move in moves.items()))
        worst = sorted(losses, reverse=True)
        beyond = len(worst) // 100
        return max(math.ceil(Fraction(worst[beyond], UNIT)), 0) if worst else 0
