"""Supervision of small processes: what the platform's parts rely on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tradsys.errors import CommandError
from tradsys.stack.part import Part
from tradsys.stack.supervision import MARKER, Supervision, runs

WAIT_S_MAX = 30.0
SLEEP = "import time; time.sleep(600)"


def _part(home: Path, code: str, **environment: str) -> Part:
    return Part(
        name="sleeper",
        layer="stack",
        command=(sys.executable, "-c", code),
        directory=home,
        environment=environment,
        stop_timeout_s=5,
    )


@pytest.fixture
def supervision(tmp_path: Path) -> Iterator[Supervision]:
    # Longer than a Unix socket's name may be.
    home = tmp_path / ("long-" * 20)
    home.mkdir()
    supervised = Supervision(home)
    try:
        yield supervised
    finally:
        supervised.stop()


def _pid(supervision: Supervision) -> int:
    return supervision.states()[0].pid


def _eventually(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S_MAX
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _started(supervision: Supervision, part: Part) -> int:
    supervision.start([part])
    supervision.start_part(part)
    _eventually(lambda: _pid(supervision) != 0)
    return _pid(supervision)


def test_what_is_killed_comes_back(supervision: Supervision) -> None:
    first = _started(supervision, _part(supervision.home, SLEEP))
    _eventually(lambda: supervision.states()[0].state == "running")
    os.kill(first, signal.SIGKILL)
    _eventually(lambda: _pid(supervision) not in {0, first})


def test_what_was_told_reaches_the_process_as_it_was(supervision: Supervision) -> None:
    odd = r"50% of it's \ %(home)s, a=b; é"
    _started(supervision, _part(supervision.home, f"import os; print(os.environ['ODD'], flush=True); {SLEEP}", ODD=odd))
    log = supervision.log_file("sleeper")
    _eventually(lambda: log.exists() and log.read_text() == f"{odd}\n")


@pytest.mark.parametrize("value", ['say "no"', "two\nlines", "'quoted'"])
def test_what_could_not_reach_it_is_refused(supervision: Supervision, value: str) -> None:
    with pytest.raises(CommandError, match="JWT_SECRET has a double quote"):
        supervision.start([_part(supervision.home, SLEEP, JWT_SECRET=value)])


def test_stop_ends_children_of_children_and_those_who_do_not_listen(supervision: Supervision) -> None:
    code = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"subprocess.run([sys.executable, '-c', {SLEEP!r}])"
    )
    process = psutil.Process(_started(supervision, _part(supervision.home, code)))
    _eventually(lambda: bool(process.children()))
    family = [process, *process.children()]
    assert supervision.stop() >= 3
    assert not any(runs(member) for member in family)
    assert supervision.states() == []


def test_a_killed_supervisor_leaves_nothing_that_stop_does_not_end(supervision: Supervision) -> None:
    process = psutil.Process(_started(supervision, _part(supervision.home, SLEEP)))
    os.kill(int((supervision.home / "supervisord.pid").read_text()), signal.SIGKILL)
    _eventually(lambda: not supervision.running())
    assert runs(process)
    supervision.stop()
    assert not runs(process)


def test_what_only_works_in_the_home_is_not_ours(supervision: Supervision) -> None:
    with psutil.Popen([sys.executable, "-c", SLEEP], cwd=supervision.home) as stranger:
        try:
            supervision.stop()
            assert stranger.is_running()
        finally:
            stranger.kill()


def test_other_settings_are_refused_while_it_runs(supervision: Supervision) -> None:
    part = _part(supervision.home, SLEEP)
    _started(supervision, part)
    supervision.require_same([part])
    with pytest.raises(CommandError, match="runs with other settings"):
        supervision.require_same([_part(supervision.home, SLEEP, MORE="1")])


def test_a_part_that_was_stopped_stays_away_and_can_be_started_again(supervision: Supervision) -> None:
    part = _part(supervision.home, SLEEP)
    first = _started(supervision, part)
    supervision.stop_part(part)
    _eventually(lambda: supervision.states()[0].state == "stopped")
    supervision.stop_part(part)  # harmless
    supervision.start_part(part)
    _eventually(lambda: _pid(supervision) not in {0, first})


def test_parts_keep_bytecode_in_the_cache_where_the_caller_wants_none_beside_the_sources(
    supervision: Supervision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setenv("TRADSYS_CACHE", str(tmp_path / "cache"))
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "example.py").write_text("")
    _started(supervision, _part(supervision.home, f"import example; {SLEEP}", PYTHONPATH=str(sources)))
    _eventually(lambda: any((tmp_path / "cache").rglob("example.*.pyc")))
    assert [path.name for path in sources.iterdir()] == ["example.py"]


def test_who_has_ended_is_not_waited_for_where_nobody_asks_how(
    supervision: Supervision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose first process is not an init."""
    inattentive = (
        "import os, subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], env=os.environ | {{'{MARKER}': sys.argv[1]}}); "
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", inattentive, str(supervision.home)]
    with subprocess.Popen(command) as parent:
        try:
            _eventually(lambda: len(list(supervision.processes())) == 1)
            monkeypatch.setattr("tradsys.stack.supervision.TERMINATE_S_MAX", 3_600.0)
            supervision.end_orphans()  # else this test takes too long
        finally:
            parent.kill()
