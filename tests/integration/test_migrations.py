"""A migrated database is what the tables say."""

import subprocess
import sys

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from schemas import migrations, tables


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
        "DROP INDEX ix_trades_symbol",
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


def differences(dsn: str) -> list[object]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.METADATA))
