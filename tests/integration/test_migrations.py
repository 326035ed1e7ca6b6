"""A migrated database is what the tables say, up and down, with rows in it."""

import subprocess
import sys

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg.sql import SQL, Identifier
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from schemas import migrations, tables
from schemas.codec import local_codec
from schemas.migrations import Loss, MigrationError
from tests.oracle.projected_history import History, log_of
from workers.projections.fold import Rows
from workers.projections.partitions import Month, make_missing
from workers.projections.verify import compare_database
from workers.projections.writer import Writer

PARTITION = ("t.executions", 0)


def test_an_empty_database_becomes_the_tables(empty_database: str) -> None:
    assert migrations.current(empty_database) is None
    assert migrations.upgrade(empty_database) == tables.REVISION
    assert migrations.current(empty_database) == tables.REVISION
    assert differences(empty_database) == []


def test_the_comparison_sees_a_column_a_table_an_index_and_a_type_that_differ(empty_database: str) -> None:
    migrations.upgrade(empty_database)
    for change in (
        "ALTER TABLE orders DROP COLUMN reason",
        "DROP TABLE users",
        "DROP INDEX ix_executions_order",
        "ALTER TABLE candles ALTER COLUMN open_us TYPE integer",
    ):
        before = len(differences(empty_database))
        with psycopg.connect(empty_database) as connection:
            connection.execute(change)
        assert len(differences(empty_database)) > before, change


def test_migrating_again_changes_nothing_and_keeps_the_rows(empty_database: str) -> None:
    migrations.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("INSERT INTO users VALUES ('ann', 'hash', 'account', 'trader', 1)")
    migrations.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT username FROM users").fetchall() == [("ann",)]


def test_several_processes_may_migrate_at_once(empty_database: str) -> None:
    program = "import sys; from schemas.migrations import upgrade; print(upgrade(sys.argv[1]))"
    command = [sys.executable, "-c", program, empty_database]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in started] == [f"{tables.REVISION}\n"] * 3
    assert differences(empty_database) == []


def test_every_migration_goes_down_and_up_again_and_keeps_the_rows_of_what_stays(empty_database: str) -> None:
    revisions = [step.revision for step in migrations.steps()]
    schemas = {migrations.NOTHING: schema(empty_database)}
    for revision in revisions:
        assert migrations.upgrade(empty_database, revision) == revision
        schemas[revision] = schema(empty_database)
    assert differences(empty_database) == []
    fill(empty_database)
    for above, below in zip(revisions[::-1], [*revisions[-2::-1], migrations.NOTHING], strict=True):
        before = contents(empty_database)
        assert migrations.downgrade(empty_database, below) == (None if below == migrations.NOTHING else below)
        assert schema(empty_database) == schemas[below], f"{above} taken back"
        after = contents(empty_database)
        assert after == {column: before[column] for column in after}
    for revision in revisions:
        fill(empty_database)
        before = contents(empty_database)
        migrations.upgrade(empty_database, revision)
        assert schema(empty_database) == schemas[revision]
        assert before.items() <= contents(empty_database).items()
    assert differences(empty_database) == []


def test_a_database_whose_tables_were_rebuilt_migrates_too(empty_database: str) -> None:
    """A rebuild makes them as `schemas/tables.py` has them: their ids have no sequence."""
    migrations.upgrade(empty_database, "0016")
    with psycopg.connect(empty_database) as connection:
        for table, number in (("executions", "execution_id"), ("trades", "trade_id")):
            connection.execute(f"ALTER TABLE {table} ALTER {number} DROP DEFAULT".encode())
            connection.execute(f"DROP SEQUENCE {table}_{number}_seq".encode())
    fill(empty_database)
    migrations.upgrade(empty_database)
    assert differences(empty_database) == []


def test_projections_fill_a_database_again_that_went_down_and_up(database: str) -> None:
    codec, rows = local_codec(), Rows()
    for record in log_of(History(21).messages(1_000), 2, codec):
        rows.fold(record.topic, [record], codec)
    for _ in range(2):
        writer = Writer(database)
        assert writer.own([PARTITION]) == {PARTITION: 0}
        writer.write(rows, {PARTITION: 9})
        writer.close()
        with psycopg.connect(database) as connection:
            assert not any(found.difference_count for found in compare_database(rows, connection))
        assert migrations.downgrade(database, migrations.NOTHING) is None
        migrations.upgrade(database)


def test_what_a_migration_would_take_away_is_said_where_there_are_rows(empty_database: str) -> None:
    newest = migrations.upgrade(empty_database)
    assert migrations.losses(empty_database, "0007") == []
    fill(empty_database)
    assert migrations.losses(empty_database, newest) == []
    lost = migrations.losses(empty_database, "0007")
    assert {
        Loss("users.disabled_us", comes_again=False),
        Loss("sessions", comes_again=False),
        Loss("orders.group_id", comes_again=True),
    } <= set(lost)
    everything = migrations.losses(empty_database, migrations.NOTHING)
    assert {loss.name for loss in everything} == {table.name for table in tables.METADATA.sorted_tables}
    assert migrations.current(empty_database) == newest


def test_a_revision_that_lies_the_other_way_or_nowhere_is_refused(empty_database: str) -> None:
    migrations.upgrade(empty_database, "0005")
    for migrate, revision, sentence in (
        (migrations.upgrade, "0003", "has revision 0005: 0003 lies down"),
        (migrations.downgrade, "0007", "has revision 0005: 0007 lies up"),
        (migrations.upgrade, "9999", f"no revision 9999; this release has 0001 to {tables.REVISION}"),
    ):
        with pytest.raises(MigrationError, match=sentence):
            migrate(empty_database, revision)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for migrate in (migrations.upgrade, migrations.downgrade):
        with pytest.raises(MigrationError, match="revision 9999, which this release does not know"):
            migrate(empty_database, "0001")
    with pytest.raises(MigrationError, match="does not know"):
        migrations.upgrade(empty_database)


def test_a_migration_waits_for_a_table_only_for_a_time_and_then_changes_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_S", 1)
    with psycopg.connect(database) as reader:
        reader.execute("SELECT FROM users")
        with pytest.raises(MigrationError, match="Somebody else uses a table"):
            migrations.downgrade(database, migrations.NOTHING)
    assert differences(database) == []
    assert migrations.downgrade(database, migrations.NOTHING) is None


def _tables(connection: psycopg.Connection) -> list[str]:
    """The tables' names, without those of partitions."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'alembic_version'"
    )
    return [name for (name,) in found]


def schema(dsn: str) -> set[tuple[object, ...]]:
    """Every column, index and comment of the tables."""
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_name = ANY(%s)",
            [_tables(connection)],
        ).fetchall()
        indexes = connection.execute(
            "SELECT tablename, indexdef FROM pg_indexes WHERE tablename = ANY(%s)", [_tables(connection)]
        ).fetchall()
        comments = connection.execute(
            "SELECT objoid::regclass::text, description FROM pg_description"
            " WHERE classoid = 'pg_class'::regclass AND objoid::regclass::text NOT LIKE '%.%'"
        ).fetchall()
        divided = connection.execute("SELECT partrelid::regclass::text, partattrs::text FROM pg_partitioned_table")
        comments += divided.fetchall()
    return {_in_order(columns, row) for row in columns} | set(indexes) | set(comments)


def _in_order(columns: list[tuple[object, ...]], row: tuple[object, ...]) -> tuple[object, ...]:
    """The column with its place among those that are there: PostgreSQL does not give a dropped one's number again."""
    table, name, number, *rest = row
    place = sum(1 for other in columns if other[0] == table and other[2] < number)  # type: ignore[operator]
    return (table, name, place, *rest)


def fill(dsn: str) -> None:
    """Rows in every table that has none."""
    values = {
        "bigint": "number",
        "integer": "number",
        "numeric": "number",
        "text": "'text ' || number",
        "boolean": "true",
        "bytea": "'\\x00ff'::bytea",
    }
    with psycopg.connect(dsn) as connection:
        for table, columns in _columns(connection).items():
            if connection.execute(SQL("SELECT FROM {} LIMIT 1").format(Identifier(table))).fetchone() is None:
                listed = SQL(", ").join(SQL(values[kind]) for kind in columns.values())
                if (table,) in connection.execute("SELECT partrelid::regclass::text FROM pg_partitioned_table"):
                    make_missing(connection, table, [Month(1970, 1)])
                connection.execute(
                    SQL("INSERT INTO {} SELECT {} FROM generate_series(1, 50) AS number").format(
                        Identifier(table), listed
                    )
                )


def contents(dsn: str) -> dict[tuple[str, str], list[object]]:
    """What stands in each column, in the order of the rows."""
    with psycopg.connect(dsn) as connection:
        return {
            (table, column): [
                value
                for (value,) in connection.execute(
                    SQL("SELECT {} FROM {} ORDER BY ctid").format(Identifier(column), Identifier(table))
                )
            ]
            for table, columns in _columns(connection).items()
            for column in columns
        }


def _columns(connection: psycopg.Connection) -> dict[str, dict[str, str]]:
    """Columns in their order with their types, by table."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_name = ANY(%s) ORDER BY table_name, ordinal_position",
        [_tables(connection)],
    ):
        found.setdefault(table, {})[column] = kind
    return found


def differences(dsn: str) -> list[object]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": migrations.is_compared}
        )
        return list(compare_metadata(context, tables.METADATA))
