"""An account as pre-trade risk sees it: balances, what open orders hold of them, and the orders remembered.

CASH: an order holds its worst case. MARGIN: as `margin` says.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final

from schemas.groups import age_of
from schemas.messages import AccountKind, AccountStatus, Reason, SelfTradePrevention, Side
from schemas.units import E8
from workers.kernel.controls import Pair
from workers.kernel.wide import int64
from workers.risk.margin import order_refusal
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules
from workers.risk.usage import Bucket, Loss, Usage, Worth, rise_e8
from workers.risk.volumes import Volume, take_tier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OPEN_ORDERS_MAX_DEFAULT: Final = 10_000
"""Most open orders of an account whose ACCOUNT record names no limit."""

REMOVALS_MAX: Final = 50_000
"""Orders of an account that one record takes out of the books; repeating it takes the next ones. One transaction must
hold them."""

FINAL_ORDERS_MAX: Final = 1_000
"""Final orders remembered of each account, newest first to stay: a client_order_id may be used again after that many
others have ended."""

_BUY: Final = Side.BUY
_MARGIN: Final = AccountKind.MARGIN


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

    def cover(
        self, order: RiskOrder, rules: SymbolRules, pairs: Mapping[Pair, SymbolRules], *, holds: bool = True
    ) -> Refusal | None:
        """Hold what a new order may cost, unless it is only asked for, or say why the account cannot."""
        if rules.fee_tiers:
            take_tier(order, rules, self.volumes.get(rules.quote))
        else:
            order.fee_rate_e8 = rules.fee_rate_e8
        if self.kind is _MARGIN:
            refusal = order_refusal(self, order.side, order.quantity_e8, rules, pairs)
            if refusal is None and holds:
                self.hold(order, rules, order.quantity_e8)
            return refusal
        if order.notional_e8 is None:
            notional_e8 = -(-order.worst_price_e8 * order.quantity_e8 // E8)
        else:
            notional_e8 = order.worst_notional_e8(order.quantity_e8)
        if order.side is _BUY:
            balance = self.balances.get(rules.quote)
            needed_e8 = notional_e8 - (-notional_e8 * order.fee_rate_e8 // E8)
        else:
            balance = self.balances.get(rules.base)
            needed_e8 = order.quantity_e8
        available_e8 = 0 if balance is None else balance.total_e8 - balance.reserved_e8
        if balance is None or needed_e8 > available_e8:
            return Refusal(Reason.FUNDS_INSUFFICIENT, int64(available_e8), int64(needed_e8))
        if not holds:
            return None
        balance.reserved_e8 += needed_e8
        order.reserved_e8 = needed_e8
        order.leaves_e8 = order.quantity_e8
        self.usage(order.symbol).add(order, notional_e8)
        return None

    def cover_amended(
        self,
        order: RiskOrder,
        amended: RiskOrder,
        command_id: int,
        rules: SymbolRules,
        pairs: Mapping[Pair, SymbolRules],
        *,
        keeps_quantity: bool,
    ) -> Refusal | None:
        """Hold what an open order may cost, be it amended or not, or say why the account cannot."""
        amended.fee_rate_e8 = order.fee_rate_e8
        if order.taker_fee_e8 is None:
            amended.fee_rate_e8 = max(order.fee_rate_e8, rules.fee_rate_e8)
        leaves_e8 = max(amended.quantity_e8 - order.cumulative_e8, 0)
        needed_e8 = self._needed_e8(order, amended.worst_price_e8, leaves_e8, amended.fee_rate_e8)
        more_e8 = self._more_e8(order, needed_e8)
        if more_e8 > 0:
            if self.kind is _MARGIN:
                refusal = order_refusal(self, order.side, more_e8, rules, pairs)
                if refusal is not None:
                    return refusal
            else:
                balance = self.balance(rules.quote if order.side is _BUY else rules.base)
                available_e8 = balance.total_e8 - balance.reserved_e8
                if more_e8 > available_e8:
                    numbers = available_e8 + needed_e8 - more_e8, needed_e8
                    return Refusal(Reason.FUNDS_INSUFFICIENT, *map(int64, numbers))
        order.amend_id, order.amend_fee_rate_e8 = command_id, amended.fee_rate_e8
        order.amend_price_e8 = amended.worst_price_e8
        order.amend_quantity_e8 = 0 if keeps_quantity else amended.quantity_e8
        self.hold(order, rules, order.leaves_e8)
        return None

    def hold(self, order: RiskOrder, rules: SymbolRules, leaves_e8: int) -> None:
        """Hold for what is left of an order, or would be left if the amendment under way is made, and no more."""
        if not leaves_e8 and not order.amend_id:
            self._reserve(order, rules, 0)
            order.leaves_e8 = 0
            self.usages[order.symbol].release(order)
            return
        needed_e8 = self._needed_e8(order, order.worst_price_e8, leaves_e8, order.fee_rate_e8)
        if order.amend_id:
            amended = order.amend_price_e8, order.amended_leaves_e8(leaves_e8), order.amend_fee_rate_e8
            needed_e8 = max(needed_e8, self._needed_e8(order, *amended))
        self._reserve(order, rules, needed_e8)
        order.leaves_e8 = leaves_e8
        partner = self.partners.get(order.order_id) if order.group_id is not None else None
        self.usage(order.symbol).count(order, leaves_e8, partner)

    def join(self, order: RiskOrder, partner: RiskOrder) -> None:
        """From now on only one of the two trades."""
        self.partners[order.order_id], self.partners[partner.order_id] = partner, order

    def part(self, order: RiskOrder, rules: SymbolRules) -> None:
        """The book has decided a pair for this order, or it has ended: the other one has left the book with it.

        What was held for that one is free.
        """
        partner = self.partners.get(order.order_id)
        if partner is None:
            return
        partner.amend_id = 0
        self._reserve(partner, rules, 0)
        self.usages[order.symbol].count(partner, 0, order)
        partner.leaves_e8 = 0
        del self.partners[order.order_id], self.partners[partner.order_id]

    def _more_e8(self, order: RiskOrder, needed_e8: int) -> int:
        """How much more is held when an order needs so much."""
        partner = self.partners.get(order.order_id) if order.group_id is not None else None
        if partner is None:
            return needed_e8 - order.reserved_e8
        return rise_e8(order.reserved_e8, needed_e8, partner.reserved_e8)

    def _needed_e8(self, order: RiskOrder, price_e8: int, leaves_e8: int, fee_rate_e8: int) -> int:
        """What is held for so much of an order: quote currency for a cash account's buy, else base."""
        if order.side is _BUY and self.kind is not _MARGIN:
            if order.notional_e8 is not None:
                return with_fee_e8(order.worst_notional_e8(leaves_e8), fee_rate_e8)
            return worst_cost_e8(price_e8, leaves_e8, fee_rate_e8)
        return leaves_e8

    def _reserve(self, order: RiskOrder, rules: SymbolRules, needed_e8: int) -> None:
        more_e8 = self._more_e8(order, needed_e8)
        if self.kind is _MARGIN:
            pair = (rules.base, rules.quote)
            quantity = self.open_quantities.get(pair)
            if quantity is None:
                quantity = self.open_quantities[pair] = OpenQuantity()
                self.balance(rules.base)  # so that whoever goes through the balances meets this pair
            if order.side is _BUY:
                quantity.buy_e8 += more_e8
            else:
                quantity.sell_e8 += more_e8
        else:
            self.balance(rules.quote if order.side is _BUY else rules.base).reserved_e8 += more_e8
        order.reserved_e8 = needed_e8

    def become(self, kind: AccountKind, symbols: Mapping[str, SymbolRules]) -> None:
        """Another kind of account: what open orders hold is counted again under its rules."""
        if kind is self.kind:
            return
        leaves = [(order, symbols[order.symbol], order.leaves_e8) for order in self.orders.values() if order.leaves_e8]
        for order, rules, _ in leaves:
            self._reserve(order, rules, 0)
        self.kind = kind
        for order, rules, leaves_e8 in leaves:
            self.hold(order, rules, leaves_e8)

    def hold_again(self, order: RiskOrder, rules: SymbolRules, needed_e8: int) -> None:
        """Hold so much for an order of a snapshot, for which nothing is held or counted yet."""
        self._reserve(order, rules, needed_e8)
        self.usage(order.symbol).count(order, order.leaves_e8, self.partners.get(order.order_id))

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
        return merge(*(orders.values() for orders in meant), key=lambda order: age_of(order.order_id))

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


def worst_cost_e8(price_e8: int, quantity_e8: int, fee_rate_e8: int) -> int:
    """The most that a buy may cost: the notional at its price rounded up, and the fee on that, rounded up; 10^-8 quote.

    Each fill's fee is rounded up for itself: a balance may so end at most 10^-8 a fill below what was held.
    """
    return with_fee_e8(-(-price_e8 * quantity_e8 // E8), fee_rate_e8)


def with_fee_e8(notional_e8: int, fee_rate_e8: int) -> int:
    """A notional and the fee on it, rounded up; 10^-8 quote."""
    return notional_e8 - (-notional_e8 * fee_rate_e8 // E8)
