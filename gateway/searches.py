"""Filters that have no index: what one request looks through for them is bounded, whether anything fits or not."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, literal, select
from sqlalchemy.sql.elements import NamedColumn
from sqlalchemy.sql.selectable import FromClause, Subquery

from gateway import limits


class Filter(NamedTuple):
    """What a row must be to be shown."""

    column: str
    compare: Callable[[Any, Any], Any]
    """From the module operator."""
    value: Any


def newest_that_fit(
    reached: Select[Any],
    filters: Sequence[Filter],
    columns: Sequence[NamedColumn[Any]],
    order: Sequence[ColumnElement[Any]],
) -> Select[Any]:
    """The columns of those rows that fit, newest first, among the newest ROWS_SEARCHED_MAX that an index reaches.

    `reached` selects them without an order; `order` says what is oldest first.
    """
    if not filters:
        return reached.with_only_columns(*columns).order_by(*(age.desc() for age in order))
    # Named in the subquery, so that PostgreSQL knows its rows to be sorted and stops at the last one of the page.
    ages = [age.label(f"age_{number}") for number, age in enumerate(order)]
    searched = (
        reached.with_only_columns(*columns, *ages)
        .order_by(*(age.desc() for age in order))
        .limit(limits.ROWS_SEARCHED_MAX)
        .subquery("searched")
    )
    return (
        select(*(searched.c[column.name] for column in columns))
        .where(*_conditions(searched, filters))
        .order_by(*(searched.c[age.name].desc() for age in ages))
    )


def page_that_fits(
    reached: Select[Any],
    filters: Sequence[Filter],
    columns: Sequence[NamedColumn[Any]],
    order: Sequence[NamedColumn[Any]],
    limit: int,
) -> Select[Any] | CompoundSelect[Any]:
    """At most `limit` rows that fit, newest first, and behind them the row at which the search ended.

    Rows begin with whether it is that one, which is there only when fewer fit and more could be looked through. All is
    of one moment, so a cursor of that row leaves nothing out and shows nothing twice.
    """
    if not filters:
        rows = newest_that_fit(reached, filters, columns, order).limit(limit)
        return rows.with_only_columns(literal(value=False).label("is_end"), *columns)
    found = newest_that_fit(reached, filters, columns, order).limit(limit).cte("found")
    last = (
        reached.with_only_columns(*columns)
        .order_by(*(age.desc() for age in order))
        .offset(limits.ROWS_SEARCHED_MAX - 1)
        .limit(1)
        .subquery("last")
    )
    few = select(func.count()).select_from(found).scalar_subquery() < limit
    both = _marked(found, is_end=False).union_all(_marked(last, is_end=True).where(few)).subquery("both")
    names = dict.fromkeys(age.name for age in order)
    return select(both).order_by(both.c.is_end, *(both.c[name].desc() for name in names))


def _conditions(rows: Subquery, filters: Sequence[Filter]) -> list[ColumnElement[bool]]:
    return [compare(rows.c[name], value) for name, compare, value in filters]


def _marked(rows: FromClause, *, is_end: bool) -> Select[Any]:
    return select(literal(is_end).label("is_end"), *rows.c)
