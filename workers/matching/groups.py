"""Pairs of orders of which one cancels the other: how they come, and what decides them.

A pair is open as long as both of its orders are. The first thing that happens to one of them, beside an amendment,
decides it: a trade, even of a part, its trigger, or its end. Then the other leaves before anything else meets it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from schemas.groups import STOP_MEMBER, member_id, stop_name
from schemas.messages import Execution, ExecutionKind, Order, OrderKind, OrderType, Reason
from workers.kernel.stage import Output
from workers.matching.book import Book, OpenOrder
from workers.matching.waiting import Waiting

if TYPE_CHECKING:
    from workers.matching.matcher import Matcher

Pair = tuple[int, int]
"""The order_ids of both orders."""

_OTHER_ENDS: Final = (ExecutionKind.CANCELLED, Reason.ONE_CANCELS_OTHER)
_DECIDES: Final = frozenset(
    {ExecutionKind.TRADE, ExecutionKind.TRIGGERED, ExecutionKind.CANCELLED, ExecutionKind.EXPIRED}
)


def both(pair: Order) -> tuple[Order, Order]:
    """The two orders that an order of kind OCO stands for."""
    assert pair.stop_price_e8 is not None
    assert pair.group_id is not None
    stop = replace(
        pair,
        kind=OrderKind.NEW,
        order_id=member_id(pair.group_id, STOP_MEMBER),
        client_order_id=stop_name(pair.client_order_id, attached=is_attached(pair)),
        order_type=OrderType.STOP_LIMIT if pair.stop_limit else OrderType.STOP,
        price_e8=pair.stop_price_e8,
        stop_price_e8=None,
        stop_limit=False,
    )
    nothing = {"stop_price_e8": None, "stop_limit": False, "trigger_price_e8": None, "trigger_by": None}
    return replace(pair, kind=OrderKind.NEW, **nothing), stop


def is_attached(order: Order) -> bool:
    """Whether an order of kind OCO is what a bracket's entry brings when it has ended."""
    return order.group_id != order.order_id


def unasked(outputs: Sequence[Output]) -> list[Output]:
    """The same of an order that was placed by the command of another one, which is what answers it."""
    return [
        replace(output, message=replace(output.message, command_id=None))
        if isinstance(output.message, Execution)
        else output
        for output in outputs
    ]


def open_pairs(orders: Iterable[OpenOrder | Waiting]) -> dict[int, Pair]:
    """By group: the pairs of which both orders are open."""
    members: dict[int, list[int]] = {}
    for order in orders:
        terms = order.order if isinstance(order, Waiting) else order.terms
        if terms is not None and terms.group_id is not None:
            members.setdefault(terms.group_id, []).append(order.order_id)
    return {group: (ids[0], ids[1]) for group, ids in members.items() if len(ids) > 1}


def settle(matcher: "Matcher", book: Book, told: list[Output], ts_us: int, begin: int = 0) -> None:
    """End the other order of each pair that was decided by what was told from `begin` on; that is told too."""
    for output in told[begin:]:
        execution = output.message
        if type(execution) is not Execution or execution.group_id is None or execution.kind not in _DECIDES:
            continue
        pair = book.pairs.pop(execution.group_id, None)
        if pair is None:
            continue
        other = book.find(pair[1] if execution.order_id == pair[0] else pair[0])
        if other is not None:
            told += matcher.end(book, other, _OTHER_ENDS, ts_us)
