"""Groups of orders that are placed together: how their members are named.

One command places all of them. The first has the command's id and client_order_id; those of the others follow from
these, so that whoever knows one member knows all, before the book has answered.
"""

from typing import Final

MEMBER_SHIFT: Final = 45
"""A member's number stands above this bit of its order_id: offsets stay far below it."""

STOP_SUFFIX: Final = ":stop"
"""What a group's stop order has behind the client_order_id of the first."""

STOP_MEMBER: Final = 1
"""Its number; the first order's is 0."""

PROFIT_SUFFIX: Final = ":profit"
"""What the order that takes a bracket's profit has behind the client_order_id of the entry."""

PROFIT_MEMBER: Final = 2
"""Its number."""


def member_id(first_id: int, number: int) -> int:
    """The order_id of a group's member."""
    return first_id | number << MEMBER_SHIFT


def stop_name(client_order_id: str, *, attached: bool) -> str:
    """The client_order_id of a pair's stop order, from that of its limit order; `attached` is one of a bracket."""
    return (client_order_id.removesuffix(PROFIT_SUFFIX) if attached else client_order_id) + STOP_SUFFIX


def age_of(order_id: int) -> tuple[int, int]:
    """What orders of one shard are sorted by from the oldest on: the offset of their command, and their number."""
    return order_id & ((1 << MEMBER_SHIFT) - 1), order_id
