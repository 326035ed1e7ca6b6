"""What a killed test leaves is ended by the next one; what a running test uses is not touched."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.integration.homes import end_abandoned
from tradsys.stack.supervision import runs

PROGRAM = """
import os, subprocess, sys
from tests.integration.homes import temporary_home
from tradsys.stack.supervision import MARKER
with temporary_home() as home:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    part = subprocess.Popen(sleep, env={**os.environ, MARKER: str(home)})
    print(home, part.pid, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_test_leaves_is_ended_by_the_next_one() -> None:
    test = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert test.stdin
    assert test.stdout
    with test.stdin, test.stdout:
        home, pid = test.stdout.readline().split()
        assert Path(home) not in end_abandoned()
        assert psutil.pid_exists(int(pid))
        test.kill()
        test.wait()
        end_abandoned()
    deadline_s = time.monotonic() + 30
    while Path(home).exists():  # another test that begins now may have been first to end it, and be still at it
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert not any(runs(process) for process in psutil.process_iter() if process.pid == int(pid))
