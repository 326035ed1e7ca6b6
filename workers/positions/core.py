"""Positions, profit and the ledger: a fold of fills, deposits, transfers and marks.

Only fills change positions, only fills, FUNDS and transfers change balances, and marks revalue.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from schemas.messages import (
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Mark,
    Position,
    Transfer,
    TransferKind,
)
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate, Pair
from workers.kernel.stage import Input, Output
from workers.kernel.wide import decode, encode, int64
from workers.positions.holding import Holding
from workers.positions.ledger import Ledger

BEHAVIOUR: Final = 2

REVALUE_EVERY_US: Final = 10_000_000
"""Log time between two revaluations of a symbol's positions, microseconds."""

WAITING_FILLS_MAX: Final = 100_000
"""Fills of symbols whose SYMBOL record has not been read yet (topics have no common order) that may wait for it."""

_TRADE: Final = ExecutionKind.TRADE
_SIGNS: Final = {TransferKind.SENT: -1, TransferKind.RECEIVED: 1}


class _Fill(msgspec.Struct, array_like=True, gc=False):
    """A fill that waits for its symbol."""

    execution: Execution
    ts_us: int


class _Market(msgspec.Struct, array_like=True, gc=False):
    """One symbol's mark and its positions."""

    mark_e8: int = 0
    """0 before the first mark."""
    valued_e8: int = 0
    """The mark of the last revaluation."""
    valued_us: int = -REVALUE_EVERY_US
    """When that was, in log time."""
    holdings: dict[str, Holding] = {}
    """By account."""


class _State(msgspec.Struct, array_like=True, gc=False):
    gate: tuple[list[str], list[tuple[str, Pair]]]
    ledger_sequence: int
    balances: dict[str, dict[str, int]]
    markets: dict[str, _Market]
    waiting: list[tuple[str, list[_Fill]]]
    """In the order in which the symbols were first waited for."""


_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_DECODER: Final = msgspec.msgpack.Decoder(_State)


class PositionsCore:
    """Positions and balances of one shard's accounts."""

    behaviour = BEHAVIOUR

    def __init__(self, shard: int, shards: int) -> None:
        self._shard = shard
        self._shards = shards
        self._gate = ControlGate("positions")
        self._ledger = Ledger(shard)
        self._markets: dict[str, _Market] = {}
        self._waiting: dict[str, list[_Fill]] = {}
        self._waiting_count = 0
        self._handlers: dict[str, Callable[[Input], Sequence[Output]]] = {
            "control": self._on_control,
            "marks": self._on_mark,
            "executions": self._on_execution,
            "transfers": self._on_transfer,
        }

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one input into the state and say what follows from it."""
        return self._handlers[record.topic](record)

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""
        waiting = list(self._waiting.items())
        ledger = self._ledger.sequence, self._ledger.balances
        return encode(_ENCODER, _State(self._gate.dump(), *ledger, self._markets, waiting))

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` gave."""
        if not 1 <= behaviour <= BEHAVIOUR:
            message = f"a state of behaviour version {behaviour}: this release reads versions 1 to {BEHAVIOUR}"
            raise ValueError(message)
        loaded = decode(_DECODER, state)
        self._gate.load(loaded.gate)
        self._ledger.sequence = loaded.ledger_sequence
        self._ledger.balances = loaded.balances
        self._markets = loaded.markets
        self._waiting = dict(loaded.waiting)
        self._waiting_count = sum(len(fills) for fills in self._waiting.values())

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        if control.kind is ControlKind.SYMBOL and control.symbol is not None:
            fills = self._waiting.pop(control.symbol, [])
            self._waiting_count -= len(fills)
            pair = self._gate.pairs[control.symbol]
            return [output for fill in fills for output in self._settle(fill.execution, pair, fill.ts_us)]
        if control.kind is not ControlKind.FUNDS or control.account is None or control.currency is None:
            return ()
        if partition_of(control.account, self._shards) != self._shard:
            return ()
        return self._ledger.post_funds(
            control.control_id, control.account, control.currency, control.amount_e8 or 0, record.ts_us
        )

    def _on_execution(self, record: Input) -> Sequence[Output]:
        execution = record.message
        if not isinstance(execution, Execution):
            message = f"executions carries Execution records, not {type(execution).__name__}"
            raise TypeError(message)
        if execution.kind is not _TRADE:
            return ()
        pair = self._gate.pairs.get(execution.symbol)
        if pair is None:
            return self._wait(execution, record.ts_us)
        return self._settle(execution, pair, record.ts_us)

    def _on_transfer(self, record: Input) -> Sequence[Output]:
        half = record.message
        if not isinstance(half, Transfer):
            message = f"transfers carries Transfer records, not {type(half).__name__}"
            raise TypeError(message)
        sign = _SIGNS.get(half.kind)
        if sign is None:
            return ()
        amount_e8 = sign * half.amount_e8
        return self._ledger.post_transfer(half.control_id, half.account, half.currency, amount_e8, record.ts_us)

    def _wait(self, execution: Execution, ts_us: int) -> Sequence[Output]:
        if self._waiting_count >= WAITING_FILLS_MAX:
            message = (
                f"positions shard {self._shard}: {WAITING_FILLS_MAX} fills wait for the SYMBOL record of "
                f"{', '.join(sorted(self._waiting))}; control must be read before executions"
            )
            raise AssertionError(message)
        self._waiting.setdefault(execution.symbol, []).append(_Fill(execution, ts_us))
        self._waiting_count += 1
        return ()

    def _settle(self, execution: Execution, pair: Pair, ts_us: int) -> Sequence[Output]:
        market = self._market(execution.symbol)
        account = execution.account
        holding = market.holdings.get(account)
        if holding is None:
            holding = market.holdings[account] = Holding()
        holding.fill(execution.side, execution.last_quantity_e8 or 0, execution.last_notional_e8 or 0)
        holding.fees_e8 += execution.fee_e8 or 0
        outputs = self._ledger.post_fill(execution, pair, ts_us)
        outputs.append(_position(account, execution.symbol, holding, market.mark_e8, ts_us, execution))
        return outputs

    def _on_mark(self, record: Input) -> Sequence[Output]:
        mark = record.message
        if not isinstance(mark, Mark):
            message = f"marks carries Mark records, not {type(mark).__name__}"
            raise TypeError(message)
        market = self._market(mark.symbol)
        market.mark_e8 = mark.price_e8
        if mark.price_e8 == market.valued_e8 or record.ts_us - market.valued_us < REVALUE_EVERY_US:
            return ()
        market.valued_e8 = mark.price_e8
        market.valued_us = record.ts_us
        return [
            _position(account, mark.symbol, holding, mark.price_e8, record.ts_us)
            for account, holding in sorted(market.holdings.items())
            if holding.quantity_e8
        ]

    def _market(self, symbol: str) -> _Market:
        market = self._markets.get(symbol)
        if market is None:
            market = self._markets[symbol] = _Market()
        return market


def _position(
    account: str, symbol: str, holding: Holding, mark_e8: int, ts_us: int, fill: Execution | None = None
) -> Output:
    """The position after a fill or a revaluation as a record, by position: by name it costs ten times as much."""
    holding.sequence += 1
    message = Position(
        account,
        symbol,
        holding.sequence,
        int64(holding.quantity_e8),
        int64(holding.cost_e8),
        int64(holding.average_price_e8()),
        int64(holding.realised_e8),
        int64(holding.unrealised_e8(mark_e8)) if mark_e8 else 0,
        int64(holding.fees_e8),
        mark_e8,
        ts_us,
        None if fill is None else fill.trade_id,
        None if fill is None else fill.correlation_id,
    )
    return Output("positions", account, message)
