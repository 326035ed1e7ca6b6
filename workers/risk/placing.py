"""New orders: each is refused with the first rule that it breaks, or goes to the book with its cost covered."""

from collections.abc import Sequence
from typing import Final

from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    ExecutionKind,
    OrderKind,
    OrderStatus,
    Reason,
)
from schemas.units import E8, NUMBER_BITS
from workers.kernel.stage import Input, Output
from workers.risk.accounts import TRADES, Account, stopped
from workers.risk.answers import Answers, pair_to_book, to_book
from workers.risk.brackets import Brackets, names_of
from workers.risk.groups import pair_refusal, stop_of
from workers.risk.holding import cover, hold, join
from workers.risk.limit_table import LimitTable
from workers.risk.limits import Venue, limit_refusal, open_orders_refusal, reducing_refusal, take_token
from workers.risk.losses import LossWatch
from workers.risk.orders import RiskOrder, order_of
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules, client_order_id_refusal, rule_refusal
from workers.risk.strategies import strategy_refusal, tag_refusal

_CHECK_COMMAND: Final = CommandKind.CHECK
_NEW_ORDER: Final = OrderKind.NEW
_REDUCING: Final = AccountStatus.REDUCING
_NONE: Final = Reason.NONE
_PASSES: Final = Refusal(_NONE)


class Placing:
    """Places the orders of one shard."""

    def __init__(
        self, shard: int, limits: LimitTable, venue: Venue, losses: LossWatch, answers: Answers, brackets: Brackets
    ) -> None:
        self._base_id = shard << NUMBER_BITS
        self._limits = limits
        self._venue = venue
        self._symbols = venue.symbols
        self._pairs = venue.pairs
        self._losses = losses
        self._answers = answers
        self._brackets = brackets

    def place(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """Place an order; a CHECK is answered in the same way, and leaves no trace."""
        checks = command.kind is _CHECK_COMMAND
        status = self._losses.foreseen(account, record.ts_us) if checks else account.status
        refusal = client_order_id_refusal(command.client_order_id, account.promised)
        if refusal is None and command.strategy is not None:
            refusal = tag_refusal(command.strategy)
        if status not in TRADES or account.kind is AccountKind.UNKNOWN:
            refusal = stopped(account)
        if refusal is not None:
            return self._answers.refuse(record, command, refusal)
        first = account.by_client_id.get(command.client_order_id or "")
        # What a command leaves out is as it was when it was sent first: the account's default may have changed.
        default = account.self_trade_prevention if first is None else first.self_trade_prevention
        order = order_of(command, self._base_id | record.offset, record.ts_us, default)
        if first is not None or order.stop is not None:
            if first is not None:
                return self._repeat(record, command, first, order)
            places = self._place_entry if order.brings() else self._place_pair
            return places(record, command, account, order, status)
        rules = self._symbols.get(order.symbol)
        if rules is None:
            refusal = Refusal(Reason.SYMBOL_UNKNOWN)
        else:
            refusal = rule_refusal(rules, order) or self._account_refusal(
                account, order, rules, status, holds=not checks
            )
        if checks:
            return self._answers.answer(record, command, ExecutionKind.CHECKED, refusal or _PASSES)
        if refusal is not None:
            return self._reject(record, command, account, order, refusal)
        account.remember(order)
        account.await_end(order)
        return (to_book(_NEW_ORDER, order.order_id, account.name, order, command.correlation_id, record.ts_us),)

    def _place_entry(
        self, record: Input, command: Command, account: Account, order: RiskOrder, status: AccountStatus
    ) -> Sequence[Output]:
        """Place the entry of a bracket: an order of its own, with terms that it is asked of too."""
        rules, checks = self._symbols.get(order.symbol), command.kind is _CHECK_COMMAND
        if rules is None:
            refusal: Refusal | None = Refusal(Reason.SYMBOL_UNKNOWN)
        else:
            refusal = self._brackets.refusal(order, account, rules)
            refusal = refusal or self._account_refusal(account, order, rules, status, holds=not checks)
        if checks:
            return self._answers.answer(record, command, ExecutionKind.CHECKED, refusal or _PASSES)
        if refusal is not None:
            return self._reject(record, command, account, order, refusal)
        order.group_id = order.order_id
        account.promised.update(names_of(order))
        account.remember(order)
        account.await_end(order)
        return (to_book(_NEW_ORDER, order.order_id, account.name, order, command.correlation_id, record.ts_us),)

    def _place_pair(
        self, record: Input, command: Command, account: Account, order: RiskOrder, status: AccountStatus
    ) -> Sequence[Output]:
        """Place an order and the stop order with it, of which one cancels the other; or none of them.

        Each must pass as if it were alone, for only one trades; the number of open orders counts both.
        """
        rules = self._symbols.get(order.symbol)
        stop = stop_of(order)
        if rules is None:
            refusal: Refusal | None = Refusal(Reason.SYMBOL_UNKNOWN)
        else:
            refusal = pair_refusal(order, stop, account)
            for ahead, each in enumerate((order, stop)):
                refusal = refusal or rule_refusal(rules, each)
                refusal = refusal or self._account_refusal(account, each, rules, status, holds=False, ahead=ahead)
        if command.kind is _CHECK_COMMAND:
            return self._answers.answer(record, command, ExecutionKind.CHECKED, refusal or _PASSES)
        if refusal is not None:
            return self._reject(record, command, account, order, refusal)
        assert rules is not None
        order.group_id = order.order_id
        join(account, order, stop)
        for each in (order, stop):
            account.remember(each)
            hold(account, each, rules, each.quantity_e8)
            account.await_end(each)
        if self._limits.scopes:
            take_token(self._limits.of(account.name, order.symbol), account, order.command_us)
        return (pair_to_book(account.name, order, stop, command.correlation_id, record.ts_us),)

    def _reject(
        self, record: Input, command: Command, account: Account, order: RiskOrder, refusal: Refusal
    ) -> Sequence[Output]:
        """Answer an order that does not pass, and remember why."""
        account.remember(order)
        order.status = OrderStatus.REJECTED
        order.reason, order.limit_e8, order.actual_e8 = refusal
        account.finish(order)
        return self._answers.refuse(record, command, refusal)

    def _repeat(self, record: Input, command: Command, first: RiskOrder, order: RiskOrder) -> Sequence[Output]:
        """Answer an order whose client_order_id was used before."""
        if not first.same_content(order):
            return self._answers.refuse(record, command, Refusal(Reason.CLIENT_ORDER_ID_REUSED))
        why = Refusal(_status_reason(first), first.limit_e8, first.actual_e8)
        if command.kind is _CHECK_COMMAND:
            return self._answers.refuse(record, command, why)
        return self._answers.report(record, command, first, ExecutionKind.STATUS, why)

    def _account_refusal(
        self,
        account: Account,
        order: RiskOrder,
        rules: SymbolRules,
        status: AccountStatus,
        *,
        holds: bool,
        ahead: int = 0,
    ) -> Refusal | None:
        """Why the account cannot bear the order, so many others `ahead`; else what it may cost is held, if `holds`."""
        open_count = account.open_count() + ahead
        if open_count >= account.open_orders_max:
            return Refusal(Reason.OPEN_ORDERS_LIMIT, account.open_orders_max * E8, (open_count + 1) * E8)
        if rules.open_orders_max is not None:
            refusal = open_orders_refusal(rules.open_orders_max, account, order.symbol, Reason.SYMBOL_ORDERS_MAX, ahead)
            if refusal is not None:
                return refusal
        if status is _REDUCING or order.reduce_only or account.reduce_only:
            refusal = reducing_refusal(status, order, None, account, rules, self._venue)
            if refusal is not None:
                return refusal
        if order.strategy is not None and account.strategies:
            refusal = strategy_refusal(order, None, account, rules, self._venue)
            if refusal is not None:
                return refusal
        limits = self._limits.of(account.name, order.symbol) if self._limits.scopes else None
        if limits is None:
            return cover(account, order, rules, self._pairs, holds=holds)
        refusal = limit_refusal(limits, order, None, account, rules, self._venue, order.command_us, ahead)
        refusal = refusal or cover(account, order, rules, self._pairs, holds=holds)
        if refusal is None and holds:
            take_token(limits, account, order.command_us)
        return refusal


def _status_reason(first: RiskOrder) -> Reason:
    """Why the first ended; where it has no such reason, that the command is a repetition."""
    return Reason.REPEATED_COMMAND if first.reason is _NONE else first.reason
