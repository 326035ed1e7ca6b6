"""What can go wrong for a client: a closed list of codes, each with its HTTP status, and one shape for all of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway import limits


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
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"


STATUS: Final[dict[Code, int]] = {
    Code.INVALID_JSON: 400,
    Code.INVALID_REQUEST: 400,
    Code.VALIDATION_FAILED: 422,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.REQUEST_TIMEOUT: 408,
    Code.CONFLICT: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.HEADERS_TOO_LARGE: 431,
    Code.RATE_LIMITED: 429,
    Code.LIMIT_EXCEEDED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.SERVICE_UNAVAILABLE: 503,
    Code.OUTCOME_UNKNOWN: 503,
}


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


class ApiError(Exception):
    """An answer that is an error. The text is a sentence for the client."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        field: str | None = None,
        details: Any = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Code and sentence; the field that was wrong, and when to try again."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.details = details
        self.headers = dict(headers or {})
        if retry_after_s is None and self.status == STATUS[Code.SERVICE_UNAVAILABLE]:
            retry_after_s = limits.RETRY_AFTER_S
        if retry_after_s is not None:
            self.headers["retry-after"] = str(retry_after_s)
        if code is Code.UNAUTHORIZED:
            self.headers["www-authenticate"] = "Bearer"

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS[self.code]

    def body(self, correlation_id: str | None) -> ErrorAnswer:
        """The answer, ready to be encoded."""
        return ErrorAnswer(
            error=ErrorBody(self.code, self.message, self.field, self.details), correlation_id=correlation_id
        )


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
