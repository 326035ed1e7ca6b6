"""What every process of the log begins and ends with: settings, logs, metrics, codec; and its exit code."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import structlog

from schemas.codec import Codec
from stream_topology.subjects import subjects
from workers.shell import logging, metrics, settings
from workers.shell.endings import Exit, WorkerError

_log = structlog.stdlib.get_logger()


def run(name: str, instance: int, codec: Codec | None, work: Callable[[settings.Settings, Codec], None]) -> int:
    """Do the work with the environment's settings. Returns the exit code (see Exit).

    `work` returns when it was asked to stop, and raises WorkerError when it cannot go on. `codec` is for logs without a
    registry; else the registry gives it.
    """
    try:
        chosen = settings.from_environment()
        logging.configure(chosen.log_level, stage=name, instance=instance)
        port = metrics.serve(chosen.metrics_port)
        codec = codec or _connect(chosen)
    except WorkerError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return int(error.code)
    _log.info("process starts", metrics_port=port, pid=os.getpid(), shards=chosen.shards, prefix=chosen.prefix)
    code = Exit.STOPPED
    try:
        work(chosen, codec)
    except WorkerError as error:
        code = _told(error)
    _log.info("process ends", exit_code=int(code), reason=code.name)
    return int(code)


def end_now(error: WorkerError) -> NoReturn:
    """Say why, and end without waiting for any thread."""
    abandon(_told(error))


def abandon(code: Exit) -> NoReturn:
    """End without waiting for any thread: a successor fences whatever one is still in."""
    logging.flush()
    os._exit(code)


def _told(error: WorkerError) -> Exit:
    _log.error("process must end", error=str(error), exit_code=int(error.code), reason=error.code.name)
    return error.code


def _connect(chosen: settings.Settings) -> Codec:
    from schemas import registry  # noqa: PLC0415 - its HTTP client is not needed without a registry

    try:
        return registry.connect(chosen.registry_url, subjects(chosen.prefix))
    except registry.RegistryError as error:
        raise WorkerError(Exit.UNUSABLE, str(error)) from error
