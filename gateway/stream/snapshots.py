"""Snapshots of private channels: the rows of the read models, and over them what the stream knows already.

The rows may be behind the stream or before it, so the newest state of each object wins: an order's by its execution id,
a position's by its sequence. What is sent is at least as new as the sequence that it carries.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select, union

from gateway import limits
from gateway.database import Database
from gateway.rows import Renderer
from gateway.stream.wire import Message, channel_message
from schemas.tables import ORDER_AGE, ORDER_IS_OPEN, account_states, orders, positions

_ORDER: Final = Renderer(orders)
_POSITION: Final = Renderer(positions)
_STANDING: Final = Renderer(account_states)

READ: Final = frozenset({"orders", "positions", "alerts"})
"""Channels whose snapshots begin with the read models."""


class _Objects(NamedTuple):
    """What a channel tells states of."""

    name: str
    """The field that says which object."""
    newness: str
    """The field that grows."""
    fields: tuple[str, ...]


_OBJECTS: Final = {
    "orders": _Objects("order_id", "execution_id", _ORDER.names),
    "positions": _Objects("symbol", "sequence", _POSITION.names),
    "alerts": _Objects("account", "sequence", (*_STANDING.names, "strategy")),
}

_OPEN: Final = frozenset({"new", "partially_filled"})
_CHANGES: Final = frozenset({"new", "amended", "triggered", "trade", "cancelled", "expired", "rejected"})
"""Kinds of executions that change an order. The others answer commands about it."""
_LEFT_OUT: Final = {"waits": False, "reduce_only": False}
"""What a field means that a payload leaves out; null for the others."""


async def rows(database: Database, kind: str, account: str) -> list[dict[str, Any]]:
    """The account's open orders, newest first, its positions, or how it stands. Raises ApiError when the database is
    away.
    """
    if kind == "alerts":
        standing = select(*_STANDING.columns).where(account_states.c.account == account)
        return [_STANDING(row) | {"strategy": None} for row in await database.rows(standing)]
    if kind == "orders":
        open_orders = (
            select(*_ORDER.columns)
            .where(orders.c.account == account, ORDER_IS_OPEN)
            .order_by(*(column.desc() for column in ORDER_AGE))
            .limit(limits.ORDERS_IN_SNAPSHOT)
        )
        return [_ORDER(row) for row in await database.rows(open_orders)]
    held = select(*_POSITION.columns).where(positions.c.account == account).order_by(positions.c.symbol)
    return [_POSITION(row) for row in await database.rows(held)]


async def symbols(database: Database, account: str) -> list[str]:
    """Symbols in which an account has open orders or a position, SUBSCRIPTIONS_MAX of them at most, by name."""
    ordered = select(orders.c.symbol).where(orders.c.account == account, ORDER_IS_OPEN)
    held = select(positions.c.symbol).where(positions.c.account == account, positions.c.quantity_e8 != 0)
    both = union(ordered, held).order_by("symbol").limit(limits.WS_SUBSCRIPTIONS_MAX)
    return [row[0] for row in await database.rows(both)]


def merge(kind: str, known: Sequence[dict[str, Any]], payloads: Sequence[bytes]) -> list[dict[str, Any]]:
    """Rows, and over them the newer states in payloads of the channel, oldest first."""
    name, newness, fields = _OBJECTS[kind]
    objects = {row[name]: row for row in known}
    for payload in payloads:
        state = msgspec.json.decode(payload)
        if kind == "orders" and state["kind"] not in _CHANGES:
            continue
        if state[newness] is None:
            continue  # an alert about a strategy, which is no state of the account
        row = objects.get(state[name])
        if row is None or int(state[newness]) >= int(row[newness]):
            objects[state[name]] = {field: state.get(field, _LEFT_OUT.get(field)) for field in fields}
    if kind == "orders":
        return [state for state in objects.values() if state["status"] in _OPEN]
    return list(objects.values())


def message(channel: str, sequence: int | None, offset: int | None, state: Sequence[dict[str, Any]]) -> Message:
    """The snapshot as a message."""
    return channel_message(channel, sequence, offset, "snapshot", None, msgspec.json.encode(state))
