"""Orders that leave the book because of a command about many: each is told, but the command was answered by risk."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from schemas.messages import ExecutionKind, Order, Reason
from workers.kernel.stage import Output
from workers.matching.book import Book
from workers.matching.executions import ended
from workers.matching.matcher import Matcher, publish

_ENDING: Final = (ExecutionKind.CANCELLED, Reason.CANCELLED_BY_CLIENT)


def remove(matcher: Matcher, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
    """CANCELLED and the level that changed; nothing if the account has no such order in the book any more."""
    resting = book.orders.get(order.order_id)
    if resting is None or resting.account != order.account:
        return ()
    level = resting.level
    book.remove(resting)
    matcher.execution_id += 1
    left = resting.leaves_e8, resting.cumulative_notional_e8
    told = replace(
        ended(_ENDING, resting, book.symbol, matcher.execution_id, *left, ts_us), correlation_id=order.correlation_id
    )
    outputs = [Output("executions", order.account, told)]
    publish(book, [level], ts_us, outputs)
    return outputs
