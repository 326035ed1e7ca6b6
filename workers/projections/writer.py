"""Rows into PostgreSQL: those of a batch and the offsets they come from in one transaction, so exactly once.

Each partition's row in `projection_offsets` is also a fence. Whoever takes a partition over raises its epoch; a process
that was frozen or cut off in the meantime finds another epoch than its own, and nothing that it writes is committed.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Table

from schemas.tables import FOLDED, NEWEST_BY, PARTITIONED, REVISION, executions
from schemas.units import DAY_US
from workers.projections import partitions
from workers.projections.fold import Rows
from workers.shell.endings import Exit, WorkerError

CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_S: Final = 30
LOCK_TIMEOUT_S: Final = 15
IDLE_IN_TRANSACTION_S: Final = 10
"""A frozen process holds the rows of its partitions for at most so long after its last statement, which the server
ends by itself: PostgreSQL has no limit for a COPY that waits for its client, so none is made while rows are held.
"""

DATABASE_TROUBLE: Final = (psycopg.OperationalError, psycopg.InternalError)
"""What waiting and connecting again may heal: a restart, a lost connection, a deadlock, a timeout."""

Partition = tuple[str, int]
"""(topic with its prefix, partition)."""

_SERVER_SETTINGS: Final = {
    "statement_timeout": STATEMENT_TIMEOUT_S,
    "lock_timeout": LOCK_TIMEOUT_S,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S,
}

# A crash of the database may lose the last transactions, but whole: the offsets go with the rows, and are read again.
_OPTIONS: Final = " ".join(
    [*(f"-c {name}={seconds}s" for name, seconds in _SERVER_SETTINGS.items()), "-c synchronous_commit=off"]
)

_CLAIM: Final = """
    INSERT INTO projection_offsets AS o (topic, partition, next_offset, epoch)
    SELECT topic, partition, 0, 1 FROM unnest(%s::text[], %s::int[]) AS wanted (topic, partition)
    ORDER BY topic, partition
    ON CONFLICT (topic, partition) DO UPDATE SET epoch = o.epoch + 1
    RETURNING topic, partition, next_offset, epoch
"""

_OWNED: Final = """
    SELECT topic, partition, next_offset, epoch FROM projection_offsets
    WHERE (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
    ORDER BY topic, partition FOR UPDATE
"""

_EPOCHS: Final = """
    SELECT topic, partition, next_offset, epoch FROM projection_offsets
    WHERE (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
"""

_ADVANCE: Final = """
    UPDATE projection_offsets AS o SET next_offset = moved.next_offset
    FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS moved (topic, partition, expected, next_offset, epoch)
    WHERE o.topic = moved.topic AND o.partition = moved.partition
        AND o.next_offset = moved.expected AND o.epoch = moved.epoch
"""


class Claim(NamedTuple):
    """A partition as this process owns it."""

    next_offset: int
    epoch: int


class Writer:
    """The connection, and the partitions that are written through it."""

    def __init__(self, dsn: str, schema: str = "public") -> None:
        """The database, and in which schema of it the tables are; nothing is connected before `own`."""
        self._dsn = dsn
        self._options = f"{_OPTIONS} -c search_path={schema},public"
        self._connection: psycopg.Connection | None = None
        self._claims: dict[Partition, Claim] = {}
        self._tables = [_TableWriter(table) for table in FOLDED]

    def own(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Take partitions over, keep those that are ours already; where to read each on.

        After an error of `write` this says whether its transaction was committed. Raises DATABASE_TROUBLE, and
        WorkerError when a partition that is ours was taken over, or the database has another schema.
        """
        wanted = sorted(partitions)
        kept = [partition for partition in wanted if partition in self._claims]
        new = [partition for partition in wanted if partition not in self._claims]
        connection = self._connect()
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = on")  # an epoch must not be lost
            claims = _claims(connection, _OWNED, kept)
            self._compare(kept, claims)
            claims |= _claims(connection, _CLAIM, new)
        self._claims = claims
        return {partition: claim.next_offset for partition, claim in claims.items()}

    def require(self) -> None:
        """Raise WorkerError when another process took over a partition that is ours; DATABASE_TROUBLE as `own`."""
        ours = sorted(self._claims)
        try:
            epochs = _claims(self._connect(), _EPOCHS, ours)
        except DATABASE_TROUBLE:  # after a freeze the server may have ended the connection long ago
            self.close()
            epochs = _claims(self._connect(), _EPOCHS, ours)
        self._compare(ours, epochs)

    def _compare(self, partitions: Iterable[Partition], found: Mapping[Partition, Claim]) -> None:
        for partition in partitions:
            if partition not in found or found[partition].epoch != self._claims[partition].epoch:
                raise _fenced([partition])

    def disown(self, partitions: Iterable[Partition]) -> None:
        """Write nothing of these partitions any more."""
        for partition in partitions:
            self._claims.pop(partition, None)

    def write(self, rows: Rows, positions: Mapping[Partition, int]) -> None:
        """Commit rows and the next offset of each partition that they come from.

        Raises DATABASE_TROUBLE, after which nobody knows whether it was committed: ask `own`. Raises WorkerError when
        another process has taken a partition over; then nothing was committed.
        """
        connection = self._connect()
        with connection.transaction():
            written = [table for table in self._tables if rows.count(table.table)]
            for table in written:
                table.copy(connection, rows)
            self._advance(connection, positions)  # before any row: it waits for, or finds out, another writer
            for table in written:
                table.make_room(connection)  # before any row, too: who waits for another's months holds none of them
            for table in written:
                table.merge(connection)
        for partition, next_offset in positions.items():
            self._claims[partition] = self._claims[partition]._replace(next_offset=next_offset)

    def _advance(self, connection: psycopg.Connection, positions: Mapping[Partition, int]) -> None:
        moved = [
            (topic, number, *self._claims[topic, number], next_offset)
            for (topic, number), next_offset in sorted(positions.items())
        ]
        topics, numbers, expected, epochs, nexts = (list(column) for column in zip(*moved, strict=True))
        cursor = connection.execute(_ADVANCE, (topics, numbers, expected, nexts, epochs))
        if cursor.rowcount != len(moved):
            raise _fenced(sorted(positions))

    def close(self) -> None:
        """Disconnect; an unfinished transaction is rolled back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection:
        if self._connection is None:
            connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="tradsys-projections",
                options=self._options,
                keepalives_idle=5,
                keepalives_interval=5,
                keepalives_count=2,
                tcp_user_timeout=STATEMENT_TIMEOUT_S * 1_000,
            )
            try:
                check_revision(connection)
                for table in self._tables:
                    connection.execute(table.create)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


class _TableWriter:
    """One table: rows are copied beside it, then merged into it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._beside = f"new_{table.name}"
        name, beside = Identifier(table.name), Identifier(self._beside)
        columns = [Identifier(column.name) for column in table.columns]
        key = [Identifier(column.name) for column in table.primary_key.columns]
        listed = SQL(", ").join(columns)
        self.create = SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DELETE ROWS").format(beside, name)
        self._copy = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(beside, listed)
        self._merge = SQL("INSERT INTO {} AS old ({}) SELECT {} FROM {} ON CONFLICT ({}) DO {}").format(
            name, listed, listed, beside, SQL(", ").join(key), _on_conflict(table)
        )
        if table is executions:
            self._merge = _COUNTING.format(self._merge, day_us=DAY_US)
        self._types = [_COPY_TYPE[str(column.type)] for column in table.columns]

    def copy(self, connection: psycopg.Connection, rows: Rows) -> None:
        with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            write_row = copy.write_row
            for row in rows.of(self.table):
                write_row(row)

    def make_room(self, connection: psycopg.Connection) -> None:
        if self.table in PARTITIONED:
            partitions.prepare(connection, self.table, self._beside)

    def merge(self, connection: psycopg.Connection) -> None:
        connection.execute(self._merge)


# Of the executions that were not there only, whatever is read again. In one order, since other processes add, too.
_COUNTING: Final = SQL("""
    WITH added AS ({} RETURNING *)
    INSERT INTO account_volumes AS old (account, ts_us, symbol, traded_e8)
    SELECT account, greatest(ts_us, 0) / {day_us} * {day_us} AS day, symbol, sum(coalesce(last_notional_e8, 0))
    FROM added WHERE kind = 'TRADE' GROUP BY account, day, symbol ORDER BY account, day, symbol
    ON CONFLICT (account, ts_us, symbol) DO UPDATE SET traded_e8 = old.traded_e8 + EXCLUDED.traded_e8
""")

_COPY_TYPE: Final = {
    "BIGINT": "int8",
    "INTEGER": "int4",
    "TEXT": "text",
    "BOOLEAN": "bool",
    "BYTEA": "bytea",
    "BLOB": "bytea",
}


def _on_conflict(table: Table) -> Composed | SQL:
    """The rule of `fold`: the first row stays, or one that is at least as new replaces it."""
    newest_by = [Identifier(name) for name in table.info[NEWEST_BY]]
    if not newest_by:
        return SQL("NOTHING")
    keys = {column.name for column in table.primary_key.columns}
    changed = [Identifier(column.name) for column in table.columns if column.name not in keys]
    return SQL("UPDATE SET {} WHERE ({}) >= ({})").format(
        SQL(", ").join(SQL("{} = EXCLUDED.{}").format(name, name) for name in changed),
        SQL(", ").join(SQL("EXCLUDED.{}").format(name) for name in newest_by),
        SQL(", ").join(SQL("old.{}").format(name) for name in newest_by),
    )


def _claims(connection: psycopg.Connection, query: str, partitions: list[Partition]) -> dict[Partition, Claim]:
    if not partitions:
        return {}
    answer = connection.execute(query, [list(column) for column in zip(*partitions, strict=True)])
    return {(topic, number): Claim(next_offset, epoch) for topic, number, next_offset, epoch in answer}


def check_revision(connection: psycopg.Connection) -> None:
    """Raise WorkerError when the tables are not those of this release."""
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        found = None
    if found != (REVISION,):
        has = f"the schema revision {found[0]}" if found else "no tables"
        sentence = f"The database has {has}; this release needs revision {REVISION}: migrate it first."
        raise WorkerError(Exit.UNUSABLE, sentence)


def _fenced(partitions: list[Partition]) -> WorkerError:
    names = ", ".join(f"{topic}/{number}" for topic, number in partitions)
    return WorkerError(
        Exit.FENCED, f"Another process writes the rows of {names} now; nothing of this batch was committed."
    )
