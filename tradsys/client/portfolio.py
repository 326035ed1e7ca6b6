"""What the stream says of an account as a whole, and of halts, typed as in `messages`."""

from datetime import datetime
from decimal import Decimal

from tradsys.client.messages import Message, Position


class Holding(Message, frozen=True, kw_only=True):
    """What a portfolio has of one currency."""

    currency: str
    balance: Decimal


class Worth(Message, frozen=True, kw_only=True):
    """A portfolio in one quote currency; None where something that is held has no mark."""

    currency: str
    equity: Decimal | None = None
    """All that is held, at the marks."""
    exposure: Decimal | None = None
    """All positions, long or short."""
    maintenance_margin: Decimal | None = None
    realised: Decimal
    unrealised: Decimal
    fees: Decimal


class Portfolio(Message, frozen=True, kw_only=True):
    """All that an account holds, and what it is worth."""

    account: str
    kind: str | None = None
    """cash or margin."""
    leverage: Decimal | None = None
    balances: tuple[Holding, ...]
    positions: tuple[Position, ...]
    """Those that are not flat."""
    margin: tuple[Worth, ...]
    complete: bool
    """False where it holds more than a message tells; `balances` and `positions` read all."""
    time: datetime


class Alert(Message, frozen=True, kw_only=True):
    """How the account, or one of its strategies, stands from now on."""

    account: str
    sequence: int | None = None
    """Of the account's state; None for what has none."""
    status: str
    """active, reducing or suspended."""
    reason: str
    currency: str | None = None
    limit: Decimal | None = None
    actual: Decimal | None = None
    strategy: str | None = None
    """None: the account."""
    time: datetime


class Halt(Message, frozen=True, kw_only=True):
    """Whether a symbol takes orders."""

    symbol: str
    halted: bool
    killed: bool
    """Whether what rested is taken out too."""
    status: str | None = None
    phase: str | None = None
    time: datetime
