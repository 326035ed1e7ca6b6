"""What it may cost to look up keys that this process does not know: whoever shows wrong ones keeps nobody else out.

A key that is wrong once is so for ever, because keys are random and never given twice. So it is remembered too.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.rates import Budget, Charge, LocalWindows
from gateway.tally import Tally

T = TypeVar("T")

FAILURES: Final = Budget("wrong keys", limits.API_KEY_FAILURES_PER_ADDRESS, limits.LOGIN_WINDOW_S)


class Lookups(Generic[T]):
    """Look-ups of one process, with limits by address."""

    def __init__(
        self,
        read: Callable[[str], Awaitable[T | None]],
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        """What reads a key, and gives None for a wrong one; and milliseconds that never go back."""
        self._read = read
        self._wrong: OrderedDict[str, None] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[T | None]] = {}
        self._places = Tally()
        self._failures = LocalWindows(clock_ms)

    async def find(self, key: str, address: str) -> T | None:
        """What the key stands for, None for a wrong one. Raises ApiError: 429 after too many wrong ones, 503."""
        if key in self._wrong:
            self._wrong.move_to_end(key)
            return None
        task = self._under_way.get(key)
        if task is None:
            self._begin(address)
            task = self._under_way[key] = asyncio.create_task(self._look(key, address))
            task.add_done_callback(_heard)
        return await asyncio.shield(task)

    def _begin(self, address: str) -> None:
        """Take a place, and count the key as wrong until it is known to be right. Raises ApiError."""
        most = limits.API_KEY_LOOKUPS_PER_ADDRESS
        if len(self._under_way) >= limits.API_KEY_LOOKUPS_MAX or not self._places.take(address, 1, most):
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many new keys at once; try again.")
        granted, *refusal = self._failures.take(1, [Charge(address, FAILURES)])
        if not granted:
            self._places.give_back(address)
            raise ApiError(
                Code.RATE_LIMITED,
                "Too many wrong keys from this address; wait before the next one.",
                retry_after_s=-(-refusal[0] // 1_000),
            )

    async def _look(self, key: str, address: str) -> T | None:
        try:
            found = await self._read(key)
        except ApiError:
            self._failures.give_back(address)  # nobody could look
            raise
        finally:
            self._places.give_back(address)
            del self._under_way[key]
        if found is None:
            self._wrong[key] = None
            if len(self._wrong) > limits.API_KEYS_WRONG_REMEMBERED:
                self._wrong.popitem(last=False)
        else:
            self._failures.give_back(address)
        return found


def _heard(task: "asyncio.Task[T | None]") -> None:
    """Whoever waited may have gone: then nobody else asks what became of it."""
    if not task.cancelled():
        task.exception()
