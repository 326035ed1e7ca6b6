"""What the audit makes of the executions alone: who is next in each queue, and how much is shown."""

import pytest

from schemas.messages import Execution, ExecutionKind, Liquidity, Side
from tests.oracle.order_stream import SYMBOL, as_input, number_of, open_core, random_orders
from tradsys.audit.standing import Standing


@pytest.mark.parametrize("seed", range(5))
def test_the_standing_of_orders_follows_from_their_executions(seed: int) -> None:
    core, standing, fills = open_core(), Standing(), 0
    for order in random_orders(seed, 3_000, prices=8 + 4 * seed, accounts=3 + seed):
        for output in core.apply(as_input(order, number_of(order))):
            execution = output.message
            if not isinstance(execution, Execution) or execution.kind in {
                *(ExecutionKind.AMEND_REJECTED, ExecutionKind.CANCEL_REJECTED),
            }:
                continue
            if execution.kind is ExecutionKind.TRADE and execution.liquidity is Liquidity.MAKER:
                fills += 1
                assert standing.first(SYMBOL, execution.side) == execution.order_id
            standing.fold(execution)
        book = core.books[SYMBOL]
        for side, levels in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
            best = next(iter(levels.best_first()), None)
            first = None if best is None else next(best.orders()).order_id
            assert standing.first(SYMBOL, side) == first
    assert standing.shown_e8 == {order_id: order.leaves_e8 for order_id, order in core.books[SYMBOL].orders.items()}
    assert standing.newest.keys() == core.books[SYMBOL].orders.keys() | core.books[SYMBOL].waiting.keys()
    assert fills > 200
