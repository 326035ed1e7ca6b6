"""Pre-trade risk: every command is answered, or goes to the book with its cost covered.

Checks come in this order, and the first that fails is the answer: seal, kind, account, client_order_id, repeated
command, symbol and its rules, open orders, limits, funds. docs/refusals.md describes each code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from schemas.correlation import correlation_of, parse_correlation
from schemas.messages import (
    Command,
    CommandKind,
    Control,
    ControlKind,
    Mark,
    Reason,
    Tick,
    Transfer,
    TransferKind,
)
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate, Pair
from workers.kernel.stage import Input, Output
from workers.risk import state
from workers.risk.accounts import Account
from workers.risk.answers import Answers, removal
from workers.risk.brackets import Brackets
from workers.risk.changes import Changes
from workers.risk.limit_table import LimitTable
from workers.risk.limits import Venue, overtaken
from workers.risk.liquidation import Liquidations
from workers.risk.losses import LossWatch, account_state
from workers.risk.moves import set_account
from workers.risk.outcomes import Outcomes
from workers.risk.placing import Placing
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules, symbol_rules
from workers.risk.seals import seal_reason
from workers.risk.sweeps import Sweeps
from workers.risk.timers import Timers, run_out
from workers.risk.transfers import send
from workers.risk.value_at_risk import MarkHistory

BEHAVIOUR: Final = 6

# Members looked up once: an attribute of an enum class costs as much as a dict lookup at each use.
_NEW_COMMAND: Final = CommandKind.NEW
_CHECK_COMMAND: Final = CommandKind.CHECK
_SEAL_HEADERS: Final = 2
"""So many headers has a command that has no other."""


class RiskCore:
    """The accounts of one shard, and every symbol."""

    behaviour = BEHAVIOUR

    def __init__(self, shard: int, shards: int, *, seal_secrets: Mapping[str, bytes]) -> None:
        self._shard = shard
        self._shards = shards
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
        self._answers = Answers(shard)
        self._brackets = Brackets(self._limits, self._venue, self._answers)
        self._begin(0)

    def _begin(self, liquidations: int) -> None:
        """Whatever is derived from the accounts begins with those that there are; so many steps were placed."""
        self._losses = LossWatch(self._limits, self._venue, self._accounts)
        self._liquidations = Liquidations(self._shard, self._losses, self._venue, liquidations)
        self._timers = Timers(self._accounts)
        self._sweeps = Sweeps(self._accounts, self._symbols)
        tables = self._limits, self._venue
        self._place = Placing(self._shard, *tables, self._losses, self._answers, self._brackets).place
        changes = Changes(self._shard, *tables, self._timers, self._answers)
        self._change = changes.change
        self._others = {CommandKind.CANCEL_ALL: changes.cancel_all, CommandKind.CANCEL_AFTER: changes.cancel_after}
        """What is asked of all orders of an account."""
        outcomes = Outcomes(self._shard, self._accounts, self._symbols, self._losses, self._brackets)
        self._handlers: dict[str, Callable[[Input], Sequence[Output]]] = {
            "control": self._on_control,
            "clock": self._on_tick,
            "marks": self._on_mark,
            "executions": outcomes.on_execution,
            "transfers": self._on_transfer,
            "commands": self._on_command,
        }

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
        for rules in self._symbols.values():
            self._pairs.setdefault((rules.base, rules.quote), rules)
        self._begin(liquidations)
        self._sweeps.pending = sweeps
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

    # What accounts ask

    def _on_command(self, record: Input) -> Sequence[Output]:
        command = record.message
        if not isinstance(command, Command):
            message = f"commands carries Command records, not {type(command).__name__}"
            raise TypeError(message)
        given = command.correlation_id
        if given is not None and parse_correlation(given.encode()) is None:
            given, command = None, replace(command, correlation_id=None)  # it would be in rows that cannot be written
        if given is None and len(record.headers) != _SEAL_HEADERS:
            command = replace(command, correlation_id=correlation_of(record.headers))
        account = self._accounts.get(command.account)
        reason = seal_reason(record, self._secrets, account)
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
