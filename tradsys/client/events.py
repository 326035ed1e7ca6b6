"""What the stream tells. Events of a channel carry its sequence, with which a program may resume later."""

from dataclasses import dataclass

from tradsys.client.book import Book
from tradsys.client.errors import ClientError
from tradsys.client.messages import Candle, Execution, Order, Phase, Position, Ticker, Trade
from tradsys.client.portfolio import Alert, Halt, Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The stream is open and its channels are asked for."""

    account: str | None
    """Whose; None without a login."""
    is_again: bool
    """Whether it was open before. Each channel goes on where it was, or begins anew with a snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The connection was lost, or could not be made; the stream tries again by itself."""

    why: str
    wait_s: float
    """Before the next attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The gateway refuses a channel, which the stream gives up."""

    channel: str
    error: ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAccepted:
    """The log has a command that this stream sent; what becomes of it comes by on the channel `orders`."""

    request_id: str
    """As sending it has given it."""
    order_id: str | None
    client_order_id: str | None
    command_id: str | None
    """Of an amendment or a cancel, as its execution names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """A command that this stream sent was not done; or, with an OutcomeUnknownError, may have been done or not."""

    request_id: str
    client_order_id: str | None
    error: ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A message is missing or a book is not what its checksum says: a snapshot follows and makes it good."""

    channel: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent:
    """Anything that a channel says."""

    channel: str
    sequence: int | None
    """None while nothing was ever said on the channel."""
    offset: int | None
    """Where the message stands in the log; with it a program may go on later."""
    is_snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChanged(ChannelEvent):
    """A book; the object is the stream's own and changes with the next message."""

    book: Book


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesHappened(ChannelEvent):
    """Trades that were not told before, oldest first. With the first snapshot: the newest ones of before."""

    trades: tuple[Trade, ...]
    missed: int
    """How many were between these and those told before, and came by while nobody listened: `trades` reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerChanged(ChannelEvent):
    """A market at a glance."""

    ticker: Ticker


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleChanged(ChannelEvent):
    """An interval so far, or final."""

    candle: Candle


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(ChannelEvent):
    """How a symbol trades."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrders(ChannelEvent):
    """All open orders of the account, at first, and after a gap: then `executions` reads what was not told."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdated(ChannelEvent):
    """What happened to an order, or to a command."""

    execution: Execution
    message: str | None
    """Why it is not what was hoped for, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsChanged(ChannelEvent):
    """Positions that changed; all of them with a snapshot."""

    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioChanged(ChannelEvent):
    """What the account holds, and what it is worth."""

    portfolio: Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted(ChannelEvent):
    """How the account stands, or one of its strategies."""

    alerts: tuple[Alert, ...]
    message: str | None
    """In a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltChanged(ChannelEvent):
    """A symbol was halted, or trades again."""

    halt: Halt


Event = (
    Connected
    | Disconnected
    | Refused
    | CommandAccepted
    | CommandRefused
    | Gap
    | BookChanged
    | TradesHappened
    | TickerChanged
    | CandleChanged
    | PhaseChanged
    | OpenOrders
    | OrderUpdated
    | PositionsChanged
    | PortfolioChanged
    | Alerted
    | HaltChanged
)
