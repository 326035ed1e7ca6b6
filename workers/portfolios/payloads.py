"""Payloads of the channels portfolio, alerts and halts; see workers.fanout.frames for how values are written."""

from collections.abc import Iterable
from typing import Final

import msgspec

from schemas.messages import AccountKind, AccountState, AccountStatus, Control, Phase, Position, Reason, SymbolStatus
from schemas.units import format_e8, format_us
from workers.fanout.frames import PositionPayload, position_of
from workers.portfolios.valuation import Worth

_encode: Final = msgspec.json.Encoder().encode


class BalancePayload(msgspec.Struct, gc=False):
    """What an account has of a currency."""

    currency: str
    balance: str


class WorthPayload(msgspec.Struct, gc=False):
    """An account in one quote currency."""

    currency: str
    equity: str | None
    exposure: str | None
    maintenance_margin: str | None
    realised: str
    unrealised: str
    fees: str


class PortfolioPayload(msgspec.Struct, gc=False):
    """Channel portfolio:ACCOUNT."""

    account: str
    kind: str | None
    leverage: str | None
    balances: list[BalancePayload]
    positions: list[PositionPayload]
    margin: list[WorthPayload]
    complete: bool
    """False where an account holds more positions than a frame tells."""
    time: str


class AlertPayload(msgspec.Struct, gc=False):
    """Channel alerts:ACCOUNT: how the account, or one of its strategies, stands from now on."""

    account: str
    sequence: int | None
    """Of the account's state; null for what has none."""
    status: str
    reason: str
    currency: str | None
    limit: str | None
    actual: str | None
    strategy: str | None
    time: str


class HaltPayload(msgspec.Struct, gc=False):
    """Channel halts:SYMBOL."""

    symbol: str
    halted: bool
    killed: bool
    """Whether what rested is taken out too."""
    status: str | None
    phase: str | None
    time: str


def portfolio_payload(
    account: str,
    kind: AccountKind,
    leverage_e8: int | None,
    balances: Iterable[tuple[str, int]],
    positions: Iterable[Position],
    worths: Iterable[Worth],
    ts_us: int,
    *,
    complete: bool,
) -> bytes:
    """All that an account holds, and what it is worth."""
    return _encode(
        PortfolioPayload(
            account,
            None if kind is AccountKind.UNKNOWN else kind.lower(),
            _optional_e8(leverage_e8),
            [BalancePayload(currency, format_e8(balance_e8)) for currency, balance_e8 in balances],
            [position_of(position) for position in positions],
            [
                WorthPayload(
                    worth.currency,
                    _optional_e8(worth.equity_e8),
                    _optional_e8(worth.exposure_e8),
                    _optional_e8(worth.maintenance_e8),
                    format_e8(worth.realised_e8),
                    format_e8(worth.unrealised_e8),
                    format_e8(worth.fees_e8),
                )
                for worth in worths
            ],
            complete,
            format_us(ts_us),
        )
    )


def account_alert(state: AccountState) -> bytes:
    """How an account stands."""
    return _encode(
        AlertPayload(
            account=state.account,
            sequence=state.sequence,
            status=state.status.lower(),
            reason=state.reason,
            currency=state.currency,
            limit=_optional_e8(state.limit_e8),
            actual=_optional_e8(state.actual_e8),
            strategy=None,
            time=format_us(state.ts_us),
        )
    )


def stop_alert(control: Control, ts_us: int) -> bytes:
    """What the operator has made of a strategy, or that the account's orders are taken out."""
    assert control.account is not None
    status = control.account_status or AccountStatus.UNKNOWN
    return _encode(
        AlertPayload(
            account=control.account,
            sequence=None,
            status=status.lower(),
            reason=Reason.KILLED if control.cancel_open else Reason.NONE,
            currency=None,
            limit=None,
            actual=None,
            strategy=control.strategy,
            time=format_us(ts_us),
        )
    )


def halt_payload(
    symbol: str, status: SymbolStatus | None, phase: Phase | None, ts_us: int, *, halted: bool, killed: bool
) -> bytes:
    """Whether a symbol takes orders."""
    return _encode(
        HaltPayload(
            symbol,
            halted,
            killed,
            None if status is None else status.lower(),
            None if phase is None else phase.lower(),
            format_us(ts_us),
        )
    )


def _optional_e8(value_e8: int | None) -> str | None:
    return None if value_e8 is None else format_e8(value_e8)
