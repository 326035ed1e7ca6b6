"""A typed client of the gateway, for threads (`Client`) and asyncio (`AsyncClient`); docs/client.md shows it by tasks.

What it does stands in pure code, once: calls and how answers are read (`wire`, `order_calls`, `other_calls`), when a
call is repeated (`rules`), sessions (`session`), the stream (`stream`, `channels`). The shells do only I/O.
"""

from tradsys.client.admin_calls import AccountChange, PhaseOfDay, SymbolChange, Timetable
from tradsys.client.async_client import AsyncClient
from tradsys.client.book import Book
from tradsys.client.client import Client
from tradsys.client.errors import (
    ApiError,
    ClientError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    ValidationError,
    Violation,
)
from tradsys.client.events import (
    Alerted,
    BookChanged,
    CandleChanged,
    CommandAccepted,
    CommandRefused,
    Connected,
    Disconnected,
    Event,
    Gap,
    HaltChanged,
    OpenOrders,
    OrderUpdated,
    PhaseChanged,
    PortfolioChanged,
    PositionsChanged,
    Refused,
    TickerChanged,
    TradesHappened,
)
from tradsys.client.messages import Done, Execution, Level, Order, Placed
from tradsys.client.pairs import NewPair
from tradsys.client.requests import Bracket, Changes, NewOrder, StopOrder
from tradsys.client.session import ApiKey, Password

__all__ = [
    "AccountChange",
    "Alerted",
    "ApiError",
    "ApiKey",
    "AsyncClient",
    "Book",
    "BookChanged",
    "Bracket",
    "CandleChanged",
    "Changes",
    "Client",
    "ClientError",
    "CommandAccepted",
    "CommandRefused",
    "ConflictError",
    "Connected",
    "Disconnected",
    "Done",
    "Event",
    "Execution",
    "ForbiddenError",
    "Gap",
    "HaltChanged",
    "Level",
    "NewOrder",
    "NewPair",
    "NotFoundError",
    "OpenOrders",
    "Order",
    "OrderUpdated",
    "OutcomeUnknownError",
    "Password",
    "PhaseChanged",
    "PhaseOfDay",
    "Placed",
    "PortfolioChanged",
    "PositionsChanged",
    "ProtocolError",
    "RateLimitedError",
    "Refused",
    "StopOrder",
    "SymbolChange",
    "TickerChanged",
    "Timetable",
    "TradesHappened",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "ValidationError",
    "Violation",
]
