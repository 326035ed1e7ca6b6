"""What every list takes: a page and its size."""

from typing import Annotated, Any

from fastapi import Query, Response

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


def answer(data: Any, pagination: Pagination | None = None) -> Response:
    """A successful answer of the application."""
    return Response(encode(data, pagination=pagination), media_type="application/json")
