"""What the operator has decided, and what a new decision keeps of it: for the command line and the admin routes alike.

Pure. A SYMBOL, ACCOUNT or LIMITS record says all of its thing: what a change leaves out is taken from the newest one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from schemas.controls import CONTROL_ID_CHARACTERS_MAX
from schemas.gate import DecisionGate
from schemas.messages import AccountStatus, Control, ControlKind, Phase, SymbolStatus
from schemas.sessions import PLANNED_MAX, Plan

SYMBOL_NUMBERS: Final = (
    "tick_e8", "lot_e8", "quantity_min_e8", "quantity_max_e8", "notional_min_e8", "notional_max_e8", "price_band_e8",
    "reference_price_e8", "maker_fee_e8", "taker_fee_e8", "maintenance_margin_e8", "initial_margin_e8",
)  # fmt: skip
BREAKER: Final = ("breaker_move_e8", "breaker_window_s", "breaker_halt_s")
SYMBOL_ORDERS: Final = ("order_types", "times_in_force", "open_orders_max")
_SYMBOL: Final = ("base", "quote", "symbol_status", *SYMBOL_NUMBERS, *BREAKER, *SYMBOL_ORDERS, "fee_tiers")
_ACCOUNT: Final = ("account_kind", "account_status", "leverage_e8", "open_orders_max", "self_trade_prevention")
DISTURBED: Final = (
    "Others decide about the same: this stands, but may have undone one of theirs; read what holds, and decide again"
)
_AGAIN: Final = "-again"
_REMEMBERED_MAX: Final = 10_000
"""Decisions of which is known what they came after; the oldest is forgotten first."""
LIMIT_NUMBERS: Final = (
    "max_order_size_e8", "max_position_size_e8", "max_daily_volume_e8", "fat_finger_limit_e8",
    "concentration_limit_e8", "max_leverage_e8", "var_limit_e8", "max_daily_loss_e8", "max_drawdown_e8",
)  # fmt: skip
LIMIT_COUNTS: Final = ("max_open_orders", "trade_frequency", "trade_frequency_s")

_LIMITS: Final = (*LIMIT_NUMBERS, *LIMIT_COUNTS)
KEPT: Final = {ControlKind.SYMBOL: _SYMBOL, ControlKind.ACCOUNT: _ACCOUNT, ControlKind.LIMITS: _LIMITS}
"""What a change takes from the newest record about its thing."""

Scope = tuple[str, str]
"""Account and symbol that limits are for, each empty where they are for every one."""


class ChangeError(ValueError):
    """What is asked for cannot be decided as things stand; the text says why."""


class Stop(NamedTuple):
    """A decision that stops something: a new one, or a change of the newest about it."""

    what: str
    before: Control | None
    kind: ControlKind
    fields: Mapping[str, Any]


class Decided:
    """Folded from the control topic."""

    def __init__(self) -> None:
        self.gate = DecisionGate()
        self.symbols: dict[str, Control] = {}
        self.accounts: dict[str, Control] = {}
        self.strategies: dict[tuple[str, str], Control] = {}
        """By account and its name."""
        self.limits: dict[Scope, Control] = {}
        self._plans: dict[str, Plan] = {}
        self._came_after: dict[str, tuple[Control, Control]] = {}
        """Decisions about symbols, accounts and limits by id: each as it stands, and that before it."""

    def apply(self, control: Control, now_us: int) -> bool:
        """Fold a decision, as the stages do. False for one that does not count."""
        if self.gate.knows(control.control_id) or self.gate.error(control) is not None:
            return False
        self.gate.let_through(control)
        if (before := self.newest(control)) is not None:
            if len(self._came_after) >= _REMEMBERED_MAX:
                del self._came_after[next(iter(self._came_after))]
            self._came_after[control.control_id] = control, before
        match control.kind:
            case ControlKind.SYMBOL:
                self.symbols[control.symbol or ""] = control
            case ControlKind.ACCOUNT:
                self.accounts[control.account or ""] = control
            case ControlKind.STRATEGY:
                self.strategies[control.account or "", control.strategy or ""] = control
            case ControlKind.LIMITS:
                self.limits[scope_of(control)] = control
            case ControlKind.SESSION:
                self._plan(control, now_us)
        return True

    def newest(self, control: Control) -> Control | None:
        """The newest record about the symbol, account or limits that a record is about; else None."""
        match control.kind:
            case ControlKind.SYMBOL:
                return self.symbols.get(control.symbol or "")
            case ControlKind.ACCOUNT:
                return self.accounts.get(control.account or "")
            case ControlKind.LIMITS:
                return self.limits.get(scope_of(control))
        return None

    def owed(self, control_ids: Iterable[str], changes: Collection[str]) -> list[Control]:
        """What is to be written so that decisions undo nothing: each once more, on top of the one that it came after.

        Where both together cannot be, that one once more. `changes` are the names of what was to change. What others
        decided since is not touched.
        """
        owed = []
        for control, before, again in self._undoing(control_ids, changes):
            if not self.gate.knows(again.control_id) and self.newest(control) is control:
                signed = {"issued_us": control.issued_us, "issued_by": control.issued_by}
                restored = replace(before, control_id=again.control_id, **signed)
                owed.append(restored if self.gate.error(again) else again)
        return owed

    def conflict(self, control_ids: Iterable[str], changes: Collection[str]) -> str | None:
        """A sentence without its full stop where decisions that stand are not what was asked for; None if they are.

        They may undo what somebody else decided, or were taken back for it.
        """
        for control, _, again in self._undoing(control_ids, changes):
            if not self.gate.knows(again.control_id):
                return DISTURBED
            _, before = self._came_after.get(again.control_id, (again, control))
            if before is not control:
                return DISTURBED
            if error := self.gate.error(again):
                return f"It was taken back, for others decided about the same, and with that it cannot be: {error}"
        return None

    def _undoing(
        self, control_ids: Iterable[str], changes: Collection[str]
    ) -> Iterator[tuple[Control, Control, Control]]:
        """Those that undid some of the one before: each, that one, and it on top of that one.

        The records tell, so it does not matter who wrote them, when they came, and how often they were tried.
        """
        for control_id in control_ids:
            if control_id in self._came_after:
                control, before = self._came_after[control_id]
                again = on_top(before, control, changes)
                if replace(again, control_id=control_id) != control:
                    yield control, before, again

    def planned(self, symbol: str, now_us: int) -> list[tuple[int, Phase]]:
        """The changes of a symbol's phase that are still to come: when, in microseconds since 1970 UTC, and to what."""
        plan = self._plans.get(symbol)
        return [] if plan is None else [step for step in plan.steps if step[0] > now_us]

    def require_room(self, controls: list[Control], now_us: int) -> None:
        """Raises ChangeError where SESSION records would plan more for a symbol than it may have ahead."""
        for symbol in sorted({control.symbol or "" for control in controls}):
            ahead = {effective_us for effective_us, _ in self.planned(symbol, now_us)}
            ahead |= {c.effective_us for c in controls if c.symbol == symbol and c.phase and c.effective_us is not None}
            if len(ahead) > PLANNED_MAX:
                raise ChangeError(f"{symbol} would have {len(ahead)} changes planned; {PLANNED_MAX} are the most")

    def symbol_fields(self, symbol: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What a SYMBOL record says that makes a symbol, or changes some of it. Raises ChangeError."""
        before = self.symbols.get(symbol)
        if before is not None:
            kept = {name: getattr(before, name) for name in _SYMBOL}
        elif None not in (changes.get("tick_e8"), changes.get("lot_e8")):
            base, _, quote = symbol.partition("-")
            kept = {"symbol_status": SymbolStatus.TRADING, "base": base, "quote": quote}
        else:
            raise ChangeError(f"{symbol} is new: it needs at least a tick and a lot")
        return kept | dict(changes) | {"symbol": symbol}

    def account_fields(self, account: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What an ACCOUNT record says that makes an account, or changes some of it. Raises ChangeError."""
        before = self.accounts.get(account)
        if before is None and not changes.get("account_kind"):
            raise ChangeError(f"{account} is new: it needs at least a kind")
        kept: dict[str, Any] = {"account_status": AccountStatus.ACTIVE}
        if before is not None:
            kept = {name: getattr(before, name) for name in _ACCOUNT}
        resume = changes.get("account_status") is AccountStatus.ACTIVE
        return kept | dict(changes) | {"account": account, "resume": resume}

    def limits_fields(self, account: str | None, symbol: str | None, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What a LIMITS record says that changes some of a scope's limits. Raises ChangeError."""
        self.require("account", account)
        self.require("symbol", symbol)
        before = self.limits.get((account or "", symbol or ""))
        kept = {} if before is None else {name: getattr(before, name) for name in _LIMITS}
        return kept | dict(changes) | {"account": account, "symbol": symbol}

    def require(self, what: str, name: str | None) -> None:
        """Raises ChangeError unless there is such an account or symbol; None stands for every one."""
        known = self.accounts if what == "account" else self.symbols
        if name is not None and name not in known:
            raise ChangeError(f"There is no {what} {name}; there are {', '.join(sorted(known)) or 'none'}")

    def every_symbol(self) -> list[str]:
        """All symbols of the venue, by name. Raises ChangeError where it has none."""
        if not self.symbols:
            raise ChangeError("The venue has no symbols")
        return sorted(self.symbols)

    def stops(self, what: str, name: str | None, strategy: str | None, status: AccountStatus) -> list[Stop]:
        """The decisions that stop a symbol, an account, a strategy, or all of the venue, and take out what rests.

        Of the venue its symbols, or its accounts where they may still reduce. Raises ChangeError.
        """
        by_account = what in {"account", "strategy"} or status is AccountStatus.REDUCING
        self.require("account" if by_account else "symbol", name)
        stop: dict[str, Any] = {"cancel_open": True, "symbol_status": SymbolStatus.HALTED}
        if by_account:
            stop = {"cancel_open": True, "account_status": status}
        if strategy is not None:
            fields = stop | {"account": name, "strategy": strategy}
            return [Stop(f"{strategy} of {name}", None, ControlKind.STRATEGY, fields)]
        known, kind = (self.accounts, ControlKind.ACCOUNT) if by_account else (self.symbols, ControlKind.SYMBOL)
        if not known:
            raise ChangeError(f"The venue has no {kind.lower()}s")
        if by_account:
            stop["resume"] = False
        return [Stop(each, known[each], kind, stop) for each in sorted(known) if name in {None, each}]

    def _plan(self, control: Control, now_us: int) -> None:
        """As the books do, near enough to show it."""
        plan = self._plans.setdefault(control.symbol or "", Plan())
        for _ in plan.due(now_us):
            pass
        if control.phase is None:
            plan.withdraw(control.effective_us)
        elif control.effective_us is not None and control.effective_us > now_us:
            plan.set(control.effective_us, control.phase)


def on_top(found: Control, control: Control, changes: Collection[str]) -> Control:
    """A decision once more, with all that it does not change as the one that came between says it."""
    kept = {name: getattr(found, name) for name in KEPT[control.kind] if name not in changes}
    return replace(control, control_id=control.control_id[: CONTROL_ID_CHARACTERS_MAX - len(_AGAIN)] + _AGAIN, **kept)


def scope_of(limits: Control) -> Scope:
    """The scope of a LIMITS record."""
    return limits.account or "", limits.symbol or ""
