"""A market written as a price ladder: asks above, bids below, each line a price and its queue, oldest first.

101  3 carol
100  2 alice, 1 bob
---
 99  5 dave
"""

from typing import Any

from msgspec.structs import replace

from schemas.messages import (
    Control,
    Execution,
    ExecutionKind,
    Message,
    Order,
    OrderType,
    Phase,
    SelfTradePrevention,
    SessionChange,
    Side,
    Tick,
    TimeInForce,
    Trade,
)
from schemas.order_states import FINAL
from schemas.units import E8, format_e8
from tests.oracle.order_stream import (
    amend_order,
    as_input,
    bracket_pair,
    cancel_order,
    new_order,
    open_core,
    pair_order,
    symbol_control,
)
from tests.oracle.session_stream import session_control

SYMBOL = "BTC-USD"
SECOND_US = 1_000_000


class Market:
    """A core whose book stands as a ladder says; orders are named by the account and the number of their placing."""

    def __init__(self, ladder: str = "") -> None:
        self.core = open_core()
        self.core.books[SYMBOL].tick_e8 = self.core.books[SYMBOL].lot_e8 = E8 // 2
        self.count = 0
        self.orders: dict[int, Order] = {}
        self.brackets: dict[int, tuple[float, float]] = {}
        """By the entry's number: where its profit is taken, and its loss stopped."""
        side = Side.SELL
        lines = [line.strip() for line in ladder.splitlines() if line.strip()]
        for line in lines:
            if line == "---":
                side = Side.BUY
                continue
            price, _, queue = line.partition(" ")
            for entry in queue.split(","):
                quantity, account = entry.split()
                self.place(account, side, float(quantity), float(price))

    def place(
        self,
        account: str,
        side: Side,
        quantity: float,
        price: float,
        *,
        order_type: OrderType = OrderType.LIMIT,
        time_in_force: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST,
        until: float | None = None,
        oco: float | None = None,
        bracket: tuple[float, float] | None = None,
        **terms: Any,
    ) -> list[str]:
        """What is said to it, one line a message (levels left out). `oco` is the trigger of a stop order beside it.

        `bracket` is the price and the trigger of what comes when it has ended.
        """
        self.count += 1
        order = new_order(
            self.count,
            side,
            round(price * E8),
            round(quantity * E8),
            account=account,
            order_type=order_type,
            time_in_force=time_in_force,
            post_only=post_only,
            prevention=prevention,
            expire_us=None if until is None else round(until * SECOND_US),
            **terms,
        )
        if oco is not None:
            worst_e8 = (1_000 if side is Side.BUY else 1) * E8
            order = pair_order(order, round(oco * E8), worst_e8=worst_e8)
        if bracket is not None:
            order, self.brackets[self.count] = replace(order, group_id=order.order_id), bracket
        self.orders[self.count] = order
        return self._told(order)

    def buy(self, account: str, quantity: float, price: float, **options: object) -> list[str]:
        return self.place(account, Side.BUY, quantity, price, **options)  # type: ignore[arg-type]

    def sell(self, account: str, quantity: float, price: float, **options: object) -> list[str]:
        return self.place(account, Side.SELL, quantity, price, **options)  # type: ignore[arg-type]

    def cancel(self, number: int, *, by: str | None = None) -> list[str]:
        """Cancel the order that was placed as that number."""
        self.count += 1
        return self._told(cancel_order(self.count, self.orders[number], account=by))

    def amend(self, number: int, quantity: float, price: float, *, by: str | None = None) -> list[str]:
        """Amend the order that was placed as that number; from then on it has these."""
        self.count += 1
        order = self.orders[number]
        amended = amend_order(self.count, order, round(price * E8), round(quantity * E8), account=by)
        return self._told(amended)

    def clock(self, seconds: float) -> list[str]:
        """A tick of the log's clock."""
        self.count += 1
        return self._told(Tick(sequence=self.count, ts_us=round(seconds * SECOND_US)))

    def breaker(self, move: float, window_s: float, halt_s: float, reference: float) -> list[str]:
        """The operator gives the symbol a circuit breaker."""
        self.count += 1
        control = symbol_control(
            control_id="breaker",
            breaker_move_e8=round(move * E8),
            breaker_window_s=round(window_s),
            breaker_halt_s=round(halt_s),
            reference_price_e8=round(reference * E8),
        )
        return self._told(control)

    def phase(self, phase: Phase) -> list[str]:
        """The operator decides it, at once."""
        self.count += 1
        return self._told(session_control(self.count, phase))

    def ladder(self) -> str:
        book = self.core.books.get(SYMBOL) or self.core.apart[SYMBOL]
        asks = [self._line(level) for level in reversed(list(book.asks.best_first()))]
        bids = [self._line(level) for level in book.bids.best_first()]
        return "\n".join([*asks, "---", *bids])

    @staticmethod
    def _line(level: object) -> str:
        queue = ", ".join(
            f"{format_e8(order.leaves_e8)} {order.account}"
            for order in level.orders()  # type: ignore[attr-defined]
        )
        return f"{format_e8(level.price_e8)} {queue}"  # type: ignore[attr-defined]

    def _told(self, order: Order | Tick | Control) -> list[str]:
        said = [output.message for output in self.core.apply(as_input(order, self.count))]
        lines = [line for message in said if (line := _told(message))]
        for message in said:
            if isinstance(message, Execution) and message.status in FINAL and message.order_id in self.brackets:
                lines += self._bring(message)
        return lines

    def _bring(self, end: Execution) -> list[str]:
        """Pre-trade risk answers the end of a bracket's entry."""
        profit, trigger = self.brackets.pop(end.order_id)
        if not end.cumulative_e8:
            return []
        self.count += 1
        entry, prices = self.orders[end.order_id], (round(profit * E8), round(trigger * E8))
        worst_e8 = (1 if end.side is Side.BUY else 1_000) * E8
        return self._told(bracket_pair(entry, self.count, *prices, end.cumulative_e8, worst_e8=worst_e8))


def _told(message: Message) -> str:
    match message:
        case Execution(kind=ExecutionKind.TRADE, account=account, status=status, leaves_e8=leaves):
            return f"{account} {status} leaves {format_e8(leaves)}"
        case Execution(kind=kind, account=account, reason=reason):
            return f"{account} {kind}" if reason == "NONE" else f"{account} {kind} {reason}"
        case SessionChange():
            return _session(message)
        case Trade(price_e8=price, quantity_e8=quantity):
            return f"trade {format_e8(quantity)} at {format_e8(price)}"
        case _:
            return ""


def _session(change: SessionChange) -> str:
    match change:
        case SessionChange(phase=Phase.HALTED):
            return "the symbol halts"
        case SessionChange(phase=Phase.AUCTION, price_e8=None):
            return "would trade 0"
        case SessionChange(phase=Phase.AUCTION, price_e8=int(price), volume_e8=int(volume), surplus_e8=int(surplus)):
            return f"would trade {format_e8(volume)} at {format_e8(price)}, surplus {format_e8(surplus)}"
    return ""


def rungs(ladder: str) -> str:
    """A ladder in the form that Market.ladder gives."""
    lines = [" ".join(line.split()) for line in ladder.splitlines() if line.strip()]
    return "\n".join(lines)
