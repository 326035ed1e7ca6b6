"""What is fed with arbitrary bytes: a target raises where something of the gateway does what it must not."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
import uvicorn
from uvicorn.server import ServerState

from gateway.errors import CATALOGUE, ApiError
from gateway.orders.requests import (
    amend_order,
    new_order,
    parse_amend,
    parse_batch,
    parse_cancel_after,
    parse_order,
)
from gateway.rights import ACTIONS
from gateway.server import server_config
from gateway.stream import requests
from gateway.stream.protocol import StreamProtocol

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PAUSES: Final = 3
"""Turns of the event loop between two pieces."""


def messages(data: bytes) -> None:
    """A WebSocket message is one that is known, or is refused with an error that can be sent."""
    text = data.decode(errors="replace")
    name = requests.request_id_in(text)
    assert name is None or len(name) <= 64
    try:
        message = requests.parse(text)
    except ApiError as error:
        _require_sendable(error)
    else:
        assert requests.type_of(message) in ACTIONS
        assert json.loads(text)["type"] == requests.type_of(message)


def bodies(data: bytes) -> None:
    """A body is read as Python's strict reader reads it, or refused with an error that can be sent."""
    for parse, make in BODIES:
        try:
            request = parse(data)
            make(request)
        except ApiError as error:
            _require_sendable(error)
        else:
            json.loads(data.decode())


def frames(data: bytes) -> None:
    """What comes after a handshake: a connection stays, or ends with a code; nothing is raised, or half sent."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_connection(data))
    finally:
        loop.close()


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {"messages": messages, "bodies": bodies, "frames": frames}

BODIES: Final[tuple[tuple[Callable[[bytes], Any], Callable[[Any], object]], ...]] = (
    (parse_order, lambda order: new_order(order, "alice", 1, "c")),
    (parse_amend, lambda changes: amend_order(1, changes, "alice", 1, "c")),
    (parse_batch, lambda orders: [bodies(order) for order in orders]),
    (parse_cancel_after, lambda _: None),
)


def _require_sendable(error: ApiError) -> None:
    assert error.code in CATALOGUE
    assert error.message
    said = msgspec.json.decode(msgspec.json.encode(error.body("c")))
    assert said["error"]["code"] == error.code


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """Nothing is known of the peer."""
        return default

    def write(self, data: Any) -> None:
        """Append."""
        self.written += data

    def is_closing(self) -> bool:
        """After `close`."""
        return self.is_closed

    def close(self) -> None:
        """Note it."""
        self.is_closed = True

    def abort(self) -> None:
        """The same."""
        self.close()

    def pause_reading(self) -> None:
        """There is no socket."""

    resume_reading = pause_reading


async def _echo(_scope: Any, receive: Any, send: Any) -> None:
    """Says back each message, until the client goes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", **{kind: event[kind] for kind in ("text", "bytes") if event.get(kind)}})


def _config() -> uvicorn.Config:
    config = server_config(lambda: _echo)  # type: ignore[arg-type,return-value] # an application like any other
    config.load()
    return config


def open_protocol(transport: Transport) -> StreamProtocol:
    """A connection before its handshake; in a running event loop."""
    protocol = StreamProtocol(_config(), ServerState(), {})
    protocol.connection_made(transport)
    return protocol


async def _connection(data: bytes) -> None:
    transport = Transport()
    protocol = open_protocol(transport)
    protocol.data_received(HANDSHAKE)
    await _turns()
    head, end, _ = bytes(transport.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    at = len(head) + len(end)
    # The first byte says in how many pieces the rest comes.
    size = max(1, len(data) // (1 + data[0] % 4)) if data else 1
    for begin in range(1, len(data), size):
        if transport.is_closed:
            break
        protocol.data_received(data[begin : begin + size])
        await _turns()
    codes = _closes(bytes(transport.written[at:]))
    assert not transport.is_closed or codes, "a dead connection without a reason"
    protocol.connection_lost(None)
    await _turns()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        assert not task.get_coro().__qualname__.endswith("run_asgi"), "the application was not told"


def _closes(said: bytes) -> list[int]:
    """The codes of close frames in what a server sent; raises where it is no whole frames."""
    codes, at = [], 0
    while at < len(said):
        opcode, length, at = said[at] & 0xF, said[at + 1], at + 2
        assert opcode in {TEXT, BINARY, CLOSE, PING, PONG}
        assert length < 128
        for short, size in ((126, 2), (127, 8)):
            if length == short:
                length, at = int.from_bytes(said[at : at + size]), at + size
                break
        if opcode == CLOSE:
            codes.append(int.from_bytes(said[at : at + 2]) if length else 1005)
        at += length
    assert at == len(said)
    return codes


async def _turns() -> None:
    for _ in range(PAUSES):
        await asyncio.sleep(0)
