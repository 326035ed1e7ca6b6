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
        """Count an attempt to log in. Raises ApiError: 429 at a limit, 503 when nobody can count."""
        most = {
            f"user:{_hash(username)}": limits.LOGIN_FAILURES_PER_USER,
            f"address:{address}": limits.LOGIN_FAILURES_PER_IP,
        }
        return await self._begin(limits.LOGIN_WINDOW_S, most, "Too many failed logins; wait before the next one.")

    async def begin_code(self, username: str, secret: str) -> Attempt:
        """Count a code of a user; another secret begins anew. Raises ApiError as `begin`."""
        most = {f"code:{_hash(f'{username} {secret}')}": limits.CODE_FAILURES_PER_USER}
        return await self._begin(limits.CODE_WINDOW_S, most, "Too many wrong codes; wait, or ask the operator.")

    async def _begin(self, window_s: int, most: dict[str, int], message: str) -> Attempt:
        attempt = Attempt(os.urandom(8).hex(), tuple(f"{self._prefix}login:{name}" for name in most))
        arguments = [window_s * 1_000, attempt.name, *most.values()]
        try:
            wait_ms = int(cast("int", await self._count(keys=list(attempt.keys), args=cast("Any", arguments))))
        except (ValkeyError, OSError) as error:
            raise unavailable("The store that limits logins") from error
        if wait_ms:
            raise ApiError(Code.RATE_LIMITED, message, retry_after_s=-(-wait_ms // 1_000))
        return attempt

    async def forget(self, attempt: Attempt) -> None:
        """The attempt no longer counts. Raises ApiError."""
        try:
            for key in attempt.keys:
                await self._valkey.zrem(key, attempt.name)
        except (ValkeyError, OSError) as error:
            raise unavailable("The store that limits logins") from error


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
