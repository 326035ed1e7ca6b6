"""One WebSocket client: what it says, what it gets, and the limits of both."""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qs

import structlog

from gateway import limits
from gateway.asgi import SECURITY_HEADERS, Event, Heads, Receive, Scope, Send, error_reply, host_of
from gateway.auth.tokens import Identity
from gateway.correlation import CORRELATION, begin
from gateway.errors import ApiError, Code
from gateway.rates import address_of
from gateway.rights import ACTIONS, EVERYBODY, require
from gateway.stream import requests
from gateway.stream.door import Door
from gateway.stream.orders import Orders
from gateway.stream.outbox import Outbox
from gateway.stream.protocol import WIRE_EVENT
from gateway.stream.subscriptions import WRONG, Subscriptions
from gateway.stream.wire import json_message
from schemas.units import format_us

SLOW: Final = 4008
EXPIRED: Final = 4001
REFUSED: Final = 4003
"""Close codes of our own."""

_log: Final = structlog.get_logger("gateway.stream")


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
        self._has_ended = False
        self._writer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox = Outbox(send, door.hub.state, self._too_slow)
        self._orders = Orders(door.desk, self._correlation_id, self._answer, self._refuse)
        self._subscriptions = Subscriptions(
            door,
            self._address,
            self._outbox,
            who=self._known,
            answer=self._answer,
            refuse=self._refuse,
        )
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
            self._writer = asyncio.create_task(self._outbox.run())
            while (event := await self._receive())["type"] == "websocket.receive":
                await self._heard(event)
        finally:
            self._leave()

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
                    await self._subscriptions.add(message)
                case requests.Unsubscribe():
                    self._subscriptions.remove(message)
                case requests.CancelOnDisconnect():
                    self._cancel_on_disconnect(message)
                case _:
                    identity = self._known()
                    await self._door.guard.charge_command(identity, self._address, cancels=message.cancels)
                    self._orders.ask(message, identity)
        except ApiError as error:
            self._refuse(error, request_id)
            if self._refusals >= limits.WS_AUTH_ATTEMPTS_MAX:
                self._end(REFUSED, "too many refused tokens")
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the trace
            _log.exception("websocket_failed")
            self._refuse(ApiError(Code.INTERNAL_ERROR, WRONG), request_id)

    async def _log_in(self, message: requests.Authenticate) -> None:
        try:
            identity = await self._door.callers.known(message.token, self._host)
        except ApiError:
            self._refusals += 1
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

    def _cancel_on_disconnect(self, message: requests.CancelOnDisconnect) -> None:
        self._orders.cancel_at_end(self._known(), enabled=message.enabled)
        self._answer("session.cancel_on_disconnect", message.request_id, data={"enabled": message.enabled})

    def _answer(self, kind: str, request_id: str | None, **rest: Any) -> None:
        asked = {} if request_id is None else {"request_id": request_id}
        self._outbox.deliver(json_message({"type": kind, **asked, **rest}))

    def _refuse(self, error: ApiError, request_id: str | None) -> None:
        body = error.body(CORRELATION.get())
        after_s = error.headers.get("retry-after")
        told = {} if after_s is None else {"retry_after": int(after_s)}
        self._answer("error", request_id, success=False, error=body.error, correlation_id=body.correlation_id, **told)

    def _too_slow(self) -> None:
        if not self._has_ended:
            self._door.metrics.slow_clients.inc()
            self._end(SLOW, "too slow: messages waited beyond the limit; reconnect and resume")

    def _end(self, code: int, reason: str) -> None:
        """Close with a code and a reason, once what was queued before has left or been given up."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._writer is not None:
            self._writer.cancel()
        told = json_message({"type": "session.slow", "message": reason, "resume": self._outbox.unsent()})
        rest = self._outbox.end()
        if code == SLOW:
            rest = told.data

        async def close() -> None:
            with suppress(OSError):  # the client has gone first
                if rest:
                    with suppress(TimeoutError):  # the client does not read: it is told to go, and cut off
                        async with asyncio.timeout(limits.WS_LAST_WORDS_S):
                            await self._send({"type": WIRE_EVENT, "data": rest, "at_once": code == SLOW})
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

        task = asyncio.create_task(close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _leave(self) -> None:
        self._has_ended = True
        self._door.shares.leave(self._address, self._subscriptions.end())
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
