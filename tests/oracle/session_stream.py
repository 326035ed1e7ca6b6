"""Random orders with the phases of a day among them, decided at once and ahead of time, and orders good for the day."""

import random
from collections.abc import Iterator

from msgspec.structs import replace

from schemas.messages import Control, ControlKind, Order, OrderKind, Phase, Tick, TimeInForce
from tests.oracle.order_stream import SYMBOL, TICK_E8, Asked, number_of, random_orders, symbol_control, time_of

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


def breaker_control(number: int, rng: random.Random) -> Control:
    """A breaker or none, and now and then another tick; times as `slowly` has them."""
    move_e8 = rng.choice((None, 300_000, 800_000, 2_000_000))
    seconds = {"breaker_window_s": rng.randint(1, 20), "breaker_halt_s": rng.randint(1, 10)}
    fields = {} if move_e8 is None else {"breaker_move_e8": move_e8, **seconds}
    fields |= {"tick_e8": TICK_E8 * rng.choice((1, 1, 1, 2)), "reference_price_e8": 1_003 * TICK_E8}
    return symbol_control(control_id=f"breaker-{number}", **fields)


def slowly(message: Asked | Control) -> Asked | Control:
    """The same where a tenth of a second passes from one message to the next."""

    def later(time_us: int) -> int:
        return 1_000_000 + (time_us - 1_000_000) * 100_000

    if isinstance(message, Tick):
        return replace(message, ts_us=later(message.ts_us))
    if isinstance(message, Order) and message.expire_us is not None:
        return replace(message, expire_us=later(message.expire_us))
    if isinstance(message, Control) and message.effective_us is not None:
        return replace(message, effective_us=later(message.effective_us))
    return message


def of_a_group(message: Asked | Control) -> bool:
    """Whether others in the stream would not come without it."""
    return isinstance(message, Order) and message.group_id is not None


def random_breakers(seed: int, count: int, **options: int) -> Iterator[Asked | Control]:
    """As `random_session`, and circuit breakers come, change and go."""
    rng = random.Random(seed + 2_000_000)
    for message in random_session(seed, count, **options):
        number = at(message)
        if number == 1 or (rng.random() < 0.02 and not of_a_group(message)):
            yield breaker_control(number, rng)
        elif isinstance(message, Control) and rng.random() < 0.5:
            yield session_control(number, Phase.CONTINUOUS)
        else:
            yield slowly(message)


def random_session(seed: int, count: int, **options: int) -> Iterator[Asked | Control]:
    """As `random_orders`; some messages become decisions about the session."""
    rng = random.Random(seed + 1_000_000)
    days: set[int] = set()
    for message in random_orders(seed, count, **options):
        number = number_of(message)
        if rng.random() < 0.02 and not of_a_group(message):
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
