"""Trailing stops: triggers that follow the best price since their order came, in O(log n) amortised a step.

Orders that have seen the same best price share it in a pool. Pools lie in a stack, the one with the worst of these
prices on top, because it began last: a new best price takes pools off the top until one has seen a better, and makes
them one (a monotonic stack; the smaller pool's orders move into the larger one's, so each moves O(log n) times).
"""

from collections.abc import Mapping
from typing import Final

from schemas.messages import Order, Side
from schemas.units import E8, INT64_MAX
from workers.kernel.heap import SWEEP_FROM, Heap
from workers.matching.waiting import Entry, Waiting, still_waits

_NOTHING: Final = -(1 << 64)
"""In place of a best price where none was seen: any price is better."""


class Pool:
    """Orders of one side that have seen the same best price."""

    __slots__ = ("amounts", "best", "rates", "serial")

    def __init__(self, orders: Mapping[int, Waiting], best: int) -> None:
        self.best = best
        """The best price, times the side's sign: the highest for sells, minus the lowest for buys."""
        self.amounts: Heap[Entry] = Heap(still_waits(orders))
        """By their distance from the best price, 10^-8 quote."""
        self.rates: Heap[Entry] = Heap(still_waits(orders))
        """By the same as a fraction, 10^-8."""
        self.serial = 0
        """Of the newest entry among the nearest triggers that stands for this pool; 0 without any."""

    def __len__(self) -> int:
        """Orders, some that have left included."""
        return len(self.amounts) + len(self.rates)

    def add(self, waiting: Waiting) -> None:
        """Another one that has seen the best price."""
        order = waiting.order
        heap, distance = (self.amounts, order.trail_e8) if order.trail_e8 else (self.rates, order.trail_rate_e8)
        heap.push((distance or 0, waiting.arrival, order.order_id))
        waiting.pool = self

    def trigger(self, order: Order) -> int:
        """Where an order's trigger is, times the side's sign; 10^-8 quote."""
        return self.best - (order.trail_e8 or self._part(order.trail_rate_e8 or 0))

    def nearest(self) -> tuple[int, int] | None:
        """The trigger that is met first, times the sign, and its order's id; None when no order is left."""
        amount, rate = self.amounts.first(), self.rates.first()
        found = []
        if amount is not None:
            found.append((self.best - amount[0], amount[2]))
        if rate is not None:
            found.append((self.best - self._part(rate[0]), rate[2]))
        return max(found) if found else None

    def _part(self, rate_e8: int) -> int:
        """So much of the best price, rounded away from it, so that no trigger is met early."""
        return -(-abs(self.best) * rate_e8 // E8)


class Trail:
    """The trailing stops of one side that look at one kind of price."""

    __slots__ = ("_nearest", "_orders", "_pools", "_serial", "_sign")

    def __init__(self, side: Side, orders: Mapping[int, Waiting]) -> None:
        self._sign = 1 if side is Side.SELL else -1
        self._orders = orders
        self._pools: list[Pool] = []
        """Best prices worse and worse, times the sign smaller and smaller."""
        self._nearest: Heap[tuple[int, int, Pool]] = Heap(lambda entry: entry[2].serial == entry[1])
        """(minus the trigger times the sign, serial, pool): what is met first is smallest. It may be nearer than it is,
        when its order has left."""
        self._serial = 0

    def add(self, waiting: Waiting, best_e8: int | None) -> None:
        """Follow for one more. `best_e8` is no better than the best price of any that follows already."""
        best = _NOTHING if best_e8 is None else best_e8 * self._sign
        if len(self._pools) > 2 * len(self._orders) + SWEEP_FROM:
            for pool in self._pools:
                self._expect(pool)
            self._pools = [pool for pool in self._pools if pool.serial]
        if not self._pools or self._pools[-1].best != best:
            self._pools.append(Pool(self._orders, best))
        self._pools[-1].add(waiting)
        self._expect(self._pools[-1])

    def see(self, price_e8: int) -> list[Waiting]:
        """Follow a price, and take out the orders whose triggers it meets."""
        now, reached = price_e8 * self._sign, []
        self._follow(now)
        while (entry := self._nearest.first()) is not None and now <= -entry[0]:
            pool = entry[2]
            nearest = pool.nearest()
            if nearest is not None and now <= nearest[0]:
                waiting = self._orders[nearest[1]]
                waiting.meet(nearest[0] * self._sign)
                reached.append(waiting)
            self._expect(pool)
        return reached

    def best_e8(self, waiting: Waiting) -> int | None:
        """The best price that an order has seen."""
        pool = waiting.pool
        return None if pool is None or pool.best == _NOTHING else pool.best * self._sign

    def trigger_e8(self, waiting: Waiting) -> int | None:
        """Where an order's trigger is, or the nearest price that there can be; None while it has seen no price."""
        pool = waiting.pool
        if pool is None or pool.best == _NOTHING:
            return None
        return min(max(pool.trigger(waiting.order) * self._sign, 1), INT64_MAX)

    def _follow(self, now: int) -> None:
        merged: Pool | None = None
        while self._pools and self._pools[-1].best < now:
            pool = self._pools.pop()
            pool.serial = 0
            merged = pool if merged is None else self._merged(merged, pool)
        if merged is not None:
            merged.best = now
            if self._pools and self._pools[-1].best == now:
                last = self._pools.pop()
                last.serial = 0
                merged = self._merged(last, merged)
            self._pools.append(merged)
            self._expect(merged)

    def _merged(self, one: Pool, other: Pool) -> Pool:
        smaller, larger = sorted((one, other), key=len)
        for heap in (smaller.amounts, smaller.rates):
            for _, _, order_id in heap.live():
                larger.add(self._orders[order_id])
        return larger

    def _expect(self, pool: Pool) -> None:
        """Its nearest trigger is the one that is waited for from now on; without any, none is."""
        nearest = pool.nearest()
        pool.serial = 0
        if nearest is not None:
            self._serial += 1
            pool.serial = self._serial
            self._nearest.push((-nearest[0], self._serial, pool))
