"""What can go wrong for a client: a closed list of codes, each with its HTTP status, and one shape for all of them."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from gateway import limits
from schemas.units import INT64_MAX


class Code(StrEnum):
    """The error codes. Refusals of orders carry the venue's reason in details instead."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_REQUEST = "INVALID_REQUEST"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    CONFLICT = "CONFLICT"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    PRECONDITION_REQUIRED = "PRECONDITION_REQUIRED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    URI_TOO_LONG = "URI_TOO_LONG"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"


CATALOGUE_PATH: Final = "/errors"
SECRETS: Final = frozenset({"password", "token", "refresh_token", "ticket", "secret", "code"})
"""Fields whose values are never shown."""


class Entry(NamedTuple):
    """What is said of a code once and for all."""

    status: int
    """The HTTP status."""
    title: str
    """A few words that are the same for every occurrence."""
    meaning: str
    remedy: str
    """What a client does about it."""


CATALOGUE: Final[dict[Code, Entry]] = {
    Code.INVALID_JSON: Entry(
        400, "Not JSON", "The body or message is not JSON, or an object in it has a key twice.", "Mend the program."
    ),
    Code.INVALID_REQUEST: Entry(
        400, "Request cannot be read", "The request is not HTTP, or not what this place takes.", "Mend the program."
    ),
    Code.VALIDATION_FAILED: Entry(
        422,
        "A value is not as it must be",
        "`details` lists every field that is wrong: its path, the given value and the rule.",
        "Mend what `details` names.",
    ),
    Code.UNAUTHORIZED: Entry(
        401, "Who asks is not known", "There is no token, or it is altered or too old.", "Log in, and send the token."
    ),
    Code.FORBIDDEN: Entry(
        403, "Not allowed", "Who asks is known and may not do this.", "Ask the operator for the right."
    ),
    Code.NOT_FOUND: Entry(
        404, "Not there", "There is no such thing, or it belongs to another account.", "Look at the path and the ids."
    ),
    Code.METHOD_NOT_ALLOWED: Entry(
        405, "Another method is needed", "The path takes other methods; `Allow` names them.", "Use one of them."
    ),
    Code.REQUEST_TIMEOUT: Entry(
        408, "The body came too slowly", "The body did not arrive in time.", "Send it again, on a new connection."
    ),
    Code.CONFLICT: Entry(
        409,
        "It cannot be done as things stand",
        "What is asked for contradicts what has happened already, such as a cancel of a filled order.",
        "Read how things stand, then decide.",
    ),
    Code.PRECONDITION_FAILED: Entry(
        412,
        "It has changed meanwhile",
        "`If-Match` names another state than the one that there is.",
        "Read it again, and decide again.",
    ),
    Code.PRECONDITION_REQUIRED: Entry(
        428,
        "It must be said what is changed",
        "A change needs `If-Match` with the `ETag` of what was read, so that nobody overwrites what he has not seen.",
        "Read it, and send its `ETag`.",
    ),
    Code.PAYLOAD_TOO_LARGE: Entry(413, "Body too large", "The body is larger than the limit.", "Send less at a time."),
    Code.URI_TOO_LONG: Entry(414, "Query too long", "The query has too many bytes or parameters.", "Ask for less."),
    Code.UNSUPPORTED_MEDIA_TYPE: Entry(
        415, "The body must be JSON", "The body is not sent as `application/json`.", "Say so in `Content-Type`."
    ),
    Code.HEADERS_TOO_LARGE: Entry(
        431, "Headers too large", "Request line and headers are larger than the limit.", "Send fewer of them."
    ),
    Code.RATE_LIMITED: Entry(
        429, "Too many requests", "More was asked in a time than is allowed.", "Wait as `Retry-After` says."
    ),
    Code.LIMIT_EXCEEDED: Entry(
        429,
        "Too many at a time",
        "So many channels, connections or commands under way are not allowed at a time.",
        "End or await some of them.",
    ),
    Code.INTERNAL_ERROR: Entry(
        500, "A mistake of ours", "Something went wrong inside.", "Tell the operator the correlation id."
    ),
    Code.SERVICE_UNAVAILABLE: Entry(
        503,
        "Not at the moment",
        "A part that this needs is away or has all the work that it takes. Nothing was done.",
        "Try again after `Retry-After`.",
    ),
    Code.OUTCOME_UNKNOWN: Entry(
        503,
        "It may have happened",
        "The log or the database did not acknowledge in time.",
        "Send an order again with the same `client_order_id`: it is done once. Else look how things stand.",
    ),
}


class Violation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value that is not as it must be."""

    path: str
    """Where it stands, with dots between names; empty for the whole body."""
    rule: str
    """What it must be, or what is wrong with it."""
    value: Any = msgspec.UNSET
    """What was given: text, whole numbers and booleans as they are, the rest as JSON in a text, cut short.

    Left out where nothing was given, or it is a secret.
    """


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """What stands under `error`."""

    code: str
    message: str
    field: str | None = None
    details: Any = None


class ErrorAnswer(msgspec.Struct, kw_only=True):
    """A whole error answer."""

    success: bool = False
    error: ErrorBody
    correlation_id: str | None


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The same as problem details of RFC 9457, for clients that ask for them."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    details: Any = None
    correlation_id: str | None


class ApiError(Exception):
    """An answer that is an error. The text is a sentence for the client."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        field: str | None = None,
        value: Any = msgspec.UNSET,
        details: Any = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Code and sentence; the field that was wrong with the value that was given, and when to try again."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        if details is None and code is Code.VALIDATION_FAILED and field is not None:
            details = [violation(field, message.removesuffix("."), value)]
        self.details = details
        self.headers = dict(headers or {})
        if retry_after_s is None and self.status == CATALOGUE[Code.SERVICE_UNAVAILABLE].status:
            retry_after_s = limits.RETRY_AFTER_S
        if retry_after_s is not None:
            self.headers["retry-after"] = str(retry_after_s)
        if code is Code.UNAUTHORIZED:
            self.headers["www-authenticate"] = "Bearer"

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return CATALOGUE[self.code].status

    def under(self, name: str) -> "ApiError":
        """The same, said of an object in which what was wrong stands under a name."""
        if self.code is not Code.VALIDATION_FAILED:
            return self
        details = [replace(one, path=f"{name}.{one.path}") for one in self.details or ()]
        field = name if self.field is None else f"{name}.{self.field}"
        return ApiError(self.code, self.message, field=field, details=details or None)

    def body(self, correlation_id: str | None) -> ErrorAnswer:
        """The answer, ready to be encoded."""
        return ErrorAnswer(
            error=ErrorBody(self.code, self.message, self.field, self.details), correlation_id=correlation_id
        )

    def problem(self, correlation_id: str | None) -> Problem:
        """The answer as problem details; `type` is a path of this server that explains the code."""
        entry = CATALOGUE[self.code]
        return Problem(
            type=f"{CATALOGUE_PATH}/{self.code}",
            title=entry.title,
            status=entry.status,
            detail=self.message,
            code=self.code,
            field=self.field,
            details=self.details,
            correlation_id=correlation_id,
        )


def violation(path: str, rule: str, value: Any = msgspec.UNSET) -> Violation:
    """A violation with the value as it may be shown."""
    if value is msgspec.UNSET or not SECRETS.isdisjoint(path.split(".")):
        return Violation(_encodable(path), rule)
    return Violation(_encodable(path), rule, _shown(value))


def _shown(value: Any) -> Any:
    if value is None or (isinstance(value, bool | int) and -INT64_MAX <= value <= INT64_MAX):
        return value
    text = _encodable(value if isinstance(value, str) else json.dumps(value, default=str))
    if len(text) > limits.SHOWN_CHARACTERS_MAX:
        return text[: limits.SHOWN_CHARACTERS_MAX] + "..."
    return text


def _encodable(text: str) -> str:
    """JSON can escape half of a surrogate pair, which is no character."""
    return text.encode(errors="replace").decode()


def together(errors: Iterable[ApiError]) -> ApiError:
    """422 with what several errors name; the first is the sentence."""
    found = list(errors)
    details = [one for error in found for one in error.details]
    return ApiError(Code.VALIDATION_FAILED, found[0].message, field=found[0].field, details=details)


def unavailable(what: str) -> ApiError:
    """503: a dependency is away; nothing was done."""
    return ApiError(Code.SERVICE_UNAVAILABLE, f"{what} cannot be reached at the moment; nothing was done, try again.")


def outcome_unknown() -> ApiError:
    """503: a command was handed over and not acknowledged in time."""
    return ApiError(
        Code.OUTCOME_UNKNOWN,
        "The log did not acknowledge in time, so the outcome is unknown. It is safe to retry with the same "
        "client_order_id: the order will not be placed twice.",
    )
