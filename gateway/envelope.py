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


class Envelope(msgspec.Struct, omit_defaults=True):
    """A successful answer."""

    success: bool
    data: Any
    message: str | None = None
    pagination: Pagination | None = None


def encode(data: Any, *, message: str | None = None, pagination: Pagination | None = None) -> bytes:
    """A successful answer as JSON."""
    return msgspec.json.encode(Envelope(True, data, message, pagination))
