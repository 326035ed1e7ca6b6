"""Whether what this process needs is well: each dependency with its state and latency."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway import limits
from gateway.errors import ApiError

UP: Final = "up"
DOWN: Final = "down"

Check = Callable[[], Awaitable[str | None]]
"""A sentence that says what is wrong, None when all is well."""


async def check_all(checks: Mapping[str, Check]) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Whether all are up, and what each says."""
    states = await asyncio.gather(*(_check(check) for check in checks.values()))
    named = dict(zip(checks, states, strict=True))
    return all(state["status"] == UP for state in states), named


async def _check(check: Check) -> dict[str, Any]:
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
    return state
