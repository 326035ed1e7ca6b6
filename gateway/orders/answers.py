"""Answers to commands, as they pass by on the stream: who waits for one is told, who comes late still finds it."""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from gateway import limits
from gateway.errors import ApiError, Code


class Report(msgspec.Struct, frozen=True):
    """What is read of an execution report; the rest travels on as it is."""

    command_id: str | None = None
    kind: str = ""
    reason: str = ""
    account: str = ""
    client_order_id: str = ""
    symbol: str = ""
    limit: str | None = None
    actual: str | None = None


_decode: Final = msgspec.json.Decoder(Report).decode


class Answers:
    """The first execution of each command, newest remembered."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._waiters: dict[int, list[asyncio.Future[bytes]]] = {}
        self._waiting = 0

    def saw(self, payload: bytes) -> None:
        """An execution report came by."""
        report = _decode(payload)
        if report.command_id is None:
            return
        command_id = int(report.command_id)
        self._recent[command_id] = payload
        if len(self._recent) > limits.EXECUTIONS_REMEMBERED:
            self._recent.popitem(last=False)
        for future in self._waiters.pop(command_id, ()):
            if not future.done():
                future.set_result(payload)

    async def wait(self, command_id: int, wait_s: float) -> bytes | None:
        """The execution report that answers a command, None if none came in time."""
        if (payload := self._recent.get(command_id)) is not None:
            return payload
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        futures = self._waiters.setdefault(command_id, [])
        futures.append(future)
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1
            futures.remove(future)
            if not futures:
                self._waiters.pop(command_id, None)

    def require_room(self) -> None:
        """Raises ApiError when too many wait already; asked before anything is sent."""
        if self._waiting >= limits.WAITERS_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many requests wait for executions; leave out ?wait=.")


def report_of(payload: bytes) -> Report:
    """What an execution report says."""
    return _decode(payload)
