"""`tradsys worker`."""

import os
import signal
import subprocess
import sys
from types import FrameType
from typing import Annotated

import typer

from stream_topology.stages import STAGES
from tradsys.commands.options import Home
from tradsys.errors import CommandError
from tradsys.settings import environment_of
from tradsys.worker_process import run


def command(
    home: Home,
    stages: Annotated[list[str], typer.Argument(metavar="STAGE...", help=f"Any of: {', '.join(STAGES)}.")],
    instance: Annotated[
        int, typer.Option(min=0, help="Which of the stage's workers this is. Each number may run once at a time.")
    ] = 0,
    accept_behaviour_change: Annotated[  # noqa: FBT002 - an option
        bool,
        typer.Option(
            "--accept-behaviour-change",
            help="Replay what another behaviour version wrote, although the outcome may differ from the published.",
        ),
    ] = False,
) -> None:
    """Run workers in the foreground until they are told to stop; several stages run as one process each.

    Settings come from the environment, else from the platform that was started in the home directory.
    """
    for stage in stages:
        if stage not in STAGES:
            raise CommandError(f"There is no stage {stage!r}; there are {', '.join(STAGES)}.", exit_code=2)
    os.environ.update(environment_of(home))
    if accept_behaviour_change:
        os.environ["ACCEPT_BEHAVIOUR_CHANGE"] = "1"
    if len(stages) == 1:
        raise typer.Exit(run(stages[0], instance))
    raise typer.Exit(_run_together(stages, instance))


def _run_together(stages: list[str], instance: int) -> int:
    """Run one process a stage; when one ends, all do. The exit code is that of the first that ended."""
    processes = [
        subprocess.Popen([sys.executable, "-m", "tradsys.worker_process", stage, str(instance)])  # noqa: S603 - our own
        for stage in stages
    ]

    def stop(_number: int, _frame: FrameType | None) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    ended, status = os.wait()
    stop(signal.SIGTERM, None)
    for process in processes:
        if process.pid == ended:
            process.returncode = os.waitstatus_to_exitcode(status)
        process.wait()
    return os.waitstatus_to_exitcode(status)
