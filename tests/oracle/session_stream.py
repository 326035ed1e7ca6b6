"""Random orders with the phases of a day among them, decided at once and ahead of time, and orders good for the day."""

import random
from collections.abc import Iterator

from msgspec.structs import replace

from schemas.messages import Control, ControlKind, Order, OrderKind, Phase, TimeInForce
from tests.oracle.order_stream import SYMBOL, Asked, number_of, random_orders, time_of

PHASES = tuple(phase for phase in Phase if phase is not Phase.UNKNOWN)
WEIGHTS = {Phase.PRE_OPEN: 2, Phase.AUCTION: 3, Phase.CONTINUOUS: 6, Phase.HALTED: 1, Phase.CLOSED: 1}


def session_control(number: int, phase: Phase | None, effective_us: int | None = None, symbol: str = SYMBOL) -> Control:
    """A decision; its number stands in its id."""
    return Control(ControlKind.SESSION, f"session-{number}", symbol=symbol, phase=phase, effective_us=effective_us)


def at(message: Asked | Control) -> int:
    """Where a message stands in its stream."""
    if isinstance(message, Control):
        return int(message.control_id.rpartition("-")[2])
    return number_of(message)


def random_session(seed: int, count: int, **options: int) -> Iterator[Asked | Control]:
    """As `random_orders`; some messages become decisions about the session."""
    rng = random.Random(seed + 1_000_000)
    days: set[int] = set()
    for message in random_orders(seed, count, **options):
        number = number_of(message)
        if rng.random() < 0.02:
            phase = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            later = time_of(number) + rng.randint(-10, 400) if rng.random() < 0.4 else None
            yield session_control(number, None if rng.random() < 0.05 else phase, later)
        elif isinstance(message, Order):
            new = message.kind is OrderKind.NEW
            if new and message.time_in_force is TimeInForce.GTC and rng.random() < 0.3:
                days.add(message.order_id)
            if message.order_id in days:
                message = replace(message, time_in_force=TimeInForce.DAY)  # noqa: PLW2901 - the same order
            yield message
        else:
            yield message
