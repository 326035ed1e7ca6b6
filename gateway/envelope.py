"""The shape of every answer: success, data, message, pagination."""

from typing import Any

import msgspec


class Pagination(msgspec.Struct):
    """Where a page stands in its list."""

    page: int
    page_size: int
    total: int
    total_pages: int

    @classmethod
    def of(cls, page: int, page_size: int, total: int) -> "Pagination":
        """The numbers that follow from these."""
        return cls(page, page_size, total, -(-total // page_size))


class CursorPage(msgspec.Struct):
    """Where the next page of a list begins that is read with a cursor."""

    limit: int
    next_cursor: str | None
    """None at the end."""


class Envelope(msgspec.Struct, omit_defaults=True):
    """A successful answer."""

    success: bool
    data: Any
    message: str | None = None
    pagination: Any = None
    """A Pagination, or a CursorPage."""


def encode(data: Any, *, message: str | None = None, pagination: Pagination | CursorPage | None = None) -> bytes:
    """A successful answer as JSON."""
    return msgspec.json.encode(Envelope(True, data, message, pagination))
