"""One WebSocket client: what it says, what it gets, and the limits of both."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

import structlog

from gateway import limits
from gateway.asgi import SECURITY_HEADERS, Event, Heads, Receive, Scope, Send, error_reply, host_of
from gateway.auth.callers import Callers
from gateway.auth.revocations import Revocations
from gateway.auth.tickets import Tickets
from gateway.auth.tokens import Identity
from gateway.correlation import CORRELATION, begin
from gateway.database import Database
from gateway.errors import ApiError, Code
from gateway.guard import Guard
from gateway.market.symbols import Symbols
from gateway.metrics import Metrics
from gateway.orders.desk import OrderDesk
from gateway.rates import address_of
from gateway.rights import ACTIONS, CHANNELS, EVERYBODY, require
from gateway.stream import requests, snapshots
from gateway.stream.hub import Hub
from gateway.stream.orders import Orders
from gateway.stream.protocol import WIRE_EVENT
from gateway.stream.shares import Shares
from gateway.stream.wire import json_message
from schemas.units import format_us

SLOW: Final = 4008
EXPIRED: Final = 4001
REFUSED: Final = 4003
"""Close codes of our own."""

WRITE_BYTES_MAX: Final = 65_536
"""Messages are joined to writes of about that size."""

INTERVALS: Final = frozenset({"1s", "1m", "5m", "1h", "1d"})

_log: Final = structlog.get_logger("gateway.stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What all sessions of a process share."""

    hub: Hub
    desk: OrderDesk
    callers: Callers
    revocations: Revocations
    tickets: Tickets
    database: Database
    symbols: Symbols
    metrics: Metrics
    guard: Guard
    shares: Shares


class Session:
    """One client, from handshake to end."""

    def __init__(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI WebSocket connection."""
        self._door = door
        self._receive = receive
        self._send = send
        self._host = host_of(scope)
        self._address = address_of(self._host)
        self._query = parse_qs(scope["query_string"].decode("latin-1"))
        self._heads = Heads.of(scope["headers"])
        self._correlation_id = begin(self._heads.correlation_id)
        self._identity: Identity | None = None
        self._channels: dict[str, None] = {}
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._wake = asyncio.Event()
        self._has_ended = False
        self._writer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._orders = Orders(door.desk, self._correlation_id, self._answer, self._refuse)
        self._expiry: asyncio.TimerHandle | None = None
        self._refusals = 0

    async def run(self) -> None:
        """Serve the client until either side ends it."""
        await self._receive()
        try:
            await self._door.guard.charge_handshake(self._heads, self._address)
            self._door.shares.enter(self._address)
        except ApiError as error:
            await deny(self._send, error, self._correlation_id, self._heads.accept)
            return
        try:
            if ticket := self._query.get("ticket"):
                self._authenticate(await self._door.tickets.redeem(ticket[-1]))
        except ApiError as error:
            await deny(self._send, error, self._correlation_id, self._heads.accept)
            self._leave()
            return
        try:
            named = [(b"x-correlation-id", self._correlation_id.encode())]
            await self._send({"type": "websocket.accept", "headers": named})
            self._writer = asyncio.create_task(self._write())
            while (event := await self._receive())["type"] == "websocket.receive":
                await self._heard(event)
        finally:
            self._leave()

    def deliver(self, message: bytes) -> None:
        """Queue a message; a client that does not keep up is disconnected, others are unharmed."""
        if self._has_ended:
            return
        self._queue.append(message)
        self._queue_bytes += len(message)
        if len(self._queue) > limits.WS_QUEUE_FRAMES_MAX or self._queue_bytes > limits.WS_QUEUE_BYTES_MAX:
            self._door.metrics.slow_clients.inc()
            self._end(SLOW, "too slow: messages waited beyond the limit; reconnect and resume")
        else:
            self._wake.set()

    async def _heard(self, event: Event) -> None:
        if self._has_ended:
            return  # what a client says that has not read yet that it was sent away
        text = event.get("text")
        CORRELATION.set(self._correlation_id)
        try:
            message = requests.parse(text)
        except ApiError as error:
            self._refuse(error, requests.request_id_in(text))
            return
        await self._serve(message)

    async def _serve(self, message: requests.Request) -> None:
        request_id = message.request_id
        try:
            CORRELATION.set(message.correlation_id or self._correlation_id)
            if (right := ACTIONS[requests.type_of(message)]) is not EVERYBODY:
                require(self._known().rights, right)
            match message:
                case requests.Ping():
                    self._answer("pong", request_id, time=format_us(time.time_ns() // 1_000))
                case requests.Authenticate():
                    await self._log_in(message)
                case requests.Subscribe():
                    await self._subscribe(message)
                case requests.Unsubscribe():
                    self._unsubscribe(message)
                case requests.CancelOnDisconnect():
                    self._cancel_on_disconnect(message)
                case _:
                    identity = self._known()
                    await self._door.guard.charge_command(identity, self._address, cancels=message.cancels)
                    self._orders.ask(message, identity)
        except ApiError as error:
            self._refuse(error, request_id)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the trace
            _log.exception("websocket_failed")
            self._refuse(ApiError(Code.INTERNAL_ERROR, "Something went wrong on our side."), request_id)

    async def _log_in(self, message: requests.Authenticate) -> None:
        try:
            identity = await self._door.callers.known(message.token, self._host)
        except ApiError:
            self._refusals += 1
            if self._refusals >= limits.WS_AUTH_ATTEMPTS_MAX:
                self._end(REFUSED, "too many refused tokens")
            raise
        if self._identity is not None and self._identity.account != identity.account:
            raise ApiError(Code.INVALID_REQUEST, "This connection belongs to another account; open a new one.")
        self._authenticate(identity)
        self._answer("auth", message.request_id, data={"account": identity.account, "role": identity.role})

    def _authenticate(self, identity: Identity) -> None:
        """Raises ApiError when the session has ended or the account has too many connections."""
        self._door.revocations.require(identity.session_id)
        if self._identity is None:
            self._door.shares.log_in(identity.account)
        else:
            self._door.revocations.unwatch(self._identity.session_id, self._log_out)
        self._identity = identity
        self._door.revocations.watch(identity.session_id, self._log_out)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if identity.expires_s is None:
            return
        self._expiry = asyncio.get_running_loop().call_later(
            max(0.0, identity.expires_s - time.time()), self._end, EXPIRED, "the token has expired"
        )

    def _log_out(self) -> None:
        self._end(EXPIRED, "the session has ended")

    def _known(self) -> Identity:
        if self._identity is None:
            raise ApiError(
                Code.UNAUTHORIZED, 'This needs {"type":"auth","token":...} first, or a connection with a ticket.'
            )
        return self._identity

    async def _subscribe(self, message: requests.Subscribe) -> None:
        names = [self._channel(name) for name in requests.channel_names(message)]
        if message.from_sequence is not None and len(names) > 1:
            raise ApiError(
                Code.VALIDATION_FAILED, "from_sequence resumes one channel; name one.", field="from_sequence"
            )
        if len(self._channels.keys() | set(names)) > limits.WS_SUBSCRIPTIONS_MAX:
            raise ApiError(
                Code.LIMIT_EXCEEDED, f"A connection may have {limits.WS_SUBSCRIPTIONS_MAX} channels at a time."
            )
        hub = self._door.hub
        states = {}
        for name in names:
            kind, _, account = name.partition(":")
            if CHANNELS[kind] is not EVERYBODY:
                await self._door.guard.charge_read(self._known(), self._address)
                states[name] = await snapshots.rows(self._door.database, kind, account)
        if self._has_ended:
            return
        self._door.shares.subscribe(self._address, len(set(names) - self._channels.keys()))
        self._answer("marketdata.subscribed", message.request_id, channels=names)
        for name in names:
            hub.unsubscribe(name, self)
            self._channels[name] = None
            if name not in states:
                hub.subscribe(name, self, message.from_sequence)
            elif not hub.resume(name, self, message.from_sequence):
                hub.join(name, self, partial(_private, name, states[name]))

    def _unsubscribe(self, message: requests.Unsubscribe) -> None:
        names = [self._channel(name) for name in requests.channel_names(message)]
        self._door.shares.unsubscribe(self._address, len(self._channels.keys() & set(names)))
        for name in names:
            self._channels.pop(name, None)
            self._door.hub.unsubscribe(name, self)
        self._answer("marketdata.unsubscribed", message.request_id, channels=names)

    def _channel(self, name: str) -> str:
        """The whole name of a channel. Raises ApiError for one that does not exist or is another's."""
        kind, _, rest = name.partition(":")
        right = CHANNELS.get(kind)
        if right is not EVERYBODY:
            identity = self._known()
            require(identity.rights, right)
            account = identity.account
            if rest in {"", account}:
                return f"{kind}:{account}"
        elif kind == "candles":
            symbol, _, interval = rest.rpartition(":")
            if symbol in self._door.symbols and interval in INTERVALS:
                return name
        elif kind in CHANNELS and rest in self._door.symbols:
            return name
        raise ApiError(Code.NOT_FOUND, f"There is no channel {name!r}.", field="channel")

    def _cancel_on_disconnect(self, message: requests.CancelOnDisconnect) -> None:
        self._orders.cancel_at_end(self._known(), enabled=message.enabled)
        self._answer("session.cancel_on_disconnect", message.request_id, data={"enabled": message.enabled})

    def _answer(self, kind: str, request_id: str | None, **rest: Any) -> None:
        asked = {} if request_id is None else {"request_id": request_id}
        self.deliver(json_message({"type": kind, **asked, **rest}))

    def _refuse(self, error: ApiError, request_id: str | None) -> None:
        body = error.body(CORRELATION.get())
        self._answer("error", request_id, success=False, error=body.error, correlation_id=body.correlation_id)

    async def _write(self) -> None:
        """Send what is queued, joined; waits while the client does not read."""
        queue = self._queue
        while True:
            if not queue:
                self._wake.clear()
                await self._wake.wait()
            messages = []
            size = 0
            while queue and size < WRITE_BYTES_MAX:
                messages.append(queue.popleft())
                size += len(messages[-1])
            self._queue_bytes -= size
            try:
                await self._send({"type": WIRE_EVENT, "data": b"".join(messages)})
            except OSError:
                return  # the client has gone; `run` hears of it

    def _end(self, code: int, reason: str) -> None:
        """Close with a code and a reason, once what was queued before has left or been given up."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._writer is not None:
            self._writer.cancel()
        rest = b"" if code == SLOW else b"".join(self._queue)
        self._queue.clear()

        async def close() -> None:
            with suppress(OSError):  # the client has gone first
                if rest:
                    with suppress(TimeoutError):  # the client does not read: it is told to go, and cut off
                        async with asyncio.timeout(limits.WS_LAST_WORDS_S):
                            await self._send({"type": WIRE_EVENT, "data": rest})
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

        task = asyncio.create_task(close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _leave(self) -> None:
        self._has_ended = True
        self._door.shares.leave(self._address, len(self._channels))
        for name in self._channels:
            self._door.hub.unsubscribe(name, self)
        self._orders.end()
        for task in self._tasks:
            task.cancel()
        if self._writer is not None:
            self._writer.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._identity is not None:
            self._door.revocations.unwatch(self._identity.session_id, self._log_out)
            self._door.shares.log_out(self._identity.account)


async def deny(send: Send, error: ApiError, correlation: str, accept: bytes | None = None) -> None:
    """Refuse a handshake with an HTTP answer."""
    reply = error_reply(error, correlation, accept)
    headers = [
        *SECURITY_HEADERS,
        (b"content-type", reply.content_type),
        (b"x-correlation-id", correlation.encode()),
        *reply.headers,
    ]
    await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})


def _private(name: str, known: list[dict[str, Any]], sequence: int | None, payloads: list[bytes]) -> bytes:
    return snapshots.message(name, sequence, snapshots.merge(name.partition(":")[0], known, payloads))
