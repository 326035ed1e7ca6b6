"""Which tick follows which. Pure."""

from schemas.messages import Tick
from schemas.units import SECOND_US


def next_tick(last: Tick | None, now_us: int) -> Tick:
    """The tick after `last`. Time never runs backwards: it stands still while the machine's clock is behind."""
    if last is None:
        return Tick(sequence=1, ts_us=now_us)
    return Tick(sequence=last.sequence + 1, ts_us=max(now_us, last.ts_us))


def wait_s(now_us: int) -> float:
    """How long to wait for the next whole second."""
    return (SECOND_US - now_us % SECOND_US) / SECOND_US
