"""What is planned for one symbol: its phases ahead of time, as SESSION records set them."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Final

from schemas.messages import Phase

PLANNED_MAX: Final = 2_000
"""Changes of phase that one symbol may have ahead of it: a year of trading days with five a day and some more."""


class Plan:
    """Changes of phase to come, soonest first."""

    __slots__ = ("steps",)

    def __init__(self, steps: Iterable[tuple[int, Phase]] = ()) -> None:
        self.steps = list(steps)
        """(microseconds since 1970 UTC, the phase from then on), soonest first, one for each time."""

    def set(self, effective_us: int, phase: Phase) -> bool:
        """Plan a phase, in place of what was planned for that time. False where there is no room for more."""
        self.withdraw(effective_us)
        if len(self.steps) >= PLANNED_MAX:
            return False
        insort(self.steps, (effective_us, phase))
        return True

    def withdraw(self, effective_us: int | None) -> None:
        """Take back what is planned for that time; None: all."""
        if effective_us is None:
            self.steps.clear()
            return
        at = bisect_left(self.steps, effective_us, key=lambda step: step[0])
        if at < len(self.steps) and self.steps[at][0] == effective_us:
            del self.steps[at]

    def closes(self) -> bool:
        """Whether a close is planned."""
        return any(phase is Phase.CLOSED for _, phase in self.steps)

    def due(self, now_us: int) -> Iterator[Phase]:
        """The phases whose time has come, in their order; they are no longer planned."""
        while self.steps and self.steps[0][0] <= now_us:
            yield self.steps.pop(0)[1]
