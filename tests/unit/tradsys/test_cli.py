import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tradsys.cli import COMMANDS
from tradsys.settings import load, record

HEAVY = ("psycopg", "confluent_kafka", "rich", "psutil", "faust", "tradsys.platform")


def _tradsys(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tradsys", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_loads_none() -> None:
    code = f"""
import sys
from tradsys.cli import main
try:
    main()
finally:
    assert not sys.modules.keys() & set({HEAVY!r}), sys.modules.keys() & set({HEAVY!r})
"""
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name: str) -> None:
    assert inspect.getdoc(importlib.import_module(f"tradsys.commands.{name}").command)


def test_an_unknown_command_is_a_usage_error() -> None:
    done = _tradsys("upp")
    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr


def test_nothing_running_is_said_not_thrown(tmp_path: Path) -> None:
    home = str(tmp_path)
    status = _tradsys("status", "--home", home, "--json")
    assert status.returncode == 3
    assert json.loads(status.stdout)["parts"] == []
    never = _tradsys("status", "--home", f"{home}/never")
    assert (never.returncode, never.stderr) == (
        3,
        f"tradsys: {home}/never does not exist: nothing was ever started there.\n",
    )
    down = _tradsys("down", "--home", home)
    assert (down.returncode, down.stdout) == (0, f"Nothing was running in {home}.\n")
    logs = _tradsys("logs", "--home", home)
    assert (logs.returncode, logs.stderr) == (1, f"tradsys: {home} has no logs: nothing was ever started there.\n")


@pytest.mark.parametrize(
    "words",
    [
        ("kill", "venue", "--yes"),
        ("symbols", "TEST-USD", "--tick", "0.01"),
        ("accounts",),
        ("limits",),
        ("sessions",),
        ("orders",),
        ("users",),
        ("audit",),
        ("db", "prune", "400"),
        ("provision",),
    ],
)
def test_no_venue_is_touched_that_nobody_named(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAFKA_BOOTSTRAP", "DB_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    done = _tradsys(*words, "--home", str(tmp_path))
    assert done.returncode in {1, 2}
    assert done.stderr.startswith(f"tradsys: Nothing was ever started in {tmp_path}. Name the platform with --home")


def test_a_password_alone_names_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setenv("DB_PASSWORD", "a password")
    done = _tradsys("kill", "venue", "--yes", "--home", str(tmp_path))
    assert (done.returncode, done.stderr.partition(";")[0]) == (1, "tradsys: KAFKA_BOOTSTRAP is not set")


def test_env_of_a_home_that_was_never_started_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "never"
    done = _tradsys("env", "--home", str(home))
    assert (done.returncode, done.stdout, home.exists()) == (1, "", False)
    assert done.stderr.startswith(f"tradsys: Nothing was ever started in {home}")


def test_env_is_what_a_shell_takes(tmp_path: Path) -> None:
    record(load(tmp_path, {}))
    script = f'eval "$({sys.executable} -m tradsys env --home "{tmp_path}")" && printf %s "$KAFKA_BOOTSTRAP"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    environment = json.loads(_tradsys("env", "--json", "--home", str(tmp_path)).stdout)
    assert done.stdout == environment["KAFKA_BOOTSTRAP"]


def test_fresh_deletes_only_homes_of_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = _tradsys("up", "--fresh", "--yes", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "is not a home of this platform" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(("options", "accepted"), [([], "False"), (["--accept-behaviour-change"], "True")])
def test_an_operator_who_accepts_other_behaviour_is_heard_by_the_worker(
    tmp_path: Path, options: list[str], accepted: str
) -> None:
    code = """
import sys
from types import ModuleType
from tradsys.cli import main
from workers.shell.settings import from_environment

app = ModuleType("workers.risk.app")
app.main = lambda instance: sys.stdout.write(f"{instance} {from_environment().accept_behaviour_change}")
sys.modules["workers.risk.app"] = app
main()
"""
    arguments = ["worker", "risk", "--instance", "3", "--home", str(tmp_path), *options]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"3 {accepted}", "")
