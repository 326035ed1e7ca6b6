"""What happens when an order would trade with another one of its account."""

from msgspec.structs import replace

from schemas.messages import ExecutionKind, Order, Reason, SelfTradePrevention
from workers.kernel.stage import Output
from workers.matching.book import Book, OpenOrder
from workers.matching.executions import Counting, ended, standing

_ENDING = (ExecutionKind.CANCELLED, Reason.SELF_TRADE)
_OLDEST = SelfTradePrevention.CANCEL_OLDEST
_BOTH = SelfTradePrevention.CANCEL_BOTH
_DECREMENT = SelfTradePrevention.DECREMENT_AND_CANCEL


def prevent(
    numbers: Counting,
    book: Book,
    maker: OpenOrder,
    order: Order,
    leaves_e8: int,
    notional_e8: int,
    ts_us: int,
    outputs: list[Output],
) -> tuple[Order, int]:
    """Do to both what the aggressor's prevention says: the aggressor as it then is, and what is left open of it.

    DECREMENT_AND_CANCEL makes both smaller by the smaller one, which ends; the other keeps its place.
    """
    symbol, prevention = book.symbol, order.self_trade_prevention
    both_e8 = min(leaves_e8, maker.open_e8) if prevention is _DECREMENT else 0
    ends_maker = both_e8 == maker.open_e8 if both_e8 else prevention in {_OLDEST, _BOTH}
    ends_order = both_e8 == leaves_e8 if both_e8 else prevention is not _OLDEST

    def tell(of: Order | OpenOrder, leaves_e8: int, notional_e8: int, *, ends: bool) -> None:
        numbers.execution_id += 1
        state = of, symbol, numbers.execution_id, leaves_e8, notional_e8, ts_us
        told = ended(_ENDING, *state) if ends else standing(ExecutionKind.AMENDED, *state, Reason.SELF_TRADE)
        outputs.append(Output("executions", of.account, told))

    if ends_maker:
        book.remove(maker)
        tell(maker, maker.open_e8, maker.cumulative_notional_e8, ends=True)
    elif both_e8:
        maker.quantity_e8 -= both_e8
        maker.reduce(both_e8)
        tell(maker, maker.open_e8, maker.cumulative_notional_e8, ends=False)
    if ends_order:
        tell(order, leaves_e8, notional_e8, ends=True)
        return order, 0
    if both_e8:
        leaves_e8 -= both_e8
        order = replace(order, quantity_e8=order.quantity_e8 - both_e8)
        tell(order, leaves_e8, notional_e8, ends=False)
    return order, leaves_e8
