"""Which way a price has to come to meet an order's trigger: what pre-trade risk and the book both go by."""

from schemas.messages import OrderType, Side


def rises(side: Side, order_type: OrderType) -> bool:
    """Whether a price that is not below its trigger meets it, instead of one that is not above.

    Stops wait for a price that goes against their side, a take-profit for the opposite.
    """
    return (side is Side.BUY) is not (order_type is OrderType.TAKE_PROFIT)
