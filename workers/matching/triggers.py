"""All orders of one symbol that wait for a trigger: which of them a price reaches, and which comes next.

A stop waits for the market to go against its side (a buy for a price not below its trigger), a take-profit for the
opposite. Each price is seen by all of them; those that it reaches enter the book in the order in which they came.
"""

from collections import deque
from typing import Final

import msgspec
from msgspec.structs import astuple, replace

from schemas.messages import Order, OrderType, Side, TriggerBy
from schemas.triggers import rises
from workers.kernel.heap import SWEEP_FROM, Heap
from workers.matching.trailing import Trail
from workers.matching.waiting import Entry, Waiting, still_waits

WAITING_MAX: Final = 100_000
"""Orders of one symbol that wait for a trigger; one more is refused."""


class _Watch:
    """The orders that look at one kind of price."""

    __slots__ = ("_falling", "_rising", "newest_e8", "trails")

    def __init__(self, orders: dict[int, Waiting]) -> None:
        self._rising: Heap[Entry] = Heap(still_waits(orders))
        """By their triggers, which a price meets that is not below."""
        self._falling: Heap[Entry] = Heap(still_waits(orders))
        """By minus their triggers, which a price meets that is not above."""
        self.trails = {side: Trail(side, orders) for side in (Side.BUY, Side.SELL)}

    def add(self, waiting: Waiting, best_e8: int | None) -> None:
        order = waiting.order
        if order.order_type is OrderType.TRAILING_STOP:
            self.trails[order.side].add(waiting, best_e8)
            return
        trigger_e8 = order.trigger_price_e8 or 0
        if rises(order.side, order.order_type):
            self._rising.push((trigger_e8, waiting.arrival, order.order_id))
        else:
            self._falling.push((-trigger_e8, waiting.arrival, order.order_id))

    def see(self, price_e8: int, orders: dict[int, Waiting]) -> list[Waiting]:
        reached = [waiting for trail in self.trails.values() for waiting in trail.see(price_e8)]
        for heap, limit in ((self._rising, price_e8), (self._falling, -price_e8)):
            while (entry := heap.first()) is not None and entry[0] <= limit:
                waiting = orders[entry[2]]
                waiting.meet(waiting.order.trigger_price_e8)
                reached.append(waiting)
        return sorted(reached, key=lambda waiting: waiting.arrival)


class Triggers:
    """Who waits, and who is due."""

    __slots__ = ("_arrivals", "_due", "_watches", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, Waiting] = {}
        """By order_id, as they came."""
        self._watches = {by: _Watch(self.orders) for by in (TriggerBy.LAST, TriggerBy.MARK)}
        self._due: deque[Waiting] = deque()
        self._arrivals = 0

    def see(self, by: TriggerBy, price_e8: int) -> None:
        """A new price of its kind; 10^-8 quote."""
        self._due += self._watches[by].see(price_e8, self.orders)
        self._sweep()

    def add(self, order: Order, newest_e8: int | None) -> None:
        """Wait for the order's trigger; one that the newest price of its kind has reached already is due at once."""
        waiting = self._keep(order)
        if newest_e8 is not None and _reached(order, newest_e8):
            waiting.meet(order.trigger_price_e8)
            self._due.append(waiting)
            self._sweep()
        else:
            self._watch(order).add(waiting, newest_e8)

    def replace(self, waiting: Waiting, order: Order, newest_e8: int | None) -> None:
        """Amend a waiting order. With another trigger it waits as one that has just come."""
        trigger_e8 = waiting.order.trigger_price_e8
        if order.trigger_price_e8 in {None, trigger_e8}:
            waiting.order = replace(order, trigger_price_e8=trigger_e8)
        else:
            del self.orders[order.order_id]
            self.add(order, newest_e8)

    def next_due(self) -> Order | None:
        """Take out the next order that is due, with the trigger that was reached; None when there is no more."""
        while self._due:
            waiting = self._due.popleft()
            if self.orders.get(waiting.order_id) is waiting:
                del self.orders[waiting.order_id]
                return waiting.order
        return None

    def has_due(self) -> bool:
        """Whether some order met its trigger and has not entered the book yet."""
        return bool(self._due)

    def told(self, waiting: Waiting) -> Order:
        """The order with its trigger as it now is."""
        order = waiting.order
        if waiting.due or order.order_type is not OrderType.TRAILING_STOP:
            return order
        return replace(order, trigger_price_e8=self._trail(order).trigger_e8(waiting))

    def kept(self) -> "Kept":
        """All that a snapshot needs."""
        orders = [(KeptOrder(*astuple(w.order)), self._trail(w.order).best_e8(w)) for w in self.orders.values()]
        return Kept(orders, [w.order_id for w in self._due if self.orders.get(w.order_id) is w])

    @classmethod
    def of(cls, kept: "Kept") -> "Triggers":
        """As `kept` said."""
        triggers = cls()
        waiting = [(triggers._keep(Order(*astuple(order))), best_e8) for order, best_e8 in kept.orders]
        for order_id in kept.due:
            due = triggers.orders[order_id]
            due.meet(due.order.trigger_price_e8)
            triggers._due.append(due)
        # Those that have seen the best prices first, because their pools lie below.
        for each, best_e8 in sorted(waiting, key=_seen, reverse=True):
            if not each.due:
                triggers._watch(each.order).add(each, best_e8)
        return triggers

    def _sweep(self) -> None:
        """Forget those that are due and have left, when most may have."""
        if len(self._due) > 2 * len(self.orders) + SWEEP_FROM:
            self._due = deque(waiting for waiting in self._due if self.orders.get(waiting.order_id) is waiting)

    def _keep(self, order: Order) -> Waiting:
        self._arrivals += 1
        waiting = self.orders[order.order_id] = Waiting(order, self._arrivals)
        return waiting

    def _watch(self, order: Order) -> _Watch:
        return self._watches[order.trigger_by or TriggerBy.LAST]

    def _trail(self, order: Order) -> Trail:
        return self._watch(order).trails[order.side]


class KeptOrder(Order, frozen=True, array_like=True):
    """A waiting order as snapshots hold it."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """All that waits, at rest."""

    orders: list[tuple[KeptOrder, int | None]] = msgspec.field(default_factory=list)
    """As they came, each with the best price that it has seen, if it trails."""
    due: list[int] = msgspec.field(default_factory=list)
    """Those of them that have met their triggers, next first."""


def _reached(order: Order, price_e8: int) -> bool:
    trigger_e8 = order.trigger_price_e8
    if trigger_e8 is None:
        return False
    return price_e8 >= trigger_e8 if rises(order.side, order.order_type) else price_e8 <= trigger_e8


def _seen(kept: tuple[Waiting, int | None]) -> tuple[bool, int]:
    waiting, best_e8 = kept
    return best_e8 is not None, (best_e8 or 0) * (1 if waiting.order.side is Side.SELL else -1)
