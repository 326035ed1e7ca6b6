"""The WebSocket protocol of the server: uvicorn's, and what it does not have.

Ready bytes can be sent, so that a message to many is made once. And a client that does not read can be told to go: the
close does not wait for it, and what does not end in time is cut off.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode

from gateway import limits

WIRE_EVENT: Final = "tradsys.wire"
"""ASGI event with `data`: whole WebSocket frames, ready to be written; `at_once` without waiting for the client."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what the kernel and the process keep for a client that does not read."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.WS_SEND_BUFFER_BYTES)

    def keepalive_timeout(self) -> None:
        """The peer did not answer a ping: it is told to go, and cut off where it does not read that either."""
        super().keepalive_timeout()
        self.loop.call_later(limits.WS_ABORT_S, self.transport.abort)

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol: it is told to go, and cut off alike."""
        super().handle_parser_exception()
        self.loop.call_later(limits.WS_ABORT_S, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """A whole message. Text that is none closes the connection; uvicorn would log that as an error of ours."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(b"".join(self.frames)):
            with suppress(InvalidState):  # the peer's own close came with it, or nobody has accepted it yet
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send an ASGI event, or ready bytes."""
        kind = message["type"]
        if kind == WIRE_EVENT:
            if not message.get("at_once"):
                await self.writable.wait()
            if self.disconnected or self.close_sent:
                raise ClientDisconnected
            self.transport.write(message["data"])
            return
        if kind == "websocket.close":
            self.writable.set()
            self.loop.call_later(limits.WS_ABORT_S, self.transport.abort)
        await super().send(message)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
