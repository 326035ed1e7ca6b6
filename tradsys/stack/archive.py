"""Class-data archives: the broker and the registry start in a third of the time from one.

An archive is written by a program that ends, so each program is run once, in a scratch home on free ports.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tradsys.errors import CommandError
from tradsys.settings import Ports, Secrets, Settings, free_ports
from tradsys.stack.fetch import locked
from tradsys.stack.jvm import Jvm
from tradsys.stack.kafka import kafka_part
from tradsys.stack.part import NotReadyError, Part
from tradsys.stack.registry import registry_part

START_S_MAX: Final = 120.0
STOP_S_MAX: Final = 60.0
_MAKERS: Final[dict[str, Callable[..., Part]]] = {"kafka": kafka_part, "registry": registry_part}


def archive_classes(jvm: Jvm, report: Callable[[str], None]) -> None:
    """Write the archives that this version of Java lacks. Any number of processes may call this at once."""
    if all(jvm.archive(program).exists() for program in _MAKERS):
        return
    with locked(jvm.jars / "archive.lock"):
        missing = [program for program in _MAKERS if not jvm.archive(program).exists()]
        with tempfile.TemporaryDirectory(prefix="tradsys-archive-") as scratch:
            nobody = Secrets(**dict.fromkeys(Secrets.__slots__, ""))
            settings = Settings(home=Path(scratch), ports=Ports(**free_ports()), secrets=nobody)
            runs = [_Run(program, settings, jvm) for program in missing]
            for run in runs:
                report(f"classes of {run.part.name}")
                run.finish()


class _Run:
    """One program, started to record its classes."""

    def __init__(self, program: str, settings: Settings, jvm: Jvm) -> None:
        self._archive = jvm.archive(program)
        self._draft = self._archive.with_suffix(".draft")
        self.part = _MAKERS[program](settings, jvm, record_classes=self._draft)
        self.part.prepare()
        self._log = settings.home / f"{program}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a part's own command
                self.part.command,
                cwd=self.part.directory,
                env={**os.environ, **self.part.environment},
                stdout=log,
                stderr=log,
            )

    def finish(self) -> None:
        try:
            self._wait_until_ready()
            self._process.terminate()
            self._process.wait(STOP_S_MAX)
        finally:
            self._process.kill()
            self._process.wait()
        self._draft.replace(self._archive)

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_S_MAX
        while True:
            try:
                return self.part.ready()
            except NotReadyError as error:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise CommandError(f"{self.part.name} did not start: {error}\n{self._log.read_text()}") from error
                time.sleep(0.1)
