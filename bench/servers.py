"""Gateways under measurement: when they are ready, what CPU they use, what is traded there."""

import time
from typing import Final

import httpx
import psutil

from gateway.settings import load
from schemas.codec import Codec
from schemas.messages import Control, ControlKind, SymbolStatus
from stream_topology.decisions import write_decisions

READY_S: Final = 60


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def wait_until_ready(port: int) -> None:
    """Until the server there says that it is."""
    deadline_s = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline_s, "a server did not become ready"
        time.sleep(0.1)


def make_symbols(codec: Codec, *names: str) -> None:
    """Instruments that trade, on the log that the environment names."""
    settings = load()
    made = [
        Control(
            kind=ControlKind.SYMBOL,
            control_id=f"bench-{name}",
            symbol=name,
            symbol_status=SymbolStatus.TRADING,
            base=name.partition("-")[0],
            quote="USD",
            tick_e8=1,
            lot_e8=1,
        )
        for name in names
    ]
    values = [codec.encode(control) for control in made]
    write_decisions(settings.kafka_bootstrap, settings.prefix, settings.shards, values)
