"""What an owner is told: executions as they follow from an order's state.

They are made by position, which for 28 fields takes 0.16 us instead of 1.4 by name; the fields stand in the order of
`schemas.messages.Execution`.
"""

from typing import Final

from schemas.messages import Execution, ExecutionKind, Liquidity, Order, OrderStatus, OrderType, Reason
from workers.matching.book import OpenOrder

# An enum's member is looked up slowly through its class (0.1 us), so hot paths name it once.
_MARKET: Final = OrderType.MARKET
_KIND_NEW: Final = ExecutionKind.NEW
_KIND_TRADE: Final = ExecutionKind.TRADE
_STATUS_NEW: Final = OrderStatus.NEW
_PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
_FILLED: Final = OrderStatus.FILLED
_REASON_NONE: Final = Reason.NONE

FINAL: Final = {
    ExecutionKind.CANCELLED: OrderStatus.CANCELLED,
    ExecutionKind.EXPIRED: OrderStatus.EXPIRED,
}
"""How an order's remainder ends, and the state in which that leaves it."""


def accepted(order: OpenOrder, symbol: str, execution_id: int, command_id: int, ts_us: int) -> Execution:
    """NEW: the book has taken the order; answers its command."""
    quantity_e8 = order.quantity_e8
    return Execution(
        _KIND_NEW,
        execution_id,
        order.order_id,
        order.account,
        order.client_order_id,
        symbol,
        order.side,
        order.order_type,
        order.time_in_force,
        quantity_e8,
        _STATUS_NEW,
        quantity_e8,
        0,
        0,
        _REASON_NONE,
        order.command_us,
        ts_us,
        command_id,
        None if order.order_type is _MARKET else order.price_e8,
        correlation_id=order.correlation_id,
    )


def traded(
    order: OpenOrder,
    symbol: str,
    execution_id: int,
    trade_id: int,
    liquidity: Liquidity,
    price_e8: int,
    quantity_e8: int,
    notional_e8: int,
    fee_e8: int,
    ts_us: int,
) -> Execution:
    """TRADE: one fill, which the order's state includes already."""
    leaves_e8 = order.leaves_e8
    return Execution(
        _KIND_TRADE,
        execution_id,
        order.order_id,
        order.account,
        order.client_order_id,
        symbol,
        order.side,
        order.order_type,
        order.time_in_force,
        order.quantity_e8,
        _PARTIALLY_FILLED if leaves_e8 else _FILLED,
        leaves_e8,
        order.quantity_e8 - leaves_e8,
        order.cumulative_notional_e8,
        _REASON_NONE,
        order.command_us,
        ts_us,
        None,
        None if order.order_type is _MARKET else order.price_e8,
        price_e8,
        quantity_e8,
        notional_e8,
        fee_e8,
        liquidity,
        trade_id,
        correlation_id=order.correlation_id,
    )


def ended(
    order: OpenOrder,
    symbol: str,
    execution_id: int,
    kind: ExecutionKind,
    reason: Reason,
    ts_us: int,
    cancel: Order | None = None,
) -> Execution:
    """CANCELLED or EXPIRED: what was open is closed. It answers `cancel` if the client asked for it, else nobody."""
    return Execution(
        kind,
        execution_id,
        order.order_id,
        order.account,
        order.client_order_id,
        symbol,
        order.side,
        order.order_type,
        order.time_in_force,
        order.quantity_e8,
        FINAL[kind],
        0,
        order.quantity_e8 - order.leaves_e8,
        order.cumulative_notional_e8,
        reason,
        order.command_us if cancel is None else cancel.command_us,
        ts_us,
        None if cancel is None else cancel.command_id,
        None if order.order_type is _MARKET else order.price_e8,
        correlation_id=order.correlation_id if cancel is None else cancel.correlation_id,
    )


def refused(
    order: Order,
    execution_id: int,
    kind: ExecutionKind,
    reason: Reason,
    ts_us: int,
    limit_e8: int | None = None,
    actual_e8: int | None = None,
) -> Execution:
    """REJECTED or CANCEL_REJECTED: the book does not do what the command asks; `limit_e8` and `actual_e8` say why."""
    return Execution(
        kind=kind,
        execution_id=execution_id,
        command_id=order.command_id,
        order_id=order.order_id,
        account=order.account,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price_e8=None if order.order_type is _MARKET else order.price_e8,
        quantity_e8=order.quantity_e8,
        status=OrderStatus.REJECTED if kind is ExecutionKind.REJECTED else OrderStatus.UNKNOWN,
        leaves_e8=0,
        cumulative_e8=0,
        cumulative_notional_e8=0,
        reason=reason,
        limit_e8=limit_e8,
        actual_e8=actual_e8,
        command_us=order.command_us,
        ts_us=ts_us,
        correlation_id=order.correlation_id,
    )
