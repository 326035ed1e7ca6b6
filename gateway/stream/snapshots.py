"""Snapshots of private channels: the rows of the read models, and over them what the stream knows already.

The rows may be behind the stream or before it, so the newest state of each object wins: an order's by its execution id,
a position's by its sequence. What is sent is at least as new as the sequence that it carries.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select

from gateway import limits
from gateway.database import Database
from gateway.rows import Renderer
from gateway.stream.wire import channel_message
from schemas.tables import ORDER_AGE, ORDER_IS_OPEN, orders, positions

_ORDER: Final = Renderer(orders)
_POSITION: Final = Renderer(positions)

_OPEN: Final = frozenset({"new", "partially_filled"})
_CHANGES: Final = frozenset({"new", "amended", "triggered", "trade", "cancelled", "expired", "rejected"})
"""Kinds of executions that change an order. The others answer commands about it."""
_LEFT_OUT: Final = {"waits": False, "reduce_only": False}
"""What a field means that a payload leaves out; null for the others."""


async def rows(database: Database, kind: str, account: str) -> list[dict[str, Any]]:
    """The account's open orders, newest first, or its positions. Raises ApiError when the database is away."""
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


def merge(kind: str, known: Sequence[dict[str, Any]], payloads: Sequence[bytes]) -> list[dict[str, Any]]:
    """Rows, and over them the newer states in payloads of the channel, oldest first."""
    name, newness = ("order_id", "execution_id") if kind == "orders" else ("symbol", "sequence")
    fields = (_ORDER if kind == "orders" else _POSITION).names
    objects = {row[name]: row for row in known}
    for payload in payloads:
        state = msgspec.json.decode(payload)
        if kind == "orders" and state["kind"] not in _CHANGES:
            continue
        row = objects.get(state[name])
        if row is None or int(state[newness]) >= int(row[newness]):
            objects[state[name]] = {field: state.get(field, _LEFT_OUT.get(field)) for field in fields}
    if kind == "orders":
        return [state for state in objects.values() if state["status"] in _OPEN]
    return list(objects.values())


def message(channel: str, sequence: int | None, state: Sequence[dict[str, Any]]) -> bytes:
    """The snapshot as a message."""
    return channel_message(channel, sequence, "snapshot", None, msgspec.json.encode(state))
