"""Requests and answers of HTTP, as data: what is sent, and how an answer is read. Nothing here does I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from tradsys.client.errors import ClientError, ErrorBody, OutcomeUnknownError, ProtocolError, api_error

T = TypeVar("T")

CORRELATION: Final = "x-correlation-id"
OK: Final = range(200, 300)
"""Statuses that say that it was done."""


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    """For each of its parts: to send it, and to read the answer."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes


class Failure(NamedTuple):
    """Why nothing came back."""

    was_sent: bool
    """Whether the request, or a part of it, may have reached the gateway."""
    why: str


class Envelope(msgspec.Struct, frozen=True):
    """The shape of every answer."""

    success: bool
    data: msgspec.Raw = msgspec.Raw(b"null")
    pagination: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorBody | None = None
    correlation_id: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """An operation of the gateway: how it is asked for, what its answer means, and what may be done when none comes."""

    method: str
    path: str
    read: Callable[[Answer, Envelope], T]
    """Raises msgspec.DecodeError for what it cannot read."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Sent as JSON; None: no body."""
    needs_login: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    """Whether an Idempotency-Key makes repetitions safe."""
    changes: bool = False
    """Whether it matters that it may have been done though no answer came."""
    is_repeatable: bool = True
    """Whether to do it twice is the same as to do it once."""
    wait_s: float = 0.0
    """How long the gateway is asked to wait."""
    repeated: "Call[T] | None" = None
    """What is asked instead once it may have been done already."""
    client_order_ids: tuple[str, ...] = ()
    """The orders that it places."""
    takes_any_status: bool = False
    """Whether `read` is given answers with an error's status, too."""

    def request(self, token: str | None, correlation_id: str, timeout_s: float) -> Request:
        """What is sent."""
        headers = {CORRELATION: correlation_id, "accept": "application/json", **self.headers}
        if self.has_key:
            headers["idempotency-key"] = correlation_id  # which all attempts of a call share
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        body = None
        if self.body is not None:
            headers["content-type"] = "application/json"
            body = msgspec.json.encode(self.body)
        return Request(self.method, self.path, self.query, headers, body, timeout_s + self.wait_s)

    def result(self, answer: Answer) -> T:
        """What an answer means. Raises ClientError for an error, and for what cannot be read."""
        correlation_id = answer.headers.get(CORRELATION)
        try:
            envelope = _ENVELOPE.decode(answer.body)
            if answer.status in OK or (self.takes_any_status and envelope.error is None):
                return self.read(answer, envelope)
        except msgspec.DecodeError as error:
            raise ProtocolError(
                f"{self.method} {self.path} was answered {answer.status} with what this client cannot read: {error}.",
                status=answer.status,
                correlation_id=correlation_id,
            ) from error
        raise error_of(answer, envelope)


def error_of(answer: Answer, envelope: Envelope) -> ClientError:
    """The exception for an answer that is an error."""
    if envelope.error is None:
        return ProtocolError(f"An answer with status {answer.status} names no error.", status=answer.status)
    return api_error(
        envelope.error,
        status=answer.status,
        correlation_id=envelope.correlation_id or answer.headers.get(CORRELATION),
        retry_after_s=retry_after_s(answer.headers),
    )


def refusal(answer: Answer) -> ClientError:
    """The exception for an answer to something that is no Call: a handshake that was refused."""
    try:
        return error_of(answer, _ENVELOPE.decode(answer.body))
    except msgspec.DecodeError:
        return ProtocolError(f"The handshake was answered {answer.status}.", status=answer.status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; None where none stands, or one that this gateway does not send."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() and value.isascii() else None


def as_it_is(kind: type[T]) -> Callable[[Answer, Envelope], T]:
    """A reader of answers whose `data` is just that."""
    decode = msgspec.json.Decoder(kind).decode
    return lambda _, envelope: decode(envelope.data)


def server_time_s(headers: Mapping[str, str]) -> float | None:
    """What the gateway's clock shows, seconds since 1970; None where it does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def unknown_outcome(call: Call[T], cause: ClientError, correlation_id: str) -> OutcomeUnknownError:
    """What is said of a change of which nobody knows whether it was made."""
    advice = (
        "it is safe to place it again with the same client_order_id"
        if call.client_order_ids
        else "look how things stand before it is done again"
    )
    return OutcomeUnknownError(
        f"{call.method} {call.path} may have been done or not; {advice}. Last: {cause.message}",
        client_order_ids=call.client_order_ids,
        correlation_id=cause.correlation_id or correlation_id,
    )
