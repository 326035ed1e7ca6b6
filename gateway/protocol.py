"""The HTTP protocol of the server: uvicorn's, with limits on headers in size and time, and errors in our shape."""

import asyncio
from functools import partial
from typing import Any, ClassVar, cast

import msgspec
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway import limits
from gateway.asgi import SECURITY_HEADERS, WHOLE, Scope
from gateway.correlation import make
from gateway.errors import ApiError, Code
from gateway.rates import address_of
from gateway.tally import Tally


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    peers: ClassVar[Tally] = Tally()
    """Open connections of each address; of the process, which has one server."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._peer: str | None = None
        """Whose share the connection takes, None if nobody's."""
        self._header_bytes = 0
        self._is_in_headers = True
        self._unfinished_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._refusal: ApiError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection beyond the limit is closed at once."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > limits.CONNECTIONS_MAX or not self._is_within_share():
            self.transport.close()
        else:
            self._header_timer = self.loop.call_later(limits.HEADER_TIMEOUT_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has gone."""
        self._stop_header_timer()
        self._give_back()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """It is no HTTP connection any more."""
        self._give_back()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self._is_in_headers and self._unfinished_bytes:
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > 2 * limits.HEADER_BYTES_MAX:
                self._refuse_headers()
                self.send_400_response("")
                return
        super().data_received(data)
        if self._is_in_headers:
            self._unfinished_bytes = self._unfinished_bytes or len(data)
            if self._header_timer is None:
                self._header_timer = self.loop.call_later(limits.HEADER_TIMEOUT_S, self.transport.close)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._header_bytes = 0
        self._is_in_headers = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._is_in_headers = False
        self._unfinished_bytes = 0
        self._stop_header_timer()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer a request."""
        cast("Scope", cycle.scope)["extensions"] = {WHOLE: partial(_write_whole, cycle)}
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the sentence is ours
        """What is not HTTP, or has too many headers, is answered in our shape too."""
        error = self._refusal or ApiError(Code.INVALID_REQUEST, "The request is not HTTP that we can read.")
        correlation = make()
        body = msgspec.json.encode(error.body(correlation))
        self.transport.write(
            STATUS_LINE[error.status]
            + b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS)
            + b"content-type: application/json\r\nconnection: close\r\n"
            + b"x-correlation-id: %b\r\ncontent-length: %d\r\n\r\n" % (correlation.encode(), len(body))
            + body
        )
        self.transport.close()

    def _is_within_share(self) -> bool:
        """Take a place of the peer's address. A proxy has all that it wants: it comes for many."""
        host = self.client[0] if self.client else ""
        if isinstance(self.app, ProxyHeadersMiddleware) and host in self.app.trusted_hosts:
            return True
        peer = address_of(host)
        if not self.peers.take(peer, 1, limits.CONNECTIONS_PER_ADDRESS):
            return False
        self._peer = peer
        return True

    def _give_back(self) -> None:
        if self._peer is not None:
            self.peers.give_back(self._peer)
            self._peer = None

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > limits.HEADER_BYTES_MAX:
            self._refuse_headers()
            raise ValueError("too many header bytes")  # the parser stops, and send_400_response is called

    def _refuse_headers(self) -> None:
        self._refusal = ApiError(
            Code.HEADERS_TOO_LARGE, f"Request line and headers are larger than {limits.HEADER_BYTES_MAX} bytes."
        )

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


async def _write_whole(cycle: RequestResponseCycle, status: int, lines: bytes, body: bytes) -> None:
    """Write an answer at once: what the cycle's own `send` does in two steps, and header by header."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    first = STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
    if b"\r\nconnection: close\r\n" in lines:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        lines += b"connection: close\r\n"
    cycle.transport.write(first + lines + b"\r\n" + (b"" if cycle.scope["method"] == "HEAD" else body))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
