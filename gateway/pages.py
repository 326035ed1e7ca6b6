"""What every list takes: a page and its size."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response

from gateway import limits
from gateway.envelope import CursorPage, Pagination, encode
from gateway.errors import ApiError, Code

Page = Annotated[int, Query(ge=1, le=limits.PAGE_WINDOW_MAX, description="From 1")]
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
    tag = entity_tag(body)
    headers = {"etag": tag, "cache-control": "no-cache"}
    if unchanged(request, tag):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return Response(body, headers=headers, media_type="application/json")


def entity_tag(body: bytes) -> str:
    """Names a body; weak, because the same may travel compressed (RFC 9110, section 8.8.3)."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def unchanged(request: Request, tag: str) -> bool:
    """Whether the client says that it has what the tag names (RFC 9110, section 13.1.2)."""
    named = request.headers.get("if-none-match", "")
    return named.strip() == "*" or tag in {one.strip() for one in named.split(",")}


def answer(
    data: Any,
    pagination: Pagination | CursorPage | None = None,
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A successful answer of the application."""
    return Response(encode(data, pagination=pagination), status, headers, media_type="application/json")
