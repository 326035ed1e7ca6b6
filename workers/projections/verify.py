"""Whether rows are what the log says: the fold of the topics compared with the tables.

Used by reconciliations, which fold with `Rows.fold` what they read from the log themselves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from schemas.tables import PROJECTED
from workers.projections.fold import Row, Rows
from workers.projections.partitions import kept_from

DIFFERENCES_MAX: Final = 100
"""Differences that are listed for each table; all are counted."""

FETCH_ROWS: Final = 5_000
"""Rows that are read from the database at a time."""


class Problem(StrEnum):
    """How a row differs."""

    MISSING = "missing"
    """The log has it, the table has not."""
    EXTRA = "extra"
    """The table has it, the log has not."""
    DIFFERENT = "different"


class Difference(NamedTuple):
    """One row that is not as the log says."""

    table: str
    key: tuple[Any, ...]
    problem: Problem
    detail: str
    """DIFFERENT: the columns, with what the log says and what the row has."""

    def __str__(self) -> str:
        key = "/".join(map(str, self.key))
        return f"{self.table} {key}: {self.problem}{': ' if self.detail else ''}{self.detail}"


@dataclass(slots=True)
class Comparison:
    """What a comparison of one table found."""

    table: str
    row_count: int = 0
    """Rows in the table."""
    difference_count: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first DIFFERENCES_MAX."""

    def add(self, key: tuple[Any, ...], problem: Problem, detail: str = "") -> None:
        """Count a difference, and list it while there is room."""
        self.difference_count += 1
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(Difference(self.table, key, problem, detail))


def compare_rows(table: Table, expected: Iterable[Row], actual: Iterable[Row]) -> Comparison:
    """Compare rows by primary key; both give all columns in the table's order, each key once, in any order."""
    comparison = Comparison(table.name)
    columns = table.columns.keys()
    at = [columns.index(name) for name in table.primary_key.columns.keys()]  # noqa: SIM118 - not a dict
    waiting = {tuple(row[index] for index in at): row for row in expected}
    for row in actual:
        comparison.row_count += 1
        key = tuple(row[index] for index in at)
        wanted = waiting.pop(key, None)
        if wanted is None:
            comparison.add(key, Problem.EXTRA)
        elif wanted != row:
            differing = (
                f"{name} is {found}, the log says {said}"
                for name, found, said in zip(columns, row, wanted, strict=True)
                if found != said
            )
            comparison.add(key, Problem.DIFFERENT, "; ".join(differing))
    for key in waiting:
        comparison.add(key, Problem.MISSING)
    return comparison


def compare_database(rows: Rows, connection: psycopg.Connection) -> list[Comparison]:
    """Compare the fold of whole topics with every projected table, as of one moment.

    The projections must have come to the end of what was folded (see `offsets`); what they have not read is missing.
    Rows from before the time from which a table keeps them (see `kept_from`) are expected to be gone.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        kept = kept_from(connection)
        return [
            compare_rows(table, _since(table, rows.of(table), kept.get(table.name)), read_rows(connection, table))
            for table in PROJECTED
        ]


def _since(table: Table, rows: Iterable[Row], kept_from_us: int | None) -> Iterable[Row]:
    if kept_from_us is None:
        return rows
    at = table.columns.keys().index("ts_us")
    return (row for row in rows if row[at] >= kept_from_us)


def read_rows(connection: psycopg.Connection, table: Table) -> Iterator[Row]:
    """All rows of a table, a piece at a time. Inside a transaction."""
    query = SQL("SELECT {} FROM {}").format(
        SQL(", ").join(Identifier(column.name) for column in table.columns), Identifier(table.name)
    )
    with connection.cursor(f"read_{table.name}") as cursor:
        cursor.itersize = FETCH_ROWS
        yield from cursor.execute(query)


def offsets(connection: psycopg.Connection) -> dict[tuple[str, int], int]:
    """How far the rows are: the next offset by (topic with its prefix, partition). At rest it is the log's end."""
    query = "SELECT topic, partition, next_offset FROM projection_offsets"
    return {(topic, partition): next_offset for topic, partition, next_offset in connection.execute(query)}
