"""ASGI without a framework: what the lean path reads of a request and how it answers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import msgspec

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.errors import ApiError, Code

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SECURITY_HEADERS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
"""On every answer, whoever makes it."""
NOT_STORED: Final = (b"cache-control", b"no-store")
"""On every answer that says nothing else of caches."""


_OF_ALL: Final = b"".join(b"%b: %b\r\n" % header for header in (*SECURITY_HEADERS, NOT_STORED))

WHOLE: Final = "tradsys.whole"
"""The ASGI extension of a server that takes an answer as it goes over the wire, at once."""
WriteWhole = Callable[[int, bytes, bytes], Awaitable[None]]
"""Writes a status, header lines and a body."""


def with_security(headers: Headers) -> Headers:
    """The headers of an answer, with all of the above that it does not say itself."""
    said = {name for name, _ in headers}
    return [*headers, *(header for header in (*SECURITY_HEADERS, NOT_STORED) if header[0] not in said)]


JSON: Final = b"application/json"
PROBLEM_JSON: Final = b"application/problem+json"


class Heads(msgspec.Struct):
    """The headers that the gateway looks at."""

    authorization: bytes | None = None
    content_type: bytes | None = None
    content_length: bytes | None = None
    transfer_encoding: bytes | None = None
    correlation_id: bytes | None = None
    accept: bytes | None = None
    accept_encoding: bytes | None = None
    origin: bytes | None = None
    idempotency_key: bytes | None = None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Heads":
        """Read them once."""
        heads = cls()
        for name, value in headers:
            field = _FIELDS.get(name)
            if field is not None:
                setattr(heads, field, value)
        return heads


_FIELDS: Final = {
    (b"x-correlation-id" if field == "correlation_id" else field.replace("_", "-").encode()): field
    for field in Heads.__struct_fields__
}
"""By the header's name."""


class Request(msgspec.Struct):
    """A request of the lean path."""

    path: str
    query: bytes
    heads: Heads
    correlation_id: str
    body: bytes
    identity: Identity
    """Who asks, and has the right to; NOBODY where everybody may."""
    address: str
    """Whence it came, as budgets count."""


class Reply(msgspec.Struct):
    """An answer of the lean path: JSON, ready."""

    status: int
    body: bytes
    headers: Headers = []
    content_type: bytes = JSON


Handler = Callable[[Request], Awaitable[Reply]]


def host_of(scope: Scope) -> str:
    """From where a client asks."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


async def read_body(heads: Heads, receive: Receive) -> bytes:
    """The whole body, within limits of size and time. Raises ApiError."""
    if heads.content_length is None and heads.transfer_encoding is None:
        return b""
    if heads.content_length == b"0":
        await receive()
        return b""
    try:
        async with asyncio.timeout(limits.BODY_TIMEOUT_S):
            return await _read(heads, receive)
    except TimeoutError:
        raise ApiError(Code.REQUEST_TIMEOUT, f"The body did not arrive within {limits.BODY_TIMEOUT_S:.0f} s.") from None


async def respond(scope: Scope, send: Send, reply: Reply, correlation_id: str, more: Headers) -> None:
    """Send an answer of the lean path, with more headers."""
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-correlation-id", correlation_id.encode()),
        *reply.headers,
        *more,
    ]
    write: WriteWhole | None = scope.get("extensions", {}).get(WHOLE)
    if write is not None:
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
            raise ValueError("a header has a line break in it")
        await write(reply.status, _OF_ALL + lines, reply.body)
        return
    headers += (*SECURITY_HEADERS, NOT_STORED)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def respond_empty(send: Send, headers: Headers, status: int = 204) -> None:
    """Send an answer without a body."""
    await send({"type": "http.response.start", "status": status, "headers": [*SECURITY_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b""})


def error_reply(error: ApiError, correlation_id: str | None, accept: bytes | None = None) -> Reply:
    """An error as an answer: in the envelope, or as a problem where the client's Accept header asks for it."""
    headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    headers.append((b"vary", b"accept"))
    if error.code in {Code.PAYLOAD_TOO_LARGE, Code.REQUEST_TIMEOUT}:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    if accept is not None and PROBLEM_JSON in accept.lower() and _prefers_problem(accept):
        return Reply(error.status, msgspec.json.encode(error.problem(correlation_id)), headers, PROBLEM_JSON)
    return Reply(error.status, msgspec.json.encode(error.body(correlation_id)), headers)


def _prefers_problem(accept: bytes) -> bool:
    """Whether problems are named, and are as welcome as plain JSON (RFC 9110, section 12.5.1)."""
    weights = {JSON: 0.0, PROBLEM_JSON: 0.0}
    for offer in accept.lower().split(b","):
        name, *parameters = (part.strip() for part in offer.split(b";"))
        if name in weights:
            texts = [text[2:] for text in parameters if text.startswith(b"q=")]
            try:
                weights[name] = float(texts[0]) if texts else 1.0
            except ValueError:
                weights[name] = 0.0
    return 0.0 < weights[PROBLEM_JSON] >= weights[JSON]


def require_json(content_type: bytes | None) -> None:
    """Raises ApiError unless a body says that it is JSON."""
    if content_type is None or content_type.split(b";")[0].strip().lower() != JSON:
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON, sent with Content-Type: application/json.")


async def _read(heads: Heads, receive: Receive) -> bytes:
    body = b""
    is_small = heads.content_length is None or int(heads.content_length) <= limits.BODY_BYTES_MAX
    event: Event = {"more_body": True}
    while is_small and event.get("more_body"):
        event = await receive()
        body += event.get("body", b"")
        is_small = len(body) <= limits.BODY_BYTES_MAX
    if is_small:
        return body
    # Read on, and keep nothing: a client that is cut off while it sends would not see the answer.
    size = 0
    while event.get("more_body") and size < limits.DRAIN_BYTES_MAX:
        event = await receive()
        size += len(event.get("body", b""))
    raise ApiError(Code.PAYLOAD_TOO_LARGE, f"The body is larger than {limits.BODY_BYTES_MAX} bytes.")
