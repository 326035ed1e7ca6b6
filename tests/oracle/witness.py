"""Reads what a venue has written and asserts what must always hold of it, whatever was asked.

It folds the records of the topics alone: orders, executions, trades, changes of levels and the ledger.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from schemas.messages import (
    BookChange,
    Execution,
    ExecutionKind,
    LedgerEntry,
    Liquidity,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    Trade,
    Transfer,
    TransferKind,
)
from schemas.order_states import ANSWERS_ONLY, FINAL, may_become
from schemas.units import RISK_BIT
from tests.oracle.naive_funds import NaiveFunds, OpenOrder
from tests.oracle.order_stream import members

PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT)
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
UNIT = 10**8


@dataclass
class Seen:
    """An order, from what was said of it."""

    order: Order
    limit: int
    """The worst price at which it may trade."""
    fee_rate: int
    leaves: int
    status: OrderStatus = OrderStatus.PENDING
    waits: bool = False
    filled: int = 0
    amends: dict[int, tuple[Order, int]] = field(default_factory=dict)
    """Amendments that the book has not answered, and the fee rate when they were let pass."""


class Witness:
    """Everything that was said so far. Money in 10^-8."""

    def __init__(self) -> None:
        self.orders: dict[int, Seen] = {}
        self.rates: dict[str, int] = {}
        """By symbol: the dearest fee. It may change only while nothing is under way."""
        self.pairs: dict[str, tuple[str, str]] = {}
        self.held: Counter[tuple[str, str]] = Counter()
        """By account and currency: from deposits and fills."""
        self.paid: set[tuple[str, str]] = set()
        """Accounts and currencies with a deposit or withdrawal that may be under way."""
        self.levels: dict[str, dict[tuple[Side, int], tuple[int, int]]] = defaultdict(dict)
        self.ledger: Counter[tuple[str, str]] = Counter()
        self.fills: dict[int, list[Execution]] = defaultdict(list)
        self.trades: list[Trade] = []
        self.happened: Counter[str] = Counter()
        """How often what was seen: kinds, types, reasons."""

    def see(self, messages: list[Message]) -> None:
        """What was written since: orders before executions, executions before trades."""
        for message in messages:
            self._see(message)
        for message in messages:
            if isinstance(message, Order) and message.kind is OrderKind.OCO and message.group_id != message.order_id:
                self._brought(message)
        for seen in self.open_orders():
            if seen.order.order_type not in PRICED or seen.order.time_in_force in IMMEDIATE:
                assert seen.waits or seen.status is OrderStatus.PENDING, f"rests: {seen}"

    def _see(self, message: Message) -> None:
        match message:
            case Order():
                self._ordered(message)
            case Execution():
                self._executed(message)
            case Trade():
                self._traded(message)
            case BookChange():
                self._changed(message)
            case LedgerEntry():
                self._posted(message)
            case Transfer():
                self._transferred(message)
            case _:
                raise AssertionError(message)

    def open_orders(self) -> list[Seen]:
        return [seen for seen in self.orders.values() if seen.status not in FINAL]

    def settled(self) -> tuple[NaiveFunds, Counter[tuple[str, tuple[str, str], Side]]]:
        """When nothing is under way: what cash accounts hold for open orders, and what margin accounts have open."""
        self.paid.clear()
        assert len(self.fills) == len(self.trades)
        between = {"venue:clearing", "venue:transit"}
        assert not any(amount for (name, _), amount in self.ledger.items() if name in between)
        accounts = {key: amount for key, amount in self.ledger.items() if not key[0].startswith("venue:") and amount}
        assert accounts == {key: amount for key, amount in self.held.items() if amount}
        for currency in {currency for _, currency in self.ledger}:
            assert sum(amount for (_, what), amount in self.ledger.items() if what == currency) == 0, currency
        naive, quantities = NaiveFunds(self.pairs), Counter[tuple[str, tuple[str, str], Side]]()
        firsts: dict[int, Seen] = {}
        """By group: the first that is open of a pair."""
        for seen in self.open_orders():
            order = seen.order
            assert not seen.amends
            assert seen.status is not OrderStatus.PENDING, f"not answered: {order}"
            terms = order.side.value, seen.limit, seen.leaves, seen.fee_rate
            opened = naive.orders[order.order_id] = OpenOrder(order.account, order.symbol, *terms)
            before_e8 = 0
            if order.group_id is not None:
                first = firsts.setdefault(order.group_id, seen)
                if first is not seen:  # only one of the two trades
                    opened.other, before_e8 = naive.orders[first.order.order_id], first.leaves
                    opened.other.other = opened
            key = order.account, self.pairs[order.symbol], order.side
            quantities[key] += max(seen.leaves, before_e8) - before_e8
        return naive, quantities

    def _ordered(self, order: Order) -> None:
        rate = self.rates[order.symbol]
        if order.taker_fee_e8 is not None:
            rate = max(order.maker_fee_e8 or 0, order.taker_fee_e8)
            self.happened["order of a tier"] += 1
        self.happened[f"{order.kind} order"] += 1
        if order.kind in {OrderKind.NEW, OrderKind.OCO}:
            for each in members(order):
                assert each.order_id not in self.orders
                waits = each.trigger_by is not None
                self.orders[each.order_id] = Seen(each, each.price_e8, rate, each.quantity_e8, waits=waits)
                self.happened[f"{each.order_type} {each.time_in_force}"] += 1
        elif order.kind is OrderKind.AMEND:
            self.orders[order.order_id].amends[order.command_id] = order, rate

    def _brought(self, pair: Order) -> None:
        entry = self.orders[pair.group_id or 0]
        assert entry.status in FINAL, f"comes before the end of {entry}: {pair}"
        assert 0 < pair.quantity_e8 <= entry.filled, f"more than was filled of {entry}: {pair}"
        assert pair.reduce_only, f"may do more than reduce: {pair}"
        self.happened["bracket"] += 1

    def _executed(self, execution: Execution) -> None:
        kind = execution.kind
        self.happened[f"{kind} {execution.reason}"] += 1
        if execution.execution_id & RISK_BIT or kind in ANSWERS_ONLY:
            if kind is ExecutionKind.AMEND_REJECTED and not execution.execution_id & RISK_BIT:
                self.orders[execution.order_id].amends.pop(execution.command_id or 0, None)
            return
        seen = self.orders[execution.order_id]
        where = f"{execution} of {seen}"
        assert may_become(seen.status, kind, execution.status), where
        alive = execution.status not in FINAL
        assert execution.leaves_e8 == (execution.quantity_e8 - execution.cumulative_e8 if alive else 0), where
        assert execution.account == seen.order.account, where
        assert execution.side is seen.order.side, where
        assert execution.reduce_only is seen.order.reduce_only, where
        assert execution.strategy == seen.order.strategy, where
        if kind is ExecutionKind.TRADE:
            self._filled(seen, execution, where)
        assert execution.cumulative_e8 == seen.filled, where
        if not alive and seen.order.time_in_force is TimeInForce.FOK:
            assert seen.filled in {0, execution.quantity_e8}, where
        if kind is ExecutionKind.NEW:
            spends = seen.order.notional_e8 is not None
            assert execution.leaves_e8 == seen.order.quantity_e8 or (spends and not execution.cumulative_e8), where
            seen.leaves = execution.leaves_e8
            self.happened["NEW of a notional"] += spends
            seen.limit = execution.price_e8 if execution.price_e8 is not None else seen.limit
        if kind is ExecutionKind.AMENDED:
            amend = seen.amends.pop(execution.command_id or 0, None)
            if amend is not None:
                seen.limit, seen.fee_rate = amend[0].price_e8, max(seen.fee_rate, amend[1])
                seen.limit = execution.price_e8 if execution.price_e8 is not None else seen.limit
        if not alive:
            seen.amends.clear()
        seen.status, seen.leaves, seen.waits = execution.status, execution.leaves_e8, execution.waits

    def _filled(self, seen: Seen, fill: Execution, where: str) -> None:
        price, quantity, notional = fill.last_price_e8 or 0, fill.last_quantity_e8 or 0, fill.last_notional_e8 or 0
        order = seen.order
        assert price > 0, where
        assert 0 < quantity <= seen.leaves, where
        assert notional == price * quantity // UNIT, where
        assert price <= seen.limit if order.side is Side.BUY else price >= seen.limit, f"worse than its limit: {where}"
        spent = order.notional_e8 is None or fill.cumulative_notional_e8 <= order.notional_e8
        assert spent, f"more than its notional: {where}"
        if order.taker_fee_e8 is not None:
            maker, taker = order.maker_fee_e8 or 0, order.taker_fee_e8
            rates = {Liquidity.MAKER: maker, Liquidity.TAKER: taker, Liquidity.AUCTION: max(maker, 0)}
            own = next(rate for liquidity, rate in rates.items() if liquidity is fill.liquidity)
            assert fill.fee_e8 == -(-notional * own // UNIT), f"not the fee of its tier: {where}"
        assert fill.liquidity is not Liquidity.TAKER or not order.post_only, f"post-only takes: {where}"
        seen.filled += quantity
        self.fills[fill.trade_id or 0].append(fill)
        self.happened[f"fill {fill.liquidity}"] += 1
        base, quote = self.pairs[order.symbol]
        sign = 1 if order.side is Side.BUY else -1
        before = self.held[order.account, base]
        after = self.held[order.account, base] = before + sign * quantity
        if order.reduce_only and (order.account, base) not in self.paid:
            assert abs(after) < abs(before), f"reduce-only increases {before} to {after}: {where}"
            assert after == 0 or (after > 0) is (before > 0), f"reduce-only turns {before} to {after}: {where}"
            self.happened["fill reduce-only"] += 1
        self.held[order.account, quote] -= sign * notional + (fill.fee_e8 or 0)

    def _traded(self, trade: Trade) -> None:
        self.trades.append(trade)
        assert trade.trade_id == len(self.trades), "trade ids have a gap"
        fills = self.fills[trade.trade_id]
        said = {(fill.last_price_e8, fill.last_quantity_e8, fill.last_notional_e8) for fill in fills}
        assert said == {(trade.price_e8, trade.quantity_e8, trade.notional_e8)}
        assert {fill.side for fill in fills} == {Side.BUY, Side.SELL}
        assert {fill.order_id for fill in fills} == {trade.maker_order_id, trade.taker_order_id}
        assert len(fills) == 2

    def _changed(self, change: BookChange) -> None:
        levels, key = self.levels[change.symbol], (change.side, change.price_e8)
        levels.pop(key, None)
        assert (change.quantity_e8 > 0) is (change.order_count > 0), change
        if change.order_count:
            levels[key] = change.quantity_e8, change.order_count

    def _transferred(self, half: Transfer) -> None:
        sign = {TransferKind.SENT: -1, TransferKind.RECEIVED: 1}.get(half.kind, 0)
        self.held[half.account, half.currency] += sign * half.amount_e8
        self.happened[f"transfer {half.kind}"] += 1

    def _posted(self, entry: LedgerEntry) -> None:
        assert entry.amount_e8 > 0
        self.ledger[entry.debit_account, entry.currency] += entry.amount_e8
        self.ledger[entry.credit_account, entry.currency] -= entry.amount_e8
        assert entry.balance_e8 == self.ledger[entry.account, entry.currency]
