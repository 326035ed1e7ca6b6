"""The client of Valkey, with a limit on time and a circuit breaker around each command."""

import asyncio
from typing import Any

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.exceptions import ConnectionError as ValkeyConnectionError
from valkey.exceptions import TimeoutError as ValkeyTimeoutError

from gateway import limits
from gateway.breakers import Breaker


class GuardedValkey(Valkey):
    """Raises OSError, or ValkeyError, in time, and at once while the breaker is open."""

    breaker: Breaker
    answer_s: float
    """For all of a command."""

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """What Valkey answers to a command; scripts are commands, too."""
        with self.breaker.attempt():
            async with asyncio.timeout(self.answer_s):
                return await super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]


def valkey_is_away(error: Exception) -> bool:
    """For its breaker: the connection failed or gave no answer. TimeoutError is an OSError."""
    return isinstance(error, ValkeyConnectionError | ValkeyTimeoutError | OSError)


def open_valkey(
    url: str,
    breaker: Breaker,
    connections: int = limits.VALKEY_CONNECTIONS,
    *,
    answer_ms: int,
) -> Valkey:
    """A client whose callers wait for a connection when all are in use: only a Valkey that is away is an error."""
    answer_s = answer_ms / 1_000
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        timeout=answer_s,
        socket_timeout=answer_s,
        socket_connect_timeout=answer_s,
        max_connections=connections,
    )
    valkey = GuardedValkey.from_pool(pool)
    assert isinstance(valkey, GuardedValkey)
    valkey.breaker = breaker
    valkey.answer_s = answer_s + limits.ANSWER_MARGIN_S
    return valkey
