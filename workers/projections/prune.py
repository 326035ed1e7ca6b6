"""Old months of executions and trades go: whole partitions, at once, and nothing writes them again.

The log keeps them, and so do orders, positions, the ledger and candles what became of them.
"""

from collections.abc import Sequence
from time import sleep
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier

from schemas.controls import FEE_VOLUME_DAYS
from schemas.tables import PARTITIONED
from schemas.units import DAY_US
from workers.projections.partitions import Month, partitions
from workers.projections.rebuild import REBUILD_LOCK, SWAP_AGAIN_S, SWAP_LOCK_MS, SWAP_TRIES_MAX
from workers.projections.writer import check_revision
from workers.shell.endings import Exit, WorkerError

DAYS_MIN: Final = FEE_VOLUME_DAYS + 1
"""Days that are kept at least: an account's volume is that of the whole days before today."""

CONNECT_TIMEOUT_S: Final = 5
_MONTH_DAYS_MAX: Final = 31


class Old(NamedTuple):
    """A partition of which nothing is to be kept."""

    partition: str
    table: str
    month: Month
    size_bytes: int
    """With its indexes."""


class Pruning:
    """Lets go of what is older than some days."""

    def __init__(self, dsn: str, days: int, now_us: int) -> None:
        """Keep all rows of the last `days` days before `now_us`, and of the month in which they begin.

        Days are counted from the end of the newest month that has rows where `now_us` is beyond it: a clock that is
        ahead must not let go of what the log has just said.
        """
        self._dsn = dsn
        self._days = days
        self.kept_from = Month.of(now_us - days * DAY_US)

    def look(self) -> list[Old]:
        """What would be dropped, oldest first. Raises WorkerError for another revision, and psycopg.Error."""
        with self._connect() as connection:
            check_revision(connection)
            return self._old(connection)

    def run(self) -> list[Old]:
        """Drop it, all or nothing; what was dropped.

        Raises WorkerError: another revision, a rebuild runs, or somebody used the tables whenever they were to go; and
        psycopg.Error. Then nothing was dropped.
        """
        for _ in range(SWAP_TRIES_MAX):
            try:
                with self._connect() as connection, connection.transaction():
                    return self._drop(connection)
            except psycopg.errors.LockNotAvailable:
                sleep(SWAP_AGAIN_S)
        raise WorkerError(
            Exit.UNUSABLE, f"Somebody used the tables whenever old rows were to go, {SWAP_TRIES_MAX} times."
        )

    def _drop(self, connection: psycopg.Connection) -> list[Old]:
        connection.execute(SQL("SET LOCAL lock_timeout = {}").format(SWAP_LOCK_MS))
        locked = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [REBUILD_LOCK]).fetchone()
        if locked != (True,):
            raise WorkerError(Exit.UNUSABLE, "A rebuild of this database runs; let it end.")
        # Projections hold theirs while they write: none is between asking for its rows' places and filling them.
        connection.execute("SELECT FROM projection_offsets ORDER BY topic, partition FOR UPDATE")
        check_revision(connection)
        old = self._old(connection)
        if old:
            for table in PARTITIONED:
                connection.execute(_KEEP, [table.name, self.kept_from.start_us])
        for one in old:
            connection.execute(SQL("DROP TABLE {}").format(Identifier(one.partition)))
        return old

    def _old(self, connection: psycopg.Connection) -> list[Old]:
        months = [
            (month, table.name, name) for table in PARTITIONED for month, name in partitions(connection, table.name)
        ]
        if months:
            ends_us = max(months)[0].start_us + _MONTH_DAYS_MAX * DAY_US
            self.kept_from = min(self.kept_from, Month.of(ends_us - self._days * DAY_US))
        found = [one for one in months if one[0] < self.kept_from]
        sizes = _sizes(connection, [name for _, _, name in found])
        return [Old(name, table, month, sizes[name]) for month, table, name in sorted(found)]

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self._dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="tradsys-prune"
        )


_KEEP: Final = """
    INSERT INTO projection_retention AS r (table_name, kept_from_us) VALUES (%s, %s)
    ON CONFLICT (table_name) DO UPDATE SET kept_from_us = greatest(r.kept_from_us, EXCLUDED.kept_from_us)
"""


def _sizes(connection: psycopg.Connection, names: Sequence[str]) -> dict[str, int]:
    query = "SELECT name, pg_total_relation_size(name::regclass) FROM unnest(%s::text[]) AS name"
    return dict(connection.execute(query, [list(names)]).fetchall())
