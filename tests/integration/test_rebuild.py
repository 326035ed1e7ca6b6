"""`tradsys db rebuild` on real Kafka and PostgreSQL: the tables become the fold of the log while all goes on."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, select

from gateway.database import Database
from schemas import tables
from schemas.units import DAY_US
from tests.integration.patience import PATIENT_MS
from tests.integration.test_migrations import differences as differences_of_the_schema
from tests.integration.test_projections import (  # noqa: F401 - fixtures
    SHARDS,
    TIMEOUT_S,
    Venue,
    start,
    venue,
    wait_for_the_end,
    within,
)
from tradsys.audit.contents import Contents
from tradsys.audit.rows import rows_rule
from workers.projections import rebuild
from workers.projections.partitions import partitions
from workers.projections.prune import Pruning
from workers.projections.rebuild import Rebuild
from workers.shell.endings import WorkerError

HARM = (
    "DELETE FROM trades WHERE trade_id % 3 = 0",
    "UPDATE orders SET reason = 'EDITED' WHERE order_id % 2 = 0",
    "UPDATE balances SET balance_e8 = balance_e8 + 1",
    "UPDATE account_volumes SET traded_e8 = traded_e8 + 1",
    "INSERT INTO positions SELECT 'nobody', symbol, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM trades LIMIT 1",
)
"""What somebody with a console may have done."""


@pytest.fixture
def log(venue: Venue, database: str, start: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: F811 - the fixtures
    """A log of two months with rows of it that were harmed since, and the projections, which go on."""
    venue.write(1_500)
    venue.history.now_us += 70 * DAY_US
    venue.write(1_500)
    process = start(0)
    wait_for_the_end(venue, database)
    with psycopg.connect(database) as connection:
        for statement in HARM:
            connection.execute(statement.encode())
    assert len(venue.differences(database)) > 100
    yield process
    assert process.poll() is None, "the projections ended"


def command(venue: Venue, database: str, home: Path) -> tuple[list[str], dict[str, str]]:  # noqa: F811
    """`tradsys db rebuild`, and its environment."""
    address = {name: str(value) for name, value in conninfo_to_dict(database).items()}
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": venue.stack.bootstrap,
        "SCHEMA_REGISTRY_URL": venue.stack.registry_url,
        "TRADSYS_PREFIX": venue.prefix,
        "TRADSYS_SHARDS": str(SHARDS),
        "DB_HOST": address["host"],
        "DB_PORT": address["port"],
        "DB_NAME": address["dbname"],
        "DB_USER": address["user"],
        "DB_PASSWORD": address["password"],
    }
    return [sys.executable, "-m", "tradsys", "db", "rebuild", "--json", "--home", str(home)], environment


@contextmanager
def reading(database: str) -> Iterator[list[int]]:
    """A gateway's database is asked for the newest executions, and orders, all the time; how many there were."""
    address = {name: str(value) for name, value in conninfo_to_dict(database).items()}
    found: list[int] = []
    failed: list[BaseException] = []
    ends = threading.Event()

    async def read() -> None:
        asked = Database(
            URL.create(
                "postgresql+psycopg",
                username=address["user"],
                password=address["password"],
                host=address["host"],
                port=int(address["port"]),
                database=address["dbname"],
            ),
            answer_ms=PATIENT_MS,
        )
        try:
            while not ends.is_set():
                executions = select(tables.executions).order_by(tables.executions.c.execution_id.desc())
                rows, total = await asked.page(executions, 1, 20)
                assert len(rows) == 20
                found.append(total)
                assert len(await asked.rows(select(tables.orders).limit(20))) == 20
        except BaseException as error:  # noqa: BLE001 - it is told by the test's thread
            failed.append(error)
        finally:
            asked.close()

    thread = threading.Thread(target=lambda: asyncio.run(read()))
    thread.start()
    try:
        with within("the first rows are read") as look:
            while not found and not failed:
                look()
        yield found
    finally:
        ends.set()
        thread.join(TIMEOUT_S)
    assert not failed, failed


def test_readers_and_projections_go_on_while_the_tables_are_made_anew(
    venue: Venue,  # noqa: F811
    database: str,
    log: subprocess.Popen[bytes],
    tmp_path: Path,
) -> None:
    words, environment = command(venue, database, tmp_path)
    assert Pruning(database, 31, venue.history.now_us).run()
    with psycopg.connect(database) as connection:
        kept = [partitions(connection, table.name) for table in tables.PARTITIONED]
    with reading(database) as found:
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as running:
            while running.poll() is None:
                venue.write(200)
            assert running.returncode == 0
            assert running.stdout is not None
            done = json.loads(running.stdout.read())
        read_by_then = len(found)
        with within("rows are read from the new tables") as look:
            while len(found) < read_by_then + 5:
                look()
    assert found == sorted(found), "rows were missing for a time"
    assert done["records"] > 3_000
    assert done["waited_ms"] < 10_000
    venue.write(500)
    wait_for_the_end(venue, database)
    assert venue.differences(database) == []
    assert list(rows_rule(venue.log, venue.codec, database).check(Contents())) == []
    assert differences_of_the_schema(database) == []
    with psycopg.connect(database) as connection:
        assert [partitions(connection, table.name) for table in tables.PARTITIONED] == kept, (
            "what was let go of is back"
        )
        left = "SELECT nspname FROM pg_namespace WHERE nspname IN ('rebuilt', 'replaced')"
        assert connection.execute(left).fetchall() == []


@pytest.mark.parametrize("at", ["reading", "changing places"])
def test_a_rebuild_that_is_killed_leaves_the_old_tables_and_can_be_repeated(
    venue: Venue,  # noqa: F811
    database: str,
    log: subprocess.Popen[bytes],
    tmp_path: Path,
    at: str,
) -> None:
    harmed = venue.differences(database)
    words, environment = command(venue, database, tmp_path)
    with psycopg.connect(database, autocommit=True) as connection, psycopg.connect(database) as reader:
        if at == "changing places":  # somebody reads, and so it has to try again and again
            reader.execute("SELECT FROM executions LIMIT 1")
        running = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        with within("there are new rows") as look:
            while not _has_begun(connection, at):
                look()
        running.kill()
        running.wait(TIMEOUT_S)
        with within("its connections end") as look:
            while connection.execute(
                "SELECT FROM pg_stat_activity WHERE application_name = 'tradsys-rebuild'"
                " AND datname = current_database()"
            ).fetchone():
                look()
    assert venue.differences(database) == harmed
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert json.loads(done.stdout)["tries"] >= 1
    assert venue.differences(database) == []


def _has_begun(connection: psycopg.Connection, at: str) -> bool:
    if at == "reading":
        there = connection.execute("SELECT to_regclass('rebuilt.projection_offsets') IS NOT NULL").fetchone()
        if there != (True,):
            return False
        return connection.execute("SELECT FROM rebuilt.projection_offsets WHERE next_offset > 0").fetchone() is not None
    waits = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'tradsys-rebuild' AND wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return connection.execute(waits).fetchone() is not None


def test_what_keeps_a_rebuild_from_it_is_said_and_changes_nothing(
    venue: Venue,  # noqa: F811
    database: str,
    log: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = Rebuild(venue.stack.bootstrap, venue.prefix, database, venue.codec)
    harmed = venue.differences(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [rebuild.REBUILD_LOCK])
        with pytest.raises(WorkerError, match="Another rebuild of this database runs"):
            again.run()
        connection.execute("SELECT pg_advisory_unlock_all()")
        monkeypatch.setattr(rebuild, "SWAP_TRIES_MAX", 2)
        monkeypatch.setattr(rebuild, "SWAP_AGAIN_S", 0.1)
        with psycopg.connect(database) as reader:
            reader.execute("SELECT FROM executions LIMIT 1")
            with pytest.raises(WorkerError, match="Somebody used the tables whenever"):
                again.run()
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(WorkerError, match="has the schema revision 0001"):
            again.run()
        connection.execute("UPDATE alembic_version SET version_num = %s", [tables.REVISION])
    assert venue.differences(database) == harmed
