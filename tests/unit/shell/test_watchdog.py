from types import SimpleNamespace

import pytest

from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import Settings
from workers.shell.watchdog import Watchdog


class _Scene:
    """A loop with one shard, the ends of its inputs, and a time that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.end = 100.0, 10
        self.loop = SimpleNamespace(at_work="toy shard 0", turned_at=100.0, seen={0: {"clock": 10, "marks": 5}})
        self.watchdog = Watchdog("toy", Settings(stall_timeout_s=30))
        monkeypatch.setattr(self.watchdog, "_ends", lambda _: {("clock", 0): self.end, ("marks", 0): 5})

    def look(self, seconds: float, *, turning: bool = True) -> WorkerError | None:
        self.now += seconds
        if turning:
            self.loop.turned_at = self.now
        return self.watchdog.look(self.loop, lambda: self.now)


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
