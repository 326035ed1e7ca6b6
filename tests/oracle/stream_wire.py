"""A WebSocket connection to a gateway in this process, without a network: the test is the server around it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from gateway.stream.protocol import WIRE_EVENT

QUIET_TURNS = 8
"""Turns of the event loop in which nothing happens, after which all has been said."""
TURNS_MAX = 20_000


def messages_in(data: bytes) -> list[dict[str, Any]]:
    """Unmasked text frames (RFC 6455, section 5.2), each a JSON object."""
    found = []
    at = 0
    while at < len(data):
        assert data[at] == 0x81, "no whole text frame"
        length, at = data[at + 1], at + 2
        assert length < 128, "a server masks nothing"
        for short, size in ((126, 2), (127, 8)):
            if length == short:
                length, at = int.from_bytes(data[at : at + size]), at + size
                break
        found.append(json.loads(data[at : at + length].decode()))
        at += length
    assert at == len(data), "a frame is cut off"
    return found


class Connection:
    """One client of a gateway."""

    def __init__(self, gateway: Callable[..., Any], address: str = "192.0.2.1") -> None:
        self.heard: list[dict[str, Any]] = []
        """What was sent to the client and not taken yet."""
        self.closed: tuple[int, str] | None = None
        """Code and reason."""
        self.reads = asyncio.Event()
        """Whether the client reads."""
        self.reads.set()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events.put_nowait({"type": "websocket.connect"})
        self._is_idle = False
        self._happened = 0
        scope = {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "headers": [],
            "client": (address, 1),
        }
        self.task = asyncio.create_task(gateway(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        self._is_idle = self._events.empty()
        event = await self._events.get()
        self._is_idle = False
        self._happened += 1
        return event

    async def _send(self, event: dict[str, Any]) -> None:
        self._happened += 1
        kind = event["type"]
        if kind == "websocket.close":
            assert self.closed is None, "closed twice"
            self.closed = event["code"], event["reason"]
        elif kind == WIRE_EVENT:
            if not event.get("at_once"):
                await self.reads.wait()
            assert self.closed is None, "something was said after the end"
            self.heard += messages_in(event["data"])
        else:
            assert kind == "websocket.accept", event

    async def say(self, **event: Any) -> list[dict[str, Any]]:
        """A frame from the client, and all that it hears by then."""
        self._events.put_nowait({"type": "websocket.receive", **event})
        return await self.settle()

    async def settle(self, is_busy: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
        """Let everything happen; what the client heard."""
        quiet, before = 0, self._happened
        for _ in range(TURNS_MAX):
            await asyncio.sleep(0.001 if is_busy() else 0)
            quiet = quiet + 1 if self._happened == before and not is_busy() else 0
            before = self._happened
            if quiet >= QUIET_TURNS and (self._is_idle or self.task.done()):
                break
        else:
            raise AssertionError("the gateway never comes to rest")
        if self.task.done():
            self.task.result()
        heard, self.heard = self.heard, []
        return heard

    async def leave(self) -> None:
        """The client goes."""
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1001})
        self.reads.set()
        async with asyncio.timeout(60):
            await self.task
