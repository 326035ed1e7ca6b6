"""The life of an order as a table: (state, what happens) -> the states that it may then be in.

PENDING is an order that pre-trade risk let pass and the book has not answered. What happens is an execution's kind.
"""

from typing import Final

from schemas.messages import ExecutionKind, OrderStatus

_NEW, _PARTIAL, _FILLED = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_OPEN: Final = {
    ExecutionKind.TRADE: frozenset({_PARTIAL, _FILLED}),
    ExecutionKind.CANCELLED: frozenset({OrderStatus.CANCELLED}),
    ExecutionKind.EXPIRED: frozenset({OrderStatus.EXPIRED}),
}
_FROM: Final = {
    OrderStatus.PENDING: {
        ExecutionKind.NEW: frozenset({_NEW}),
        ExecutionKind.REJECTED: frozenset({OrderStatus.REJECTED}),
    },
    _NEW: _OPEN | {ExecutionKind.AMENDED: frozenset({_NEW}), ExecutionKind.TRIGGERED: frozenset({_NEW})},
    _PARTIAL: _OPEN | {ExecutionKind.AMENDED: frozenset({_PARTIAL})},
}

TRANSITIONS: Final[dict[tuple[OrderStatus, ExecutionKind], frozenset[OrderStatus]]] = {
    (state, kind): after for state, happens in _FROM.items() for kind, after in happens.items()
}
"""All that can happen. FILLED, CANCELLED, REJECTED and EXPIRED are final: nothing follows them."""

FINAL: Final = (_FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED)

ANSWERS_ONLY: Final = frozenset(
    {
        ExecutionKind.CANCEL_REJECTED,
        ExecutionKind.AMEND_REJECTED,
        ExecutionKind.CANCELLING_ALL,
        ExecutionKind.CANCEL_AFTER_SET,
        ExecutionKind.STATUS,
        ExecutionKind.CHECKED,
    }
)
"""Kinds that answer a command and change no order."""


def may_become(state: OrderStatus, kind: ExecutionKind, after: OrderStatus) -> bool:
    """Whether an order in this state can be in that one after such an execution."""
    return after in TRANSITIONS.get((state, kind), ())
