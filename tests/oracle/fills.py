"""Inputs for the positions stage: fills, marks and controls, with offsets and times that count up by themselves."""

from collections.abc import Sequence
from random import Random
from typing import Any

from schemas.messages import (
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    LedgerEntry,
    Mark,
    Message,
    OrderStatus,
    OrderType,
    Position,
    Reason,
    Side,
    TimeInForce,
    Transfer,
    TransferKind,
)
from schemas.units import E8, notional_e8
from tests.oracle.risk_desk import BTC
from workers.kernel.stage import Input, Output
from workers.positions.core import PositionsCore

SECOND_US = 1_000_000


class Book:
    """A PositionsCore with its log."""

    def __init__(self, shard: int = 0, shards: int = 1) -> None:
        self.core = PositionsCore(shard, shards)
        self.shard = shard
        self.offsets: dict[str, int] = {}
        self.ts_us = 1_700_000_000 * SECOND_US
        self.trades = 0
        self.correlation_id: str | None = None
        """Of whose request the next executions are."""

    def put(self, topic: str, key: str, message: Message) -> Sequence[Output]:
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        return self.core.apply(Input(topic, self.shard, offset, self.ts_us, key, message, b""))

    def symbol(self, **fields: Any) -> Sequence[Output]:
        control_id = f"symbol-{self.offsets.get('control', 0)}"
        return self.put("control", "control", Control(ControlKind.SYMBOL, control_id, **(BTC | fields)))

    def funds(self, account: str, currency: str, amount_e8: int, control_id: str = "") -> Sequence[Output]:
        control_id = control_id or f"funds-{self.offsets.get('control', 0)}"
        control = Control(ControlKind.FUNDS, control_id, account=account, currency=currency, amount_e8=amount_e8)
        return self.put("control", "control", control)

    def transfer(self, half: TransferKind, account: str, currency: str, amount_e8: int) -> Sequence[Output]:
        ends = ("other", account) if half is TransferKind.RECEIVED else (account, "other")
        moved = Transfer(
            account=account,
            kind=half,
            control_id="move",
            from_account=ends[0],
            to_account=ends[1],
            currency=currency,
            amount_e8=amount_e8,
            reason=Reason.NONE,
            ts_us=self.ts_us,
        )
        return self.put("transfers", account, moved)

    def mark(self, price_e8: int, symbol: str = "BTC-USD", *, after_s: int = 0) -> Sequence[Output]:
        self.ts_us += after_s * SECOND_US
        return self.put("marks", symbol, Mark(symbol, price_e8, self.offsets.get("marks", 0) + 1, self.ts_us))

    def execution(self, account: str, side: Side, quantity_e8: int, **fields: Any) -> Sequence[Output]:
        given = {
            "kind": ExecutionKind.TRADE,
            "execution_id": self.offsets.get("executions", 0) + 1,
            "order_id": 70,
            "account": account,
            "client_order_id": "id",
            "symbol": "BTC-USD",
            "side": side,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "quantity_e8": quantity_e8,
            "status": OrderStatus.FILLED,
            "leaves_e8": 0,
            "cumulative_e8": quantity_e8,
            "cumulative_notional_e8": 0,
            "reason": Reason.NONE,
            "command_us": 1,
            "ts_us": self.ts_us,
            "correlation_id": self.correlation_id,
        }
        return self.put("executions", account, Execution(**(given | fields)))

    def fill(
        self, account: str, side: Side, quantity_e8: int, price_e8: int, *, fee_e8: int = 0, symbol: str = "BTC-USD"
    ) -> Sequence[Output]:
        self.trades += 1
        return self.execution(
            account,
            side,
            quantity_e8,
            symbol=symbol,
            last_price_e8=price_e8,
            last_quantity_e8=quantity_e8,
            last_notional_e8=notional_e8(price_e8, quantity_e8),
            fee_e8=fee_e8,
            trade_id=self.trades,
        )


def positions_of(outputs: Sequence[Output]) -> list[Position]:
    """The positions among outputs, each under its account's key."""
    found = [output.message for output in outputs if isinstance(output.message, Position)]
    assert [output.key for output in outputs if output.topic == "positions"] == [item.account for item in found]
    return found


def postings_of(outputs: Sequence[Output]) -> list[LedgerEntry]:
    """The ledger entries among outputs, each under its account's key."""
    found = [output.message for output in outputs if isinstance(output.message, LedgerEntry)]
    assert [output.key for output in outputs if output.topic == "ledger"] == [item.account for item in found]
    return found


def random_day(book: Book, rng: Random, steps: int) -> list[Sequence[Output]]:
    """Fills, marks and deposits; all outputs."""
    outputs: list[Sequence[Output]] = []
    for _ in range(steps):
        account = rng.choice(("alice", "bob", "carol", "dave"))
        symbol = rng.choice(("BTC-USD", "ETH-USD", "LATE-USD"))
        match rng.randint(0, 10):
            case 10:
                half = rng.choice((TransferKind.SENT, TransferKind.RECEIVED, TransferKind.REFUSED))
                outputs.append(book.transfer(half, account, "USD", rng.randint(1, 100 * E8)))
            case 0:
                outputs.append(book.mark(rng.randint(E8, 100 * E8), symbol, after_s=rng.randint(0, 6)))
            case 1:
                outputs.append(book.funds(account, "USD", rng.randint(1, 100 * E8)))
            case 2 if not rng.randint(0, 5):
                outputs.append(book.symbol(symbol="LATE-USD", base="LATE"))
            case _:
                side, price_e8 = rng.choice((Side.BUY, Side.SELL)), rng.randint(E8, 100 * E8)
                outputs.append(book.fill(account, side, rng.randint(1, 3 * E8), price_e8, fee_e8=5, symbol=symbol))
    return outputs
