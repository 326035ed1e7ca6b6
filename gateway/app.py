"""The ASGI application: the lean path first, then FastAPI, and one shape for everything that goes wrong."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from gateway import limits
from gateway.asgi import (
    JSON,
    NOT_STORED,
    SECURITY_HEADERS,
    Event,
    Handler,
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
from gateway.auth.callers import Callers
from gateway.correlation import CORRELATION, begin
from gateway.errors import CATALOGUE, ApiError, Code, Violation, violation
from gateway.guard import Guard
from gateway.idempotency import DECIDED_ONCE, HEADER, Repeats
from gateway.metrics import Metrics
from gateway.openapi import complete, takes_idempotency_key
from gateway.orders.lean import BATCH, CANCEL_AFTER, CHECK, ORDER, ORDERS, LeanOrders, openapi_paths
from gateway.rates import address_of
from gateway.rights import EVERYBODY, ROUTES, right_to_post
from gateway.stream.door import Door
from gateway.stream.session import Session, deny
from gateway.strict import MISSING, UNKNOWN, refused, require_strict

WEBSOCKET: Final = "/ws"
NO_CONTENT: Final = 204
GZIP_LEVEL: Final = 4
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_LEAN_METHODS: Final = {ORDERS: "POST, DELETE", ORDER: "DELETE, PATCH"}
_LEAN_ONLY: Final = {BATCH: "POST", CANCEL_AFTER: "POST", CHECK: "POST"}
"""Paths of which FastAPI knows nothing, with their methods."""
_OF_EACH_ANSWER: Final = frozenset(
    {b"content-type", b"content-length", *(name for name, _ in SECURITY_HEADERS), NOT_STORED[0]}
)
"""Headers that are said again with every answer."""
REFUSED_AS: Final = "tradsys.refused_as"
"""In the scope of a request that was refused: the code."""
_WITH_SECRETS: Final = ("/auth/", "/api/v1/admin/users")
"""Where a whole body, or a field that we do not know, may be a password that stands in the wrong place."""
_MAY_HAVE_ACTED: Final = frozenset({Code.OUTCOME_UNKNOWN, Code.INTERNAL_ERROR})
_CODES: Final = {entry.status: code for code, entry in reversed(CATALOGUE.items())}

_log: Final = structlog.get_logger("gateway")


class Gateway:
    """Everything that a client can reach in one process."""

    def __init__(
        self,
        application: FastAPI,
        orders: LeanOrders,
        door: Door,
        guard: Guard,
        repeats: Repeats,
        metrics: Metrics,
    ) -> None:
        """FastAPI with its routes, the lean path, what WebSocket sessions share, what lets in, what was asked before,
        and what counts.
        """
        self._application = application
        self._orders = orders
        self._exact: dict[tuple[str, str], Handler] = {
            ("POST", ORDERS): orders.place,
            ("DELETE", ORDERS): orders.cancel_all,
            ("POST", CANCEL_AFTER): orders.cancel_after,
            ("POST", CHECK): orders.check,
            ("POST", BATCH): orders.batch,
        }
        self._door = door
        self._guard = guard
        self._repeats = repeats
        self._metrics = metrics
        self._count = metrics.requests.labels
        self._seconds = {
            route: metrics.seconds.labels(route).observe for route in (ORDERS, CHECK, ORDER + "{order_id}")
        }

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
        handler, route = self._lean(scope["method"], scope["path"])
        more = self._guard.cors(heads)
        try:
            body = await read_body(heads, receive)
            more += await self._guard.admit(scope, heads)
            if heads.idempotency_key is not None and scope["method"] == "POST":
                route, reply = await self._once(scope, heads, body)
                await respond(send, reply, correlation, more)
                self._counted(scope["method"], route, reply.status, started)
                return
            if handler is None:
                named = [*more, (b"x-correlation-id", correlation.encode())]
                route, status = await self._framework(scope, heads, body, send, named)
                self._counted(scope["method"], route, status, started)
                return
            right = ROUTES[scope["method"], route]
            assert right is not EVERYBODY
            host = host_of(scope)
            identity = await self._door.callers.admit(heads.authorization, right, host)
            query = scope["query_string"]
            reply = await handler(
                LeanRequest(scope["path"], query, heads, correlation, body, identity, address_of(host))
            )
        except ApiError as error:
            reply = error_reply(error, correlation, heads.accept)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the trace
            _log.exception("request_failed", method=scope["method"], path=scope["path"])
            reply = error_reply(_internal(), correlation, heads.accept)
        await respond(send, reply, correlation, more)
        self._counted(scope["method"], route, reply.status, started)

    def _lean(self, method: str, path: str) -> tuple[Handler | None, str]:
        handler = self._exact.get((method, path))
        if handler is not None:
            return handler, path
        if path.startswith(ORDER) and "/" not in path[len(ORDER) :]:
            if method == "DELETE":
                return self._orders.cancel, ORDER + "{order_id}"
            if method == "PATCH":
                return self._orders.amend, ORDER + "{order_id}"
        return None, "unmatched"

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
        if scope["path"] in _LEAN_ONLY:
            raise _not_allowed(scope["method"], _LEAN_ONLY[scope["path"]])
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
        self._count(method if method in _METHODS else "other", route, status).inc()
        observe = self._seconds.get(route)
        if observe is None:
            observe = self._seconds[route] = self._metrics.seconds.labels(route).observe
        observe(time.perf_counter() - started)

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


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def make_application(lifespan: Any, callers: Callers) -> FastAPI:
    """FastAPI without routes, with the guard of all routes, our errors, and the lean path in its document."""

    async def guard(request: Request) -> None:
        """Raises ApiError for one who may not. A route that is not in the table is not served."""
        right = ROUTES[request.method, request.scope["route"].path]
        if right is not EVERYBODY:
            authorization = Heads.of(request.scope["headers"]).authorization
            request.state.identity = await callers.admit(authorization, right, host_of(request.scope))

    application = FastAPI(
        title="TradSys",
        version="0.1.0",
        description="A trading venue whose truth is a log. Money and quantities are decimal strings; ids are strings.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guard)],
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    application.add_exception_handler(ApiError, _api_error)
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(RequestValidationError, _validation_error)
    application.add_exception_handler(Exception, _unexpected)
    application.add_middleware(GZipMiddleware, minimum_size=limits.GZIP_BYTES_MIN, compresslevel=GZIP_LEVEL)
    _document(application)
    return application


def _document(application: FastAPI) -> None:
    """Put the lean path into the OpenAPI document."""
    describe: Callable[[], dict[str, Any]] = application.openapi

    def with_lean_path() -> dict[str, Any]:
        if application.openapi_schema is None:
            document = describe()
            paths, schemas = openapi_paths()
            for path, operations in paths.items():
                document["paths"].setdefault(path, {}).update(operations)
            document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
            application.openapi_schema = complete(document)
        return application.openapi_schema

    application.openapi = with_lean_path  # type: ignore[method-assign] # FastAPI's documented way


def _render(request: Request, error: ApiError) -> Response:
    request.scope[REFUSED_AS] = error.code
    accept = request.headers.get("accept")
    reply = error_reply(error, CORRELATION.get(), None if accept is None else accept.encode("latin-1"))
    named = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, named, reply.content_type.decode())


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _render(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such route, another method."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _render(request, ApiError(Code.NOT_FOUND, f"There is nothing at {path[:200]}."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        template = ORDER if path.startswith(ORDER) else path
        allowed = [name for name in (headers.get("Allow"), _LEAN_METHODS.get(template)) if name]
        return _render(request, _not_allowed(method, ", ".join(allowed)))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _render(request, ApiError(Code.INVALID_JSON, "The body is not JSON that we can read."))
    code = _CODES.get(error.status_code, Code.INVALID_REQUEST)
    return _render(request, ApiError(code, str(error.detail)))


async def _validation_error(request: Request, error: Exception) -> Response:
    """Query, path or body are not as they should be: the first problem as the error, all of them in details."""
    assert isinstance(error, RequestValidationError)
    has_secrets = request.url.path.startswith(_WITH_SECRETS)
    return _render(request, refused([_violation(problem, has_secrets) for problem in error.errors()]))


def _violation(problem: Mapping[str, Any], has_secrets: bool) -> Violation:  # noqa: FBT001 - of its route
    path = ".".join(str(part) for part in problem["loc"][1:])
    if problem["type"] == "missing":
        return violation(path, MISSING)
    if problem["type"] == "extra_forbidden":
        return violation(path, UNKNOWN, msgspec.UNSET if has_secrets else problem["input"])
    rule = str(problem["msg"])
    is_hidden = has_secrets and not path
    return violation(path, rule[0].lower() + rule[1:], msgspec.UNSET if is_hidden else problem["input"])


async def _unexpected(request: Request, _: Exception) -> Response:
    return _render(request, _internal())


def _not_allowed(method: str, allowed: str) -> ApiError:
    return ApiError(
        Code.METHOD_NOT_ALLOWED, f"{method} is not allowed here; allowed: {allowed}.", headers={"allow": allowed}
    )


def _no_key_here(path: str) -> ApiError:
    """It would be ignored, by one who relies on it."""
    instead = "orders have client_order_id" if path.startswith(ORDERS) else "it is for the routes under /api/v1"
    return ApiError(Code.VALIDATION_FAILED, f"{HEADER} is not taken here: {instead}.", field=HEADER)


def _internal() -> ApiError:
    return ApiError(Code.INTERNAL_ERROR, "Something went wrong on our side; the correlation id finds it in our log.")
