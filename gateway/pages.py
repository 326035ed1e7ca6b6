"""What every list takes: a page and its size."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response

from gateway import limits
from gateway.envelope import Pagination, encode
from gateway.errors import ApiError, Code

Page = Annotated[int, Query(ge=1, le=limits.PAGE_WINDOW_MAX, description="From 1, newest first")]
PageSize = Annotated[int, Query(ge=1, le=limits.PAGE_SIZE_MAX)]


def require_window(page: int, page_size: int) -> None:
    """Raises ApiError for a page beyond what lists reach."""
    if page * page_size > limits.PAGE_WINDOW_MAX:
        raise ApiError(
            Code.VALIDATION_FAILED,
            f"Pages reach the newest {limits.PAGE_WINDOW_MAX} rows; with page_size {page_size} that is page "
            f"{limits.PAGE_WINDOW_MAX // page_size}. Narrow the list instead.",
            field="page",
        )


def answer_or_unchanged(request: Request, data: Any) -> Response:
    """A successful answer that changes seldom: 304 for a client that names the state that it has."""
    body = encode(data)
    return unchanged(request, body) or Response(body, headers=_cached(body), media_type="application/json")


def unchanged(request: Request, body: bytes) -> Response | None:
    """304 when the client has this very body (RFC 9110, section 13.1.2), else None."""
    headers = _cached(body)
    named = request.headers.get("if-none-match", "")
    if named.strip() == "*" or headers["etag"] in {tag.strip() for tag in named.split(",")}:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return None


def _cached(body: bytes) -> dict[str, str]:
    # Weak: the same state may travel compressed.
    return {"etag": f'W/"{hashlib.sha256(body).hexdigest()[:32]}"', "cache-control": "no-cache"}


def answer(data: Any, pagination: Pagination | None = None) -> Response:
    """A successful answer of the application."""
    return Response(encode(data, pagination=pagination), media_type="application/json")
