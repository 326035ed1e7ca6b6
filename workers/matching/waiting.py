"""An order that waits for its trigger."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from schemas.messages import Order, TimeInForce

if TYPE_CHECKING:
    from workers.matching.trailing import Pool


class Waiting:
    """One order, and how it waits."""

    __slots__ = ("arrival", "due", "order", "pool")

    def __init__(self, order: Order, arrival: int) -> None:
        self.order = order
        """As it enters the book then."""
        self.arrival = arrival
        """Orders that came later have a larger one."""
        self.due = False
        """It has met its trigger, and enters the book as soon as others are done."""
        self.pool: Pool | None = None
        """TRAILING_STOP: with whom it shares the best price that it has seen."""

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.order.order_id

    @property
    def account(self) -> str:
        """The owner."""
        return self.order.account

    @property
    def expire_us(self) -> int | None:
        """When it ends, by the log's clock, microseconds since 1970 UTC; None if it waits until somebody ends it."""
        return self.order.expire_us

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it may stay."""
        return self.order.time_in_force

    def meet(self, trigger_e8: int | None) -> None:
        """A price has reached the trigger, which was here; 10^-8 quote."""
        self.due, self.pool = True, None
        self.order = replace(self.order, trigger_price_e8=trigger_e8)


Entry = tuple[int, int, int]
"""(what it is sorted by, arrival, order_id)."""


def still_waits(orders: Mapping[int, Waiting]) -> Callable[[Entry], bool]:
    """Whether the order of an entry waits since that arrival."""

    def waits(entry: Entry) -> bool:
        waiting = orders.get(entry[2])
        return waiting is not None and waiting.arrival == entry[1] and not waiting.due

    return waits
