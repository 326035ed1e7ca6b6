"""What pre-trade risk says: executions that answer commands, and orders for the book."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from schemas.messages import (
    Command,
    CommandKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8, NUMBER_BITS, RISK_BIT
from workers.kernel.stage import Input, Output
from workers.risk.orders import ECHO_CHARACTERS_MAX, RiskOrder
from workers.risk.refusal import Refusal

REFUSED: Final = {
    CommandKind.CANCEL: ExecutionKind.CANCEL_REJECTED,
    CommandKind.CANCEL_ALL: ExecutionKind.CANCEL_REJECTED,
    CommandKind.CANCEL_AFTER: ExecutionKind.CANCEL_REJECTED,
    CommandKind.AMEND: ExecutionKind.AMEND_REJECTED,
    CommandKind.CHECK: ExecutionKind.CHECKED,
}
"""How a command that places nothing is refused; all others place an order, and are REJECTED."""


class Answers:
    """Makes the executions of one shard, and numbers them."""

    def __init__(self, shard: int) -> None:
        self._base_id = shard << NUMBER_BITS
        self.sequence = 0
        """Of the last execution."""

    def refuse(self, record: Input, command: Command, refusal: Refusal) -> Sequence[Output]:
        """The command does nothing."""
        return self.answer(record, command, REFUSED.get(command.kind, ExecutionKind.REJECTED), refusal)

    def answer(
        self, record: Input, command: Command, kind: ExecutionKind, why: Refusal, expire_us: int | None = None
    ) -> Sequence[Output]:
        """An answer that is made from the command alone, so that it reveals no order."""
        places = kind is ExecutionKind.REJECTED
        command_id = self._base_id | record.offset
        execution = Execution(
            kind=kind,
            execution_id=self._next_id(),
            command_id=command_id,
            order_id=command_id if places else command.order_id or 0,
            account=command.account,
            client_order_id=(command.client_order_id or "")[:ECHO_CHARACTERS_MAX],
            symbol=(command.symbol or "")[:ECHO_CHARACTERS_MAX],
            side=command.side or Side.UNKNOWN,
            order_type=command.order_type or OrderType.UNKNOWN,
            time_in_force=command.time_in_force or TimeInForce.UNKNOWN,
            price_e8=command.price_e8,
            quantity_e8=command.quantity_e8 or 0,
            status=OrderStatus.REJECTED if places else OrderStatus.UNKNOWN,
            leaves_e8=0,
            cumulative_e8=0,
            cumulative_notional_e8=0,
            reason=why.reason,
            limit_e8=why.limit_e8,
            actual_e8=why.actual_e8,
            command_us=record.ts_us,
            ts_us=record.ts_us,
            correlation_id=command.correlation_id,
            trigger_price_e8=command.trigger_price_e8,
            trigger_by=command.trigger_by,
            trail_e8=command.trail_e8,
            trail_rate_e8=command.trail_rate_e8,
            expire_us=expire_us,
            display_quantity_e8=command.display_quantity_e8,
            notional_e8=command.notional_e8,
            reduce_only=command.reduce_only,
            strategy=_echo(command.strategy),
        )
        return (Output("executions", command.account, execution),)

    def ran_out(self, account: str, count: int, ts_us: int) -> Output:
        """An account's timer has run out, and so many of its orders are taken out. It answers no command."""
        execution = Execution(
            kind=ExecutionKind.CANCELLING_ALL,
            execution_id=self._next_id(),
            order_id=0,
            account=account,
            client_order_id="",
            symbol="",
            side=Side.UNKNOWN,
            order_type=OrderType.UNKNOWN,
            time_in_force=TimeInForce.UNKNOWN,
            quantity_e8=0,
            status=OrderStatus.UNKNOWN,
            leaves_e8=0,
            cumulative_e8=0,
            cumulative_notional_e8=0,
            reason=Reason.TIMER_EXPIRED,
            actual_e8=count * E8,
            command_us=ts_us,
            ts_us=ts_us,
        )
        return Output("executions", account, execution)

    def not_brought(self, account: str, order: RiskOrder, correlation_id: str | None, ts_us: int) -> Output:
        """An order that was to come of a bracket does not, for its reason. It answers no command."""
        execution = Execution(
            kind=ExecutionKind.REJECTED,
            execution_id=self._next_id(),
            order_id=order.order_id,
            account=account,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            price_e8=order.price_e8,
            quantity_e8=order.quantity_e8,
            status=OrderStatus.REJECTED,
            leaves_e8=0,
            cumulative_e8=0,
            cumulative_notional_e8=0,
            reason=order.reason,
            limit_e8=order.limit_e8,
            actual_e8=order.actual_e8,
            command_us=order.command_us,
            ts_us=ts_us,
            correlation_id=correlation_id,
            group_id=order.group_id,
            reduce_only=order.reduce_only,
            strategy=order.strategy,
            **_terms(order),
        )
        return Output("executions", account, execution)

    def report(
        self, record: Input, command: Command, order: RiskOrder, kind: ExecutionKind, why: Refusal
    ) -> Sequence[Output]:
        """An answer that says how an order of the account stands."""
        execution = Execution(
            kind=kind,
            execution_id=self._next_id(),
            command_id=self._base_id | record.offset,
            order_id=order.order_id,
            account=command.account,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            price_e8=order.price_e8,
            quantity_e8=order.quantity_e8,
            status=order.status,
            leaves_e8=order.leaves_e8,
            cumulative_e8=order.cumulative_e8,
            cumulative_notional_e8=order.cumulative_notional_e8,
            reason=why.reason,
            limit_e8=why.limit_e8,
            actual_e8=why.actual_e8,
            command_us=order.command_us,
            ts_us=record.ts_us,
            correlation_id=command.correlation_id,
            expire_us=order.expire_us,
            waits=order.waits,
            display_quantity_e8=order.display_quantity_e8,
            notional_e8=order.notional_e8,
            group_id=order.group_id,
            reduce_only=order.reduce_only,
            strategy=order.strategy,
            **_terms(order),
        )
        return (Output("executions", command.account, execution),)

    def _next_id(self) -> int:
        self.sequence += 1
        return self._base_id | RISK_BIT | self.sequence


def to_book(
    kind: OrderKind,
    command_id: int,
    account: str,
    order: RiskOrder,
    correlation_id: str | None,
    command_us: int,
    reason: Reason | None = None,
) -> Output:
    """The order as the book takes it, by position: by name it costs ten times as much."""
    message = Order(
        kind,
        command_id,
        order.order_id,
        account,
        order.client_order_id,
        order.symbol,
        order.side,
        order.order_type,
        order.time_in_force,
        order.worst_price_e8,
        order.quantity_e8,
        order.post_only,
        order.self_trade_prevention,
        command_us,
        correlation_id,
        order.expire_us,
        reason,
    )
    if (
        order.trigger is not None
        or order.display_quantity_e8 is not None
        or order.slide
        or order.group_id is not None
        or order.reduce_only
        or order.strategy is not None
    ):
        message = replace(
            message,
            display_quantity_e8=order.display_quantity_e8,
            slide=order.slide,
            group_id=order.group_id,
            notional_e8=order.notional_e8,
            reduce_only=order.reduce_only,
            strategy=order.strategy,
            **_terms(order),
        )
    elif order.notional_e8 is not None:
        message = replace(message, notional_e8=order.notional_e8)
    if order.taker_fee_e8 is not None:
        message = replace(message, maker_fee_e8=order.maker_fee_e8, taker_fee_e8=order.taker_fee_e8)
    return Output("orders", order.symbol, message)


def pair_to_book(
    account: str, order: RiskOrder, stop: RiskOrder, correlation_id: str | None, command_us: int
) -> Output:
    """Both orders of a pair, in one record: the book takes both or none."""
    first = to_book(OrderKind.OCO, order.order_id, account, order, correlation_id, command_us)
    assert isinstance(first.message, Order)
    assert stop.trigger is not None
    both = replace(
        first.message,
        stop_price_e8=stop.worst_price_e8,
        stop_limit=stop.price_e8 is not None,
        trigger_price_e8=stop.trigger.price_e8,
        trigger_by=stop.trigger.by,
    )
    return Output("orders", order.symbol, both)


def _terms(order: RiskOrder) -> dict[str, Any]:
    """What it waits for, as records say it."""
    trigger = order.trigger
    if trigger is None:
        return {}
    return {
        "trigger_price_e8": trigger.price_e8,
        "trigger_by": trigger.by,
        "trail_e8": trigger.trail_e8,
        "trail_rate_e8": trigger.trail_rate_e8,
    }


def removal(account: str, order: RiskOrder, reason: Reason, ts_us: int) -> Output:
    """The order leaves the book, although its account does not ask for it: this answers nobody."""
    return to_book(OrderKind.REMOVE, order.order_id, account, order, None, ts_us, reason)


def removal_for(account: str, order: RiskOrder, why: Refusal, ts_us: int) -> Output:
    """The same for a rule that it breaks, with the numbers of that."""
    output = removal(account, order, why.reason, ts_us)
    return Output(output.topic, output.key, replace(output.message, limit_e8=why.limit_e8, actual_e8=why.actual_e8))


def _echo(text: str | None) -> str | None:
    return None if text is None else text[:ECHO_CHARACTERS_MAX]
