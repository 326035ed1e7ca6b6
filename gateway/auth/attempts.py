"""Failed logins in a sliding window, per user and per address, shared by all gateway processes through Valkey.

An attempt is counted before the password is looked at, so that many at once cannot slip through, and taken back when
the password was right or could not be looked at.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final, cast

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from gateway import limits
from gateway.errors import ApiError, Code, unavailable

_COUNT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local wait = 0
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    if redis.call('ZCARD', key) >= tonumber(ARGV[2 + i]) then
        local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
        wait = math.max(wait, oldest[2] + window - now)
    end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[2])
    redis.call('PEXPIRE', key, window)
end
return 0
"""
"""Milliseconds to wait, 0 when the attempt was counted. ARGV: window in ms, the attempt's name, a limit a key."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login attempt that was counted."""

    name: str
    keys: tuple[str, ...]


class Attempts:
    """Counts login attempts."""

    def __init__(self, valkey: Valkey, prefix: str) -> None:
        """The store, and what its keys begin with."""
        self._valkey = valkey
        self._prefix = prefix
        self._count = valkey.register_script(_COUNT)

    async def begin(self, username: str, address: str) -> Attempt:
        """Count an attempt. Raises ApiError: 429 at a limit, 503 when nobody can count."""
        user = hashlib.sha256(username.encode()).hexdigest()[:32]
        attempt = Attempt(
            os.urandom(8).hex(), (f"{self._prefix}login:user:{user}", f"{self._prefix}login:address:{address}")
        )
        arguments = [
            limits.LOGIN_WINDOW_S * 1_000,
            attempt.name,
            limits.LOGIN_FAILURES_PER_USER,
            limits.LOGIN_FAILURES_PER_IP,
        ]
        try:
            wait_ms = int(cast("int", await self._count(keys=list(attempt.keys), args=cast("Any", arguments))))
        except (ValkeyError, OSError) as error:
            raise unavailable("The store that limits logins") from error
        if wait_ms:
            raise ApiError(
                Code.RATE_LIMITED,
                "Too many failed logins; wait before the next one.",
                retry_after_s=-(-wait_ms // 1_000),
            )
        return attempt

    async def forget(self, attempt: Attempt) -> None:
        """The attempt no longer counts. Raises ApiError."""
        try:
            for key in attempt.keys:
                await self._valkey.zrem(key, attempt.name)
        except (ValkeyError, OSError) as error:
            raise unavailable("The store that limits logins") from error
