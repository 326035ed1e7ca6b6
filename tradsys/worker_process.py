"""`python -m tradsys.worker_process STAGE INSTANCE`: one worker, without what it never uses.

This is what the supervisor runs: a worker that was killed is missed until it has imported its libraries. So the command
line is not loaded, nor what these libraries import only to offer it; and what the killed one left open is ended
meanwhile.
"""

import importlib
import sys
from contextlib import suppress
from threading import Thread
from types import ModuleType
from typing import Final

from stream_topology.stages import STAGES

_OPTIONAL: Final = ("rich", "yaml")
"""structlog (tracebacks in colours) and Faust (a serializer) do without them where they are not installed."""

_PLACEHOLDERS: Final = {"aiohttp.client": "ClientSession", "croniter.croniter": "croniter"}
"""Faust imports these names for its web client and its timers by calendar. Nothing here has either."""


def leave_out() -> None:
    """Let imports pass over the modules above: a third of a worker's import time."""
    for name in _OPTIONAL:
        sys.modules[name] = None  # type: ignore[assignment]  # what Python documents as "not there"
    for path, name in _PLACEHOLDERS.items():
        package = path.partition(".")[0]
        module = ModuleType(path, "Left out of this process: see tradsys/worker_process.py.")
        setattr(module, name, type(name, (), {}))
        sys.modules[package] = ModuleType(package, module.__doc__)
        sys.modules[path] = module


def run(stage: str, instance: int) -> int:
    """Run a stage's worker until it ends; its exit code."""
    from workers.shell import predecessor, settings  # noqa: PLC0415 - the command line's help does without Kafka
    from workers.shell.endings import WorkerError  # noqa: PLC0415 - the same

    def settle() -> None:
        with suppress(WorkerError):  # a wrong setting: the worker says so when it starts
            predecessor.settle(STAGES[stage], instance, settings.from_environment())

    settling = Thread(target=settle)
    if STAGES[stage].inputs and STAGES[stage].journaled:
        settling.start()
    app = importlib.import_module(f"workers.{stage}.app")
    if settling.ident is not None:
        settling.join()
    code: int = app.main(instance)
    return code


if __name__ == "__main__":
    leave_out()
    sys.exit(run(sys.argv[1], int(sys.argv[2])))
