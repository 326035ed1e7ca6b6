"""The projections' process: reads, folds, writes, until it is told to stop.

Database or Kafka away: it waits, with growing pauses, and goes on where the rows are.
"""

import os
import signal
from collections.abc import Mapping
from threading import Thread
from time import monotonic, sleep
from types import FrameType
from typing import Final

import structlog
from prometheus_client import REGISTRY, Counter
from psycopg.conninfo import make_conninfo

from schemas.codec import Codec
from schemas.registry import RegistryError
from schemas.tables import FOLDED
from workers.projections.fold import STAGE, Rows
from workers.projections.reader import Batch, GroupReader
from workers.projections.writer import DATABASE_TROUBLE, Partition, Writer
from workers.shell import metrics, process, settings
from workers.shell.endings import Exit, WorkerError
from workers.shell.watchdog import LOOK_EVERY_S, Watchdog

POLL_S: Final = 1.0
"""Longest wait for a record; a stop is noticed after at most so long."""

BACKOFF_S: Final = 0.05
BACKOFF_S_MAX: Final = 2.0
"""Pauses while the database or the registry is away double from the first to the second."""

REPORT_EVERY_S: Final = 1.0
"""How often offsets are told to the group and the watchdog."""

ROWS: Final = Counter("tradsys_projections_rows", "Rows inserted or replaced", ("table",))

_log = structlog.stdlib.get_logger()


def main(instance: int, codec: Codec | None = None) -> int:
    """Run one instance until it is told to stop or cannot go on. Returns the exit code (see workers.shell.endings)."""

    def work(chosen: settings.Settings, own: Codec) -> None:
        writer = Writer(database(os.environ))
        reader = GroupReader(chosen, instance, lambda: end_if_replaced(writer))
        projector = Projector(reader, writer, own)
        progress = metrics.Progress(STAGE.name, projector)
        REGISTRY.register(progress)
        watchdog = Watchdog(chosen, progress)
        Thread(target=_watch, args=(watchdog,), name="watchdog", daemon=True).start()
        projector.run()

    return process.run(STAGE.name, instance, codec, work)


def database(environ: Mapping[str, str]) -> str:
    """The connection string that the environment gives. Raises WorkerError without DB_PASSWORD: it has no default."""
    password = environ.get("DB_PASSWORD")
    if not password:
        raise WorkerError(Exit.UNUSABLE, "DB_PASSWORD is not set; it is the password of DB_USER at DB_HOST.")
    return make_conninfo(
        host=environ.get("DB_HOST", "127.0.0.1"),
        port=environ.get("DB_PORT", "5432"),
        dbname=environ.get("DB_NAME", "tradsys"),
        user=environ.get("DB_USER", "tradsys"),
        password=password,
    )


def end_if_replaced(writer: Writer) -> None:
    """End the process when another one has taken a partition over while it was away, as frozen processes are.

    Without the database nobody can say: then the group decides who goes on.
    """
    try:
        writer.require()
    except DATABASE_TROUBLE as error:
        _log.warning("the database does not say who owns the partitions", error=str(error).strip())
    except WorkerError as error:
        process.end_now(error)


def _watch(watchdog: Watchdog) -> None:
    while True:
        sleep(LOOK_EVERY_S)
        if error := watchdog.look():
            process.end_now(error)


class Projector:
    """The loop."""

    def __init__(self, reader: GroupReader, writer: Writer, codec: Codec) -> None:
        """Nothing is read before `run`."""
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self.at_work = STAGE.name
        self.turned_at = monotonic()
        self.seen: Mapping[int, Mapping[str, int]] = {}
        self._stopping = False
        self._backoff_s = 0.0
        self._untold: dict[Partition, int] = {}
        self._report_due_s = monotonic()

    def run(self) -> None:
        """Work until told to stop. Raises WorkerError when it cannot go on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self._stopping:
                try:
                    self._step()
                except (*DATABASE_TROUBLE, RegistryError) as error:
                    self._pause(error)
        finally:
            self._reader.commit(self._untold)
            self._reader.close()
            self._writer.close()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _step(self) -> None:
        reader, writer = self._reader, self._writer
        self.turned_at = monotonic()
        writer.disown(reader.revoked)
        reader.revoked.clear()
        if reader.waiting:
            offsets = writer.own(reader.assigned)
            reader.place(offsets)
            shards = {partition for _, partition in offsets}
            metrics.SHARDS_OWNED.labels(STAGE.name).set(len(shards))
            _log.info("shards assigned", shards=sorted(shards))
            self._backoff_s = 0.0
        batch = reader.batch(POLL_S)
        if batch.positions:
            self._apply(batch)
        if monotonic() >= self._report_due_s:
            self._report()

    def _apply(self, batch: Batch) -> None:
        rows = Rows()
        refused = sum(rows.fold(topic, records, self._codec) for topic, records in batch.records.items())
        begun_s = monotonic()
        self._writer.write(rows, batch.positions)
        self._untold |= batch.positions
        metrics.TRANSACTION_SECONDS.labels(STAGE.name, "all").observe(monotonic() - begun_s)
        metrics.BATCH_RECORDS.labels(STAGE.name, "all").observe(batch.record_count)
        metrics.EVENTS.labels(STAGE.name, "all").inc(batch.record_count)
        for table in FOLDED:
            if count := rows.count(table):
                ROWS.labels(table.name).inc(count)
        if refused:
            metrics.DEAD_LETTERS.labels(STAGE.name, "all").inc(refused)
            _log.warning("records could not be made into rows; they stand in projection_dead_letters", records=refused)

    def _report(self) -> None:
        self._report_due_s = monotonic() + REPORT_EVERY_S
        self.seen = self._reader.seen()
        self._reader.commit(self._untold)
        self._untold = {}

    def _pause(self, error: Exception) -> None:
        """Forget the batch, wait, connect again and read on from where the rows are."""
        if not self._backoff_s:
            _log.warning("rows cannot be written; waiting", error=str(error).strip())
        self._writer.close()
        self._reader.hold()
        self.seen = {}  # who cannot write has a reason to stand still
        self._backoff_s = min(max(BACKOFF_S, self._backoff_s * 2), BACKOFF_S_MAX)
        self._reader.wait(self._backoff_s)
