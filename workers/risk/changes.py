"""What accounts ask of the orders that they have: to amend one, to cancel one or all, now or after a time."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from schemas.messages import AccountKind, AccountStatus, Command, CommandKind, ExecutionKind, OrderKind, Reason
from schemas.order_states import FINAL
from schemas.units import E8, NUMBER_BITS, SECOND_US
from workers.kernel.stage import Input, Output
from workers.risk.accounts import TRADES, Account, stopped
from workers.risk.answers import REFUSED, Answers, to_book
from workers.risk.brackets import apart_refusal
from workers.risk.holding import cover_amended
from workers.risk.limit_table import LimitTable
from workers.risk.limits import Venue, limit_refusal, reducing_refusal, take_token
from workers.risk.orders import RiskOrder, sayable_us
from workers.risk.refusal import Refusal
from workers.risk.rules import amend_refusal
from workers.risk.strategies import strategy_refusal
from workers.risk.timers import Timers, timeout_refusal

_CANCEL_COMMAND: Final = CommandKind.CANCEL
_CANCEL_ORDER: Final = OrderKind.CANCEL
_AMEND_ORDER: Final = OrderKind.AMEND
_REMOVE_ORDER: Final = OrderKind.REMOVE
_REDUCING: Final = AccountStatus.REDUCING
_AMEND_REJECTED: Final = ExecutionKind.AMEND_REJECTED
_NONE: Final = Reason.NONE


class Changes:
    """Passes changes of the orders of one shard on to the books."""

    def __init__(self, shard: int, limits: LimitTable, venue: Venue, timers: Timers, answers: Answers) -> None:
        self._base_id = shard << NUMBER_BITS
        self._limits = limits
        self._venue = venue
        self._symbols = venue.symbols
        self._pairs = venue.pairs
        self._timers = timers
        self._answers = answers

    def change(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """A command about one open order."""
        if command.order_id is not None:
            order = account.orders.get(command.order_id)
        elif command.client_order_id is not None:
            order = account.by_client_id.get(command.client_order_id)
        else:
            return self._answers.refuse(record, command, Refusal(Reason.MALFORMED))
        if order is None:
            return self._answers.refuse(record, command, Refusal(Reason.ORDER_UNKNOWN))
        if order.status in FINAL:
            return self._answers.report(record, command, order, REFUSED[command.kind], Refusal(Reason.ORDER_FINAL))
        if command.kind is _CANCEL_COMMAND:
            command_id, correlation_id = self._base_id | record.offset, command.correlation_id
            return (to_book(_CANCEL_ORDER, command_id, account.name, order, correlation_id, record.ts_us),)
        return self._amend(record, command, account, order)

    def _amend(self, record: Input, command: Command, account: Account, order: RiskOrder) -> Sequence[Output]:
        command_id, rules = self._base_id | record.offset, self._symbols[order.symbol]
        refusal: Refusal | None
        if account.status not in TRADES or account.kind is AccountKind.UNKNOWN:
            refusal = stopped(account)
        else:
            refusal = _not_amendable(command, order)
        if refusal is None:
            amended = replace(
                order,
                price_e8=order.price_e8 if command.price_e8 is None else command.price_e8,
                quantity_e8=order.quantity_e8 if command.quantity_e8 is None else command.quantity_e8,
                expire_us=order.expire_us if command.expire_us is None else sayable_us(command.expire_us),
                trigger=order.trigger_moved_to(command.trigger_price_e8),
                display_quantity_e8=command.display_quantity_e8 or order.display_quantity_e8,
            )
            now_us = record.ts_us
            limits = self._limits.of(account.name, order.symbol) if self._limits.scopes else None
            refusal = amend_refusal(rules, amended, command, now_us)
            if refusal is None and order.stop is not None and order.brings() and command.price_e8 is not None:
                refusal = apart_refusal(order, command.price_e8)
            if refusal is None and (account.status is _REDUCING or account.reduce_only):
                refusal = reducing_refusal(account.status, amended, order, account, rules, self._venue)
            if refusal is None and account.strategies:
                refusal = strategy_refusal(amended, order, account, rules, self._venue)
            if refusal is None and limits is not None:
                refusal = limit_refusal(limits, amended, order, account, rules, self._venue, now_us)
            refusal = refusal or cover_amended(
                account, order, amended, command_id, rules, self._pairs, keeps_quantity=command.quantity_e8 is None
            )
            if refusal is None:
                if limits is not None:
                    take_token(limits, account, now_us)
                if command.quantity_e8 is None:
                    amended.quantity_e8 = 0  # the book keeps what it has: it may know of a decrement already
                return (to_book(_AMEND_ORDER, command_id, account.name, amended, command.correlation_id, now_us),)
        return self._answers.report(record, command, order, _AMEND_REJECTED, refusal)

    def cancel_all(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """The answer, and a removal of each open order that is meant."""
        command_id = self._base_id | record.offset
        removals = [
            to_book(_REMOVE_ORDER, command_id, account.name, order, command.correlation_id, record.ts_us)
            for order in account.take_out(command.symbol, command.side)
        ]
        count = Refusal(_NONE, None, len(removals) * E8)
        return (*self._answers.answer(record, command, ExecutionKind.CANCELLING_ALL, count), *removals)

    def cancel_after(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """Set the account's dead man's timer, or call it off."""
        refusal = timeout_refusal(command)
        if refusal is not None:
            return self._answers.refuse(record, command, refusal)
        deadline_us = record.ts_us + command.timeout_s * SECOND_US if command.timeout_s else None
        self._timers.set(account, deadline_us)
        return self._answers.answer(record, command, ExecutionKind.CANCEL_AFTER_SET, Refusal(_NONE), deadline_us)


def _not_amendable(command: Command, order: RiskOrder) -> Refusal | None:
    """Why an open order cannot be amended now, or not in this way."""
    if _changes_nothing(command):
        return Refusal(Reason.MALFORMED)
    if order.amend_id:
        return Refusal(Reason.AMEND_PENDING)
    if not order.leaves_e8:
        return Refusal(Reason.ORDER_FINAL)  # of a pair that the other order has decided
    if order.group_id is not None and command.quantity_e8 is not None and not order.brings():
        return Refusal(Reason.GROUP_QUANTITY, None, command.quantity_e8)
    return None


def _changes_nothing(command: Command) -> bool:
    return (
        command.price_e8 is None
        and command.quantity_e8 is None
        and command.expire_us is None
        and command.trigger_price_e8 is None
        and command.display_quantity_e8 is None
    )
