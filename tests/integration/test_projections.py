"""The projections' process on real Kafka and PostgreSQL: rows are the fold of the topics, whatever is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from psycopg.conninfo import conninfo_to_dict

from schemas import registry
from stream_topology.provision import provision
from stream_topology.subjects import subjects
from tests.oracle.projected_history import History, log_of
from tradsys.audit.kafka_log import KafkaLog
from workers.projections.fold import STAGE, Rows
from workers.projections.verify import compare_database, offsets
from workers.shell.endings import Exit
from workers.shell.settings import SESSION_TIMEOUT_S

SHARDS = 2
TIMEOUT_S = 60
PROGRAM = "import sys; from workers.projections.app import main; sys.exit(main(int(sys.argv[1])))"
DEAF_PROGRAM = f"""
import os
from workers.projections.reader import GroupReader
os.environ["STALL_TIMEOUT_S"] = "2"
place = GroupReader.place
def place_and_pause(reader, offsets):
    place(reader, offsets)
    reader.consumer.pause(reader.consumer.assignment())
GroupReader.place = place_and_pause
{PROGRAM}
"""
"""Its client gets an assignment and gives nothing of it, as librdkafka does when it loses a partition's leader."""
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'tradsys-projections' AND datname = current_database()"
)


class Venue:
    """A log of its own, and what was written to it so far."""

    def __init__(self, stack: Any, prefix: str) -> None:
        self.stack = stack
        self.prefix = prefix
        provision(stack.bootstrap, stack.registry_url, prefix, SHARDS)
        self.codec = registry.connect(stack.registry_url, subjects(prefix))
        self.log = KafkaLog(stack.bootstrap, prefix, SHARDS)
        self.history = History(seed=1)
        self.producer = Producer(
            {"bootstrap.servers": stack.bootstrap, "transactional.id": f"{prefix}test", "log_level": 0}
        )
        self.producer.init_transactions(TIMEOUT_S)

    def write(self, count: int) -> None:
        """Committed transactions of 50 messages, with aborted ones between them that nobody may see."""
        log = log_of(self.history.messages(count), SHARDS, self.codec)
        for number, at in enumerate(range(0, len(log), 50)):
            if number % 4 == 0:
                self.producer.begin_transaction()
                self.producer.produce(self.prefix + "trades", b"aborted", b"x", partition=0)
                self.producer.flush(TIMEOUT_S)
                self.producer.abort_transaction(TIMEOUT_S)
            self.producer.begin_transaction()
            for record in log[at : at + 50]:
                self.producer.produce(self.prefix + record.topic, record.value, record.key, record.partition)
            self.producer.commit_transaction(TIMEOUT_S)

    def write_bytes(self, topic: str, value: bytes) -> None:
        self.producer.begin_transaction()
        self.producer.produce(self.prefix + topic, value, b"key", partition=1)
        self.producer.commit_transaction(TIMEOUT_S)

    def differences(self, database: str) -> list[str]:
        rows = Rows()
        for topic in STAGE.inputs:
            rows.fold(topic, self.log.records(topic), self.codec)
        with psycopg.connect(database) as connection:
            found = compare_database(rows, connection)
        assert sum(comparison.row_count for comparison in found) > 0
        return [str(difference) for comparison in found for difference in comparison.differences]


@pytest.fixture(scope="module")
def venue(stack: Any) -> Venue:
    return Venue(stack, f"test-{random.randbytes(4).hex()}.")


@pytest.fixture
def start(venue: Venue, database: str) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts an instance; all are killed at the end."""
    address = conninfo_to_dict(database)
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": venue.stack.bootstrap,
        "SCHEMA_REGISTRY_URL": venue.stack.registry_url,
        "TRADSYS_PREFIX": venue.prefix,
        "TRADSYS_SHARDS": str(SHARDS),
        "DB_HOST": str(address["host"]),
        "DB_PORT": str(address["port"]),
        "DB_NAME": str(address["dbname"]),
        "DB_USER": str(address["user"]),
        "DB_PASSWORD": str(address["password"]),
        "METRICS_PORT": "0",
        "LOG_LEVEL": "WARNING",
    }
    running: list[subprocess.Popen[bytes]] = []

    def start(instance: int, program: str = PROGRAM) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", program, str(instance)], env=environment)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait(TIMEOUT_S)


@contextmanager
def within(what: str, seconds: float = TIMEOUT_S) -> Iterator[Callable[[], None]]:
    """Gives what a polling loop calls each time."""
    deadline_s = time.monotonic() + seconds

    def look() -> None:
        assert time.monotonic() < deadline_s, f"not within {seconds} s: {what}"
        time.sleep(0.02)

    yield look


def progress(database: str) -> int:
    with psycopg.connect(database) as connection:
        return sum(offsets(connection).values())


def wait_for_progress(database: str, beyond: int) -> int:
    with within(f"progress beyond {beyond}") as look:
        while (now := progress(database)) <= beyond:
            look()
        return now


def wait_for_epoch(database: str, epoch: int) -> None:
    """Until all partitions have changed hands so often."""
    with within(f"epoch {epoch}") as look, psycopg.connect(database, autocommit=True) as connection:
        while connection.execute("SELECT min(epoch) FROM projection_offsets").fetchone() != (epoch,):
            look()


def wait_for_the_end(venue: Venue, database: str) -> None:
    ends = {(venue.prefix + topic, number): end for (topic, number), end in venue.log.ends(STAGE.inputs).items()}
    with within("rows up to the end of the log") as look, psycopg.connect(database, autocommit=True) as connection:
        while offsets(connection) != ends:
            look()


def test_killed_in_mid_stream_again_and_again(venue: Venue, database: str, start: Any) -> None:
    venue.write(4_000)
    done = 0
    for _ in range(3):
        process = start(0)
        done = wait_for_progress(database, done)
        process.kill()
        process.wait(TIMEOUT_S)
        venue.write(500)
    start(0)
    wait_for_the_end(venue, database)
    assert venue.differences(database) == []


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@contextmanager
def a_write_in_progress(venue: Venue, database: str) -> Iterator[None]:
    """Records to write, and a lock that their writer waits for: it is in a transaction until this ends."""
    with psycopg.connect(database) as connection:
        connection.execute("SELECT * FROM projection_offsets FOR UPDATE")
        venue.write(1_000)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with within("a write that waits") as look:
            while connection.execute(waiting).fetchone() == (0,):
                look()
        yield


@pytest.mark.parametrize("frozen_s_min", [0, SESSION_TIMEOUT_S + 2], ids=["in its session", "after its session"])
@pytest.mark.parametrize("writes", [False, True], ids=["between writes", "in a write"])
def test_a_frozen_process_wakes_up_after_its_successor_and_ends_without_a_trace(
    venue: Venue, database: str, start: Any, frozen_s_min: float, *, writes: bool
) -> None:
    venue.write(500)
    frozen = start(0)
    wait_for_the_end(venue, database)
    with a_write_in_progress(venue, database) if writes else nullcontext():
        frozen.send_signal(signal.SIGSTOP)
    frozen_at_s = time.monotonic()
    venue.write(1_000)
    successor = start(0)
    wait_for_epoch(database, 2)
    with within("the freeze is long enough") as look:
        while time.monotonic() - frozen_at_s < frozen_s_min:
            look()
    frozen.send_signal(signal.SIGCONT)
    with within("the frozen process ends") as look:
        while frozen.poll() is None:
            assert successor.poll() is None
            look()
    assert frozen.wait() == Exit.FENCED
    venue.write(500)
    wait_for_the_end(venue, database)
    assert successor.poll() is None
    assert venue.differences(database) == []


def test_instances_share_the_partitions_and_hand_them_over(venue: Venue, database: str, start: Any) -> None:
    first = start(0)
    wait_for_progress(database, 0)
    second = start(1)
    with within("two epochs") as look, psycopg.connect(database, autocommit=True) as connection:
        while connection.execute("SELECT max(epoch) FROM projection_offsets").fetchone() == (1,):
            look()
    venue.write(1_000)
    wait_for_the_end(venue, database)
    assert first.poll() is None
    assert second.poll() is None
    assert venue.differences(database) == []


def test_a_database_that_ends_its_connections_is_waited_for(venue: Venue, database: str, start: Any) -> None:
    process = start(0)
    wait_for_progress(database, 0)
    for _ in range(5):
        done = progress(database)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(TERMINATE)
        venue.write(200)
        wait_for_progress(database, done)
    wait_for_the_end(venue, database)
    assert process.poll() is None
    assert venue.differences(database) == []


def test_a_process_whose_client_gives_it_nothing_ends_and_its_successor_goes_on(
    venue: Venue, database: str, start: Any
) -> None:
    venue.write(200)
    assert start(0, DEAF_PROGRAM).wait(TIMEOUT_S) == Exit.STALLED
    start(0)
    wait_for_the_end(venue, database)
    assert venue.differences(database) == []


def test_what_cannot_be_read_is_set_aside_and_a_stop_is_graceful(venue: Venue, database: str, start: Any) -> None:
    venue.write_bytes("executions", b"\x00garbage")
    venue.write_bytes("executions", b"")
    venue.write(100)
    process = start(0)
    wait_for_the_end(venue, database)
    with psycopg.connect(database) as connection:
        letters = connection.execute("SELECT source_topic, source_partition, key, value FROM projection_dead_letters")
        assert ("executions", 1, b"key", b"\x00garbage") in letters.fetchall()
    process.terminate()
    assert process.wait(TIMEOUT_S) == Exit.STOPPED
    assert venue.differences(database) == []


def test_offsets_that_the_log_does_not_have_are_refused(venue: Venue, database: str, start: Any) -> None:
    with psycopg.connect(database) as connection:
        row = (f"{venue.prefix}trades", 0, 1 << 40, 1)
        connection.execute("INSERT INTO projection_offsets VALUES (%s, %s, %s, %s)", row)
    assert start(0).wait(TIMEOUT_S) == Exit.STATE_UNTRUSTED
