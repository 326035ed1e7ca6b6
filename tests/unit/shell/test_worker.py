"""A worker whose membership in the group fails, in each way that Faust has."""

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from stream_topology.stages import STAGES
from workers.shell import process, worker
from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import Settings
from workers.shell.worker import Worker


class _Loop:
    """No shards."""

    def __init__(self, *_: Any) -> None:
        self.turned_at, self.at_work, self.seen = 0.0, "", dict[int, dict[str, int]]()

    def start(self) -> None: ...

    def stop(self, _how: Any) -> None: ...

    def join(self, _seconds: float) -> None: ...

    def is_alive(self) -> bool:
        return False


class _Group:
    """A membership that crashes while it is joined."""

    def __init__(self, *_: Any) -> None:
        self._crashed = asyncio.Event()
        self.crash_reason: Exception | None = None

    async def start(self) -> None:
        self._crash()
        await asyncio.Event().wait()

    def _crash(self) -> None:
        self.crash_reason = OSError("no broker there")
        self._crashed.set()


class _GroupThatRaises(_Group):
    async def start(self) -> None:
        self._crash()
        assert self.crash_reason is not None
        raise self.crash_reason


class _GroupThatCrashesLater(_Group):
    async def start(self) -> None:
        asyncio.get_running_loop().call_later(0.01, self._crash)


@pytest.mark.parametrize("group", [_Group, _GroupThatRaises, _GroupThatCrashesLater])
def test_a_membership_that_fails_ends_the_process(monkeypatch: pytest.MonkeyPatch, group: type[_Group]) -> None:
    def end_now(error: WorkerError) -> NoReturn:
        raise error

    monkeypatch.setattr(worker, "ShardLoop", _Loop)
    monkeypatch.setattr(worker, "GroupApp", group)
    monkeypatch.setattr(worker, "REGISTRY", SimpleNamespace(register=lambda _: None))
    monkeypatch.setattr(process, "end_now", end_now)
    run = SimpleNamespace(stage=STAGES["matching"], settings=Settings(bootstrap="10.0.0.9:9092"))
    serve = Worker(run, 0).serve()  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match=r"group at 10\.0\.0\.9:9092 failed: no broker there") as raised:
        asyncio.run(asyncio.wait_for(serve, 60))
    assert raised.value.code is Exit.UNUSABLE
