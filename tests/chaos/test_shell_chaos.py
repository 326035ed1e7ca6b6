"""Workers are killed and frozen while both inputs flow. Whoever judges sees only the log."""

import random
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.shell_harness import Shell, shell
from workers.shell.endings import Exit

if TYPE_CHECKING:
    import subprocess

WORKERS = 2
RATE_PER_S = 300


def _flow(running: Shell, stopped: threading.Event) -> None:
    begin, sent = time.monotonic(), 0
    while not stopped.wait(0.005):
        due = int((time.monotonic() - begin) * RATE_PER_S) - sent
        running.send(due)
        sent += due


def _torment(running: Shell, seconds: float, chance: random.Random) -> tuple[int, int, list[int]]:
    """Kill, freeze and wake workers. Returns kills, freezes and exit codes of those that ended by themselves."""
    workers: list[subprocess.Popen[bytes]] = [running.start(n) for n in range(WORKERS)]
    frozen: list[tuple[float, subprocess.Popen[bytes]]] = []
    kills = freezes = 0
    codes: list[int] = []
    end = time.monotonic() + seconds
    strike = time.monotonic() + 3
    while time.monotonic() < end or frozen:
        running.read(0.1)
        for number, worker in enumerate(workers):
            if worker.poll() is not None:
                codes.append(worker.returncode)
                workers[number] = running.start(number)
        for waking in [one for one in frozen if one[0] < time.monotonic()]:
            waking[1].send_signal(signal.SIGCONT)
            frozen.remove(waking)
        if strike < time.monotonic() < end:
            strike = time.monotonic() + chance.uniform(1, 3.5)
            number = chance.randrange(WORKERS)
            if chance.random() < 0.6:
                workers[number].kill()
                workers[number].wait()
                kills += 1
            else:
                workers[number].send_signal(signal.SIGSTOP)
                frozen.append((time.monotonic() + chance.uniform(1, 14), workers[number]))
                freezes += 1
            workers[number] = running.start(number)
    return kills, freezes, codes


def _run(bootstrap: str, prefix: str, directory: Path, seconds: float, seed: int) -> tuple[int, int]:
    with shell(bootstrap, prefix, directory) as running:
        stopped = threading.Event()
        flow = threading.Thread(target=_flow, args=(running, stopped))
        flow.start()
        try:
            kills, freezes, codes = _torment(running, seconds, random.Random(seed))
        finally:
            stopped.set()
            flow.join()
        running.collect(running.sent, 60)
        running.read(1)  # nothing may follow
        running.check()
        logs = "".join(running.log(number).read_text()[-2_000:] for number in range(WORKERS))
        assert set(codes) <= {Exit.FENCED}, f"{codes}\n{logs}"
        return kills, freezes


def test_nothing_is_lost_repeated_or_reordered(stack: Any, topic_prefix: str, tmp_path: Path) -> None:
    kills, freezes = _run(stack.bootstrap, topic_prefix, tmp_path, 25, seed=11)
    assert kills >= 3
    assert freezes >= 2


@pytest.mark.chaos
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_in_a_long_run(stack: Any, topic_prefix: str, tmp_path: Path, seed: int) -> None:
    kills, freezes = _run(stack.bootstrap, topic_prefix, tmp_path, 150, seed)
    assert kills + freezes >= 50
