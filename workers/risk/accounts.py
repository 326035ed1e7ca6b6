"""An account as pre-trade risk sees it: its status, its balances, and the orders remembered."""

from collections import deque
from collections.abc import Iterable
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final

from schemas.groups import age_of
from schemas.messages import AccountKind, AccountStatus, Reason, SelfTradePrevention, Side
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.usage import Bucket, Loss, Usage, Worth

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from workers.kernel.controls import Pair
    from workers.risk.volumes import Volume

OPEN_ORDERS_MAX_DEFAULT: Final = 10_000
"""Most open orders of an account whose ACCOUNT record names no limit."""

REMOVALS_MAX: Final = 50_000
"""Orders of an account that one record takes out of the books; repeating it takes the next ones. One transaction must
hold them."""

FINAL_ORDERS_MAX: Final = 1_000
"""Final orders remembered of each account, newest first to stay: a client_order_id may be used again after that many
others have ended."""

TRADES: Final = (AccountStatus.ACTIVE, AccountStatus.REDUCING)
"""The statuses of an account that may place and amend orders; all others may only cancel."""


class Balance:
    """What there is of one currency, and how much of it open orders hold; 10^-8."""

    __slots__ = ("reserved_e8", "total_e8")

    def __init__(self, total_e8: int = 0) -> None:
        self.total_e8 = total_e8
        self.reserved_e8 = 0


class OpenQuantity:
    """What open orders of a margin account may still buy and sell of one pair; 10^-8 base."""

    __slots__ = ("buy_e8", "sell_e8")

    def __init__(self) -> None:
        self.buy_e8 = 0
        self.sell_e8 = 0


class Account:
    """One account. It exists from the first Control that names it; it may trade from its ACCOUNT record on."""

    __slots__ = (
        "balances",
        "buckets",
        "by_client_id",
        "called",
        "cancel_after_us",
        "decided",
        "finals",
        "keys",
        "kind",
        "leaves",
        "leverage_e8",
        "liquidating",
        "loss",
        "name",
        "open_orders_max",
        "open_quantities",
        "orders",
        "partners",
        "promised",
        "reduce_only",
        "removable",
        "self_trade_prevention",
        "states",
        "status",
        "strategies",
        "tagged",
        "usages",
        "volumes",
        "worths",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind: AccountKind | None = None
        self.decided = AccountStatus.UNKNOWN
        """Its status as the operator decided it."""
        self.loss: Loss | None = None
        """Why it may only reduce, even if the operator has it ACTIVE."""
        self.leaves = False
        """Its loss has more orders to take out than one record does."""
        self.status = AccountStatus.UNKNOWN
        """What follows from both."""
        self.called = False
        """Whether its margin was called when it was last looked at, or it was liquidated then."""
        self.liquidating = False
        self.states = 0
        """How many records were written about that."""
        self.self_trade_prevention = SelfTradePrevention.CANCEL_NEWEST
        """Of its orders that do not say it themselves."""
        self.leverage_e8 = 0
        self.cancel_after_us: int | None = None
        """When its open orders end, unless it asks again before."""
        self.open_orders_max = OPEN_ORDERS_MAX_DEFAULT
        self.keys: dict[str, Ed25519PublicKey] = {}
        self.balances: dict[str, Balance] = {}
        self.open_quantities: dict[Pair, OpenQuantity] = {}
        self.orders: dict[int, RiskOrder] = {}
        """All orders remembered, by order_id."""
        self.by_client_id: dict[str, RiskOrder] = {}
        self.reduce_only: dict[tuple[str, Side], dict[int, RiskOrder]] = {}
        """Open orders that may only reduce the position, by symbol and side."""
        self.removable: dict[tuple[str, Side], dict[int, RiskOrder]] = {}
        """Orders that the book may hold and that nobody takes out yet, by symbol and side, oldest first."""
        self.tagged: dict[str, dict[int, RiskOrder]] = {}
        """Those of them that name a strategy, by its name, oldest first."""
        self.strategies: dict[str, AccountStatus] = {}
        """Strategies that are REDUCING or SUSPENDED; all others may place orders."""
        self.partners: dict[int, RiskOrder] = {}
        """By order_id of each order of an open pair: the other one. Only one of them trades, so what the dearer needs
        is held for both."""
        self.promised: set[str] = set()
        """Each client_order_id of an order that is to come of a bracket."""
        self.finals: deque[int] = deque()
        """Remembered orders that ended, oldest end first."""
        self.usages: dict[str, Usage] = {}
        """By symbol."""
        self.volumes: dict[str, Volume] = {}
        """By quote currency."""
        self.buckets: dict[str, Bucket] = {}
        """By the symbol whose orders they count; empty for all."""
        self.worths: dict[str, Worth] = {}
        """By quote currency; empty while no loss is limited."""

    def balance(self, currency: str) -> Balance:
        """The balance of a currency, from now on kept."""
        balance = self.balances.get(currency)
        if balance is None:
            balance = self.balances[currency] = Balance()
        return balance

    def decide(self, status: AccountStatus) -> None:
        """The operator has decided what it may do."""
        self.decided = status
        self.lose(self.loss)

    def lose(self, loss: Loss | None) -> None:
        """A loss makes an active account reducing; None makes it active again."""
        self.loss, self.status = loss, self.status_after(loss)

    def status_after(self, loss: Loss | None) -> AccountStatus:
        """The status that follows from what the operator decided, and a loss."""
        active = self.decided is AccountStatus.ACTIVE
        if self.liquidating and (active or self.decided is AccountStatus.REDUCING):
            return AccountStatus.SUSPENDED
        return AccountStatus.REDUCING if active and loss is not None else self.decided

    def liquidate(self, *, going_on: bool) -> None:
        """Its positions are being reduced, or no longer: meanwhile it places nothing itself."""
        self.liquidating = going_on
        self.status = self.status_after(self.loss)

    def move(self, currency: str, amount_e8: int) -> None:
        """Add to a balance what is neither profit nor loss."""
        self.balance(currency).total_e8 += amount_e8
        worth = self.worths.get(currency)
        if worth is not None:
            worth.move(amount_e8)

    def held_e8(self, currency: str) -> int:
        """The balance of a currency."""
        balance = self.balances.get(currency)
        return 0 if balance is None else balance.total_e8

    def usage(self, symbol: str) -> Usage:
        """What is used of the limits in a symbol, from now on kept."""
        usage = self.usages.get(symbol)
        if usage is None:
            usage = self.usages[symbol] = Usage()
        return usage

    def open_count(self) -> int:
        """Orders that have not ended."""
        return len(self.orders) - len(self.finals)

    def remember(self, order: RiskOrder) -> None:
        """Keep an order, so that its ids are known."""
        self.orders[order.order_id] = order
        self.by_client_id[order.client_order_id] = order

    def await_end(self, order: RiskOrder) -> None:
        """The order goes to the book: it may be taken out, once."""
        if order.reduce_only:
            self.reduce_only.setdefault((order.symbol, order.side), {})[order.order_id] = order
        if not order.removing:
            self.removable.setdefault((order.symbol, order.side), {})[order.order_id] = order
            if order.strategy is not None:
                self.tagged.setdefault(order.strategy, {})[order.order_id] = order

    def take_out(
        self, symbol: str | None = None, side: Side | None = None, *, most: int | None = None
    ) -> list[RiskOrder]:
        """Orders to take out of the books, oldest first, REMOVALS_MAX or `most`; those that leave already are left out.

        The work is that of the orders that are taken, however many others are open.
        """
        oldest_first = self._removable_of(symbol, side)
        return self.let_leave(list(islice(oldest_first, REMOVALS_MAX if most is None else most)))

    def open_of(self, symbol: str) -> list[RiskOrder]:
        """The open orders of a symbol, oldest first; those that leave already are left out."""
        return list(self._removable_of(symbol))

    def _removable_of(self, symbol: str | None, side: Side | None = None) -> Iterable[RiskOrder]:
        meant = [orders for (at, way), orders in self.removable.items() if symbol in {None, at} and side in {None, way}]
        # What a bracket brings has ids of its entry's age, and the time at which it came.
        return merge(
            *(orders.values() for orders in meant), key=lambda order: (order.command_us, age_of(order.order_id))
        )

    def take_out_reduce_only(self, symbol: str, side: Side) -> list[RiskOrder]:
        """The reduce-only orders to take out of one side of a book; those that leave already are left out."""
        open_orders = self.reduce_only.get((symbol, side), {}).values()
        return self.let_leave([order for order in open_orders if not order.removing])

    def take_out_strategy(self, strategy: str) -> list[RiskOrder]:
        """The orders of a strategy to take out of the books, oldest first, REMOVALS_MAX of them."""
        return self.let_leave(list(islice(self.tagged.get(strategy, {}).values(), REMOVALS_MAX)))

    def let_leave(self, orders: list[RiskOrder]) -> list[RiskOrder]:
        """These orders are taken out of the book, once."""
        for order in orders:
            order.removing = True
            self._forget_removable(order)
        return orders

    def _forget_removable(self, order: RiskOrder) -> None:
        key = order.symbol, order.side
        orders = self.removable.get(key)
        if orders is not None and orders.pop(order.order_id, None) is not None and not orders:
            del self.removable[key]
        if order.strategy is not None:
            tagged = self.tagged.get(order.strategy)
            if tagged is not None and tagged.pop(order.order_id, None) is not None and not tagged:
                del self.tagged[order.strategy]

    def finish(self, order: RiskOrder) -> None:
        """Count an order among the final ones; forget the one that ended first when there are too many."""
        self._forget_removable(order)
        if order.reduce_only:
            side = self.reduce_only.get((order.symbol, order.side), {})
            if side.pop(order.order_id, None) is not None and not side:
                del self.reduce_only[order.symbol, order.side]
        self.finals.append(order.order_id)
        if len(self.finals) > FINAL_ORDERS_MAX:
            oldest = self.orders.pop(self.finals.popleft())
            del self.by_client_id[oldest.client_order_id]


def stopped(account: Account) -> Refusal:
    """Why an account may only cancel."""
    return Refusal(Reason.LIQUIDATION if account.liquidating else Reason.ACCOUNT_SUSPENDED)
