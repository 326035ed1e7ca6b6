"""A made-up history of the topics that become rows.

It keeps what the projections rely on: one writer numbers an order's executions upwards, positions count by account and
symbol, entries by shard, and a candle's states grow older until the final one.
"""

import random
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.codec import Codec
from schemas.messages import (
    AccountState,
    AccountStatus,
    Candle,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    Message,
    OrderStatus,
    OrderType,
    PairStatus,
    Position,
    Reason,
    Side,
    TimeInForce,
    Trade,
)
from schemas.units import E8, RISK_BIT, make_id
from stream_topology.sharding import partition_of
from workers.kernel.stage import Record

START_US = 1_700_000_000_000_000
NOTHING_HAPPENS = (ExecutionKind.CANCEL_REJECTED, ExecutionKind.STATUS)

# Texts that a careless writer of SQL or COPY would stumble over.
ODD_TEXTS = ("", "\\N", "a\tb\nc", "O'Brien; DROP TABLE orders", "Zürich 株 🚀", "\\", '"', "NULL")


class History:
    """Messages of all projected topics, in an order that a seed decides."""

    def __init__(self, seed: int, accounts: int = 5, symbols: int = 3) -> None:
        self.chance = random.Random(seed)
        self.accounts = [f"account-{number}" for number in range(accounts)]
        self.symbols = [f"S{number}-USD" for number in range(symbols)]
        self.now_us = START_US
        self.count = 0
        self.open: list[Execution] = []
        self.positions: dict[tuple[str, str], int] = {}
        self.balances: dict[tuple[str, str], int] = {}
        self.candles: dict[tuple[str, int], Candle] = {}
        self.states: dict[str, int] = {}
        self.versions: dict[str, int] = {}

    def messages(self, count: int) -> Iterator[tuple[str, str, Message]]:
        """(topic, key, message), at least `count` of them."""
        kinds = (
            self._order,
            self._order,
            self._fill,
            self._fill,
            self._refusal,
            self._idle_answer,
            self._end,
            self._tick,
            self._stand,
            self._pair,
        )
        made = 0
        while made < count:
            self.now_us += self.chance.randrange(400_000)
            for message in self.chance.choice(kinds)():
                made += 1
                yield message

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _order(self) -> Iterator[tuple[str, str, Message]]:
        number = self._next()
        quantity_e8 = self.chance.randint(1, 9) * E8
        execution = Execution(
            kind=ExecutionKind.NEW,
            execution_id=make_id(1, number),
            command_id=number,
            order_id=number,
            account=self.chance.choice(self.accounts),
            client_order_id=f"{self.chance.choice(ODD_TEXTS)}{number}",
            symbol=self.chance.choice(self.symbols),
            side=self.chance.choice((Side.BUY, Side.SELL)),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_e8=self.chance.randint(1, 1_000) * E8,
            quantity_e8=quantity_e8,
            status=OrderStatus.NEW,
            leaves_e8=quantity_e8,
            cumulative_e8=0,
            cumulative_notional_e8=0,
            reason=Reason.NONE,
            command_us=self.now_us,
            ts_us=self.now_us,
            correlation_id=self.chance.choice((None, *ODD_TEXTS)),
        )
        self.open.append(execution)
        yield "executions", execution.account, execution

    def _fill(self) -> Iterator[tuple[str, str, Message]]:
        if not self.open:
            return
        order = self.open.pop(self.chance.randrange(len(self.open)))
        number = self._next()
        price_e8 = order.price_e8 or 0
        notional_e8 = price_e8
        left_e8 = order.leaves_e8 - E8
        trade_id = make_id(2, number)
        execution = _after(
            order,
            kind=ExecutionKind.TRADE,
            execution_id=make_id(1, number),
            status=OrderStatus.PARTIALLY_FILLED if left_e8 else OrderStatus.FILLED,
            leaves_e8=left_e8,
            cumulative_e8=order.cumulative_e8 + E8,
            cumulative_notional_e8=order.cumulative_notional_e8 + notional_e8,
            last_price_e8=price_e8,
            last_quantity_e8=E8,
            last_notional_e8=notional_e8,
            fee_e8=notional_e8 // 1_000,
            trade_id=trade_id,
            ts_us=self.now_us,
        )
        if left_e8:
            self.open.append(execution)
        yield "executions", order.account, execution
        yield (
            "trades",
            order.symbol,
            Trade(
                trade_id=trade_id,
                symbol=order.symbol,
                price_e8=price_e8,
                quantity_e8=E8,
                notional_e8=notional_e8,
                aggressor_side=order.side,
                maker_order_id=order.order_id,
                taker_order_id=number,
                maker_account=order.account,
                taker_account=self.chance.choice(self.accounts),
                ts_us=self.now_us,
            ),
        )
        yield self._position(order, trade_id)
        yield self._entry(order, "USD", notional_e8, trade_id)
        yield self._entry(order, order.symbol, E8, trade_id)
        yield self._candle(order.symbol, price_e8)

    def _position(self, order: Execution, trade_id: int) -> tuple[str, str, Message]:
        key = order.account, order.symbol
        self.positions[key] = sequence = self.positions.get(key, 0) + 1
        position = Position(
            account=order.account,
            symbol=order.symbol,
            sequence=sequence,
            quantity_e8=self.chance.randint(-5, 5) * E8,
            cost_e8=self.chance.randint(-5, 5) * E8,
            average_price_e8=0,
            realised_e8=0,
            unrealised_e8=0,
            fees_e8=sequence,
            mark_price_e8=0,
            trade_id=self.chance.choice((None, trade_id)),
            ts_us=self.now_us,
        )
        return "positions", order.account, position

    def _entry(self, order: Execution, currency: str, amount_e8: int, trade_id: int) -> tuple[str, str, Message]:
        key = order.account, currency
        self.balances[key] = balance_e8 = self.balances.get(key, 0) + amount_e8
        entry = LedgerEntry(
            entry_id=make_id(3, self._next()),
            kind=LedgerKind.TRADE,
            account=order.account,
            debit_account=order.account,
            credit_account="venue:clearing",
            currency=currency,
            amount_e8=amount_e8,
            balance_e8=balance_e8,
            symbol=order.symbol,
            trade_id=trade_id,
            order_id=order.order_id,
            ts_us=self.now_us,
        )
        return "ledger", order.account, entry

    def _candle(self, symbol: str, price_e8: int) -> tuple[str, str, Message]:
        interval_s = self.chance.choice((1, 60))
        old = self.candles.get((symbol, interval_s))
        candle = Candle(
            symbol=symbol,
            interval_s=interval_s,
            open_us=old.open_us if old else self.now_us // (interval_s * 1_000_000) * interval_s * 1_000_000,
            open_e8=old.open_e8 if old else price_e8,
            high_e8=max(old.high_e8, price_e8) if old else price_e8,
            low_e8=min(old.low_e8, price_e8) if old else price_e8,
            close_e8=price_e8,
            volume_e8=(old.volume_e8 if old else 0) + E8,
            notional_e8=(old.notional_e8 if old else 0) + price_e8,
            trade_count=(old.trade_count if old else 0) + 1,
            final=False,
            ts_us=self.now_us,
        )
        self.candles[symbol, interval_s] = candle
        return "candles", symbol, candle

    def _tick(self) -> Iterator[tuple[str, str, Message]]:
        for key in sorted(self.candles):
            candle = self.candles.pop(key)
            self.now_us += 60_000_000  # the next candle begins later than this one
            yield "candles", candle.symbol, _after(candle, final=True, ts_us=self.now_us)

    def _stand(self) -> Iterator[tuple[str, str, Message]]:
        account = self.chance.choice(self.accounts)
        self.states[account] = self.states.get(account, 0) + 1
        status = self.chance.choice((AccountStatus.ACTIVE, AccountStatus.REDUCING))
        by_loss = status is AccountStatus.REDUCING and self.chance.choice((True, False))
        state = AccountState(
            account=account,
            sequence=self.states[account],
            status=status,
            reason=Reason.DAILY_LOSS_LIMIT if by_loss else Reason.NONE,
            currency="USD" if by_loss else None,
            limit_e8=5 if by_loss else None,
            actual_e8=6 if by_loss else None,
            ts_us=self.now_us,
        )
        yield "accounts", account, state

    def _pair(self) -> Iterator[tuple[str, str, Message]]:
        """A change of a pair; now and then one that came too late, or a decision about something else."""
        pair_id = self.chance.choice(("pair-1", "pair-2", "pair-3"))
        late = self.chance.randrange(4) == 0
        version = self.versions[pair_id] = max(1, self.versions.get(pair_id, 0) + (0 if late else 1))
        pair = Control(
            kind=ControlKind.PAIR,
            control_id=f"pair-{self._next()}",
            issued_us=self.now_us,
            issued_by=self.chance.choice((None, "alice")),
            pair_id=pair_id,
            pair_version=version,
            symbol1=self.symbols[0],
            symbol2=self.symbols[1],
            ratio_e8=self.chance.randint(1, 9) * E8,
            pair_status=self.chance.choice((PairStatus.ACTIVE, PairStatus.MONITORING, PairStatus.DELETED)),
            z_score_threshold_entry_e8=2 * E8,
            z_score_threshold_exit_e8=self.chance.randint(0, 2) * E8 - 1,
            lookback_period=60,
            notes=self.chance.choice((None, *ODD_TEXTS)),
        )
        yield "control", pair_id, pair

    def _refusal(self) -> Iterator[tuple[str, str, Message]]:
        number = self._next()
        account = self.chance.choice(self.accounts)
        execution = Execution(
            kind=ExecutionKind.REJECTED,
            execution_id=make_id(1, RISK_BIT | number),
            command_id=number,
            order_id=number,
            account=account,
            client_order_id="",
            symbol="",
            side=Side.UNKNOWN,
            order_type=OrderType.UNKNOWN,
            time_in_force=TimeInForce.UNKNOWN,
            quantity_e8=-(1 << 63),
            status=OrderStatus.REJECTED,
            leaves_e8=0,
            cumulative_e8=0,
            cumulative_notional_e8=0,
            reason=Reason.QUANTITY_NOT_POSITIVE,
            limit_e8=1,
            actual_e8=-(1 << 63),
            command_us=self.now_us,
            ts_us=self.now_us,
        )
        yield "executions", account, execution

    def _idle_answer(self) -> Iterator[tuple[str, str, Message]]:
        """An answer of pre-trade risk about an order, by what it knew before."""
        if not self.open:
            return
        order = self.chance.choice(self.open)
        number = self._next()
        answer = _after(
            order,
            kind=self.chance.choice(NOTHING_HAPPENS),
            execution_id=make_id(1, RISK_BIT | number),
            command_id=number,
            status=OrderStatus.PENDING,
            ts_us=self.now_us,
        )
        yield "executions", order.account, answer

    def _end(self) -> Iterator[tuple[str, str, Message]]:
        if not self.open:
            return
        order = self.open.pop(self.chance.randrange(len(self.open)))
        number = self._next()
        ended = _after(
            order,
            kind=ExecutionKind.CANCELLED,
            execution_id=make_id(1, number),
            command_id=number,
            status=OrderStatus.CANCELLED,
            leaves_e8=0,
            reason=Reason.CANCELLED_BY_CLIENT,
            ts_us=self.now_us,
        )
        yield "executions", order.account, ended


def log_of(messages: Iterable[tuple[str, str, Message]], shards: int, codec: Codec) -> list[Record]:
    """The messages as records: in the order given, each partition with its own offsets."""
    ends: dict[tuple[str, int], int] = {}
    records = []
    for topic, key, message in messages:
        partitions = range(shards) if topic == "control" else (partition_of(key, shards),)
        for partition in partitions:
            offset = ends.get((topic, partition), 0)
            ends[topic, partition] = offset + 1
            ts_us = START_US + len(records)
            records.append(Record(topic, partition, offset, ts_us, key.encode(), codec.encode(message)))
    return records


def _after(message: Any, **changes: Any) -> Any:
    return type(message)(**{name: getattr(message, name) for name in message.__struct_fields__} | changes)
