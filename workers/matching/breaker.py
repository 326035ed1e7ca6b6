"""A circuit breaker: no trade further than a fraction from where the price stood when the window began.

An order trades as far as the edge; where its next trade would be beyond, the symbol is halted instead, and what is left
of the order waits for the auction that ends the halt. That is how Xetra interrupts continuous trading
(http://www.xetra.com/xetra-en/trading/protective-mechanisms/protective-mechanisms-in-continuous-trading).
"""

import msgspec

from schemas.messages import Control, Order, Side
from schemas.units import E8, INT64_MAX, SECOND_US


class Breaker(msgspec.Struct, array_like=True):
    """One symbol's breaker, and the prices that it has seen."""

    move_e8: int
    """How far a trade may be from the reference, as a fraction."""
    window_us: int
    halt_us: int
    """How long a halt lasts, and the auction after it as long again."""
    prices: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """(microseconds since 1970 UTC, the last trade's price at that tick) where it changed, the oldest first; that one
    may be older than the window: it is the price with which the window begins."""
    low_e8: int = 0
    """Lowest price at which may be traded."""
    high_e8: int = INT64_MAX
    """Highest price at which may be traded."""

    def begin(self, now_us: int, price_e8: int | None) -> None:
        """Forget what was seen: the window begins here."""
        self.prices = []
        self.low_e8, self.high_e8 = 0, INT64_MAX
        self.see(now_us, price_e8)

    def see(self, now_us: int, price_e8: int | None) -> None:
        """The price at a tick; the first price of the window is the reference."""
        prices = self.prices
        if price_e8 is not None and (not prices or prices[-1][1] != price_e8):
            prices.append((now_us, price_e8))
        begun = 0
        while len(prices) > begun + 1 and prices[begun + 1][0] <= now_us - self.window_us:
            begun += 1
        del prices[:begun]
        if prices:
            reference_e8 = prices[0][1]
            self.low_e8 = -(-reference_e8 * (E8 - self.move_e8) // E8)
            self.high_e8 = min(reference_e8 * (E8 + self.move_e8) // E8, INT64_MAX)

    def limit_e8(self, order: Order, best_e8: int) -> int:
        """The worst price at which an order may trade now, where the best is this one.

        One that no price meets where the best is too good: an order that rests may have been left behind by the window.
        """
        if order.side is Side.BUY:
            return min(order.price_e8, self.high_e8) if best_e8 >= self.low_e8 else 0
        return max(order.price_e8, self.low_e8) if best_e8 <= self.high_e8 else INT64_MAX + 1


def breaker_of(control: Control, before: Breaker | None) -> Breaker | None:
    """The breaker that a SYMBOL record asks for; it keeps what the one before has seen."""
    if control.breaker_move_e8 is None:
        return None
    window_us, halt_us = ((time_s or 0) * SECOND_US for time_s in (control.breaker_window_s, control.breaker_halt_s))
    breaker = Breaker(control.breaker_move_e8, window_us, halt_us)
    breaker.prices = [] if before is None else before.prices
    return breaker
