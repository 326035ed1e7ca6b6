"""Months of executions and trades on real PostgreSQL: made when rows come, dropped when the operator says so."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from msgspec.structs import replace
from psycopg.sql import SQL, Identifier, Placeholder

from schemas import migrations, tables
from schemas.codec import local_codec
from schemas.messages import Execution, Trade
from schemas.units import DAY_US, INT64_MAX, INT64_MIN
from tests.integration.test_projections_writer import rows_of
from tests.oracle.projected_history import START_US, History, log_of
from workers.kernel.stage import Record
from workers.projections import prune, rebuild
from workers.projections.fold import Rows
from workers.projections.partitions import Month, partitions
from workers.projections.prune import Pruning
from workers.projections.verify import compare_database
from workers.projections.writer import Writer
from workers.shell.endings import WorkerError

CODEC = local_codec()
PARTITION, OTHER = ("t.executions", 0), ("t.executions", 1)
MONTHS = ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03"]
NOW_US = START_US + 125 * DAY_US
"""14 November 2023 and 18 March 2024."""


def log_of_months() -> list[Record]:
    """Some rows in each of five months."""
    history = History(31)
    messages = []
    for _ in MONTHS:
        messages += history.messages(300)
        history.now_us += 31 * DAY_US
    return log_of(messages, 2, CODEC)


LOG = log_of_months()


@pytest.fixture
def writer(database: str) -> Iterator[Writer]:
    writer = Writer(database)
    writer.own([PARTITION])
    yield writer
    writer.close()


def months(database: str, table: str = "executions") -> list[str]:
    with psycopg.connect(database) as connection:
        return [str(month) for month, _ in partitions(connection, table)]


def differences(database: str, expected: Rows) -> list[str]:
    with psycopg.connect(database) as connection:
        found = compare_database(expected, connection)
    return [str(difference) for comparison in found for difference in comparison.differences]


def oldest(database: str) -> dict[str, int]:
    with psycopg.connect(database) as connection:
        found = {
            table.name: connection.execute(SQL("SELECT min(ts_us) FROM {}").format(Identifier(table.name))).fetchone()
            for table in tables.PARTITIONED
        }
    return {name: row[0] for name, row in found.items() if row is not None}


def test_rows_make_the_months_that_they_need(database: str, writer: Writer) -> None:
    for number, at in enumerate(range(0, len(LOG), 400), 1):
        writer.write(rows_of(LOG[max(0, at - 50) : at + 400]), {PARTITION: number})
    assert months(database) == months(database, "trades") == MONTHS
    assert differences(database, rows_of(LOG)) == []
    writer.write(rows_of(LOG), {PARTITION: 100})  # all once more
    assert differences(database, rows_of(LOG)) == []
    with psycopg.connect(database) as connection:
        for month, name in partitions(connection, "trades"):
            for (ts_us,) in connection.execute(SQL("SELECT ts_us FROM {}").format(Identifier(name))):
                assert month.start_us <= ts_us < month.following.start_us


def test_months_begin_and_end_where_the_calendar_says() -> None:
    for month, start_us in (
        (Month(1970, 1), 0),
        (Month(1970, 2), 31 * DAY_US),
        (Month(2024, 3), 1_709_251_200 * 10**6),
    ):
        assert month.start_us == start_us
        assert Month.of(start_us) == month == Month.of(month.following.start_us - 1)
    assert Month(2023, 12).following == Month(2024, 1) > Month(2023, 12)
    assert Month(2024, 1).partition_of("trades") == "trades_2024_01"
    assert tables.PARTITION_NAME.fullmatch("trades_2024_01")
    assert not tables.PARTITION_NAME.fullmatch("orders_2024_01")


def test_a_row_of_any_time_has_a_place(database: str, writer: Writer) -> None:
    messages = [
        (topic, key, message)
        for topic, key, message in History(32).messages(100)
        if isinstance(message, Execution | Trade)
    ]
    times = (INT64_MIN, -1, 0, 1, 253_402_300_799_999_999, 253_402_300_800_000_000, INT64_MAX)
    messages = [
        (topic, key, replace(message, ts_us=times[number % len(times)]))
        for number, (topic, key, message) in enumerate(messages)
    ]
    rows = rows_of(log_of(messages, 2, CODEC))
    writer.write(rows, {PARTITION: 1})
    assert differences(database, rows) == []
    assert months(database) == ["1970-01", "9999-12"]


def test_two_processes_that_need_the_same_month_both_write(database: str, writer: Writer) -> None:
    other = Writer(database)
    other.own([OTHER])
    threads = [
        threading.Thread(
            target=one.write, args=(rows_of([record for record in LOG if record.partition == of]), {at: 1})
        )
        for one, of, at in ((writer, 0, PARTITION), (other, 1, OTHER))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.close()
    assert months(database) == MONTHS
    assert differences(database, rows_of(LOG)) == []


def test_who_reads_does_not_hold_up_a_new_month(database: str, writer: Writer) -> None:
    half = len(LOG) // 2
    writer.write(rows_of(LOG[:half]), {PARTITION: 1})
    with psycopg.connect(database) as reader:
        reader.execute("SELECT FROM executions, trades LIMIT 1")
        writer.write(rows_of(LOG[half:]), {PARTITION: 2})
    assert months(database) == MONTHS


def test_old_months_are_dropped_and_never_written_again(database: str, writer: Writer) -> None:
    writer.write(rows_of(LOG), {PARTITION: 1})
    pruning = Pruning(database, 45, NOW_US)  # from 2 February on
    assert [(str(one.month), one.table) for one in pruning.look()] == [
        (month, table) for month in MONTHS[:3] for table in ("account_volumes", "executions", "trades")
    ]
    assert months(database) == MONTHS, "a look drops nothing"
    assert [one.partition for one in pruning.run()] == [
        f"{table}_{month.replace('-', '_')}"
        for month in MONTHS[:3]
        for table in ("account_volumes", "executions", "trades")
    ]
    assert months(database) == months(database, "trades") == MONTHS[3:]
    assert min(oldest(database).values()) >= Month(2024, 2).start_us
    assert pruning.look() == pruning.run() == []
    # As of a projection that is behind, or reads the log from its beginning.
    writer.write(rows_of(LOG), {PARTITION: 2})
    assert months(database) == MONTHS[3:]
    assert differences(database, rows_of(LOG)) == [], "what was let go of is no lost row"
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM trades WHERE trade_id = (SELECT max(trade_id) FROM trades)")
    assert sum("missing" in line for line in differences(database, rows_of(LOG))) == 1, "others are"


def test_to_keep_more_later_brings_nothing_back_and_calls_nothing_lost(database: str, writer: Writer) -> None:
    writer.write(rows_of(LOG), {PARTITION: 1})
    assert Pruning(database, 45, NOW_US).run()
    with psycopg.connect(database) as connection:
        # A month from before, as of somebody with a console.
        connection.execute(
            "CREATE TABLE trades_2023_11 PARTITION OF trades FOR VALUES FROM (MINVALUE) TO (1701388800000000)"
        )
    assert Pruning(database, 100, NOW_US).run()
    writer.write(rows_of(LOG), {PARTITION: 2})
    assert months(database) == months(database, "trades") == MONTHS[3:]
    assert differences(database, rows_of(LOG)) == []
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM projection_retention")
    writer.write(rows_of(LOG), {PARTITION: 3})
    assert months(database) == months(database, "trades") == MONTHS
    assert differences(database, rows_of(LOG)) == [], "the log brings all back"


def test_a_month_of_which_one_day_is_kept_is_kept(database: str, writer: Writer) -> None:
    writer.write(rows_of(LOG), {PARTITION: 1})
    begins_us = Month(2024, 1).start_us
    days = (NOW_US - begins_us) // DAY_US + 1
    at_us = begins_us + days * DAY_US
    assert [str(one.month) for one in Pruning(database, days, at_us).look()] == ["2023-11"] * 3 + ["2023-12"] * 3
    assert {str(one.month) for one in Pruning(database, days, at_us - 1).look()} == {"2023-11"}
    assert Pruning(database, 10**6, NOW_US).look() == []
    ahead = Pruning(database, days, 2 * NOW_US).look()  # as many days before the end of March
    assert [str(one.month) for one in ahead] == ["2023-11"] * 3 + ["2023-12"] * 3


def test_what_keeps_a_prune_from_it_is_said_and_drops_nothing(
    database: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write(rows_of(LOG), {PARTITION: 1})
    monkeypatch.setattr(prune, "SWAP_TRIES_MAX", 2)
    monkeypatch.setattr(prune, "SWAP_AGAIN_S", 0.1)
    pruning = Pruning(database, 45, NOW_US)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [rebuild.REBUILD_LOCK])
        with pytest.raises(WorkerError, match="A rebuild of this database runs"):
            pruning.run()
        connection.execute("SELECT pg_advisory_unlock_all()")
        for uses in ("SELECT FROM trades LIMIT 1", "SELECT FROM projection_offsets FOR UPDATE"):
            with psycopg.connect(database) as somebody:
                somebody.execute(uses.encode())
                with pytest.raises(WorkerError, match="Somebody used the tables whenever old rows were to go, 2 times"):
                    pruning.run()
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        for ask in (pruning.look, pruning.run):
            with pytest.raises(WorkerError, match="has the schema revision 0001"):
                ask()
        connection.execute("UPDATE alembic_version SET version_num = %s", [tables.REVISION])
    assert months(database) == MONTHS
    assert differences(database, rows_of(LOG)) == []


def test_rows_move_into_their_months_and_back_when_the_database_is_migrated(empty_database: str) -> None:
    migrations.upgrade(empty_database, "0016")
    rows = rows_of(LOG)
    named = {
        table: SQL(", ").join(map(Identifier, table.columns.keys())) for table in (tables.executions, tables.trades)
    }
    with psycopg.connect(empty_database) as connection, connection.cursor() as cursor:
        for table, columns in named.items():
            values = SQL(", ").join([Placeholder()] * len(table.columns))
            written = SQL("INSERT INTO {} ({}) VALUES ({})").format(Identifier(table.name), columns, values)
            cursor.executemany(written, list(rows.of(table)))
    assert migrations.losses(empty_database, tables.REVISION) == []
    for migrate, revision in (
        (migrations.upgrade, tables.REVISION),
        (migrations.downgrade, "0016"),
        (migrations.upgrade, tables.REVISION),
    ):
        migrate(empty_database, revision)
        with psycopg.connect(empty_database) as connection:
            for table, columns in named.items():
                found = connection.execute(SQL("SELECT {} FROM {}").format(columns, Identifier(table.name))).fetchall()
                assert sorted(found, key=str) == sorted(rows.of(table), key=str)
    assert months(empty_database) == months(empty_database, "trades") == MONTHS
    writer = Writer(empty_database)
    writer.own([PARTITION])
    writer.write(rows, {PARTITION: 1})
    writer.close()
    assert differences(empty_database, rows) == []
