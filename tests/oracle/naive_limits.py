"""A naive model of the operator's limits: it keeps everything that ever happened, and counts it again for each order.

It knows nothing of how pre-trade risk does it: no running sums, no buckets, only the rules of the venue's documents.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from tests.oracle.naive_funds import UNIT, NaiveFunds, OpenOrder

DAY = 86_400_000_000
Why = tuple[str, int | None, int | None] | None


@dataclass
class NaiveLimits:
    """All LIMITS records, all fills and everything that was let pass; times in microseconds."""

    funds: NaiveFunds
    records: list[tuple[str | None, str | None, dict[str, int]]] = field(default_factory=list)
    fills: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Account, symbol, notional, time."""
    passed: list[tuple[str, str | None, tuple[int, int], int]] = field(default_factory=list)
    """Account, the symbol that its frequency counts, the frequency, time."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """Accounts and symbols of everything that was let pass."""

    def holds(self, account: str, symbol: str, name: str) -> tuple[int | None, str | None]:
        """The value of a limit, and the symbol of the record that it is from."""
        for whose, where in ((account, symbol), (account, None), (None, symbol), (None, None)):
            said = [fields for who, at, fields in self.records if (who, at) == (whose, where)]
            if said and name in said[-1]:
                return said[-1][name], where
        return None, None

    def refusal(
        self, new: OpenOrder, quantity: int, now: int, before: OpenOrder | None, *, priced: bool, ahead: int = 0
    ) -> Why:
        """Why an order or amendment is beyond a limit. `quantity` is 0 where an amendment keeps it.

        Moves the worst price of a market order (`priced` is False) to the fat-finger limit.
        """
        limit, _ = self.holds(new.account, new.symbol, "max_order_size_e8")
        if limit is not None and quantity > limit:
            return "ORDER_SIZE_LIMIT", limit, quantity
        if before is None or new.worst_price != before.worst_price:
            why = self.fat_finger(new, priced=priced)
            if why:
                return why
        limit, _ = self.holds(new.account, new.symbol, "max_open_orders")
        mine = [order for order in self.funds.orders.values() if order.account == new.account]
        count = sum(order.symbol == new.symbol for order in mine) + 1 + ahead
        if limit is not None and before is None and count > limit:
            return "SYMBOL_OPEN_ORDERS_LIMIT", limit * UNIT, count * UNIT
        return self._frequency(new, now) or self._volume(new, before, mine, now) or self._holding(new, before, mine)

    def reducing_refusal(self, new: OpenOrder, before: OpenOrder | None, *, lost: bool) -> Why:
        """Why what may only reduce does more: the account has lost, it may itself not, or others of its side."""
        more, room = rise(new, before, quantity_of), max(self.room(new), 0)
        if more <= 0 or more <= room:
            return None
        if lost:
            return "ACCOUNT_REDUCING", room, more
        if new.reduces:
            return "REDUCE_ONLY", room, more
        return ("REDUCE_ONLY_OPEN", room, more) if any(order.reduces for order in self._beside(new)) else None

    def room(self, order: OpenOrder) -> int:
        """What may be added to the open orders of its side, for them to do no more than reduce the position."""
        held = self.funds.total(order.account, self.funds.pairs[order.symbol][0]) * (-1 if order.side == "BUY" else 1)
        return held - self.funds.worst(self._beside(order), quantity_of)

    def _beside(self, order: OpenOrder) -> list[OpenOrder]:
        """All open orders of its account, its side and its base currency."""
        base = self.funds.pairs[order.symbol][0]
        return [
            other
            for other in self.funds.orders.values()
            if (other.account, other.side, self.funds.pairs[other.symbol][0]) == (order.account, order.side, base)
        ]

    def passes(self, order: OpenOrder, now: int) -> None:
        """An order or amendment went to the book."""
        self.asked.add((order.account, order.symbol))
        count, where = self.holds(order.account, order.symbol, "trade_frequency")
        if count is not None:
            seconds, _ = self.holds(order.account, order.symbol, "trade_frequency_s")
            self.passed.append((order.account, where, (count, seconds or 0), now))

    def fat_finger(self, new: OpenOrder, *, priced: bool) -> Why:
        """Whether it trades too far from the mark; the worst price of one without a limit moves to the edge."""
        limit, _ = self.holds(new.account, new.symbol, "fat_finger_limit_e8")
        if limit is None:
            return None
        away, mark = Fraction(limit, UNIT), new.near or self.funds.marks[new.symbol]
        edge = math.floor(mark * (1 + away)) if new.side == "BUY" else math.ceil(mark * (1 - away))
        if new.worst_price <= edge if new.side == "BUY" else new.worst_price >= edge:
            return None
        if priced:
            return "FAT_FINGER", edge, new.worst_price
        new.worst_price = edge
        return None

    def _frequency(self, new: OpenOrder, now: int) -> Why:
        count, where = self.holds(new.account, new.symbol, "trade_frequency")
        if count is None:
            return None
        seconds, _ = self.holds(new.account, new.symbol, "trade_frequency_s")
        times: list[int] = []
        for account, scope, frequency, at in self.passed:
            if (account, scope) == (new.account, where):
                times = [*times, at] if frequency == (count, seconds) else []
        used, last = Fraction(0), times[0] if times else now
        for at in times:
            used = max(used - Fraction((at - last) * count, (seconds or 0) * 1_000_000), Fraction(0)) + 1
            last = at
        used = max(used - Fraction((now - last) * count, (seconds or 0) * 1_000_000), Fraction(0)) + 1
        return ("TRADE_FREQUENCY_LIMIT", count * UNIT, math.ceil(used * UNIT)) if used > count else None

    def _volume(self, new: OpenOrder, before: OpenOrder | None, mine: list[OpenOrder], now: int) -> Why:
        limit, where = self.holds(new.account, new.symbol, "max_daily_volume_e8")
        more = rise(new, before, notional)
        if limit is None or more <= 0:
            return None
        quote = self.funds.pairs[new.symbol][1]
        symbols = [symbol for symbol, (_, other) in self.funds.pairs.items() if other == quote]
        counted = symbols if where is None else [where]
        traded = sum(
            value
            for account, symbol, value, at in self.fills
            if account == new.account and symbol in counted and at // DAY == now // DAY
        )
        total = traded + self.funds.worst([order for order in mine if order.symbol in counted], notional) + more
        return ("DAILY_VOLUME_LIMIT", limit, total) if total > limit else None

    def _holding(self, new: OpenOrder, before: OpenOrder | None, mine: list[OpenOrder]) -> Why:
        more = rise(new, before, quantity_of)
        if more <= 0:
            return None
        base, quote = self.funds.pairs[new.symbol]
        same = [order for order in mine if order.side == new.side and self.funds.pairs[order.symbol][0] == base]
        held = self.funds.total(new.account, base) * (1 if new.side == "BUY" else -1)
        after = held + self.funds.worst(same, quantity_of) + more
        limit, _ = self.holds(new.account, new.symbol, "max_position_size_e8")
        if limit is not None and after > limit:
            return "POSITION_LIMIT", limit, after
        equity = Fraction(self.funds.total(new.account, quote))
        for symbol, (other, its_quote) in self.funds.pairs.items():
            if its_quote == quote:
                equity += Fraction(self.funds.total(new.account, other) * self.funds.marks[symbol], UNIT)
        value = Fraction(after * self.funds.marks[new.symbol], UNIT)
        limit, _ = self.holds(new.account, new.symbol, "concentration_limit_e8")
        if limit is not None and after > 0 and value > equity * limit / UNIT:
            return "CONCENTRATION_LIMIT", math.floor(equity * limit / UNIT), math.ceil(value)
        limit, _ = self.holds(new.account, new.symbol, "max_leverage_e8")
        if limit is None or self._worst(mine, new, base, quote, more) <= self._worst(mine, new, base, quote, 0):
            return None
        exposure = sum(
            Fraction(self._worst(mine, new, other, quote, more) * self.funds.marks[symbol], UNIT)
            for symbol, (other, its_quote) in self.funds.pairs.items()
            if its_quote == quote
        )
        if exposure <= equity * limit / UNIT:
            return None
        return "LEVERAGE_LIMIT", math.floor(equity * limit / UNIT), math.ceil(exposure)

    def _worst(self, mine: list[OpenOrder], new: OpenOrder, base: str, quote: str, more: int) -> int:
        there = [order for order in mine if self.funds.pairs[order.symbol] == (base, quote)]
        quantities = {
            side: self.funds.worst([order for order in there if order.side == side], quantity_of)
            for side in ("BUY", "SELL")
        }
        if self.funds.pairs[new.symbol] == (base, quote):
            quantities[new.side] += more
        held = self.funds.total(new.account, base)
        return max(abs(held + quantities["BUY"]), abs(held - quantities["SELL"]))


def rise(new: OpenOrder, before: OpenOrder | None, of: Callable[[OpenOrder], int]) -> int:
    """How much more it comes to at worst."""
    if before is None:
        return of(new)
    beside = of(before.other) if before.other is not None else 0
    return max(of(new), beside) - max(of(before), beside)


def quantity_of(order: OpenOrder) -> int:
    """What of it may still trade at worst."""
    return max(leaves for _, leaves, _ in order.variants())


def notional(order: OpenOrder) -> int:
    """For how much."""
    return max(order.notional(price, leaves) for price, leaves, _ in order.variants())
