"""When a platform has come to rest, and when waiting for it has become pointless."""

from collections.abc import Mapping
from typing import Final

from tradsys.audit.quiet import TIMED
from tradsys.demo.view import StageFigures

STUCK_S_MAX: Final = 90.0
"""Nothing comes nearer to its end for so long: a worker that was killed starts and restores in less."""

TIMED_LAG_MAX: Final = 30
"""Records of one partition of TIMED that may be on their way: some are at any time, however fast they are read."""

LOST: Final = 1_000_000_000
"""What a stage has to do that nobody works at: more than any lag."""


def left_to_do(figures: StageFigures | None, shards: int) -> int:
    """Records that a stage has yet to read, those that time alone writes apart; LOST for each shard without owner.

    `figures` is None while its worker does not answer.
    """
    if figures is None:
        return LOST * shards
    lag = sum(max(0, lag - TIMED_LAG_MAX) if topic in TIMED else lag for (_, topic), lag in figures.lags.items())
    return lag + LOST * max(0, shards - figures.shards)


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
