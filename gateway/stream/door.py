"""What all WebSocket sessions of a process share."""

from dataclasses import dataclass

from gateway.auth.callers import Callers
from gateway.auth.revocations import Revocations
from gateway.auth.tickets import Tickets
from gateway.database import Database
from gateway.guard import Guard
from gateway.market.symbols import Symbols
from gateway.metrics import Metrics
from gateway.orders.desk import OrderDesk
from gateway.stream.hub import Hub
from gateway.stream.replays import Replays
from gateway.stream.shares import Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Parts of the gateway."""

    hub: Hub
    replays: Replays
    desk: OrderDesk
    callers: Callers
    revocations: Revocations
    tickets: Tickets
    database: Database
    symbols: Symbols
    metrics: Metrics
    guard: Guard
    shares: Shares
