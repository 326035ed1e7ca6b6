"""Starts the platform of one home directory and stops it."""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tradsys.errors import CommandError
from tradsys.log_files import last_lines
from tradsys.settings import Settings, record
from tradsys.stack.archive import archive_classes
from tradsys.stack.fetch import cache_directory, fetch, locked
from tradsys.stack.java import find_java
from tradsys.stack.jvm import Jvm
from tradsys.stack.kafka import kafka_part
from tradsys.stack.part import NotReadyError, Part
from tradsys.stack.ports import require_free
from tradsys.stack.postgres import postgres_part
from tradsys.stack.processes import process_parts
from tradsys.stack.registry import registry_part
from tradsys.stack.supervision import State, Supervision
from tradsys.stack.valkey import valkey_part

START_S_MAX: Final = 180.0
"""Beyond it a part that neither works nor ended is given up; on a busy machine a first start takes a minute."""
LOOK_AGAIN_S: Final = 0.1
STARTS_MAX: Final = 3
"""A part that ended this often while it was waited for has failed."""
LOG_LINES: Final = 15

Report = Callable[[str], None]
"""Told what is being done, a few words at a time."""


def stack_parts(settings: Settings, report: Report) -> list[Part]:
    """Kafka, registry, PostgreSQL and Valkey, fetched if need be."""
    java = find_java()
    jvm = Jvm(java, fetch(cache_directory(), lambda file, _bytes: report(f"fetched {file}")))
    archive_classes(jvm, lambda classes: report(f"archiving {classes}"))
    return [kafka_part(settings, jvm), registry_part(settings, jvm), postgres_part(settings), valkey_part(settings)]


def up(settings: Settings, *, report: Report, only_stack: bool = False) -> None:
    """Start what does not run yet and return when all of it does its work.

    Raises CommandError: which part failed, and its last log lines. What had started by then keeps running.
    """
    supervision = Supervision(settings.home)
    with _alone(settings.home):
        stack = stack_parts(settings, report)
        workers = process_parts(settings)
        if running := supervision.running():
            supervision.require_same([*stack, *workers])
        else:
            supervision.end_orphans()
        alive = {state.name for state in supervision.states() if state.pid}
        for part in stack if only_stack else [*stack, *workers]:
            if part.name not in alive:
                require_free(part)
                report(f"preparing {part.name}")
                part.prepare()
        if not running:
            supervision.start([*stack, *workers])
        record(settings)
        _start(supervision, stack, report)
        if not only_stack:
            report("provisioning topics, schemas and tables")
            importlib.import_module("tradsys.provisioning").provision(settings.environment())
            _start(supervision, workers, report)


def down(home: Path) -> int:
    """Stop everything of this home; returns how many processes there were."""
    home = home.expanduser().resolve()
    if not home.exists():
        return 0
    with _alone(home):
        return Supervision(home).stop()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two commands that start or stop the same platform take turns."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(home / "lock"):
        yield


def _start(supervision: Supervision, parts: Sequence[Part], report: Report) -> None:
    """Start parts together and wait until each does its work."""
    for part in parts:
        supervision.start_part(part)
    deadline_s = time.monotonic() + START_S_MAX
    starts: dict[str, set[int]] = {part.name: set() for part in parts}
    waiting = list(parts)
    while waiting:
        states = {state.name: state for state in supervision.states()}
        for part in list(waiting):
            state = states.get(part.name)
            if state is None:
                raise CommandError(f"The supervisor of {supervision.home} ended while {part.name} was starting.")
            starts[part.name].add(state.pid)
            lack = _lack(part, state)
            if lack is None:
                waiting.remove(part)
                continue
            report(f"waiting for {part.name}: {lack}")
            if len(starts[part.name] - {0}) >= STARTS_MAX or time.monotonic() > deadline_s:
                raise CommandError(_failure(supervision, part, lack))
        time.sleep(LOOK_AGAIN_S)


def _lack(part: Part, state: State) -> str | None:
    """What a part still lacks to do its work."""
    if state.state not in {"running", "starting"}:
        return f"it is in state {state.state}"
    try:
        part.ready()
    except NotReadyError as error:
        return str(error)
    return None


def _failure(supervision: Supervision, part: Part, lack: str) -> str:
    log = supervision.log_file(part.name)
    return "\n".join([f"{part.name} did not start: {lack}. Its last log lines ({log}):", *last_lines(log, LOG_LINES)])
