"""The portfolios stage: what each account holds and is worth, and what it and its symbols' traders are told at once.

Channels: portfolio:ACCOUNT and alerts:ACCOUNT, of the accounts of this shard; halts:SYMBOL, of its symbols. Portfolios
are told with the ticks of the log's clock, once for all that has changed since the tick before.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from schemas.messages import (
    AccountKind,
    AccountState,
    Control,
    ControlKind,
    Frame,
    FrameKind,
    LedgerEntry,
    Mark,
    Phase,
    Position,
    SessionChange,
    SymbolStatus,
    Tick,
)
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate, Pair
from workers.kernel.stage import Input, Output
from workers.portfolios.payloads import account_alert, halt_payload, portfolio_payload, stop_alert
from workers.portfolios.valuation import Market, Markets

REFRESH_US: Final = 30_000_000
"""Log time between two frames of a portfolio that holds something, and of a symbol that is halted: a gateway that
starts reads the last minute of the stream, and the worth moves with the marks."""

TOLD_MAX: Final = 2_000
"""Portfolios told with one tick; the next ticks tell the others, who changed first, first."""

HOLDINGS_MAX: Final = 1_000
"""Positions and balances of one frame: with 400 bytes at most each it stays below half of the largest record."""

_ACCOUNTS: Final = frozenset({ControlKind.ACCOUNT, ControlKind.STRATEGY})


class Portfolio(msgspec.Struct, array_like=True, gc=False):
    """One account."""

    kind: AccountKind = AccountKind.UNKNOWN
    leverage_e8: int | None = None
    balances: dict[str, int] = {}
    """By currency, 10^-8."""
    positions: dict[str, Position] = {}
    """By symbol, flat ones too: their profit counts."""
    told_us: int = 0

    def holds(self) -> bool:
        """Whether there is anything whose worth moves."""
        return any(self.balances.values()) or any(position.quantity_e8 for position in self.positions.values())


class Halt(msgspec.Struct, array_like=True, gc=False):
    """Whether a symbol takes orders."""

    status: SymbolStatus | None = None
    phase: Phase | None = None
    killed: bool = False
    """Whether the operator has also taken out what rested."""
    told_us: int = 0

    def halted(self) -> bool:
        """Whether it takes cancels only, which it does not do every evening."""
        return self.status is SymbolStatus.HALTED or self.phase is Phase.HALTED


class _State(msgspec.Struct, array_like=True, gc=False):
    gate: tuple[list[str], list[tuple[str, Pair]]]
    markets: dict[str, dict[str, Market]]
    portfolios: dict[str, Portfolio]
    changed: list[str]
    refreshed: list[str]
    halts: dict[str, Halt]
    sequences: dict[str, int]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_State)


class PortfoliosCore:
    """Implements workers.kernel.stage.Core."""

    behaviour = 1

    def __init__(self, shard: int, shards: int) -> None:
        """One shard: the accounts and symbols of its partitions."""
        self._shard = shard
        self._shards = shards
        self._gate = ControlGate("portfolios")
        self._markets = Markets()
        self._portfolios: dict[str, Portfolio] = {}
        self._changed: dict[str, None] = {}
        """Accounts to be told, who changed first, first."""
        self._refreshed: dict[str, None] = {}
        """Accounts that hold something, who was told first, first."""
        self._halts: dict[str, Halt] = {}
        self._sequences: dict[str, int] = {}
        """Of the last frame, by channel."""
        self._handlers: dict[type, Callable[[Input], Sequence[Output]]] = {
            Control: self._on_control,
            Tick: self._on_tick,
            Mark: self._on_mark,
            SessionChange: self._on_session,
            AccountState: self._on_state,
            LedgerEntry: self._on_entry,
            Position: self._on_position,
        }

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one input into the state and say what follows from it."""
        return self._handlers[type(record.message)](record)

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""
        return _ENCODER.encode(
            _State(
                self._gate.dump(),
                self._markets.of_base,
                self._portfolios,
                list(self._changed),
                list(self._refreshed),
                self._halts,
                self._sequences,
            )
        )

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` gave."""
        if behaviour != self.behaviour:
            raise ValueError(f"portfolios: a state of behaviour version {behaviour}, this is version {self.behaviour}")
        loaded = _DECODER.decode(state)
        self._gate.load(loaded.gate)
        self._markets = Markets(loaded.markets)
        self._portfolios = loaded.portfolios
        self._changed = dict.fromkeys(loaded.changed)
        self._refreshed = dict.fromkeys(loaded.refreshed)
        self._halts = loaded.halts
        self._sequences = loaded.sequences

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        if control.kind is ControlKind.SYMBOL and control.symbol is not None:
            pair = self._gate.pairs[control.symbol]
            maintenance_e8 = control.maintenance_margin_e8 or 0
            self._markets.decide(control.symbol, pair, maintenance_e8, control.reference_price_e8)
            if self._owns(control.symbol):
                halt = self._halt(control.symbol)
                killed = control.cancel_open
                return self._move(control.symbol, control.symbol_status, halt.phase, record.ts_us, killed=killed)
        if control.kind in _ACCOUNTS and control.account is not None and self._owns(control.account):
            return self._on_account(control, record.ts_us)
        return ()

    def _on_account(self, control: Control, ts_us: int) -> Sequence[Output]:
        assert control.account is not None
        if control.kind is ControlKind.ACCOUNT:
            portfolio = self._portfolio(control.account)
            portfolio.kind, portfolio.leverage_e8 = control.account_kind or AccountKind.UNKNOWN, control.leverage_e8
            self._changed[control.account] = None
            if not control.cancel_open:
                return ()  # the account's state says the rest
        return self._frame(f"alerts:{control.account}", stop_alert(control, ts_us), ts_us)

    def _on_state(self, record: Input) -> Sequence[Output]:
        state = record.message
        assert isinstance(state, AccountState)
        return self._frame(f"alerts:{state.account}", account_alert(state), record.ts_us)

    def _on_session(self, record: Input) -> Sequence[Output]:
        change = record.message
        assert isinstance(change, SessionChange)
        halt = self._halt(change.symbol)
        return self._move(change.symbol, halt.status, change.phase, record.ts_us, killed=halt.killed)

    def _on_mark(self, record: Input) -> Sequence[Output]:
        mark = record.message
        assert isinstance(mark, Mark)
        self._markets.mark(mark.symbol, mark.price_e8)
        return ()

    def _on_entry(self, record: Input) -> Sequence[Output]:
        entry = record.message
        assert isinstance(entry, LedgerEntry)
        self._portfolio(entry.account).balances[entry.currency] = entry.balance_e8
        self._changed[entry.account] = None
        return ()

    def _on_position(self, record: Input) -> Sequence[Output]:
        position = record.message
        assert isinstance(position, Position)
        self._portfolio(position.account).positions[position.symbol] = position
        self._changed[position.account] = None
        return ()

    def _on_tick(self, record: Input) -> Sequence[Output]:
        now_us = record.ts_us
        outputs: list[Output] = []
        for symbol, halt in self._halts.items():
            if halt.halted() and now_us - halt.told_us >= REFRESH_US:
                outputs.append(self._tell_halt(symbol, halt, now_us, FrameKind.SNAPSHOT))
        due = list(islice(self._changed, TOLD_MAX))
        for account in due:
            del self._changed[account]
            outputs.append(self._tell(account, now_us))
        for account in list(islice(self._refreshed, TOLD_MAX - len(due))):
            if now_us - self._portfolios[account].told_us < REFRESH_US:
                break
            outputs.append(self._tell(account, now_us))
        return outputs

    def _tell(self, account: str, now_us: int) -> Output:
        portfolio = self._portfolios[account]
        portfolio.told_us = now_us
        self._refreshed.pop(account, None)
        if portfolio.holds():
            self._refreshed[account] = None
        held = [position for _, position in sorted(portfolio.positions.items()) if position.quantity_e8]
        balances = sorted(portfolio.balances.items())
        positions: Iterable[Position] = portfolio.positions.values()
        payload = portfolio_payload(
            account,
            portfolio.kind,
            portfolio.leverage_e8,
            balances[:HOLDINGS_MAX],
            held[:HOLDINGS_MAX],
            self._markets.worths(portfolio.kind, portfolio.balances, positions, self._gate.pairs),
            now_us,
            complete=max(len(held), len(balances)) <= HOLDINGS_MAX,
        )
        return self._frame(f"portfolio:{account}", payload, now_us)[0]

    def _move(
        self, symbol: str, status: SymbolStatus | None, phase: Phase | None, now_us: int, *, killed: bool
    ) -> Sequence[Output]:
        """A symbol's status or phase, told where it is halted or has been until now."""
        halt = self._halt(symbol)
        was_halted, before = halt.halted(), (halt.status, halt.phase, halt.killed)
        halt.status, halt.phase = status, phase
        halt.killed = killed and status is SymbolStatus.HALTED
        if (halt.status, halt.phase, halt.killed) == before or not (was_halted or halt.halted()):
            return ()
        return (self._tell_halt(symbol, halt, now_us, FrameKind.UPDATE),)

    def _tell_halt(self, symbol: str, halt: Halt, now_us: int, kind: FrameKind) -> Output:
        halt.told_us = now_us
        payload = halt_payload(symbol, halt.status, halt.phase, now_us, halted=halt.halted(), killed=halt.killed)
        return self._frame(f"halts:{symbol}", payload, now_us, kind)[0]

    def _frame(self, channel: str, payload: bytes, ts_us: int, kind: FrameKind = FrameKind.UPDATE) -> tuple[Output]:
        sequence = self._sequences.get(channel, 0) + (kind is FrameKind.UPDATE)
        self._sequences[channel] = sequence
        frame = Frame(channel=channel, sequence=sequence, kind=kind, payload=payload, ts_us=ts_us)
        return (Output("stream", channel, frame),)

    def _owns(self, key: str) -> bool:
        return partition_of(key, self._shards) == self._shard

    def _portfolio(self, account: str) -> Portfolio:
        portfolio = self._portfolios.get(account)
        if portfolio is None:
            portfolio = self._portfolios[account] = Portfolio()
        return portfolio

    def _halt(self, symbol: str) -> Halt:
        halt = self._halts.get(symbol)
        if halt is None:
            halt = self._halts[symbol] = Halt()
        return halt
