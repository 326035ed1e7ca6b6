"""Lists that are read with a cursor.

It names the last row that was shown or looked at, so what is written meanwhile moves nothing: no row is shown twice,
and none that was there at the beginning is left out.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Protocol

from fastapi import Query, Response
from sqlalchemy import Row, Select, tuple_
from sqlalchemy.sql.elements import NamedColumn

from gateway import limits
from gateway.database import Database
from gateway.envelope import CursorPage
from gateway.errors import ApiError, Code
from gateway.fields import Moment
from gateway.pages import answer
from gateway.searches import Filter, page_that_fits
from schemas.units import INT64_MAX

Since = Annotated[Moment | None, Query(description="Not before this time")]
Until = Annotated[Moment | None, Query(description="Before this time")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=40,
        description="`next_cursor` of the answer before",
        json_schema_extra={"pattern": "^([0-7][0-9a-f]{15}|[0-9a-f]{1,15})-([0-7][0-9a-f]{15}|[0-9a-f]{1,15})$"},
    ),
]
Limit = Annotated[int, Query(ge=1, le=limits.PAGE_SIZE_MAX, description="Rows of one answer")]

MaybeLimit = Annotated[
    int | None, Query(ge=1, le=limits.PAGE_SIZE_MAX, description="Rows of one answer that is read with a cursor")
]
"""Of lists that come in pages unless this or a cursor is named."""

Order = tuple[NamedColumn[Any], NamedColumn[Any]]
"""What a list is sorted by, each with the name of a column that is shown; together they name a row."""

_CURSOR: Final = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})", re.ASCII)


class Shown(Protocol):
    """Makes the objects that clients see of rows."""

    @property
    def columns(self) -> tuple[NamedColumn[Any], ...]:
        """What is selected."""

    def __call__(self, row: Sequence[Any]) -> dict[str, Any]:
        """The object in a row of `columns`."""


async def answer_newest(
    database: Database,
    shown: Shown,
    reached: Select[Any],
    filters: Sequence[Filter],
    order: Order,
    cursor: str | None,
    limit: int,
) -> Response:
    """The rows after a cursor that fit, newest first, and the cursor of those that follow. Raises ApiError."""
    if cursor is not None:
        first, second = _after(cursor)
        # The second condition follows from the first, but PostgreSQL sees only by it which partitions are newer.
        reached = reached.where(tuple_(*order) < tuple_(first, second), order[0] <= first)
    rows = await database.rows(page_that_fits(reached, filters, shown.columns, order, limit + 1))
    found = [row for row in rows if not row.is_end]
    page = found[:limit]
    more = page[-1] if len(found) > limit else next((row for row in rows if row.is_end), None)
    following = None if more is None else _cursor(more, order)
    return answer([shown(row[1:]) for row in page], CursorPage(limit, following))


def _cursor(row: Row[Any], order: Order) -> str:
    first, second = (row._mapping[column.name] for column in order)  # noqa: SLF001 - SQLAlchemy's documented name
    return f"{first:x}-{second:x}"


def _after(cursor: str) -> tuple[int, int]:
    found = _CURSOR.fullmatch(cursor)
    if found:
        first, second = int(found[1], 16), int(found[2], 16)
        if max(first, second) <= INT64_MAX:
            return first, second
    raise ApiError(Code.VALIDATION_FAILED, "The cursor is none of ours.", field="cursor", value=cursor)
