"""How each part of a running platform is."""

import time
from dataclasses import dataclass

import psutil

from tradsys.settings import Settings
from tradsys.stack.processes import process_parts
from tradsys.stack.supervision import Supervision


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part as `tradsys status` shows it."""

    name: str
    layer: str
    state: str
    pid: int
    port: int
    uptime_s: int
    rss_bytes: int
    cpu_percent: float


def status(settings: Settings, *, sample_s: float) -> list[PartStatus]:
    """How each part is; CPU is measured over `sample_s`. Empty when the platform does not run."""
    states = Supervision(settings.home).states()
    trees = {state.name: _tree(state.pid) for state in states if state.pid}
    before = {name: _cpu_s(tree) for name, tree in trees.items()}
    if trees:
        time.sleep(sample_s)
    ports = {name: getattr(settings.ports, name) for name in ("kafka", "registry", "postgres", "valkey")}
    ports |= {part.name: part.ports[0] for part in process_parts(settings)}
    now_s = int(time.time())
    return [
        PartStatus(
            name=state.name,
            layer=state.layer,
            state=state.state,
            pid=state.pid,
            port=ports.get(state.name, 0),
            uptime_s=now_s - state.started_at_s if state.pid else 0,
            rss_bytes=sum(map(_rss_bytes, trees.get(state.name, []))),
            cpu_percent=round(max(0.0, _cpu_s(trees[state.name]) - before[state.name]) / sample_s * 100, 1)
            if state.name in trees
            else 0.0,
        )
        for state in states
    ]


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_s(tree: list[psutil.Process]) -> float:
    total_s = 0.0
    for process in tree:
        try:
            times = process.cpu_times()
            total_s += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total_s


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
