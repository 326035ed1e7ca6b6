"""Tables that are divided by the log's time: a partition for each calendar month (UTC) that has rows.

Whoever writes the first row of a month makes its partition, also one of long ago when the log is read from its
beginning. Rows from before the time that `projection_retention` names are left out: the operator let go of them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal
from sqlalchemy import Table

from schemas.tables import PARTITION_NAME, account_volumes, executions
from schemas.units import DAY_US, TIME_US_MAX

PARTITIONS_LOCK: Final = 0x7472616473797302
"""Advisory lock of a transaction that makes partitions: what two of them need at once, one makes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR: Final = 9999


class Month(NamedTuple):
    """A calendar month, UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, ts_us: int) -> "Month":
        """The month of a time; the first or the last one for a time that RFC 3339 cannot say."""
        moment = datetime.fromtimestamp(min(max(ts_us, 0), TIME_US_MAX) // 1_000_000, UTC)
        return cls(moment.year, moment.month)

    @property
    def start_us(self) -> int:
        """Its first microsecond."""
        return (datetime(self.year, self.month, 1, tzinfo=UTC) - _EPOCH).days * DAY_US

    @property
    def following(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def partition_of(self, table: str) -> str:
        """The name of its partition."""
        return f"{table}_{self.year:04}_{self.month:02}"

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def partitions(connection: psycopg.Connection, table: str, schema: str | None = None) -> list[tuple[Month, str]]:
    """The partitions of a table with their names, oldest first; without a schema of the one that is found first."""
    attached = (
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass"
        " ORDER BY relname"
    )
    parent = table if schema is None else f"{schema}.{table}"
    found = (PARTITION_NAME.fullmatch(name) for (name,) in connection.execute(attached, [parent]))
    return [(Month(int(name[2]), int(name[3])), name[0]) for name in found if name is not None]


def make_missing(connection: psycopg.Connection, table: str, months: Iterable[Month]) -> None:
    """Make the partitions of these months that are not there. Inside a transaction; nobody who reads waits for it."""
    if not (missing := _missing(connection, table, months)):
        return
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITIONS_LOCK])
    for month in sorted(_missing(connection, table, missing)):
        # Made beside the table and attached then, since CREATE TABLE ... PARTITION OF would keep readers out.
        parent, name = Identifier(table), Identifier(month.partition_of(table))
        connection.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS)").format(name, parent))
        attach = SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
        connection.execute(attach.format(parent, name, *_bounds(month)))


def _missing(connection: psycopg.Connection, table: str, months: Iterable[Month]) -> set[Month]:
    return set(months).difference(month for month, _ in partitions(connection, table))


def _bounds(month: Month) -> tuple[Composable, Composable]:
    """The first and the last month hold all that lies before and after: every row has a place."""
    following = month.following
    return (
        SQL("MINVALUE") if month == Month.of(0) else Literal(month.start_us),
        SQL("MAXVALUE") if following.year > _LAST_YEAR else Literal(following.start_us),
    )


def prepare(connection: psycopg.Connection, table: Table, beside: str) -> None:
    """Before the rows of the table `beside` are merged: drop those that are kept no more, give the others a place.

    Inside a transaction that holds rows of `projection_offsets`, which whoever takes partitions away waits for.
    """
    forget = SQL("DELETE FROM {} WHERE ts_us < (SELECT kept_from_us FROM projection_retention WHERE table_name = {})")
    connection.execute(forget.format(Identifier(beside), Literal(table.name)))
    days = connection.execute(SQL("SELECT DISTINCT ts_us / {} FROM {}").format(Literal(DAY_US), Identifier(beside)))
    months = {Month.of(day * DAY_US) for (day,) in days}
    make_missing(connection, table.name, months)
    if table is executions:  # whose fills are counted there
        make_missing(connection, account_volumes.name, months)


def kept_from(connection: psycopg.Connection) -> Mapping[str, int]:
    """From which time on rows are kept, by table; a table whose rows are all kept is not among them."""
    kept: dict[str, int] = dict(connection.execute("SELECT table_name, kept_from_us FROM projection_retention"))
    return kept
