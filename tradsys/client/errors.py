"""What can go wrong: closed codes of the gateway as exceptions, and what the network does to a request."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from tradsys.client.messages import Execution

T = TypeVar("T")


class Violation(msgspec.Struct, frozen=True):
    """One value that is not as it must be."""

    path: str
    """Where it stands, with dots between names; empty for the whole body."""
    rule: str
    value: Any = None
    """What was given, cut short; None also where nothing was given, or it is a secret."""


class ClientError(Exception):
    """All that a call of the client raises for what happened outside of the program."""

    def __init__(self, message: str, *, correlation_id: str | None = None) -> None:
        """A sentence, and what names the request in the logs of the venue."""
        super().__init__(message)
        self.message = message
        self.correlation_id = correlation_id


class UnreachableError(ClientError):
    """No answer came: there was no connection, or it was lost. The call changes nothing, or was never sent."""


class ProtocolError(ClientError):
    """An answer that is none of the gateway's, such as a page of a proxy, or that this release cannot read."""

    def __init__(self, message: str, *, status: int | None = None, correlation_id: str | None = None) -> None:
        """A sentence, and the HTTP status where there was one."""
        super().__init__(message, correlation_id=correlation_id)
        self.status = status


class OutcomeUnknownError(ClientError):
    """It may have happened or not: the command was sent, and no answer said what became of it.

    An order is safe to place again with the same client_order_id. `__cause__` is the last error.
    """

    def __init__(
        self, message: str, *, client_order_ids: Sequence[str] = (), correlation_id: str | None = None
    ) -> None:
        """The orders that may have been placed."""
        super().__init__(message, correlation_id=correlation_id)
        self.client_order_ids = tuple(client_order_ids)


class ApiError(ClientError):
    """The gateway answered with an error; nothing was done."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        field: str | None = None,
        violations: Sequence[Violation] = (),
        report: Execution | None = None,
        correlation_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Code, sentence and HTTP status (None over the WebSocket), and what the code has beside."""
        super().__init__(message, correlation_id=correlation_id)
        self.code = code
        self.status = status
        self.field = field
        self.violations = tuple(violations)
        """VALIDATION_FAILED: every field that is wrong."""
        self.report = report
        """CONFLICT: how the order stands, and why."""
        self.retry_after_s = retry_after_s
        """When it makes sense to ask again."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ValidationError(ApiError):
    """VALIDATION_FAILED: `violations` names every field that is wrong."""


class UnauthorizedError(ApiError):
    """UNAUTHORIZED: the password, the token or the key is not good."""


class ForbiddenError(ApiError):
    """FORBIDDEN: who asks may not do this."""


class NotFoundError(ApiError):
    """NOT_FOUND: there is no such thing, or it belongs to another account."""


class ConflictError(ApiError):
    """CONFLICT or PRECONDITION_FAILED: it cannot be done as things stand; `report` says how an order stands."""


class RateLimitedError(ApiError):
    """RATE_LIMITED or LIMIT_EXCEEDED: too much in a time, or at a time."""


class UnavailableError(ApiError):
    """SERVICE_UNAVAILABLE: a part of the venue is away."""


OUTCOME_UNKNOWN: Final = "OUTCOME_UNKNOWN"
INTERNAL_ERROR: Final = "INTERNAL_ERROR"
MAY_BE_DONE: Final = frozenset({OUTCOME_UNKNOWN, INTERNAL_ERROR})
"""Codes that do not say whether anything was done."""
BY_CODE: Final[dict[str, type[ApiError]]] = {
    "VALIDATION_FAILED": ValidationError,
    "UNAUTHORIZED": UnauthorizedError,
    "FORBIDDEN": ForbiddenError,
    "NOT_FOUND": NotFoundError,
    "CONFLICT": ConflictError,
    "PRECONDITION_FAILED": ConflictError,
    "RATE_LIMITED": RateLimitedError,
    "LIMIT_EXCEEDED": RateLimitedError,
    "SERVICE_UNAVAILABLE": UnavailableError,
}
"""Codes that have an exception of their own; the others are ApiError."""


class ErrorBody(msgspec.Struct, frozen=True):
    """What stands under `error`, in answers and messages alike."""

    code: str
    message: str
    field: str | None = None
    details: msgspec.Raw = msgspec.Raw(b"null")


def api_error(
    body: ErrorBody,
    *,
    status: int | None = None,
    correlation_id: str | None = None,
    retry_after_s: float | None = None,
) -> ApiError:
    """The exception for an error of the gateway."""
    return BY_CODE.get(body.code, ApiError)(
        body.code,
        body.message,
        status=status,
        field=body.field,
        violations=_details(body, list[Violation], "VALIDATION_FAILED") or (),
        report=_details(body, Execution, "CONFLICT"),
        correlation_id=correlation_id,
        retry_after_s=retry_after_s,
    )


def _details(body: ErrorBody, kind: type[T], code: str) -> T | None:
    """What a code has in details; None where there is nothing, or something that this release does not know."""
    if body.code != code:
        return None
    try:
        return msgspec.json.decode(body.details, type=kind)
    except msgspec.DecodeError:
        return None
