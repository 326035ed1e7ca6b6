"""Passwords: argon2id, hashed and verified beside the event loop by a bounded number of threads."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from gateway import limits
from gateway.errors import ApiError, Code

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
"""OWASP's password storage cheat sheet: argon2id with 19 MiB, 2 passes, 1 lane."""

NOBODY: Final = HASHER.hash("nobody has this password")
"""Verified when a user does not exist, so that the answer takes as long."""


class Verdict(NamedTuple):
    """Whether a password is right, and its hash as it is made now where the one that is kept was made otherwise."""

    is_right: bool
    new_hash: str | None = None


class Passwords:
    """Verifies passwords beside the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(limits.HASH_THREADS, thread_name_prefix="argon2", initializer=_give_way)
        self._waiting = 0

    async def verify(self, password_hash: str | None, password: str) -> Verdict:
        """Whether the password is right; None stands for a user that does not exist. Raises ApiError when too busy."""
        if self._waiting >= limits.HASH_WAITING_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many logins at once; try again.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            verdict = await loop.run_in_executor(self._threads, _verdict, password_hash or NOBODY, password)
        finally:
            self._waiting -= 1
        return _WRONG if password_hash is None else verdict

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


_WRONG: Final = Verdict(is_right=False)


def _give_way() -> None:
    """Let this thread have what the event loop leaves of a core: else each login takes milliseconds from all requests.

    On Linux a priority is a thread's own.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), limits.HASH_NICENESS)


def _verdict(password_hash: str, password: str) -> Verdict:
    try:
        HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return _WRONG
    is_old = HASHER.check_needs_rehash(password_hash)
    return Verdict(is_right=True, new_hash=HASHER.hash(password) if is_old else None)
