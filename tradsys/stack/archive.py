"""Class-data archives: the broker and the registry start in a third of the time from them, and are provisioned sooner.

An archive is written by a program that ends, so both are run once, in a scratch home on free ports, and do there what
they do first for everybody.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
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
    archives = [jvm.archive(program) for program in _MAKERS]
    if all(archive.exists() for archive in archives):
        return
    with locked(jvm.jars / "archive.lock"):
        if all(archive.exists() for archive in archives):
            return
        from stream_topology.provision import ProvisionError, provision  # noqa: PLC0415 - once for a Java; its HTTP client takes time

        report(" and ".join(f"classes of {program}" for program in _MAKERS))
        with tempfile.TemporaryDirectory(prefix="tradsys-archive-") as scratch:
            nobody = Secrets(**dict.fromkeys(Secrets.__slots__, ""))
            settings = Settings(home=Path(scratch), ports=Ports(**free_ports()), secrets=nobody)
            with ExitStack() as running:
                for wait_until_ready in [running.enter_context(_recorded(name, settings, jvm)) for name in _MAKERS]:
                    wait_until_ready()
                with suppress(ProvisionError):  # it is done for real soon, and what is wrong is said then
                    provision(settings.kafka_bootstrap, settings.schema_registry_url, settings.topic_prefix, shards=1)
        for archive in archives:
            _draft(archive).replace(archive)


@contextmanager
def _recorded(program: str, settings: Settings, jvm: Jvm) -> Iterator[Callable[[], None]]:
    """Start a program, which records its classes when it ends; gives what waits until it does its work."""
    part = _MAKERS[program](settings, jvm, record_classes=_draft(jvm.archive(program)))
    part.prepare()
    log = settings.home / f"{program}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - a part's own command
            part.command, cwd=part.directory, env={**os.environ, **part.environment}, stdout=said, stderr=said
        )
    try:
        yield partial(_wait_until_ready, part, process, log)
        process.terminate()
        process.wait(STOP_S_MAX)
    finally:
        process.kill()
        process.wait()


def _draft(archive: Path) -> Path:
    return archive.with_suffix(".draft")


def _wait_until_ready(part: Part, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        try:
            return part.ready()
        except NotReadyError as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise CommandError(f"{part.name} did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.1)
