"""Rows and offsets on real PostgreSQL: merged by the rule of the fold, committed together, fenced."""

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Table

from schemas import tables
from schemas.codec import local_codec
from tests.oracle.projected_history import History, log_of
from workers.kernel.stage import Record
from workers.projections.fold import Row, Rows
from workers.projections.verify import compare_database, offsets
from workers.projections.writer import DATABASE_TROUBLE, Writer
from workers.shell.endings import Exit, WorkerError

CODEC = local_codec()
PARTITION = ("t.executions", 0)
OTHER = ("t.executions", 1)


def rows_of(records: list[Record]) -> Rows:
    rows = Rows()
    for record in records:
        rows.fold(record.topic, [record], CODEC)
    return rows


@pytest.fixture
def writer(database: str) -> Iterator[Writer]:
    writer = Writer(database)
    yield writer
    writer.close()


@pytest.fixture
def successor(database: str) -> Iterator[Writer]:
    writer = Writer(database)
    yield writer
    writer.close()


def differences(database: str, expected: Rows) -> list[str]:
    with psycopg.connect(database) as connection:
        found = compare_database(expected, connection)
    return [str(difference) for comparison in found for difference in comparison.differences]


def test_rows_written_in_batches_equal_the_fold_of_all(database: str, writer: Writer) -> None:
    log = log_of(History(11).messages(3_000), 2, CODEC)
    log[5:5] = [Record("trades", 1, 1 << 40, 1, b"\xff\x00", b"garbage"), Record("trades", 1, 1 << 41, 1, None, None)]
    writer.own([PARTITION])
    for number, at in enumerate(range(0, len(log), 700), 1):
        writer.write(rows_of(log[max(0, at - 50) : at + 700]), {PARTITION: number})  # every batch repeats a bit
    assert differences(database, rows_of(log)) == []


def test_the_comparison_finds_a_lost_an_altered_and_an_extra_row(database: str, writer: Writer) -> None:
    log = log_of(History(12).messages(1_000), 2, CODEC)
    writer.own([PARTITION])
    writer.write(rows_of(log), {PARTITION: 1})
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM trades WHERE trade_id = (SELECT min(trade_id) FROM trades)")
        connection.execute(
            "UPDATE balances SET balance_e8 = balance_e8 + 1 WHERE account = 'account-1' AND currency = 'USD'"
        )
        connection.execute(
            "INSERT INTO positions SELECT 'nobody', symbol, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM trades LIMIT 1"
        )
    found = differences(database, rows_of(log))
    assert sum("trades" in line and "missing" in line for line in found) == 1
    assert sum("balances account-1/USD" in line and "balance_e8 is" in line for line in found) == 1
    assert sum("positions nobody/" in line and "extra" in line for line in found) == 1


def test_reading_goes_on_where_the_rows_are(database: str, writer: Writer, successor: Writer) -> None:
    assert writer.own([PARTITION, OTHER]) == {PARTITION: 0, OTHER: 0}
    writer.write(Rows(), {PARTITION: 17})
    assert successor.own([PARTITION, OTHER]) == {PARTITION: 17, OTHER: 0}
    with psycopg.connect(database) as connection:
        assert offsets(connection) == {PARTITION: 17, OTHER: 0}


def test_who_lost_a_partition_commits_nothing_of_a_batch(database: str, writer: Writer, successor: Writer) -> None:
    writer.own([PARTITION, OTHER])
    successor.own([OTHER])
    with pytest.raises(WorkerError, match=r"t\.executions/1") as ending:
        writer.write(rows_of(log_of(History(13).messages(50), 2, CODEC)), {PARTITION: 5, OTHER: 5})
    assert ending.value.code is Exit.FENCED
    assert differences(database, Rows()) == []
    successor.write(Rows(), {OTHER: 5})  # the successor has not noticed anything


def test_offsets_that_somebody_moved_are_not_written_over(database: str, writer: Writer) -> None:
    writer.own([PARTITION])
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE projection_offsets SET next_offset = 3")
    with pytest.raises(WorkerError) as ending:
        writer.write(Rows(), {PARTITION: 5})
    assert ending.value.code is Exit.FENCED


def test_who_lost_a_partition_does_not_take_it_back_by_connecting_again(writer: Writer, successor: Writer) -> None:
    writer.own([PARTITION])
    successor.own([PARTITION])
    writer.close()
    with pytest.raises(WorkerError) as ending:
        writer.own([PARTITION])
    assert ending.value.code is Exit.FENCED
    successor.write(Rows(), {PARTITION: 5})


def test_a_partition_that_was_given_up_may_be_taken_again(writer: Writer, successor: Writer) -> None:
    writer.own([PARTITION])
    writer.disown([PARTITION])
    successor.own([PARTITION])
    successor.write(Rows(), {PARTITION: 5})
    assert writer.own([PARTITION]) == {PARTITION: 5}


def test_a_lost_connection_loses_the_whole_batch_and_the_next_try_commits_it(database: str, writer: Writer) -> None:
    rows = rows_of(log_of(History(14).messages(500), 2, CODEC))
    writer.own([PARTITION])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'tradsys-projections' AND datname = current_database()"
        )
    with pytest.raises(DATABASE_TROUBLE):
        writer.write(rows, {PARTITION: 9})
    writer.close()
    assert differences(database, Rows()) == []
    assert writer.own([PARTITION]) == {PARTITION: 0}
    writer.write(rows, {PARTITION: 9})
    assert differences(database, rows) == []


def test_a_frozen_transaction_does_not_keep_its_partition(database: str, successor: Writer) -> None:
    """As of a process that was stopped between two statements: the server ends its transaction."""
    with psycopg.connect(database, options="-c idle_in_transaction_session_timeout=200ms") as frozen:
        frozen.execute("INSERT INTO projection_offsets VALUES ('t.executions', 0, 3, 1)")
        began_s = time.monotonic()
        assert successor.own([PARTITION]) == {PARTITION: 0}
        assert time.monotonic() - began_s < 15
        with pytest.raises(psycopg.Error):
            frozen.execute("SELECT 1")


class Interrupted(Rows):
    """Something happens while the rows are sent."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def of(self, table: Table) -> Iterator[Row]:
        for number, row in enumerate(super().of(table)):
            if number == 1:
                self._happens()
            yield row


def test_a_process_that_is_frozen_while_it_sends_rows_does_not_keep_its_partition(
    database: str, writer: Writer, successor: Writer
) -> None:
    rows = Interrupted(lambda: successor.own([PARTITION]))
    for record in log_of(History(15).messages(500), 2, CODEC):
        rows.fold(record.topic, [record], CODEC)
    writer.own([PARTITION])
    with pytest.raises(WorkerError) as ending:
        writer.write(rows, {PARTITION: 5})
    assert ending.value.code is Exit.FENCED
    assert differences(database, Rows()) == []
    successor.write(Rows(), {PARTITION: 5})


def test_who_was_away_finds_out_whether_it_was_replaced(database: str, writer: Writer, successor: Writer) -> None:
    writer.own([PARTITION, OTHER])
    with psycopg.connect(database, autocommit=True) as connection:  # as of a process that was away for long
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'tradsys-projections' AND datname = current_database()"
        )
    writer.require()
    successor.own([OTHER])
    with pytest.raises(WorkerError, match=r"t\.executions/1") as ending:
        writer.require()
    assert ending.value.code is Exit.FENCED


def test_a_database_without_tables_or_of_another_release_is_refused(empty_database: str, database: str) -> None:
    assert empty_database == database  # this release's tables: now another revision, then none
    for change, sentence in (
        ("UPDATE alembic_version SET version_num = '9999'", "has the schema revision 9999"),
        ("DROP TABLE alembic_version", "has no tables"),
    ):
        with psycopg.connect(database) as connection:
            connection.execute(change)
        with pytest.raises(WorkerError, match=f"{sentence}.*needs revision {tables.REVISION}") as ending:
            Writer(database).own([PARTITION])
        assert ending.value.code is Exit.UNUSABLE
