"""When a platform has come to rest, and when waiting for it has become pointless."""

from collections.abc import Mapping
from typing import Final

from tradsys.audit.quiet import TIMED

STUCK_S_MAX: Final = 90.0
"""Nothing comes nearer to its end for so long: a worker that was killed starts and restores in less."""

TIMED_LAG_MAX: Final = 30
"""Records of one partition of TIMED that may be on their way: some are at any time, however fast they are read."""

LOST: Final = 1_000_000_000
"""What a stage has to do of an input that nobody reads now: more than any lag."""

Place = tuple[str, int]
"""A topic and a partition of it."""


def left_to_do(done: Mapping[Place, int] | None, ends: Mapping[Place, int]) -> dict[Place, int]:
    """What a stage has yet to read or is at work at, where it has anything, apart from what time alone writes.

    `done` are the next offsets of a stage's inputs as its worker gave them before the log's `ends` were asked for: None
    if it did not answer. If no stage has anything left, there was a moment at which nothing was on its way.
    """
    left = {}
    for place, end in ends.items():
        if done is None or place not in done:
            left[place] = LOST
        elif end - done[place] > (TIMED_LAG_MAX if place[0] in TIMED else 0):
            left[place] = end - done[place]
    return left


class Patience:
    """Ends when no part has had less left to do than ever before for STUCK_S_MAX.

    So a slow machine may take its time, while a worker that starts again and again, or waits for what never comes, is
    found out.
    """

    def __init__(self, now_s: float) -> None:
        """Begins to wait."""
        self._least: dict[str, int] = {}
        self._progress_s = now_s

    def ended(self, left: Mapping[str, int], now_s: float) -> bool:
        """Whether to give up, given what each part has left to do now."""
        for part, count in left.items():
            if count < self._least.get(part, count + 1):
                self._least[part] = count
                self._progress_s = now_s
        return now_s - self._progress_s > STUCK_S_MAX
