"""The tables once more from the log, beside those that are read and written, and then in their place.

Nobody waits for it: the projections go on with the tables that are there, and readers read them, until the new ones
hold what the old ones have read. Then both change places in one transaction, during which the projections wait, and
readers for as long as it takes to rename. What ends it before leaves the old tables as they were; it begins anew.

Offsets stay where they are: the new tables are filled up to exactly them, so the projections do not even notice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Final

import psycopg
from confluent_kafka import Consumer, KafkaError, TopicPartition
from psycopg.sql import SQL, Identifier
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from schemas.codec import Codec
from schemas.tables import METADATA, PARTITIONED, PROJECTED, projection_offsets
from workers.kernel.stage import Record
from workers.projections.fold import STAGE, Rows
from workers.projections.partitions import partitions
from workers.projections.reader import BATCH_RECORDS_MAX, LINGER_S
from workers.projections.verify import offsets
from workers.projections.writer import Partition, Writer, check_revision
from workers.shell.endings import Exit, WorkerError
from workers.shell.reader import raise_unless_transient

IN_USE: Final = "public"
"""The schema of the tables that are read and written."""

BESIDE: Final = "rebuilt"
"""The schema of the new ones until then."""

REPLACED: Final = "replaced"
"""The schema that the old ones are moved to, and dropped with."""

REBUILD_LOCK: Final = 0x7472616473797301
"""Advisory lock that only one rebuild holds at a time."""

BEHIND_RECORDS_MAX: Final = 5_000
"""The places are changed when no more than so many records are left to read, since the projections wait for them."""

SWAP_LOCK_MS: Final = 500
"""Renaming gives up after so long, since whoever reads waits behind it; and is tried again."""

SWAP_AGAIN_S: Final = 1.0
SWAP_TRIES_MAX: Final = 60

READ_TIMEOUT_S: Final = 30
"""How long the log may give nothing before the rebuild ends."""

Report = Callable[[int, int], object]
"""Takes how many records were read, and how many are to read."""


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did."""

    records: int = 0
    tries: int = 0
    """How often it was tried to change places."""
    waited_ms: int = 0
    """How long the projections waited for it at most."""


class Rebuild:
    """One rebuild."""

    def __init__(
        self, bootstrap: str, prefix: str, dsn: str, codec: Codec, report: Report = lambda _r, _t: None
    ) -> None:
        """Nothing is connected before `run`."""
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._dsn = dsn
        self._codec = codec
        self._report = report
        self._read: dict[Partition, int] = {}
        self._done = Rebuilt()

    def run(self) -> Rebuilt:
        """Make the tables anew and put them in the place of the old ones.

        Raises WorkerError: another rebuild runs, the database has another revision, the log does not begin at its
        beginning, or the places could not be changed; and psycopg.Error. Then the old tables are as they were.
        """
        with (
            _consumer(self._bootstrap, self._prefix) as self._consumer,
            psycopg.connect(self._dsn, autocommit=True, application_name="tradsys-rebuild") as connection,
        ):
            locked = connection.execute("SELECT pg_try_advisory_lock(%s)", [REBUILD_LOCK]).fetchone()
            if locked != (True,):
                raise WorkerError(Exit.UNUSABLE, "Another rebuild of this database runs, or old rows go; let it end.")
            check_revision(connection)
            _drop(connection)
            self._make_tables()
            writer = Writer(self._dsn, schema=BESIDE)
            try:
                self._fill(connection, writer)
                self._change_places(connection, writer)
            finally:
                writer.close()
                _drop(connection)
        return self._done

    def _make_tables(self) -> None:
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(self._dsn), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(CreateSchema(BESIDE))
            beside = connection.execution_options(schema_translate_map={None: BESIDE})
            METADATA.create_all(beside, tables=[*PROJECTED, projection_offsets], checkfirst=False)

    def _fill(self, connection: psycopg.Connection, writer: Writer) -> None:
        """Read what the projections have read, until there is little more."""
        while True:
            targets = offsets(connection)
            writer.own(targets)
            self._require_beginnings(set(targets) - set(self._read))
            self._read = {partition: self._read.get(partition, 0) for partition in targets}
            behind = self._behind(targets)
            self._catch_up(writer, targets)
            if behind <= BEHIND_RECORDS_MAX:
                break
        for table in PROJECTED:
            connection.execute(SQL("ANALYZE {}.{}").format(Identifier(BESIDE), Identifier(table.name)))

    def _behind(self, targets: Mapping[Partition, int]) -> int:
        return sum(target - self._read.get(partition, 0) for partition, target in targets.items())

    def _catch_up(self, writer: Writer, targets: Mapping[Partition, int]) -> None:
        """Write all records below the targets."""
        missing = {partition: target for partition, target in targets.items() if self._read[partition] < target}
        if not missing:
            return
        begun, total = self._done.records, self._behind(targets)
        for records, positions in self._log(missing):
            rows = Rows()
            for topic, those in records.items():
                rows.fold(topic, those, self._codec)
                self._done.records += len(those)
            writer.write(rows, positions)
            self._read |= positions
            self._report(min(self._done.records - begun, total), total)

    def _log(self, targets: Mapping[Partition, int]) -> Iterator[tuple[dict[str, list[Record]], dict[Partition, int]]]:
        """Committed records below the targets in batches, by topic, and how far each partition was read with them."""
        consumer = self._consumer
        consumer.assign([TopicPartition(*partition, self._read[partition]) for partition in sorted(targets)])
        waiting, deadline_s = set(targets), monotonic() + READ_TIMEOUT_S
        while waiting:
            records: dict[str, list[Record]] = {}
            positions: dict[Partition, int] = {}
            messages: list[Any] = consumer.consume(BATCH_RECORDS_MAX, LINGER_S)  # its types allow None where none is
            for message in messages:
                partition, offset, error = (message.topic(), message.partition()), message.offset(), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise_unless_transient(error, *partition)
                elif partition not in waiting:
                    continue
                elif offset >= targets[partition]:  # also at the partition's end
                    positions[partition] = targets[partition]
                    waiting.discard(partition)
                elif error is None:
                    name = partition[0].removeprefix(self._prefix)
                    time_us = message.timestamp()[1] * 1_000
                    record = Record(name, partition[1], offset, time_us, message.key(), message.value())
                    records.setdefault(name, []).append(record)
                    positions[partition] = offset + 1
            if positions:
                deadline_s = monotonic() + READ_TIMEOUT_S
                yield records, positions
            elif monotonic() > deadline_s:
                names = ", ".join(f"{topic}/{number}" for topic, number in sorted(waiting))
                raise WorkerError(Exit.BROKER_FAILED, f"{names} gave nothing for {READ_TIMEOUT_S} s.")

    def _require_beginnings(self, partitions: Iterable[Partition]) -> None:
        for topic, number in sorted(partitions):
            low, _ = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=READ_TIMEOUT_S)
            if low:
                sentence = f"The beginning of {topic}/{number} is no longer kept: the new rows would be fewer."
                raise WorkerError(Exit.STATE_UNTRUSTED, sentence)

    def _change_places(self, connection: psycopg.Connection, writer: Writer) -> None:
        for _ in range(SWAP_TRIES_MAX):
            self._done.tries += 1
            try:
                if self._try_to_change_places(connection, writer):
                    return
            except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected):
                sleep(SWAP_AGAIN_S)
            self._fill(connection, writer)
        raise WorkerError(
            Exit.UNUSABLE, f"Somebody used the tables whenever they were to be replaced, {SWAP_TRIES_MAX} times."
        )

    def _try_to_change_places(self, connection: psycopg.Connection, writer: Writer) -> bool:
        """Hold the projections, read what they have read since, change places; False when that was too much."""
        begun_s = monotonic()
        with connection.transaction():
            connection.execute(SQL("SET LOCAL statement_timeout = {}").format(SWAP_LOCK_MS))
            connection.execute("SELECT FROM projection_offsets ORDER BY topic, partition FOR UPDATE")
            targets = offsets(connection)
            if set(targets) != set(self._read) or self._behind(targets) > BEHIND_RECORDS_MAX:
                return False
            self._catch_up(writer, targets)
            names = [Identifier(table.name) for table in PROJECTED]
            connection.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(SQL(", ").join(names)))
            check_revision(connection)
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(REPLACED)))
            _move(connection, IN_USE, REPLACED)
            _move(connection, BESIDE, IN_USE)
        self._done.waited_ms = round((monotonic() - begun_s) * 1_000)
        return True


def _move(connection: psycopg.Connection, schema: str, to: str) -> None:
    """All tables into another schema; a table's partitions do not follow it."""
    names = [table.name for table in PROJECTED]
    for table in PARTITIONED:
        names += [name for _, name in partitions(connection, table.name, schema)]
    for name in names:
        move = SQL("ALTER TABLE {}.{} SET SCHEMA {}")
        connection.execute(move.format(Identifier(schema), Identifier(name), Identifier(to)))


def _drop(connection: psycopg.Connection) -> None:
    for name in (BESIDE, REPLACED):
        connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name)))


@contextmanager
def _consumer(bootstrap: str, prefix: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}{STAGE.name}-rebuild",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()
