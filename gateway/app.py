"""The ASGI application: the lean path first, then FastAPI, and one shape for everything that goes wrong."""

import time
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import FastAPI

from gateway import limits
from gateway.asgi import (
    JSON,
    NOT_STORED,
    SECURITY_HEADERS,
    Event,
    Headers,
    Heads,
    Receive,
    Reply,
    Scope,
    Send,
    error_reply,
    host_of,
    read_body,
    require_json,
    respond,
    respond_empty,
    with_security,
)
from gateway.asgi import Request as LeanRequest
from gateway.auth.tokens import NOBODY
from gateway.correlation import begin
from gateway.errors import ApiError, Code
from gateway.framework import REFUSED_AS, internal
from gateway.guard import Guard
from gateway.idempotency import DECIDED_ONCE, HEADER, Repeats
from gateway.lean import LeanRoutes, require_method
from gateway.metrics import Metrics
from gateway.openapi import takes_idempotency_key
from gateway.orders.lean import ORDERS
from gateway.rates import address_of
from gateway.rights import EVERYBODY, ROUTES, right_to_post
from gateway.stream.door import Door
from gateway.stream.session import Session, deny
from gateway.strict import require_strict

if TYPE_CHECKING:
    from collections.abc import Callable

WEBSOCKET: Final = "/ws"
NO_CONTENT: Final = 204
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OF_EACH_ANSWER: Final = frozenset(
    {b"content-type", b"content-length", *(name for name, _ in SECURITY_HEADERS), NOT_STORED[0]}
)
"""Headers that are said again with every answer."""
_MAY_HAVE_ACTED: Final = frozenset({Code.OUTCOME_UNKNOWN, Code.INTERNAL_ERROR})

_log: Final = structlog.get_logger("gateway")


class Gateway:
    """Everything that a client can reach in one process."""

    def __init__(
        self,
        application: FastAPI,
        lean: LeanRoutes,
        door: Door,
        guard: Guard,
        repeats: Repeats,
        metrics: Metrics,
    ) -> None:
        """FastAPI with its routes, the lean path, what WebSocket sessions share, what lets in, what was asked before,
        and what counts.
        """
        self._application = application
        self._lean = lean
        self._door = door
        self._guard = guard
        self._repeats = repeats
        self._metrics = metrics
        self._counts: dict[tuple[str, str, int], Callable[[], None]] = {}
        """Of each method, route and status: they are few, since a path that is no route counts as none."""
        self._seconds: dict[str, Callable[[float], None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        heads = Heads.of(scope["headers"])
        correlation = begin(heads.correlation_id)
        if (allowed := self._guard.preflight(scope, heads)) is not None:
            await respond_empty(send, [*allowed, (b"x-correlation-id", correlation.encode())])
            self._counted("OPTIONS", "preflight", NO_CONTENT, started)
            return
        route, handlers = self._lean.at(scope["path"])
        handler = handlers.get(scope["method"])
        more = self._guard.cors(heads)
        try:
            body = await read_body(heads, receive)
            more += await self._guard.admit(scope, heads)
            if heads.idempotency_key is not None and scope["method"] == "POST":
                route, reply = await self._once(scope, heads, body)
                await respond(scope, send, reply, correlation, more)
                self._counted(scope["method"], route, reply.status, started)
                return
            if handler is None:
                named = [*more, (b"x-correlation-id", correlation.encode())]
                route, status = await self._framework(scope, heads, body, send, named)
                self._counted(scope["method"], route, status, started)
                return
            right = ROUTES[scope["method"], route]
            host = host_of(scope)
            identity = (
                NOBODY if right is EVERYBODY else await self._door.callers.admit(heads.authorization, right, host)
            )
            query = scope["query_string"]
            reply = await handler(
                LeanRequest(scope["path"], query, heads, correlation, body, identity, address_of(host))
            )
        except ApiError as error:
            reply = error_reply(error, correlation, heads.accept)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the trace
            _log.exception("request_failed", method=scope["method"], path=scope["path"])
            reply = error_reply(internal(), correlation, heads.accept)
        await respond(scope, send, reply, correlation, more)
        self._counted(scope["method"], route, reply.status, started)

    async def _once(self, scope: Scope, heads: Heads, body: bytes) -> tuple[str, Reply]:
        """Let FastAPI answer, unless it has answered the same before. Raises ApiError."""
        assert heads.idempotency_key is not None
        if not takes_idempotency_key("post", scope["path"]):
            raise _no_key_here(scope["path"])
        right, host = right_to_post(scope["path"]), host_of(scope)
        if right is EVERYBODY:
            identity = await self._door.callers.of_header(heads.authorization, host)
        else:
            identity = await self._door.callers.admit(heads.authorization, right, host)
        scope["headers"] = [head for head in scope["headers"] if head[0] != b"accept-encoding"]  # kept for all clients
        route = "unmatched"

        async def ask() -> Reply:
            nonlocal route
            events: list[Event] = []

            async def note(event: Event) -> None:
                events.append(event)

            route, status = await self._framework(scope, heads, body, note, [])
            told = [head for head in events[0]["headers"] if head[0] not in _OF_EACH_ANSWER]
            media = next((value for name, value in events[0]["headers"] if name == b"content-type"), JSON)
            return Reply(status, b"".join(event.get("body", b"") for event in events[1:]), told, media)

        def may_have_acted() -> bool:
            return DECIDED_ONCE not in scope and scope.get(REFUSED_AS, Code.OUTCOME_UNKNOWN) in _MAY_HAVE_ACTED

        content = b"\n".join((scope["method"].encode(), scope["path"].encode(), scope["query_string"], body))
        # Another session or key of the user may have other rights than the one that was answered.
        who = f"{identity.username} {identity.session_id}"
        reply = await self._repeats.answer(who, heads.idempotency_key, content, ask, may_have_acted)
        return route, reply

    async def _framework(self, scope: Scope, heads: Heads, body: bytes, send: Send, more: Headers) -> tuple[str, int]:
        """Let FastAPI answer; the route's template and the status. Raises what it raises before it answers."""
        template, handlers = self._lean.at(scope["path"])
        if handlers:
            require_method(scope["method"], template)
        if scope["method"] in _BODY_METHODS and body:
            require_json(heads.content_type)
            require_strict(body)
        status = 0

        async def replay() -> Event:
            return {"type": "http.request", "body": body, "more_body": False}

        async def answer(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
                event["headers"] = with_security([*event.get("headers", ()), *more])
            await send(event)

        try:
            await self._application(scope, replay, answer)
        except Exception:
            if not status:
                raise
            _log.exception("request_failed", method=scope["method"], path=scope["path"])
        return getattr(scope.get("route"), "path", "unmatched"), status

    def _counted(self, method: str, route: str, status: int, started: float) -> None:
        counted = method if method in _METHODS else "other", route, status
        if (count := self._counts.get(counted)) is None:
            count = self._counts[counted] = self._metrics.requests.labels(*counted).inc
            self._seconds.setdefault(route, self._metrics.seconds.labels(route).observe)
        count()
        self._seconds[route](time.perf_counter() - started)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connections = self._metrics.connections
        if scope["path"] != WEBSOCKET or self._websockets >= limits.WS_CONNECTIONS_MAX:
            await receive()
            is_full = scope["path"] == WEBSOCKET
            error = (
                ApiError(Code.SERVICE_UNAVAILABLE, "This gateway has all the connections that it takes; try again.")
                if is_full
                else ApiError(Code.NOT_FOUND, f"There is no WebSocket here; it is at {WEBSOCKET}.")
            )
            heads = Heads.of(scope["headers"])
            await deny(send, error, begin(heads.correlation_id), heads.accept)
            return
        self._websockets += 1
        connections.inc()
        try:
            await Session(self._door, scope, receive, send).run()
        finally:
            self._websockets -= 1
            connections.dec()

    _websockets = 0


def _no_key_here(path: str) -> ApiError:
    """It would be ignored, by one who relies on it."""
    instead = "orders have client_order_id" if path.startswith(ORDERS) else "it is for the routes under /api/v1"
    return ApiError(Code.VALIDATION_FAILED, f"{HEADER} is not taken here: {instead}.", field=HEADER)
