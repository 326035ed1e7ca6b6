"""What the gateway says, typed: money and quantities are Decimal, times are datetime in UTC, ids are strings.

Fields have the names that they have in JSON. Words of a closed list (kind, status, reason) are strings, because a newer
gateway may know more of them. What is null or left out is None. Fields that a newer gateway adds are passed over.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec


class Level(NamedTuple):
    """One price of a book."""

    price: Decimal
    """Quote currency."""
    quantity: Decimal
    """Base currency."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that the gateway says."""


class Terms(Message, frozen=True, kw_only=True):
    """What orders and executions both say of an order."""

    order_id: str
    account: str
    client_order_id: str
    symbol: str
    side: str
    """buy or sell."""
    order_type: str
    time_in_force: str
    price: Decimal | None = None
    """Quote currency; None of orders at market."""
    quantity: Decimal
    """Base currency."""
    status: str
    """new, partially_filled, filled, cancelled, rejected or expired."""
    leaves: Decimal
    """What may still be filled."""
    cumulative: Decimal
    """What has been filled."""
    cumulative_notional: Decimal
    reason: str
    """NONE, or why, of the list in docs/refusals.md."""
    limit: Decimal | None = None
    """With a reason: the number that must be kept to."""
    actual: Decimal | None = None
    """With a reason: the number that was found."""
    command_time: datetime
    time: datetime
    execution_id: str
    correlation_id: str | None = None
    expire_time: datetime | None = None
    trigger_price: Decimal | None = None
    trigger_by: str | None = None
    trail: Decimal | None = None
    trail_rate: Decimal | None = None
    waits: bool = False
    """Whether it still waits for its trigger."""
    display_quantity: Decimal | None = None
    notional: Decimal | None = None
    group_id: str | None = None
    """Names the orders that were placed together."""
    reduce_only: bool = False
    strategy: str | None = None
    """What of the account placed it, if the order said so."""


class Execution(Terms, frozen=True, kw_only=True):
    """One thing that happened to an order or a command: an execution report."""

    kind: str
    """new, trade, cancelled, amended, triggered, expired, rejected and others, as `schemas/avro` lists them."""
    command_id: str | None = None
    """The command that this answers, if it answers one."""
    last_price: Decimal | None = None
    """Trades: this and the next."""
    last_quantity: Decimal | None = None
    last_notional: Decimal | None = None
    fee: Decimal | None = None
    liquidity: str | None = None
    trade_id: str | None = None


class Order(Terms, frozen=True, kw_only=True):
    """An order as it is now."""

    executions: tuple[Execution, ...] = ()
    """Newest first; only where one order was asked for."""


class Position(Message, frozen=True, kw_only=True):
    """What an account holds in one instrument."""

    account: str
    symbol: str
    sequence: int
    quantity: Decimal
    """Base currency; below zero: short."""
    cost: Decimal
    average_price: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    mark_price: Decimal
    trade_id: str | None = None
    time: datetime
    correlation_id: str | None = None
    """Of the request whose order was filled, as an execution has it."""


class Balance(Message, frozen=True, kw_only=True):
    """What an account has of one currency."""

    account: str
    currency: str
    balance: Decimal
    entry_id: str
    time: datetime


class Account(Message, frozen=True, kw_only=True):
    """Whether an account may trade, and why not."""

    account: str
    sequence: int
    status: str
    """active, reducing or suspended."""
    reason: str
    currency: str | None = None
    limit: Decimal | None = None
    actual: Decimal | None = None
    time: datetime


class Limits(Message, frozen=True, kw_only=True):
    """What may be done at most by an account, in a symbol, by both, or by everybody; None: not limited."""

    account: str | None = None
    """Whose; None: of every account."""
    symbol: str | None = None
    """In which; None: in all."""
    max_order_size: Decimal | None = None
    max_position_size: Decimal | None = None
    max_daily_volume: Decimal | None = None
    max_open_orders: int | None = None
    trade_frequency: int | None = None
    """So many orders and amendments in so many seconds, which is next."""
    trade_frequency_s: int | None = None
    fat_finger_limit: Decimal | None = None
    concentration_limit: Decimal | None = None
    max_leverage: Decimal | None = None
    var_limit: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None


class LedgerEntry(Message, frozen=True, kw_only=True):
    """A posting, and the balance after it."""

    entry_id: str
    kind: str
    account: str
    debit_account: str
    credit_account: str
    currency: str
    amount: Decimal
    balance: Decimal
    symbol: str | None = None
    trade_id: str | None = None
    order_id: str | None = None
    control_id: str | None = None
    time: datetime
    correlation_id: str | None = None
    """Of the request whose order was filled, as an execution has it."""


class FeeTier(Message, frozen=True, kw_only=True):
    """What is paid from a volume on, as fractions of the notional; below zero: a rebate."""

    volume: Decimal
    """Of 30 days, quote currency."""
    maker: Decimal
    taker: Decimal


class FeeRates(Message, frozen=True, kw_only=True):
    """What a new order of the account pays in a symbol, as fractions of the notional."""

    maker_fee: Decimal
    taker_fee: Decimal


class Fees(Message, frozen=True, kw_only=True):
    """What the account pays, and the volumes that make it so."""

    volumes: dict[str, Decimal]
    """By quote currency: of the 30 UTC days before today."""
    symbols: dict[str, FeeRates]


class Symbol(Message, frozen=True, kw_only=True):
    """An instrument and its rules; None where it has no such rule."""

    symbol: str
    status: str | None = None
    base: str | None = None
    quote: str | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None
    notional_min: Decimal | None = None
    notional_max: Decimal | None = None
    price_band: Decimal | None = None
    """A fraction of the mark."""
    maker_fee: Decimal | None = None
    """A fraction of the notional, as the next."""
    taker_fee: Decimal | None = None
    initial_margin: Decimal | None = None
    """A fraction of a position's value, as the next."""
    maintenance_margin: Decimal | None = None
    fee_tiers: tuple[FeeTier, ...] = ()
    """Other fees from a volume on, the smallest first."""
    order_types: tuple[str, ...] | None = None
    times_in_force: tuple[str, ...] | None = None
    max_open_orders: int | None = None


class BookView(Message, frozen=True, kw_only=True):
    """The best levels of a book, best first."""

    symbol: str
    sequence: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    checksum: int
    """CRC32 of the ten best levels a side."""
    time: datetime | None = None


class Trade(Message, frozen=True, kw_only=True):
    """A match."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    notional: Decimal
    aggressor_side: str
    time: datetime


class Candle(Message, frozen=True, kw_only=True):
    """Open, high, low, close and volume of an interval."""

    symbol: str
    interval: str
    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    notional: Decimal
    trade_count: int
    final: bool
    time: datetime


class Ticker(Message, frozen=True, kw_only=True):
    """A market at a glance."""

    symbol: str
    sequence: int
    last: Decimal | None = None
    bid: Decimal | None = None
    bid_quantity: Decimal | None = None
    ask: Decimal | None = None
    ask_quantity: Decimal | None = None
    open_24h: Decimal | None = None
    high_24h: Decimal | None = None
    low_24h: Decimal | None = None
    volume_24h: Decimal
    notional_24h: Decimal
    trade_count_24h: int
    time: datetime


class Phase(Message, frozen=True, kw_only=True):
    """How a symbol trades, and what an auction would do."""

    symbol: str
    sequence: int
    phase: str
    price: Decimal | None = None
    volume: Decimal | None = None
    surplus: Decimal | None = None
    time: datetime


class Accepted(Message, frozen=True, kw_only=True):
    """The log has the command; what becomes of it is not known yet."""

    order_id: str | None = None
    command_id: str | None = None
    client_order_id: str | None = None
    status: str | None = None


class Placed(Message, frozen=True, kw_only=True):
    """The venue has an order."""

    order_id: str
    """After a repetition that nobody answered in time it is the repetition's id: `order` finds the order by it, and
    `cancel` does not."""
    client_order_id: str
    report: Execution | None = None
    """The first execution, None if it did not come in time."""

    @property
    def is_refused(self) -> bool:
        """Whether the venue is known to have refused it; `report` says why."""
        return self.report is not None and self.report.status == "rejected"


class Done(Message, frozen=True, kw_only=True):
    """A command that the log has."""

    command_id: str | None = None
    report: Execution | None = None
    """What became of it, None if that did not come in time."""
