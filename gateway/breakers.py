"""Circuit breakers: a dependency that fails again and again is left alone for a while, and who asks is told at once.

Closed, all may ask. After some failures in a row it is open: nobody asks. After a while it is half open: one asks, and
what becomes of that closes or opens it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

import structlog

from gateway import limits

_log: Final = structlog.get_logger("gateway")


class State(IntEnum):
    """As the metric says it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class OpenError(ConnectionError):
    """The dependency was not asked."""


class BusyError(ConnectionError):
    """All of our own connections were in use, so the dependency was not asked: that says nothing about it."""


class Breaker:
    """One dependency's breaker, for one event loop."""

    def __init__(
        self,
        name: str,
        is_failure: Callable[[Exception], bool],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """What it is for, which exceptions say that the dependency is away, and seconds that never go back."""
        self.name = name
        self.state = State.CLOSED
        self.openings = 0
        """How often it went from closed to open."""
        self._is_failure = is_failure
        self._clock_s = clock_s
        self._failures = 0
        self._asks_again_s = 0.0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around what asks the dependency. Raises OpenError instead while it is open.

        A cancelled attempt and BusyError say nothing; any other exception that is no failure says that the dependency
        answers.
        """
        is_probe = self._enter()
        try:
            yield
        except BusyError:
            self._leave(is_probe)
            raise
        except Exception as error:
            if self._is_failure(error):
                self._fail(error)
            else:
                self._succeed()
            raise
        except BaseException:
            self._leave(is_probe)
            raise
        else:
            self._succeed()

    def _enter(self) -> bool:
        """Whether this attempt is the one that shows how things are."""
        if self.state is State.CLOSED:
            return False
        if self.state is State.HALF_OPEN or self._clock_s() < self._asks_again_s:
            raise OpenError(f"{self.name} did not answer lately and is left alone for a moment")
        self.state = State.HALF_OPEN
        return True

    def _leave(self, is_probe: bool) -> None:  # noqa: FBT001 - what `_enter` said
        """It ended without a word on how things are; the next one shows it."""
        if is_probe:
            self.state = State.OPEN

    def _succeed(self) -> None:
        if self.state is not State.CLOSED:
            _log.info("breaker_closed", dependency=self.name)
        self.state = State.CLOSED
        self._failures = 0

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self.state is State.CLOSED:
            if self._failures < limits.BREAKER_FAILURES:
                return
            self.openings += 1
            _log.warning("breaker_open", dependency=self.name, detail=str(error) or type(error).__name__)
        self.state = State.OPEN
        self._asks_again_s = self._clock_s() + limits.BREAKER_OPEN_S
