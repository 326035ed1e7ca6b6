"""The comparison of rows with the log finds what it must."""

from typing import Any

import pytest

from schemas import tables
from schemas.codec import local_codec
from tests.oracle.projected_history import History, log_of
from workers.projections.fold import Row, Rows
from workers.projections.verify import DIFFERENCES_MAX, Problem, compare_rows

CODEC = local_codec()


@pytest.fixture(scope="module")
def rows() -> Rows:
    rows = Rows()
    for record in log_of(History(7).messages(2_000), 4, CODEC):
        rows.fold(record.topic, [record], CODEC)
    return rows


FILLED = [table for table in tables.PROJECTED if table is not tables.projection_dead_letters]


def altered(row: Row, at: int) -> Row:
    value: Any = row[at]
    other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}?"
    return (*row[:at], other, *row[at + 1 :])


@pytest.mark.parametrize("table", FILLED, ids=lambda table: table.name)
def test_equal_rows_agree_in_any_order(rows: Rows, table: tables.Table) -> None:
    comparison = compare_rows(table, rows.of(table), reversed(list(rows.of(table))))
    assert comparison.difference_count == 0
    assert comparison.row_count == len(list(rows.of(table))) > 0


@pytest.mark.parametrize("table", FILLED, ids=lambda table: table.name)
def test_a_lost_row_is_found(rows: Rows, table: tables.Table) -> None:
    actual = list(rows.of(table))
    lost = actual.pop(len(actual) // 2)
    (difference,) = compare_rows(table, rows.of(table), actual).differences
    assert difference.problem is Problem.MISSING
    assert set(difference.key) <= set(lost)


@pytest.mark.parametrize("table", FILLED, ids=lambda table: table.name)
def test_an_extra_row_is_found(rows: Rows, table: tables.Table) -> None:
    actual = list(rows.of(table))
    keys = [number for number, column in enumerate(table.columns) if column.primary_key]
    (difference,) = compare_rows(table, rows.of(table), [*actual, altered(actual[0], keys[-1])]).differences
    assert difference.problem is Problem.EXTRA


@pytest.mark.parametrize("table", FILLED, ids=lambda table: table.name)
def test_an_altered_value_in_any_column_is_found_and_named(rows: Rows, table: tables.Table) -> None:
    actual = list(rows.of(table))
    for number, column in enumerate(table.columns):
        if not column.primary_key:
            changed = [altered(actual[0], number), *actual[1:]]
            (difference,) = compare_rows(table, rows.of(table), changed).differences
            assert difference.problem is Problem.DIFFERENT
            assert difference.detail.startswith(f"{column.name} is ")


def test_the_list_is_bounded_and_the_count_is_not(rows: Rows) -> None:
    comparison = compare_rows(tables.executions, rows.of(tables.executions), [])
    assert comparison.difference_count == rows.count(tables.executions) > DIFFERENCES_MAX
    assert len(comparison.differences) == DIFFERENCES_MAX
