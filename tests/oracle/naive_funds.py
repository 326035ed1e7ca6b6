"""A naive model of funds: it keeps lists and counts everything again from all open orders, in fractions.

It knows nothing of how pre-trade risk does it: no running sums, no indexes, only the rules of the venue's documents.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

UNIT = 100_000_000


@dataclass
class OpenOrder:
    account: str
    symbol: str
    side: str
    worst_price: int
    leaves: int
    fee_rate: int
    amended: tuple[int, int, int] | None = None
    """Worst price, leaves and fee rate, should the amendment under way be made."""
    budget: int | None = None
    """What it may still spend, without fees; None if it does not say so."""
    other: "OpenOrder | None" = field(default=None, repr=False, compare=False)
    """The order of which only this one or that one trades."""
    near: int | None = None
    """About where it is going to trade, if not at the mark."""
    tiered: bool = False
    """Its fee is that of its account's volume, whatever the symbol's becomes."""
    reduces: bool = False
    """It may do no more than reduce the position."""

    def variants(self) -> list[tuple[int, int, int]]:
        return [(self.worst_price, self.leaves, self.fee_rate), *([self.amended] if self.amended else [])]

    def notional(self, price: int, leaves: int) -> int:
        """For how much so much of it may trade."""
        value = math.ceil(Fraction(price) * leaves / UNIT)
        return value if self.budget is None else min(value, self.budget)


@dataclass
class NaiveFunds:
    """Balances, marks and open orders; all amounts in 10^-8."""

    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    orders: dict[int, OpenOrder] = field(default_factory=dict)
    leverage: dict[str, int | None] = field(default_factory=dict)
    """Per account; None for a cash account."""
    initial: dict[str, int | None] = field(default_factory=dict)
    """Per symbol: the least part of its exposure that is asked for as equity."""

    def move(self, account: str, currency: str, amount: int) -> None:
        self.balances[account, currency] = self.balances.get((account, currency), 0) + amount

    def total(self, account: str, currency: str) -> int:
        return self.balances.get((account, currency), 0)

    def fill(self, order_id: int, quantity: int, notional: int, fee: int) -> None:
        order = self.orders[order_id]
        self.part(order_id)
        base, quote = self.pairs[order.symbol]
        sign = 1 if order.side == "BUY" else -1
        self.move(order.account, base, sign * quantity)
        self.move(order.account, quote, -sign * notional - fee)
        order.leaves -= quantity
        if order.budget is not None:
            order.budget -= notional
        if order.amended:
            price, leaves, rate = order.amended
            order.amended = price, max(leaves - quantity, 0), rate
        if not order.leaves:
            del self.orders[order_id]

    def part(self, order_id: int) -> int | None:
        """Something has happened to one of a pair: the other one will trade no more. Its id."""
        order = self.orders[order_id]
        if order.other is None:
            return None
        (other,) = (number for number, each in self.orders.items() if each is order.other)
        order.other = None
        del self.orders[other]
        return other

    def worst(self, orders: list[OpenOrder], of: Callable[[OpenOrder], int]) -> int:
        """The sum of what the orders come to, of each pair the larger."""
        alone = sum(of(order) for order in orders if order.other is None)
        return alone + sum(max(of(order), of(order.other)) for order in orders if order.other is not None) // 2

    def need(self, order: OpenOrder) -> tuple[str, int]:
        """Currency and amount that an order may cost at worst."""
        base, quote = self.pairs[order.symbol]
        if order.side == "SELL":
            return base, max(leaves for _, leaves, _ in order.variants())
        costs = [(order.notional(price, leaves), rate) for price, leaves, rate in order.variants()]
        return quote, max(notional + math.ceil(Fraction(notional) * rate / UNIT) for notional, rate in costs)

    def reserved(self, account: str, currency: str) -> int:
        if self.leverage[account] is not None:
            return 0
        mine = [order for order in self.orders.values() if order.account == account]
        return self.worst([order for order in mine if self.need(order)[0] == currency], lambda each: self.need(each)[1])

    def refusal(self, new: OpenOrder) -> tuple[str, int | None, int | None] | None:
        """Why an order cannot be covered, and the numbers."""
        leverage = self.leverage[new.account]
        if leverage is not None:
            return self._margin_refusal(new, leverage)
        currency, amount = self.need(new)
        available = self.total(new.account, currency) - self.reserved(new.account, currency)
        return ("FUNDS_INSUFFICIENT", available, amount) if amount > available else None

    def amend_refusal(
        self, old: OpenOrder, price: int, leaves: int, rate: int
    ) -> tuple[str, int | None, int | None] | None:
        """Why an open order cannot be amended, and the numbers."""
        new = OpenOrder(old.account, old.symbol, old.side, price, leaves, max(old.fee_rate, rate))
        leverage = self.leverage[old.account]
        if leverage is not None:
            new.leaves -= max(open_leaves for _, open_leaves, _ in old.variants())
            return self._margin_refusal(new, leverage) if new.leaves > 0 else None
        currency, amount = self.need(new)
        held = self.worst([old, *([old.other] if old.other else [])], lambda each: self.need(each)[1])
        available = self.total(old.account, currency) - self.reserved(old.account, currency) + held
        return ("FUNDS_INSUFFICIENT", available, amount) if amount > max(available, held) else None

    def transfer_refusal(self, account: str, currency: str, amount: int) -> tuple[str, int | None, int | None] | None:
        """Why an account cannot give so much away, and the numbers."""
        free = self.total(account, currency) - self.reserved(account, currency)
        if amount > free:
            return "FUNDS_INSUFFICIENT", free, amount
        leverage = self.leverage[account]
        if leverage is None:
            return None
        left = NaiveFunds(self.pairs, self.marks, dict(self.balances), self.orders, self.leverage, self.initial)
        left.move(account, currency, -amount)
        for quote in sorted({quote for base, quote in self.pairs.values() if currency in {base, quote}}):
            equity, values = Fraction(left.total(account, quote)), {}
            for symbol, (base, other) in self.pairs.items():
                if other == quote:
                    mark = Fraction(self.marks[symbol], UNIT)
                    equity += left.total(account, base) * mark
                    values[symbol] = left._worst(account, base, quote, []) * mark
            refusal = self._uncovered(equity, values, leverage)
            if refusal is not None:
                return refusal
        return None

    def _uncovered(
        self, equity: Fraction, values: dict[str, Fraction], leverage: int
    ) -> tuple[str, int | None, int | None] | None:
        """Why an equity does not cover so much exposure in each symbol, and the numbers."""
        limit, exposure = equity * leverage / UNIT, sum(values.values())
        if exposure > limit:
            return "MARGIN_INSUFFICIENT", math.floor(limit), math.ceil(exposure)
        rates = {
            symbol: max(Fraction(self.initial.get(symbol) or 0, UNIT), Fraction(UNIT, leverage)) for symbol in values
        }
        required = sum(value * rates[symbol] for symbol, value in values.items())
        if required > equity:
            return "INITIAL_MARGIN_INSUFFICIENT", math.floor(equity), math.ceil(required)
        return None

    def _worst(self, account: str, base: str, quote: str, extra: list[OpenOrder]) -> int:
        mine = [order for order in [*self.orders.values(), *extra] if order.account == account]
        mine = [order for order in mine if self.pairs[order.symbol] == (base, quote)]
        quantities = {
            side: self.worst(
                [order for order in mine if order.side == side],
                lambda order: max(leaves for _, leaves, _ in order.variants()),
            )
            for side in ("BUY", "SELL")
        }
        position = self.total(account, base)
        return max(abs(position + quantities["BUY"]), abs(position - quantities["SELL"]))

    def _margin_refusal(self, new: OpenOrder, leverage: int) -> tuple[str, int | None, int | None] | None:
        own, quote = self.pairs[new.symbol]
        if self._worst(new.account, own, quote, [new]) <= self._worst(new.account, own, quote, []):
            return None
        equity, values = Fraction(self.total(new.account, quote)), {}
        for symbol, (base, other) in self.pairs.items():
            if other != quote:
                continue
            worst = self._worst(new.account, base, quote, [new])
            if not worst:
                continue
            if symbol not in self.marks:
                return "NO_MARK", None, None
            mark = Fraction(self.marks[symbol], UNIT)
            values[symbol] = worst * mark
            equity += self.total(new.account, base) * mark
        return self._uncovered(equity, values, leverage)
