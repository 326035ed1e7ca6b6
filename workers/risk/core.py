"""Pre-trade risk: every command is answered, or goes to the book with its cost covered.

Checks come in this order, and the first that fails is the answer: seal, kind, account, client_order_id, repeated
command, symbol and its rules, open orders, limits, funds. docs/refusals.md describes each code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.correlation import correlation_of
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Mark,
    OrderKind,
    OrderStatus,
    Reason,
    Side,
    Tick,
    Transfer,
    TransferKind,
)
from schemas.order_states import FINAL, may_become
from schemas.seal import (
    SEAL_HEADER,
    SEAL_KEY_HEADER,
    verify_ed25519,
    verify_hmac,
)
from schemas.units import E8, NUMBER_BITS, RISK_BIT, SECOND_US
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate, Pair
from workers.kernel.stage import Input, Output
from workers.risk import state
from workers.risk.accounts import Account
from workers.risk.answers import REFUSED, Answers, pair_to_book, removal, to_book
from workers.risk.brackets import Brackets, apart_refusal, names_of
from workers.risk.groups import pair_refusal, stop_of
from workers.risk.holding import cover, cover_amended, hold, join, part
from workers.risk.limit_table import LimitTable
from workers.risk.limits import Venue, limit_refusal, open_orders_refusal, overtaken, reducing_refusal, take_token
from workers.risk.liquidation import Liquidations
from workers.risk.losses import LossWatch, account_state
from workers.risk.moves import set_account, settle
from workers.risk.orders import RiskOrder, order_of, sayable_us
from workers.risk.refusal import Refusal
from workers.risk.rules import (
    SymbolRules,
    amend_refusal,
    client_order_id_refusal,
    rule_refusal,
    symbol_rules,
)
from workers.risk.strategies import strategy_refusal, tag_refusal
from workers.risk.sweeps import Sweeps, take_out_broken
from workers.risk.timers import Timers, run_out, timeout_refusal
from workers.risk.transfers import send
from workers.risk.value_at_risk import MarkHistory

BEHAVIOUR: Final = 6

# Members looked up once: an attribute of an enum class costs as much as a dict lookup at each use.
_NEW_COMMAND: Final = CommandKind.NEW
_CHECK_COMMAND: Final = CommandKind.CHECK
_CANCEL_COMMAND: Final = CommandKind.CANCEL
_AMEND_COMMAND: Final = CommandKind.AMEND
_NEW_ORDER: Final = OrderKind.NEW
_CANCEL_ORDER: Final = OrderKind.CANCEL
_AMEND_ORDER: Final = OrderKind.AMEND
_REMOVE_ORDER: Final = OrderKind.REMOVE
_REDUCING: Final = AccountStatus.REDUCING
_TRADES: Final = (AccountStatus.ACTIVE, _REDUCING)
_BUY: Final = Side.BUY
_NEW: Final = ExecutionKind.NEW
_TRADE: Final = ExecutionKind.TRADE
_AMENDED: Final = ExecutionKind.AMENDED
_AMEND_REJECTED: Final = ExecutionKind.AMEND_REJECTED
_CANCEL_REJECTED: Final = ExecutionKind.CANCEL_REJECTED
_UNDECIDED: Final = (ExecutionKind.NEW, _AMENDED)
"""What may happen to an order of a pair without an end of the other."""

_NONE: Final = Reason.NONE
_PASSES: Final = Refusal(_NONE)
_SEAL_HEADERS: Final = 2
"""So many headers has a command that has no other."""


class RiskCore:
    """The accounts of one shard, and every symbol."""

    behaviour = BEHAVIOUR

    def __init__(self, shard: int, shards: int, *, seal_secrets: Mapping[str, bytes]) -> None:
        self._shard = shard
        self._shards = shards
        self._base_id = shard << NUMBER_BITS
        self._secrets = {key_id.encode(): secret for key_id, secret in seal_secrets.items()}
        self._gate = ControlGate("risk")
        self._symbols: dict[str, SymbolRules] = {}
        self._pairs: dict[Pair, SymbolRules] = {}
        """The symbol by whose mark a pair is valued: the first that was set."""
        self._marks: dict[str, int] = {}
        self._accounts: dict[str, Account] = {}
        self._limits = LimitTable()
        self._history = MarkHistory()
        self._venue = Venue(self._symbols, self._pairs, self._history)
        self._losses = LossWatch(self._limits, self._venue, self._accounts)
        self._liquidations = Liquidations(shard, self._losses, self._venue)
        self._timers = Timers(self._accounts)
        self._sweeps = Sweeps(self._accounts, self._symbols)
        self._answers = Answers(shard)
        self._brackets = Brackets(self._limits, self._venue, self._answers)
        self._handlers: dict[str, Callable[[Input], Sequence[Output]]] = {
            "control": self._on_control,
            "clock": self._on_tick,
            "marks": self._on_mark,
            "executions": self._on_execution,
            "transfers": self._on_transfer,
            "commands": self._on_command,
        }
        self._others = {CommandKind.CANCEL_ALL: self._cancel_all, CommandKind.CANCEL_AFTER: self._cancel_after}
        """What is asked of all orders of an account."""

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one input into the state and say what follows from it."""
        return self._handlers[record.topic](record)

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""
        parts = self._gate, self._symbols, self._marks, self._accounts, self._limits, self._history
        return state.dump(self._answers.sequence, *parts, self._liquidations.sequence, self._sweeps.pending)

    def load(self, state_bytes: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` gave."""
        if not 1 <= behaviour <= BEHAVIOUR:
            message = f"a state of behaviour version {behaviour}: this release reads versions 1 to {BEHAVIOUR}"
            raise ValueError(message)
        self._symbols.clear()
        self._pairs.clear()
        loaded = state.load(state_bytes, self._gate, self._limits, self._history, behaviour)
        self._answers.sequence, symbols, self._marks, self._accounts, liquidations, sweeps = loaded
        self._symbols.update(symbols)
        self._sweeps = Sweeps(self._accounts, self._symbols)
        self._sweeps.pending = sweeps
        self._timers = Timers(self._accounts)
        for rules in self._symbols.values():
            self._pairs.setdefault((rules.base, rules.quote), rules)
        self._losses = LossWatch(self._limits, self._venue, self._accounts)
        self._liquidations = Liquidations(self._shard, self._losses, self._venue, liquidations)
        for account in self._accounts.values():
            self._losses.load(account)

    # What the operator decides

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        if control.kind is ControlKind.SYMBOL:
            removals = self._set_symbol(control, record.ts_us)
            self._losses.decided()
            return removals
        if control.account is not None and partition_of(control.account, self._shards) != self._shard:
            return ()
        if control.kind is ControlKind.LIMITS:
            self._limits.set(control)
            self._losses.decided()
            if not self._limits.losses:
                for account in self._accounts.values():
                    account.worths.clear()
        elif control.kind is ControlKind.TRANSFER:
            giver = self._accounts.get(control.account or "")
            halves = send(control, giver, self._pairs, record.ts_us)
            return halves if giver is None else (*halves, *self._moved(giver, record.ts_us))
        elif control.account is not None:
            return self._set_account(record, control, control.account)
        return ()

    def _set_account(self, record: Input, control: Control, name: str) -> Sequence[Output]:
        """What an account is, what it has, and what of it may trade."""
        account = self._accounts.setdefault(name, Account(name))
        before = account.status, account.loss
        set_account(account, control, self._symbols)
        stands = self._losses.moved(account, record.ts_us)
        if control.resume and not stands:
            stands = self._losses.assess(account, record.ts_us)
        if not stands and (account.status, account.loss) != before:
            stands = (account_state(account, record.ts_us),)
        return (*stands, *self._removals(record, control, account))

    def _moved(self, account: Account, now_us: int) -> Sequence[Output]:
        """What follows from funds that were moved."""
        return (*self._losses.moved(account, now_us), *self._overtaken(account, now_us))

    def _removals(self, record: Input, control: Control, account: Account) -> list[Output]:
        """Orders that leave the books because of what was decided about their account."""
        if control.cancel_open:
            strategy = control.strategy if control.kind is ControlKind.STRATEGY else None
            gone = account.take_out() if strategy is None else account.take_out_strategy(strategy)
            return [removal(account.name, order, Reason.KILLED, record.ts_us) for order in gone]
        return self._overtaken(account, record.ts_us) if control.kind is ControlKind.FUNDS else []

    def _overtaken(self, account: Account, now_us: int) -> list[Output]:
        """Take out the reduce-only orders that would do more, now that funds have moved."""
        lost = overtaken(account, self._venue) if account.reduce_only else []
        return [removal(account.name, order, Reason.REDUCE_ONLY, now_us) for order in lost]

    def _set_symbol(self, control: Control, ts_us: int) -> Sequence[Output]:
        """The rules of a symbol from now on, and removals of orders that they make invalid."""
        rules, before = symbol_rules(control), self._symbols.get(control.symbol or "")
        rules.set_mark(self._marks.get(rules.symbol, control.reference_price_e8))
        if before is not None:  # who holds it is still to be assessed
            rules.assessed_us, rules.assessed_to = before.assessed_us, before.assessed_to
        self._symbols[rules.symbol] = rules
        pair = (rules.base, rules.quote)
        valued_by = self._pairs.setdefault(pair, rules)
        if valued_by.symbol == rules.symbol:
            self._pairs[pair] = rules
        return () if before is None else self._sweeps.change(before, rules, ts_us)

    def _on_mark(self, record: Input) -> Sequence[Output]:
        mark = record.message
        if not isinstance(mark, Mark):
            message = f"marks carries Mark records, not {type(mark).__name__}"
            raise TypeError(message)
        if mark.price_e8 <= 0:
            return ()  # nothing can be valued by it
        self._marks[mark.symbol] = mark.price_e8
        self._history.see(mark.symbol, mark.price_e8, record.ts_us)
        rules = self._symbols.get(mark.symbol)
        if rules is None:
            return ()
        rules.set_mark(mark.price_e8)
        return self._losses.marked(rules, record.ts_us) if self._losses.on else ()

    def _on_tick(self, record: Input) -> Sequence[Output]:
        tick = record.message
        if not isinstance(tick, Tick):
            message = f"clock carries Tick records, not {type(tick).__name__}"
            raise TypeError(message)
        outputs = run_out(self._timers, tick.ts_us, self._accounts, self._answers)
        outputs += self._losses.go_on(record.ts_us)
        outputs += self._sweeps.go_on(record.ts_us)
        return outputs + self._liquidations.tick(record.ts_us)

    def _on_transfer(self, record: Input) -> Sequence[Output]:
        half = record.message
        if not isinstance(half, Transfer):
            message = f"transfers carries Transfer records, not {type(half).__name__}"
            raise TypeError(message)
        if half.kind is not TransferKind.RECEIVED:
            return ()  # what this shard has done, and said
        account = self._accounts.setdefault(half.account, Account(half.account))
        account.move(half.currency, half.amount_e8)
        return self._moved(account, record.ts_us)

    # What became of orders

    def _on_execution(self, record: Input) -> Sequence[Output]:
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

    # What accounts ask

    def _on_command(self, record: Input) -> Sequence[Output]:
        command = record.message
        if not isinstance(command, Command):
            message = f"commands carries Command records, not {type(command).__name__}"
            raise TypeError(message)
        if command.correlation_id is None and len(record.headers) != _SEAL_HEADERS:
            command = replace(command, correlation_id=correlation_of(record.headers))
        account = self._accounts.get(command.account)
        reason = self._seal_reason(record, account)
        if reason is not None:
            return self._answers.refuse(record, command, Refusal(reason))
        if command.kind is CommandKind.UNKNOWN:
            return self._answers.refuse(record, command, Refusal(Reason.KIND_UNKNOWN))
        if account is None or account.kind is None:
            return self._answers.refuse(record, command, Refusal(Reason.ACCOUNT_UNKNOWN))
        if (self._losses.on or account.loss is not None) and command.kind is not _CHECK_COMMAND:
            stands = self._losses.assess(account, record.ts_us)
            if stands:
                return (*stands, *self._obey(record, command, account))
        return self._obey(record, command, account)

    def _obey(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """Do what an account that is known asks."""
        if command.kind is _NEW_COMMAND or command.kind is _CHECK_COMMAND:
            return self._place(record, command, account)
        return self._others.get(command.kind, self._change)(record, command, account)

    def _seal_reason(self, record: Input, account: Account | None) -> Reason | None:
        """Why the command is not authorised, None if it is."""
        key_id = seal = None
        for name, value in record.headers:
            if name == SEAL_KEY_HEADER:
                key_id = value
            elif name == SEAL_HEADER:
                seal = value
        if key_id is None or seal is None:
            return Reason.SEAL_MISSING
        secret = self._secrets.get(key_id)
        if secret is not None:
            return None if verify_hmac(secret, record.value, seal) else Reason.SEAL_INVALID
        key = account.keys.get(key_id.decode(errors="replace")) if account is not None else None
        if key is None:
            return Reason.KEY_UNKNOWN
        return None if verify_ed25519(key, record.value, seal) else Reason.SEAL_INVALID

    def _place(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """Place an order; a CHECK is answered in the same way, and leaves no trace."""
        checks = command.kind is _CHECK_COMMAND
        status = self._losses.foreseen(account, record.ts_us) if checks else account.status
        refusal = client_order_id_refusal(command.client_order_id, account.promised)
        if refusal is None and command.strategy is not None:
            refusal = tag_refusal(command.strategy)
        if status not in _TRADES or account.kind is AccountKind.UNKNOWN:
            refusal = _stopped(account)
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

    def _change(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
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

    def _cancel_all(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """The answer, and a removal of each open order that is meant."""
        command_id = self._base_id | record.offset
        removals = [
            to_book(_REMOVE_ORDER, command_id, account.name, order, command.correlation_id, record.ts_us)
            for order in account.take_out(command.symbol, command.side)
        ]
        count = Refusal(_NONE, None, len(removals) * E8)
        return (*self._answers.answer(record, command, ExecutionKind.CANCELLING_ALL, count), *removals)

    def _cancel_after(self, record: Input, command: Command, account: Account) -> Sequence[Output]:
        """Set the account's dead man's timer, or call it off."""
        refusal = timeout_refusal(command)
        if refusal is not None:
            return self._answers.refuse(record, command, refusal)
        deadline_us = record.ts_us + command.timeout_s * SECOND_US if command.timeout_s else None
        self._timers.set(account, deadline_us)
        return self._answers.answer(record, command, ExecutionKind.CANCEL_AFTER_SET, Refusal(_NONE), deadline_us)

    def _amend(self, record: Input, command: Command, account: Account, order: RiskOrder) -> Sequence[Output]:
        command_id, rules = self._base_id | record.offset, self._symbols[order.symbol]
        refusal: Refusal | None
        if account.status not in _TRADES or account.kind is AccountKind.UNKNOWN:
            refusal = _stopped(account)
        else:
            refusal = _not_amendable(command, order)
        if refusal is None:
            amended = msgspec.structs.replace(
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


def _impossible(shard: int, offset: int, execution: Execution, order: RiskOrder | None) -> AssertionError:
    state = "not known here" if order is None else f"{order.status} here"
    message = (
        f"risk shard {shard}, executions offset {offset}: {execution.kind} to {execution.status} "
        f"({execution.execution_id}) is of order {execution.order_id} of account {execution.account!r}, which "
        f"is {state}: what is held for it would be wrong from now on"
    )
    return AssertionError(message)


def _stopped(account: Account) -> Refusal:
    """Why an account may only cancel."""
    return Refusal(Reason.LIQUIDATION if account.liquidating else Reason.ACCOUNT_SUSPENDED)


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


def _status_reason(first: RiskOrder) -> Reason:
    """Why the first ended; where it has no such reason, that the command is a repetition."""
    return Reason.REPEATED_COMMAND if first.reason is _NONE else first.reason
