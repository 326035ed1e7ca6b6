"""Where open orders stand in their queues, and how much of each is shown: a fold of the executions alone."""

import heapq
from collections import defaultdict

from schemas.messages import Execution, ExecutionKind, Liquidity, Side
from schemas.order_states import FINAL

Place = tuple[int, int, int]
"""(how good its price is, when it came there, order_id): what trades first is smallest."""


class Standing:
    """All orders that rest."""

    def __init__(self) -> None:
        self.shown_e8: dict[int, int] = {}
        """By order_id: what of it stands in the book for all to see."""
        self.newest: dict[int, Execution] = {}
        """By order_id: the newest execution of each that is open."""
        self._places: dict[int, Place] = {}
        self._queues: dict[tuple[str, Side], list[Place]] = defaultdict(list)

    def first(self, symbol: str, side: Side) -> int | None:
        """The order that trades next on a side."""
        queue = self._queues[symbol, side]
        while queue and self._places.get(queue[0][2]) != queue[0]:
            heapq.heappop(queue)
        return queue[0][2] if queue else None

    def fold(self, execution: Execution) -> None:
        """What happened next to an order."""
        order_id, kind, before = execution.order_id, execution.kind, self.newest.get(execution.order_id)
        self.newest[order_id] = execution
        if execution.status in FINAL:
            for known in (self.newest, self.shown_e8, self._places):
                known.pop(order_id, None)
        elif execution.waits or execution.price_e8 is None:
            return
        elif kind in {ExecutionKind.NEW, ExecutionKind.TRIGGERED} or (
            kind is ExecutionKind.AMENDED and _moves(before, execution)
        ):
            self._enter(execution)
        elif kind is ExecutionKind.TRADE and execution.liquidity is Liquidity.MAKER:
            left_e8 = self.shown_e8[order_id] = self.shown_e8.get(order_id, 0) - (execution.last_quantity_e8 or 0)
            if not left_e8:
                self._enter(execution)
        else:
            # The hidden part goes first, also in an auction. What an aggressor leaves is shown anew.
            anew = execution.liquidity is Liquidity.TAKER
            shown_e8 = execution.leaves_e8 if anew else self.shown_e8.get(order_id, 0)
            self.shown_e8[order_id] = min(shown_e8, _most_shown(execution))

    def _enter(self, execution: Execution) -> None:
        """Behind all others of its price."""
        rank = -(execution.price_e8 or 0) if execution.side is Side.BUY else execution.price_e8 or 0
        place = rank, execution.execution_id, execution.order_id
        self._places[execution.order_id] = place
        self.shown_e8[execution.order_id] = _most_shown(execution)
        heapq.heappush(self._queues[execution.symbol, execution.side], place)


def _most_shown(execution: Execution) -> int:
    return min(execution.leaves_e8, execution.display_quantity_e8 or execution.leaves_e8)


def _moves(before: Execution | None, amended: Execution) -> bool:
    """Whether an amendment loses its place: anything but a smaller quantity and another date."""
    return before is not None and (
        amended.price_e8 != before.price_e8
        or amended.quantity_e8 > before.quantity_e8
        or amended.display_quantity_e8 != before.display_quantity_e8
    )
