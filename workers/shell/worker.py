"""A worker process: one instance of one stage, from its start to its exit code."""

import asyncio
import gc
import signal
import sys
from typing import Final

import structlog
import uvloop
from prometheus_client import REGISTRY

from schemas.codec import Codec
from stream_topology.stages import Stage
from workers.kernel.stage import CoreFactory
from workers.shell import metrics, process
from workers.shell.endings import Exit, WorkerError
from workers.shell.loop import ShardLoop, Stop
from workers.shell.membership import GroupApp
from workers.shell.runner import StageRun
from workers.shell.settings import ABANDON_TIMEOUT_S, JOIN_TIMEOUT_S, STOP_TIMEOUT_S, Settings
from workers.shell.watchdog import LOOK_EVERY_S, Watchdog

_SWITCH_INTERVAL_S: Final = 0.001
"""Threads hand the interpreter over sooner than by default: a batch must not wait long for a restore beside it."""

_log = structlog.stdlib.get_logger()


def run(stage: Stage, make_core: CoreFactory, instance: int, codec: Codec | None = None) -> int:
    """Run one instance of a stage until it is told to stop or cannot go on. Returns the exit code (see Exit).

    Settings come from the environment. `codec` is for logs without a registry; else the registry gives it.
    """

    def work(settings: Settings, own: Codec) -> None:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()  # what is loaded now stays: later collections need not look at it
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Worker(StageRun(stage, make_core, own, settings), instance).serve())

    return process.run(stage.name, instance, codec, work)


class Worker:
    """The process's parts: the membership, the loop that runs the shards, the watchdog."""

    def __init__(self, run: StageRun, instance: int) -> None:
        """Nothing runs before `serve`."""
        self._run = run
        self._instance = instance
        self._shards: set[int] = set()
        """Those that the loop was given."""
        self._shard_loop = ShardLoop(run, self._failed)
        self._ended = asyncio.Event()
        self._error: WorkerError | None = None

    async def serve(self) -> None:
        """Work until asked to stop. Raises WorkerError when it cannot go on."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._ended.set)
        self._shard_loop.start()
        self._app = GroupApp(self._run.stage, self._run.settings, self._instance, self._assign, self._fail)
        joining = asyncio.create_task(self._app.start())  # it may never return after a crash of Faust's thread
        watching = asyncio.create_task(self._watch())
        crashed = asyncio.create_task(self._app._crashed.wait())  # noqa: SLF001 - Faust's own name for it
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait({joining, crashed, ended}, timeout=JOIN_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        joined = joining.done() and joining.exception() is None
        if joined:
            await asyncio.wait({crashed, ended}, return_when=asyncio.FIRST_COMPLETED)
        if self._error is None and not self._ended.is_set():
            reason = joining.exception() if joining.done() and not joined else self._app.crash_reason
            sentence = (
                f"the membership in the group at {self._run.settings.bootstrap} failed: "
                f"{reason or f'it was not joined within {JOIN_TIMEOUT_S} s'}"
            )
            self._error = WorkerError(Exit.UNUSABLE, sentence)
        for task in (joining, watching, crashed, ended):
            task.cancel()
        await self._end(joined=joined)

    def _assign(self, shards: set[int]) -> None:
        """The shards of this process from now on. Those that stay have not even noticed."""
        _log.info("shards assigned", shards=sorted(shards))
        metrics.SHARDS_OWNED.labels(self._run.stage.name).set(len(shards))
        for number in sorted(self._shards - shards):
            self._shard_loop.drop(number)
        for number in sorted(shards - self._shards):
            self._shard_loop.take(number)
        self._shards = set(shards)

    def _failed(self, error: WorkerError, shard: int | None) -> None:
        """Called in the loop's thread or in that of a restore."""
        self._loop.call_soon_threadsafe(self._judge_failure, error, shard)

    def _judge_failure(self, error: WorkerError, shard: int | None) -> None:
        if error.code is Exit.FENCED and shard is not None and (shard not in self._shards or self._app.rebalancing):
            _log.info("shard was taken over in a rebalance", shard=shard, error=str(error))
            self._shards.discard(shard)
            return
        self._fail(error)

    def _fail(self, error: WorkerError) -> None:
        if self._error is None:
            self._error = error
        self._ended.set()

    async def _watch(self) -> None:
        progress = metrics.Progress(self._run.stage.name, self._shard_loop)
        REGISTRY.register(progress)
        watchdog = Watchdog(self._run.settings, progress)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            error = await asyncio.to_thread(watchdog.look)
            if error is not None:
                self._fail(error)

    async def _end(self, *, joined: bool) -> None:
        """Bring the shards to an end and leave the group; after a failure only the transactions in flight are ended."""
        graceful = self._error is None
        self._shard_loop.stop(Stop.WITH_SNAPSHOT if graceful else Stop.NOW)
        await asyncio.to_thread(self._shard_loop.join, STOP_TIMEOUT_S if graceful else ABANDON_TIMEOUT_S)
        if self._error is not None:
            process.end_now(self._error)
        if self._shard_loop.is_alive():
            _log.warning("not all shards could leave a snapshot in time", seconds=STOP_TIMEOUT_S)
        if not joined:
            process.abandon(Exit.STOPPED)
        try:
            await self._app.leave()
            await asyncio.wait_for(self._app.stop(), STOP_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - whatever the libraries raise
            _log.warning("the group was not left in good order", error=str(error))
        if self._shard_loop.is_alive():
            process.abandon(Exit.STOPPED)
