"""What admins ask, for programs with threads: `Client.admin`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal

from tradsys.client import admin_calls
from tradsys.client.admin_calls import (
    AccountChange,
    AccountRules,
    Decision,
    NextPhase,
    Phases,
    Planned,
    Role,
    Status,
    StrategyStatus,
    SymbolChange,
    Timetable,
    User,
)
from tradsys.client.listings import Listing
from tradsys.client.messages import Limits
from tradsys.client.requests import Number
from tradsys.client.wire import Call


class Admin:
    """The operator's decisions, for users with the right admin from addresses that the operator lists."""

    def __init__(self, perform: Callable[[Call[Any]], Any], every: Callable[[Listing[Any]], Iterator[Any]]) -> None:
        """How calls are done, and lists are read."""
        self._perform = perform
        self._all = every

    def change_symbol(self, symbol: str, change: SymbolChange) -> Decision:
        """Make a symbol, or change what is given of its rules."""
        decision: Decision = self._perform(admin_calls.change_symbol(symbol, change))
        return decision

    def set_session(self, symbol: str, phase: Phases | None, *, at: datetime | None = None) -> Decision:
        """Set a phase of a symbol at once, or plan it; None withdraws what is planned."""
        decision: Decision = self._perform(admin_calls.set_session(symbol, phase, at))
        return decision

    def set_every_session(self, phase: Phases | None, *, at: datetime | None = None) -> Decision:
        """Set a phase of every symbol at once, or plan it; None withdraws what is planned."""
        decision: Decision = self._perform(admin_calls.set_session(None, phase, at))
        return decision

    def plan_days(self, symbol: str, timetable: Timetable) -> Decision:
        """Plan a day's phases of a symbol for so many days; what is planned for the same times is replaced."""
        decision: Decision = self._perform(admin_calls.plan_days(symbol, timetable))
        return decision

    def planned(self, symbol: str) -> list[Planned]:
        """Read the phases that are planned for a symbol, soonest first."""
        planned: list[Planned] = self._perform(admin_calls.planned(symbol))
        return planned

    def planned_next(self) -> Iterator[NextPhase]:
        """Read what is planned next for each symbol, by name."""
        return self._all(admin_calls.planned_next())

    def strategies(self, account: str | None = None) -> Iterator[StrategyStatus]:
        """Read the strategies about which something was decided; all others are active."""
        return self._all(admin_calls.strategies(account))

    def set_strategy(self, account: str, strategy: str, status: Status) -> Decision:
        """Say what a strategy of an account may do; what rests stays, other than with `kill`."""
        decision: Decision = self._perform(admin_calls.put_strategy(account, strategy, status))
        return decision

    def change_account(self, account: str, change: AccountChange) -> Decision:
        """Make an account, or change what is given of it."""
        decision: Decision = self._perform(admin_calls.change_account(account, change))
        return decision

    def accounts(self) -> Iterator[AccountRules]:
        """Read all accounts, by name."""
        return self._all(admin_calls.accounts())

    def limits(self) -> list[Limits]:
        """Read the limits of all scopes."""
        limits: list[Limits] = self._perform(admin_calls.all_limits())
        return limits

    def put_limits(self, limits: Limits) -> Decision:
        """Replace the limits of an account, of a symbol, of both, or of everybody."""
        decision: Decision = self._perform(admin_calls.put_limits(limits))
        return decision

    def kill(
        self,
        what: Literal["symbol", "account", "strategy", "venue"],
        name: str | None = None,
        *,
        strategy: str | None = None,
        reducing: bool = False,
    ) -> Decision:
        """Stop a symbol, an account, a strategy of an account, or the venue, and take out what rests."""
        decision: Decision = self._perform(admin_calls.kill(what, name, strategy, reducing=reducing))
        return decision

    def deposit(self, account: str, currency: str, amount: Number) -> Decision:
        """Add funds to an account, once, whatever happens to requests."""
        decision: Decision = self._perform(admin_calls.move("deposits", account, currency, amount))
        return decision

    def withdraw(self, account: str, currency: str, amount: Number) -> Decision:
        """Take funds from an account, once."""
        decision: Decision = self._perform(admin_calls.move("withdrawals", account, currency, amount))
        return decision

    def transfer(self, account: str, to_account: str, currency: str, amount: Number) -> Decision:
        """Ask for a move of funds, once. Pre-trade risk decides it; the ledger of both says so."""
        call = admin_calls.move("transfers", account, currency, amount, to_account=to_account)
        decision: Decision = self._perform(call)
        return decision

    def users(self) -> Iterator[User]:
        """Read who may log in, by name."""
        return self._all(admin_calls.users())

    def create_user(self, username: str, password: str, role: Role, *, account: str | None = None) -> None:
        """Make a user, for the account of the same name unless it says another."""
        self._perform(admin_calls.create_user(username, password, role, account))

    def set_role(self, username: str, role: Role) -> None:
        """Give a user another role."""
        self._perform(admin_calls.change_user(username, {"role": role}))

    def disable_user(self, username: str, *, disabled: bool = True) -> None:
        """Let a user log in no more, or again."""
        self._perform(admin_calls.change_user(username, {"disabled": disabled}))
