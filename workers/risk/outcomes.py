"""What became of orders in the books: it changes what their accounts hold, have traded and may do."""

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.messages import Execution, ExecutionKind
from schemas.order_states import FINAL, may_become
from schemas.units import RISK_BIT
from workers.kernel.stage import Input, Output
from workers.risk.accounts import Account
from workers.risk.brackets import Brackets, names_of
from workers.risk.holding import hold, part
from workers.risk.losses import LossWatch
from workers.risk.moves import settle
from workers.risk.orders import RiskOrder
from workers.risk.rules import SymbolRules
from workers.risk.sweeps import take_out_broken

_NEW: Final = ExecutionKind.NEW
_TRADE: Final = ExecutionKind.TRADE
_AMENDED: Final = ExecutionKind.AMENDED
_AMEND_REJECTED: Final = ExecutionKind.AMEND_REJECTED
_CANCEL_REJECTED: Final = ExecutionKind.CANCEL_REJECTED
_UNDECIDED: Final = (ExecutionKind.NEW, _AMENDED)
"""What may happen to an order of a pair without an end of the other."""


class Outcomes:
    """Folds the executions of one shard."""

    def __init__(
        self,
        shard: int,
        accounts: Mapping[str, Account],
        symbols: Mapping[str, SymbolRules],
        losses: LossWatch,
        brackets: Brackets,
    ) -> None:
        self._shard = shard
        self._accounts = accounts
        self._symbols = symbols
        self._losses = losses
        self._brackets = brackets

    def on_execution(self, record: Input) -> Sequence[Output]:
        """What follows from an execution that the book has made.

        Raises AssertionError if it cannot be of an order as it stands here.
        """
        execution = record.message
        if not isinstance(execution, Execution):
            message = f"executions carries Execution records, not {type(execution).__name__}"
            raise TypeError(message)
        kind = execution.kind
        if execution.execution_id & RISK_BIT or kind is _CANCEL_REJECTED:
            return ()
        account = self._accounts.get(execution.account)
        order = account.orders.get(execution.order_id) if account is not None else None
        if kind is _AMEND_REJECTED:
            if account is not None and order is not None:
                self._keep(account, order, execution)
            return ()
        if account is None or order is None or not may_become(order.status, kind, execution.status):
            raise _impossible(self._shard, record.offset, execution, order)
        return self._fold(record, account, order, execution)

    def _fold(self, record: Input, account: Account, order: RiskOrder, execution: Execution) -> Sequence[Output]:
        """What happened to an order changes what its account holds, has traded and may do."""
        kind, rules = execution.kind, self._symbols[order.symbol]
        if order.group_id is not None and kind not in _UNDECIDED:
            part(account, order, rules)
        if kind is _TRADE:
            self._losses.follow(account, order.symbol, settle(account, rules, execution, record.ts_us))
        order.fold(execution)
        if kind is _AMENDED or execution.leaves_e8 != order.leaves_e8 or order.slide:
            hold(account, order, rules, execution.leaves_e8)
        if execution.status in FINAL:
            account.finish(order)
            if order.stop is not None and order.brings():
                return self._bring(record, account, order, execution)
        elif kind is _AMENDED or (order.slide and kind is _NEW):
            return take_out_broken(account, order, rules, record.ts_us)  # the tick may have changed meanwhile
        return self._losses.assess(account, record.ts_us) if kind is _TRADE and self._losses.on else ()

    def _bring(self, record: Input, account: Account, entry: RiskOrder, end: Execution) -> Sequence[Output]:
        """The entry of a bracket has ended: what comes of it leaves again if its symbol does not take it any more."""
        now_us, rules = record.ts_us, self._symbols[entry.symbol]
        stands = self._losses.assess(account, now_us) if end.kind is _TRADE and self._losses.on else ()
        pair = self._brackets.follow(account, entry, end, now_us)
        orders = [account.by_client_id[name] for name in names_of(entry)] if pair else []
        open_orders = [order for order in orders if order.status not in FINAL]
        broken = [take_out_broken(account, order, rules, now_us, ("takes", "tick")) for order in open_orders]
        return (*stands, *pair, *(removal for removals in broken for removal in removals))

    def _keep(self, account: Account, order: RiskOrder, refused: Execution) -> None:
        """The book has not made an amendment: hold no more for it."""
        if order.amend_id == refused.command_id:
            order.amend_id = 0
            hold(account, order, self._symbols[order.symbol], order.leaves_e8)


def _impossible(shard: int, offset: int, execution: Execution, order: RiskOrder | None) -> AssertionError:
    state = "not known here" if order is None else f"{order.status} here"
    message = (
        f"risk shard {shard}, executions offset {offset}: {execution.kind} to {execution.status} "
        f"({execution.execution_id}) is of order {execution.order_id} of account {execution.account!r}, which "
        f"is {state}: what is held for it would be wrong from now on"
    )
    return AssertionError(message)
