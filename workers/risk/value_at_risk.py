"""Value at risk by historical simulation: what positions could lose in a day, at 99 %, had the last month come again.

Of each symbol the last mark of each hour of the log's time is kept, for 30 days. A scenario is a day that ended with
one of those hours: each symbol moves as it did then, from the mark 24 hours before. An hour without a mark has that of
the hour before. Every scenario counts alike, and the value at risk is the loss that at most 1 % of them are beyond.
Where a symbol has no scenario yet, it does not move.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.units import E8

HOUR_US: Final = 3_600_000_000
DAY_HOURS: Final = 24
HOURS_KEPT: Final = 30 * DAY_HOURS
"""Hours whose last mark is kept of each symbol."""

SCENARIOS_PER_TAIL: Final = 100
"""At 99 % one scenario of so many may be worse."""

Samples = list[tuple[int, int]]
"""Hours since 1970, and the last mark of each; oldest first."""


class MarkHistory:
    """The last mark of each hour of each symbol."""

    def __init__(self) -> None:
        self._samples: dict[str, Samples] = {}
        self._moves: dict[str, tuple[int, list[int]]] = {}
        """By symbol: the hour for which its moves were counted, and the moves."""

    def see(self, symbol: str, mark_e8: int, now_us: int) -> None:
        """Keep a mark; one whose time lies before a newer hour's counts there, for hours never go back."""
        samples, hour = self._samples.setdefault(symbol, []), now_us // HOUR_US
        if samples and hour <= samples[-1][0]:
            hour = samples[-1][0]
            samples[-1] = hour, mark_e8
        else:
            samples.append((hour, mark_e8))
            if samples[0][0] <= hour - HOURS_KEPT:
                del samples[: bisect_right(samples, hour - HOURS_KEPT, key=lambda sample: sample[0])]
        counted = self._moves.get(symbol)
        if counted is not None and hour < counted[0]:
            del self._moves[symbol]

    def value_at_risk_e8(self, values_e8: Mapping[str, int], now_us: int) -> int:
        """What positions of these values (by symbol, short ones negative) may lose; never below 0, rounded up."""
        moves = [(value_e8, self._moves_e8(symbol, now_us // HOUR_US)) for symbol, value_e8 in values_e8.items()]
        scenarios = max((len(found) for _, found in moves), default=0)
        losses_e16 = [0] * scenarios
        for value_e8, found in moves:
            for number, move_e8 in enumerate(found):
                losses_e16[number] -= value_e8 * move_e8
        losses_e16.sort(reverse=True)
        worst_e16 = losses_e16[scenarios // SCENARIOS_PER_TAIL] if scenarios else 0
        return max(-(-worst_e16 // E8), 0)

    def _moves_e8(self, symbol: str, hour: int) -> list[int]:
        """How far the mark moved, as a fraction, in each day that ended with an hour before this one; newest first."""
        counted = self._moves.get(symbol)
        if counted is None or counted[0] != hour:
            counted = self._moves[symbol] = hour, _moves_e8(self._samples.get(symbol, ()), hour)
        return counted[1]

    def dump(self) -> list[tuple[str, Samples]]:
        """All samples, by symbol, sorted."""
        return sorted(self._samples.items())

    def load(self, samples: Iterable[tuple[str, Samples]]) -> None:
        """Replace all by what `dump` gave."""
        self._samples, self._moves = dict(samples), {}


def _moves_e8(samples: Iterable[tuple[int, int]], hour: int) -> list[int]:
    marks: list[int] = []  # of each hour from the first sample to the one before `hour`
    first = 0
    for at, mark_e8 in samples:
        if at >= hour:
            break
        first = first or at
        marks += marks[-1:] * (at - first - len(marks))
        marks.append(mark_e8)
    marks += marks[-1:] * min(hour - first - len(marks), HOURS_KEPT)
    marks = marks[-HOURS_KEPT:]
    days = zip(marks, marks[DAY_HOURS:], strict=False)
    return [(after_e8 - before_e8) * E8 // before_e8 for before_e8, after_e8 in days][::-1]
