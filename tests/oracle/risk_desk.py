"""A desk for tests of pre-trade risk: makes sealed commands, controls, marks and the book's executions."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.messages import (
    AccountKind,
    AccountState,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Liquidity,
    Mark,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    SymbolStatus,
    Tick,
    Transfer,
    TransferKind,
)
from schemas.order_states import TRANSITIONS
from schemas.seal import seal_headers, seal_hmac
from schemas.units import E8, NUMBER_BITS, notional_e8
from workers.kernel.stage import Input, Output
from workers.risk.core import RiskCore

SECRET = bytes(range(32))
SECRETS = {"gateway-1": SECRET, "gateway-0": SECRET[::-1]}

TRANSITIONS_OF_OPEN = {kind for state, kind in TRANSITIONS if state is OrderStatus.NEW}

BTC = {
    "symbol": "BTC-USD",
    "symbol_status": SymbolStatus.TRADING,
    "base": "BTC",
    "quote": "USD",
    "tick_e8": E8 // 100,
    "lot_e8": E8 // 1000,
    "quantity_min_e8": E8 // 100,
    "quantity_max_e8": 50 * E8,
    "notional_min_e8": 10 * E8,
    "notional_max_e8": 1_000_000 * E8,
    "price_band_e8": E8 // 10,
    "reference_price_e8": 1000 * E8,
    "maker_fee_e8": 100_000,
    "taker_fee_e8": 200_000,
}


class Desk:
    """A RiskCore with its log: offsets and times count up by themselves."""

    def __init__(self, shard: int = 0, shards: int = 1) -> None:
        self.core = RiskCore(shard, shards, seal_secrets=SECRETS)
        self.shard = shard
        self.offsets: dict[str, int] = {}
        self.ts_us = 1_700_000_000_000_000
        self.book_sequence = 0
        self.inputs: list[Input] = []
        self.stands: list[AccountState] = []
        """How accounts stood, oldest first."""
        self.removed: list[Order] = []
        """What risk took out by itself."""
        self.brought: list[Message] = []
        """What came of brackets: pairs, or that they do not come."""
        self.in_book: set[int] = set()
        """Orders that the book has taken."""
        self.spent: dict[int, int] = {}
        """What each order's fills were worth."""

    def put(
        self, topic: str, key: str, message: Message, value: bytes = b"", headers: tuple[tuple[str, bytes], ...] = ()
    ) -> Sequence[Output]:
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        self.ts_us += 1000
        record = Input(topic, self.shard, offset, self.ts_us, key, message, value, headers)
        self.inputs.append(record)
        return self.core.apply(record)

    def aside(self, outputs: Sequence[Output]) -> None:
        """What follows from an input beside its answer: how accounts stand, what comes of brackets, and removals."""
        for output in outputs:
            if isinstance(output.message, AccountState):
                self.stands.append(output.message)
            elif isinstance(output.message, Execution) or getattr(output.message, "kind", None) is OrderKind.OCO:
                assert getattr(output.message, "kind", None) in {OrderKind.OCO, ExecutionKind.REJECTED}
                self.brought.append(output.message)
            else:
                assert isinstance(output.message, Order)
                assert output.message.kind is OrderKind.REMOVE
                self.removed.append(output.message)

    # The operator

    def control(self, kind: ControlKind, **fields: Any) -> Sequence[Output]:
        control_id = fields.pop("control_id", f"control-{self.offsets.get('control', 0)}")
        return self.put("control", "control", Control(kind, control_id, **fields))

    def symbol(self, **fields: Any) -> Sequence[Output]:
        return self.control(ControlKind.SYMBOL, **(BTC | fields))

    def account(self, account: str = "alice", *, funds: dict[str, int] | None = None, **fields: Any) -> None:
        given = {"account_kind": AccountKind.CASH, "account_status": AccountStatus.ACTIVE} | fields
        self.aside(self.control(ControlKind.ACCOUNT, account=account, **given))
        for currency, amount_e8 in (funds or {}).items():
            self.funds(account, currency, amount_e8)

    def funds(self, account: str, currency: str, amount_e8: int) -> Sequence[Output]:
        return self.control(ControlKind.FUNDS, account=account, currency=currency, amount_e8=amount_e8)

    def transfer(
        self, giver: str, taker: str, currency: str, amount_e8: int, **fields: Any
    ) -> tuple[Reason, int | None, int | None] | None:
        """Moved from one account to another, which then gets it; or why it was refused."""
        given = {"account": giver, "to_account": taker, "currency": currency, "amount_e8": amount_e8}
        outputs = self.control(ControlKind.TRANSFER, **(given | fields))
        halves = [output.message for output in outputs if isinstance(output.message, Transfer)]
        self.aside([output for output in outputs if not isinstance(output.message, Transfer)])
        for half in halves:
            self.aside(self.put("transfers", half.account, half))
        refused = next((half for half in halves if half.kind is TransferKind.REFUSED), None)
        return None if refused is None else (refused.reason, refused.limit_e8, refused.actual_e8)

    def mark(self, price_e8: int, symbol: str = "BTC-USD") -> None:
        self.aside(self.put("marks", symbol, Mark(symbol, price_e8, self.offsets.get("marks", 0) + 1, self.ts_us)))

    def tick(self, ts_us: int | None = None) -> Sequence[Output]:
        """The log's clock says the time of the desk, or another."""
        self.ts_us += 1000
        now_us, self.ts_us = self.ts_us if ts_us is None else ts_us, self.ts_us - 1000
        return self.put("clock", "clock", Tick(self.offsets.get("clock", 0) + 1, now_us))

    # Accounts

    def send(self, command: Command, headers: tuple[tuple[str, bytes], ...] | None = None) -> Sequence[Output]:
        value = msgspec.json.encode(command)
        if headers is None:
            headers = seal_headers("gateway-1", seal_hmac(SECRET, value))
        return self.put("commands", command.account, command, value, headers)

    def answer(self, command: Command) -> Message:
        """What a command is answered with, or goes to the book as."""
        *others, output = self.send(command)
        self.aside(others)
        return output.message

    def place(self, account: str = "alice", **fields: Any) -> Message:
        """A new order; what is not said is fine: buy 1 BTC at 1000. The only output's message."""
        return self.answer(self.new(CommandKind.NEW, account, fields))

    def new(self, kind: CommandKind, account: str, fields: dict[str, Any]) -> Command:
        given = {
            "client_order_id": f"id-{self.offsets.get('commands', 0)}",
            "symbol": "BTC-USD",
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "price_e8": 1000 * E8,
            "quantity_e8": E8,
        }
        return Command(kind, account, **(given | fields))

    def check(self, account: str = "alice", **fields: Any) -> tuple[Reason, int | None, int | None]:
        """What a new order would be answered, at the time of the next record; the state stays as it is."""
        state, ts_us = msgspec.msgpack.decode(self.core.dump()), self.ts_us
        (output,) = self.send(self.new(CommandKind.CHECK, account, fields))
        self.ts_us = ts_us
        answer = output.message
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.status, answer.order_id) == (ExecutionKind.CHECKED, OrderStatus.UNKNOWN, 0)
        sequence, *rest = msgspec.msgpack.decode(self.core.dump())
        assert [sequence - 1, *rest] == state
        return answer.reason, answer.limit_e8, answer.actual_e8

    def cancel(self, account: str = "alice", **fields: Any) -> Message:
        return self.answer(Command(CommandKind.CANCEL, account, **fields))

    def amend(self, account: str = "alice", **fields: Any) -> Message:
        return self.answer(Command(CommandKind.AMEND, account, **fields))

    def placed(self, account: str = "alice", **fields: Any) -> Order:
        order = self.place(account, **fields)
        assert isinstance(order, Order), order
        return order

    def refused(self, account: str = "alice", **fields: Any) -> tuple[Reason, int | None, int | None]:
        answer = self.place(account, **fields)
        assert isinstance(answer, Execution), answer
        assert answer.kind is ExecutionKind.REJECTED
        assert answer.status is OrderStatus.REJECTED
        return answer.reason, answer.limit_e8, answer.actual_e8

    # The book

    def executed(self, order: Order, kind: ExecutionKind, status: OrderStatus, **fields: Any) -> Execution:
        """What the book says about an order; that it has taken it comes first, where that must be said."""
        if kind is ExecutionKind.NEW:
            self.in_book.add(order.order_id)
        elif kind in TRANSITIONS_OF_OPEN and order.order_id not in self.in_book:
            self.entered(order)
        self.book_sequence += 1
        given = {
            "kind": kind,
            "execution_id": self.shard << NUMBER_BITS | self.book_sequence,
            "order_id": order.order_id,
            "account": order.account,
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "order_type": order.order_type,
            "time_in_force": order.time_in_force,
            "quantity_e8": order.quantity_e8,
            "status": status,
            "leaves_e8": 0,
            "cumulative_e8": 0,
            "cumulative_notional_e8": 0,
            "reason": Reason.NONE,
            "command_us": order.command_us,
            "ts_us": self.ts_us,
        }
        execution = Execution(**(given | fields))
        self.aside(self.put("executions", order.account, execution))
        return execution

    def entered(self, order: Order) -> None:
        self.executed(order, ExecutionKind.NEW, OrderStatus.NEW, leaves_e8=order.quantity_e8)

    def filled(self, order: Order, quantity_e8: int, price_e8: int, *, before_e8: int = 0, fee_e8: int = 0) -> None:
        """A fill after `before_e8` was filled already."""
        leaves_e8 = order.quantity_e8 - before_e8 - quantity_e8
        value_e8 = notional_e8(price_e8, quantity_e8)
        self.spent[order.order_id] = self.spent.get(order.order_id, 0) + value_e8
        self.executed(
            order,
            ExecutionKind.TRADE,
            OrderStatus.PARTIALLY_FILLED if leaves_e8 else OrderStatus.FILLED,
            leaves_e8=leaves_e8,
            cumulative_e8=before_e8 + quantity_e8,
            cumulative_notional_e8=self.spent[order.order_id],
            last_price_e8=price_e8,
            last_quantity_e8=quantity_e8,
            last_notional_e8=value_e8,
            fee_e8=fee_e8,
            liquidity=Liquidity.TAKER,
            trade_id=self.book_sequence,
        )

    def ended(self, order: Order, status: OrderStatus = OrderStatus.CANCELLED, **fields: Any) -> None:
        kinds = {
            OrderStatus.CANCELLED: ExecutionKind.CANCELLED,
            OrderStatus.EXPIRED: ExecutionKind.EXPIRED,
            OrderStatus.REJECTED: ExecutionKind.REJECTED,
        }
        self.executed(order, kinds[status], status, **fields)

    def balance(self, account: str, currency: str) -> tuple[int, int]:
        """Total and reserved."""
        balance = self.core._accounts[account].balances.get(currency)
        return (balance.total_e8, balance.reserved_e8) if balance is not None else (0, 0)


def open_desk(**accounts: dict[str, int]) -> Desk:
    """A desk with BTC-USD and cash accounts with these funds."""
    desk = Desk()
    desk.symbol()
    for name, funds in accounts.items():
        desk.account(name, funds=funds)
    return desk
