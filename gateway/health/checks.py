"""Whether what this process needs is well: each dependency with its state and latency."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway import limits
from gateway.errors import ApiError

UP: Final = "up"
DOWN: Final = "down"

MEANWHILE: Final = {
    "postgresql": "Orders, books, symbols and the stream go on; lists, candles, logins and new keys do not.",
    "valkey": "Who is logged in goes on, with a part of the budgets; logins, tickets and Idempotency-Key do not.",
}
"""What is served from memory and from the log while a dependency is down."""

Check = Callable[[], Awaitable[str | None]]
"""A sentence that says what is wrong, None when all is well."""


Report = tuple[bool, dict[str, dict[str, Any]]]
"""Whether all are up, and what each says."""


class Health:
    """One look at the dependencies answers all who ask meanwhile and for a moment after: probes are free."""

    def __init__(self, checks: Mapping[str, Check], clock_s: Callable[[], float] = time.monotonic) -> None:
        """What looks at each dependency; and seconds that never go back."""
        self._checks = checks
        self._clock_s = clock_s
        self._turn = asyncio.Lock()
        self._report: Report | None = None
        self._made_s = 0.0

    async def report(self) -> Report:
        """How everything is, at most a moment ago."""
        async with self._turn:
            if self._report is None or self._clock_s() - self._made_s >= limits.HEALTH_REMEMBERED_S:
                states = await asyncio.gather(*(_check(name, check) for name, check in self._checks.items()))
                named = dict(zip(self._checks, states, strict=True))
                self._report = all(state["status"] == UP for state in states), named
                self._made_s = self._clock_s()
            return self._report


async def _check(name: str, check: Check) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(limits.HEALTH_TIMEOUT_S):
            trouble = await check()
    except TimeoutError:
        trouble = f"no answer within {limits.HEALTH_TIMEOUT_S:.0f} s"
    except ApiError as error:
        trouble = error.message
    state: dict[str, Any] = {
        "status": UP if trouble is None else DOWN,
        "latency_ms": round((time.perf_counter() - started) * 1_000, 3),
    }
    if trouble is not None:
        state["detail"] = trouble
        if name in MEANWHILE:
            state["meanwhile"] = MEANWHILE[name]
    return state
