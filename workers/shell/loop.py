"""The thread that does a process's work: one fetch for all its shards, then a transaction for each that got records.

A turn's transactions go side by side, because each mostly waits for the broker. While they are committed the next fetch
grows, so batches follow the load by themselves.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Final

import structlog

from workers.shell.endings import Exit, WorkerError
from workers.shell.reader import Batch, StageReader
from workers.shell.runner import ShardRunner, StageRun
from workers.shell.settings import TRANSACTIONS_AT_ONCE_MAX

_POLL_S: Final = 0.1
"""How long the loop waits for records before it looks for shards that came or went."""

_log = structlog.stdlib.get_logger()


class Stop(Enum):
    """How the loop shall end."""

    NOW = "after the transaction it is in"
    WITH_SNAPSHOT = "publish what is pending, and a snapshot of each shard"


class ShardLoop(threading.Thread):
    """Runs the shards that it was given until it is told to stop."""

    def __init__(self, run: StageRun, on_failure: Callable[[WorkerError, int | None], None]) -> None:
        """`on_failure` is told why, and the shard if it is one's: in the loop's thread or in that of a restore."""
        super().__init__(name=run.stage.name, daemon=True)
        self._run = run
        self._on_failure = on_failure
        self._reader: StageReader
        self._wanted: dict[int, threading.Event] = {}
        """The shards that were given; what stands for one tells a restore whether it is still the wanted one."""
        self._runners: dict[int, ShardRunner] = {}
        """Those that are restored."""
        self._changes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._stop_request: Stop | None = None
        self._helpers = ThreadPoolExecutor(TRANSACTIONS_AT_ONCE_MAX - 1, f"{run.stage.name}-helper")
        """Work for other shards while the loop's own thread works for one."""
        self._at_work: set[str] = set()
        self.turned_at = monotonic()
        """When the loop last finished a turn or found nothing to do."""
        self.seen: dict[int, dict[str, int]] = {}
        """Per running shard and input: up to which offset the log has been looked at."""

    @property
    def at_work(self) -> str:
        """Who is in a batch now."""
        return ", ".join(sorted(self._at_work)) or self.name

    def take(self, number: int) -> None:
        """Restore a shard beside the running ones, and run it. If it runs already, it is ended first."""
        ended = threading.Event()
        self._changes.put(lambda: self._begin(number, ended))
        threading.Thread(target=self._restore, args=(number, ended), name=f"restore-{number}", daemon=True).start()

    def drop(self, number: int) -> None:
        """End a shard after the transaction it is in."""
        self._changes.put(lambda: self._end(number))

    def stop(self, how: Stop) -> None:
        """End all shards. `join` waits for it."""
        self._stop_request = how

    def run(self) -> None:
        """The thread's life. Whatever ends it against the plan is reported."""
        try:
            self._reader = StageReader(self._run.settings, self._run.group, self._run.stage.inputs)
            self.seen = self._reader.seen
            while self._stop_request is None:
                while not self._changes.empty():
                    self._changes.get()()
                self._turn()
            for runner in list(self._runners.values()):
                if self._stop_request is Stop.WITH_SNAPSHOT:
                    self._guarded(runner, runner.leave_snapshot)
                self._end(runner.number)
            self._helpers.shutdown()
            self._reader.close()
        except Exception as error:  # noqa: BLE001 - a thread that ends silently would be a stalled worker
            self._on_failure(_unexpected(self.name, error), None)

    def _turn(self) -> None:
        batches = self._reader.read(_POLL_S)
        self.turned_at = monotonic()
        if not batches:
            return
        mine, *others = [(self._runners[number], batch) for number, batch in batches.items()]
        helped = [(runner, self._helpers.submit(self._work, runner, batch)) for runner, batch in others]
        self._guarded(mine[0], partial(self._work, *mine))
        for runner, future in helped:
            self.turned_at = monotonic()
            self._guarded(runner, future.result)
        self.turned_at = monotonic()

    def _work(self, runner: ShardRunner, batch: Batch) -> None:
        """May run in a helper's thread: it touches nothing but the shard."""
        self._at_work.add(runner.name)
        try:
            runner.work(batch)
        finally:
            self._at_work.discard(runner.name)

    def _begin(self, number: int, ended: threading.Event) -> None:
        self._end(number)
        self._wanted[number] = ended
        ended.set()

    def _restore(self, number: int, ended: threading.Event) -> None:
        """Runs in a thread of its own: the other shards go on meanwhile."""
        ended.wait()
        try:
            runner = ShardRunner(self._run, number, self._reader.group)
        except Exception as error:  # noqa: BLE001 - as above
            self._on_failure(_unexpected(f"{self.name} shard {number}", error), number)
            return
        if self._guarded(runner, runner.restore):
            self._changes.put(lambda: self._add(runner, ended))
        else:
            runner.close()

    def _add(self, runner: ShardRunner, ended: threading.Event) -> None:
        if self._wanted.get(runner.number) is not ended:  # it was taken away while it was restored
            runner.close()
            return
        self._runners[runner.number] = runner
        self._reader.add(runner.number, runner.positions)

    def _end(self, number: int) -> None:
        self._wanted.pop(number, None)
        runner = self._runners.pop(number, None)
        if runner is not None:
            self._reader.remove(number)
            runner.close()

    def _guarded(self, runner: ShardRunner, step: Callable[[], None]) -> bool:
        """Do a step of a shard. Whatever is raised ends the shard and is reported; returns whether nothing was."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever a core raises
            self._on_failure(runner.failure(error), runner.number)
            if self._runners.get(runner.number) is runner:
                self._end(runner.number)
            return False
        return True


def _unexpected(name: str, error: Exception) -> WorkerError:
    if isinstance(error, WorkerError):
        return error
    _log.error("worker failed", exc_info=error)
    return WorkerError(Exit.UNUSABLE, f"{name} failed: {type(error).__name__}: {error}")
