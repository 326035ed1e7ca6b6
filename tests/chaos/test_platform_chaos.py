"""The whole platform under kill -9 and frozen zombies, with bots and clients trading; judged by log and database."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import pytest

from stream_topology.stages import STAGES
from tests.integration.homes import temporary_home
from tradsys import platform
from tradsys.demo.flow import synthetic
from tradsys.demo.platform_run import PlatformRun
from tradsys.log_files import last_lines
from tradsys.settings import Settings, free_ports, load
from tradsys.stack.processes import process_parts
from tradsys.stack.supervision import Supervision
from tradsys.status import status
from workers.shell.endings import Exit

BUSY_PER_S = 300.0
BESIDE_OTHERS_PER_S = 150.0
"""Commands; where other tests need the cores too."""
WAKE_S_MAX = 40.0
BACK_S_MAX = 60.0


@pytest.fixture
def settings() -> Iterator[Settings]:
    with temporary_home() as home:
        made = load(home, {}, flags=free_ports())
        platform.up(made, report=lambda _: None)
        yield made


@dataclass
class Torment:
    """Kills and freezes parts of a platform until a number of each is reached."""

    settings: Settings
    chance: random.Random
    kills: dict[str, int] = field(default_factory=dict)
    zombies: dict[str, list[int | None]] = field(default_factory=dict)
    """By stage: how the frozen process and its substitute ended."""

    def pid(self, name: str) -> int:
        """The process of a part, once it has one."""
        deadline_s = time.monotonic() + BACK_S_MAX
        while time.monotonic() < deadline_s:
            pid = next((part.pid for part in status(self.settings, sample_s=0.01) if part.name == name), 0)
            if pid:
                return pid
            time.sleep(0.1)
        raise AssertionError(f"{name} did not come back within {BACK_S_MAX:.0f} s")

    def log_of(self, name: str) -> str:
        """The last that a part said."""
        return "\n".join(last_lines(Supervision(self.settings.home).log_file(name), 12))

    def kill(self, name: str) -> None:
        with suppress(ProcessLookupError):  # it was on its way out by itself
            os.kill(self.pid(name), signal.SIGKILL)
        self.kills[name] = self.kills.get(name, 0) + 1

    def freeze(self, stage: str) -> None:
        """Freeze a worker, let a substitute take its shards, and wake it: the zombie must find itself fenced."""
        pid = self._stopped(stage)
        environment = {**os.environ, **self.settings.environment(), "METRICS_PORT": "0"}
        log = self.settings.home / "substitute.log"
        with log.open("wb") as output:
            substitute = subprocess.Popen(
                [sys.executable, "-m", "tradsys.worker_process", stage, "0"],
                env=environment,
                stdout=output,
                stderr=output,
            )
        try:
            time.sleep(self.chance.uniform(3, 9))  # how long a pause is, is what is drawn here
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        deadline_s = time.monotonic() + WAKE_S_MAX
        while self.pid(stage) == pid and substitute.poll() is None:
            assert time.monotonic() < deadline_s, f"{stage}: two owners\n{self.log_of(stage)}\n\n{log.read_text()}"
            time.sleep(0.1)
        try:
            self.zombies.setdefault(stage, []).append(substitute.wait(WAKE_S_MAX))
        except subprocess.TimeoutExpired:
            substitute.kill()
            substitute.wait()
            self.zombies[stage].append(None)

    def _stopped(self, name: str) -> int:
        """Freeze a part, and say which process it was; one that ends by itself just then is left to its successor."""
        while True:
            pid = self.pid(name)
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                time.sleep(0.1)
            else:
                return pid

    def pause(self, name: str) -> None:
        """Freeze a part for longer than any session lasts: nobody takes its place, and all must go on from there."""
        pid = self._stopped(name)
        time.sleep(self.chance.uniform(10, 14))  # how long a pause is, is what is drawn here
        os.kill(pid, signal.SIGCONT)

    def run(self, rounds: int) -> None:
        """`rounds` times: kill three parts and freeze one worker; the broker is frozen once, and killed once."""
        victims = [*STAGES, "gateway"]
        self.chance.shuffle(victims)
        frozen = [stage for stage in STAGES if stage != "clock"]
        self.chance.shuffle(frozen)
        for number in range(rounds):
            for offset in range(3):
                self.kill(victims[(number * 3 + offset) % len(victims)])
                time.sleep(self.chance.uniform(0.5, 2.5))
            if number == rounds // 3:
                self.pause("kafka")
            if number == rounds // 2:
                self.kill("kafka")
                time.sleep(self.chance.uniform(2, 5))
            self.freeze(frozen[number % len(frozen)])


def _chaos(settings: Settings, seed: int, rounds: int, rate_per_s: float) -> Torment:
    ports = {part.name: part.ports[0] for part in process_parts(settings) if part.layer == "workers"}
    run = PlatformRun.create(settings, ports)
    torment = Torment(settings, random.Random(seed))
    failures: list[BaseException] = []

    def strike() -> None:
        try:
            torment.run(rounds)
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            failures.append(error)
        finally:
            run.bots.stop()

    striker = threading.Thread(target=strike)
    begun = False

    def each_second() -> None:
        nonlocal begun
        if not begun:
            begun = True
            striker.start()

    try:
        run.trade(islice(synthetic(seed), 1_000_000), rate_per_s, each_second)
    finally:  # what did not come back says more than that all has not come to rest
        if begun:
            striker.join()
        if failures:
            raise failures[0]
    assert run.bots.failed == []
    assert run.clients.wrong == []
    result = run.prove()
    if not result.agrees:
        findings = [str(found) for rule in result.results for found in rule.findings]
        pytest.fail("\n".join([f"{len(findings)} findings", *findings[:40], str(result.figures)]))
    assert result.figures["trades"] > 100
    assert result.figures["commands"] > rate_per_s * rounds
    assert run.bots.acknowledged == run.bots.sent
    assert run.clients.outcomes["REST trade"] + run.clients.outcomes["REST new"] > 0, run.clients.outcomes
    return torment


@pytest.mark.timeout(600)
def test_nothing_is_lost_when_parts_are_killed_and_frozen(settings: Settings) -> None:
    torment = _chaos(settings, seed=1, rounds=7, rate_per_s=BESIDE_OTHERS_PER_S)
    assert sum(torment.kills.values()) >= 20
    assert torment.kills.keys() == {*STAGES, "gateway", "kafka"}
    assert sum(map(len, torment.zombies.values())) >= 6
    endings = {code for codes in torment.zombies.values() for code in codes}
    assert not endings & {Exit.CORE_FAILED, Exit.STATE_UNTRUSTED, Exit.STALLED}


@pytest.mark.chaos
@pytest.mark.timeout(7_200)
def test_nothing_is_lost_in_the_long_run(settings: Settings) -> None:
    torment = _chaos(settings, seed=2, rounds=70, rate_per_s=BUSY_PER_S)
    assert sum(torment.kills.values()) >= 200
    assert sum(map(len, torment.zombies.values())) >= 60
