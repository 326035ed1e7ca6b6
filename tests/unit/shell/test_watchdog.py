from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from workers.shell.endings import Exit, WorkerError
from workers.shell.metrics import Progress
from workers.shell.settings import Settings
from workers.shell.watchdog import Watchdog


class _Scene:
    """A loop with one shard, the ends of its inputs, and a time that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.end = 100.0, 10
        self.loop = SimpleNamespace(at_work="toy shard 0", turned_at=100.0, seen={0: {"clock": 10, "marks": 5}})
        self.progress = Progress("toy", self.loop)
        self.watchdog = Watchdog(Settings(stall_timeout_s=30), self.progress)
        monkeypatch.setattr(self.watchdog, "_ends", lambda _: {("clock", 0): self.end, ("marks", 0): 5})

    def look(self, seconds: float, *, turning: bool = True) -> WorkerError | None:
        self.now += seconds
        if turning:
            self.loop.turned_at = self.now
        return self.watchdog.look(lambda: self.now)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> _Scene:
    return _Scene(monkeypatch)


def test_an_idle_shard_is_left_alone(scene: _Scene) -> None:
    assert all(scene.look(20) is None for _ in range(10))


def test_waiting_records_and_no_progress_end_the_process(scene: _Scene) -> None:
    scene.look(5)
    scene.end = 11
    assert scene.look(20) is None
    error = scene.look(20)
    assert error is not None
    assert error.code is Exit.STALLED
    assert "toy shard 0: {'clock': 1} offsets are waiting" in str(error)


def test_slow_progress_is_progress(scene: _Scene) -> None:
    scene.end = 1_000
    for _ in range(10):
        scene.loop.seen[0]["clock"] += 1
        assert scene.look(20) is None


def test_a_batch_that_never_ends_ends_the_process(scene: _Scene) -> None:
    assert scene.look(20, turning=False) is None
    error = scene.look(20, turning=False)
    assert error is not None
    assert "toy shard 0: a batch has taken 40 s and is not done" in str(error)


def test_a_shard_that_restores_is_not_judged(scene: _Scene) -> None:
    scene.end = 11
    scene.loop.seen.clear()
    assert all(scene.look(20) is None for _ in range(10))


def test_progress_is_shown_as_it_is_when_somebody_asks(scene: _Scene) -> None:
    registry = CollectorRegistry()
    registry.register(scene.progress)
    clock = {"stage": "toy", "shard": "0", "topic": "clock"}
    assert registry.get_sample_value("tradsys_worker_next_offset", clock) == 10
    assert registry.get_sample_value("tradsys_worker_lag_records", clock) is None, "the ends are not known yet"
    scene.end = 17
    scene.look(5)
    scene.loop.seen[0]["clock"] = 12
    assert registry.get_sample_value("tradsys_worker_next_offset", clock) == 12
    assert registry.get_sample_value("tradsys_worker_lag_records", clock) == 5


def test_a_shard_that_restores_is_not_shown(scene: _Scene) -> None:
    registry = CollectorRegistry()
    registry.register(scene.progress)
    scene.look(5)
    scene.loop.seen.clear()
    assert b"toy" not in generate_latest(registry)
