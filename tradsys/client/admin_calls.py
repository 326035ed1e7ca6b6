"""What admins can ask: the operator's decisions, and what is said of them.

In changes a field that is left out stays as it is, and None takes a rule away.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from tradsys.client.listings import Listing
from tradsys.client.messages import Limits, Message
from tradsys.client.requests import Number, SelfTradePrevention, text
from tradsys.client.wire import Answer, Call, Envelope, as_it_is

ADMIN: Final = "/api/v1/admin"
UNSET: Final = msgspec.UNSET
Unset = msgspec.UnsetType
Role = Literal["admin", "trader", "viewer"]
Phases = Literal["pre_open", "auction", "continuous", "halted", "closed"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Status = Literal["active", "reducing", "suspended"]


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit breaker."""

    move: Number
    """How far a trade may be from the first price of the window, a fraction."""
    window_s: int
    halt_s: int


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Fees from a volume of 30 days on, as fractions of the notional."""

    volume: Number
    maker_fee: Number
    taker_fee: Number


class SymbolChange(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a symbol; a new one needs tick and lot."""

    base: str | Unset | None = UNSET
    quote: str | Unset | None = UNSET
    status: Literal["trading", "halted"] | Unset | None = UNSET
    tick: Number | Unset | None = UNSET
    lot: Number | Unset | None = UNSET
    quantity_min: Number | Unset | None = UNSET
    quantity_max: Number | Unset | None = UNSET
    notional_min: Number | Unset | None = UNSET
    notional_max: Number | Unset | None = UNSET
    price_band: Number | Unset | None = UNSET
    reference_price: Number | Unset | None = UNSET
    maker_fee: Number | Unset | None = UNSET
    taker_fee: Number | Unset | None = UNSET
    initial_margin: Number | Unset | None = UNSET
    maintenance_margin: Number | Unset | None = UNSET
    breaker: Breaker | Unset | None = UNSET
    fee_tiers: tuple[Tier, ...] | Unset | None = UNSET
    order_types: tuple[str, ...] | Unset | None = UNSET
    times_in_force: tuple[str, ...] | Unset | None = UNSET
    max_open_orders: int | Unset | None = UNSET


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may do; a new one needs its kind."""

    kind: Literal["cash", "margin"] | Unset | None = UNSET
    status: Status | Unset | None = UNSET
    leverage: Number | Unset | None = UNSET
    open_orders_max: int | Unset | None = UNSET
    self_trade_prevention: SelfTradePrevention | Unset | None = UNSET


class Decision(Message, frozen=True, kw_only=True):
    """A decision that stands in the log."""

    decision_id: str
    position: str | None = None
    """Its place in the log; None for one that was made before."""
    stopped: tuple[str, ...] = ()
    """By the kill switch."""


class AccountRules(Message, frozen=True, kw_only=True):
    """An account as it was decided."""

    account: str
    kind: str | None = None
    status: str | None = None
    leverage: Decimal | None = None
    open_orders_max: int | None = None
    self_trade_prevention: str | None = None


class Planned(Message, frozen=True, kw_only=True):
    """A phase that a symbol will have."""

    at: datetime
    phase: str


class NextPhase(Message, frozen=True, kw_only=True):
    """What is planned next for a symbol; None where nothing is."""

    symbol: str
    next: Planned | None = None


class _PlannedOf(Message, frozen=True, kw_only=True):
    planned: list[Planned]


class PhaseOfDay(msgspec.Struct, frozen=True, kw_only=True):
    """A phase, and when it begins in local time, such as 09:00 or 09:00:30."""

    at: str
    phase: Phases


class Timetable(msgspec.Struct, frozen=True, kw_only=True):
    """A day's phases, for the next days that have not begun."""

    timetable: tuple[PhaseOfDay, ...]
    zone: str = "UTC"
    """Whose local time it is, such as Europe/Berlin."""
    days: int = 1
    weekdays: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    holidays: tuple[date, ...] = ()
    """Left out."""


class StrategyStatus(Message, frozen=True, kw_only=True):
    """What was decided about a strategy of an account."""

    account: str
    strategy: str
    status: str | None = None


class User(Message, frozen=True, kw_only=True):
    """Who may log in."""

    username: str
    account: str
    role: str
    created_time: datetime
    disabled_time: datetime | None = None
    sessions: int
    api_keys: int
    totp: bool
    """Whether codes are asked for at login."""


def change_symbol(symbol: str, change: SymbolChange) -> Call[Decision]:
    """Make a symbol, or change its rules."""
    return _change("PATCH", f"symbols/{quote(symbol, safe='')}", _body(change))


def set_session(symbol: str | None, phase: Phases | None, at: datetime | None) -> Call[Decision]:
    """Set or plan a phase of a symbol or of all, or withdraw what is planned."""
    body = {"phase": phase, "at": None if at is None else text(at)}
    return _once("sessions" if symbol is None else f"symbols/{quote(symbol, safe='')}/sessions", body)


def plan_days(symbol: str, timetable: Timetable) -> Call[Decision]:
    """Plan a day's phases for so many days."""
    return _once(f"symbols/{quote(symbol, safe='')}/timetable", msgspec.to_builtins(timetable))


def planned(symbol: str) -> Call[list[Planned]]:
    """What is planned for a symbol."""

    def read(_: Answer, envelope: Envelope) -> list[Planned]:
        return msgspec.json.decode(envelope.data, type=_PlannedOf).planned

    return Call(method="GET", path=f"{ADMIN}/symbols/{quote(symbol, safe='')}/sessions", read=read)


def planned_next() -> Listing[NextPhase]:
    """What is planned next for each symbol."""
    return Listing(f"{ADMIN}/sessions", NextPhase, {}, lambda row: row.symbol)


def strategies(account: str | None) -> Listing[StrategyStatus]:
    """Strategies about which something was decided."""
    query = {} if account is None else {"account": account}
    return Listing(f"{ADMIN}/strategies", StrategyStatus, query, lambda row: (row.account, row.strategy))


def put_strategy(account: str, strategy: str, status: Status) -> Call[Decision]:
    """Say what a strategy of an account may do."""
    return _change("PUT", "strategies", {"account": account, "strategy": strategy, "status": status})


def change_account(account: str, change: AccountChange) -> Call[Decision]:
    """Make an account, or change it."""
    return _change("PATCH", f"accounts/{quote(account, safe='')}", _body(change))


def accounts() -> Listing[AccountRules]:
    """All accounts, by name."""
    return Listing(f"{ADMIN}/accounts", AccountRules, {}, lambda row: row.account)


def all_limits() -> Call[list[Limits]]:
    """The limits of all scopes."""
    return Call(method="GET", path=f"{ADMIN}/limits", read=as_it_is(list[Limits]))


def put_limits(limits: Limits) -> Call[Decision]:
    """Replace the limits of a scope."""
    return _change("PUT", "limits", _body(limits))


def kill(
    what: Literal["symbol", "account", "strategy", "venue"], name: str | None, strategy: str | None, *, reducing: bool
) -> Call[Decision]:
    """Stop something, and take out what rests."""
    return _once("kill", {"what": what, "name": name, "strategy": strategy, "reducing": reducing})


def move(
    what: Literal["deposits", "withdrawals", "transfers"], account: str, currency: str, amount: Number, **to: str
) -> Call[Decision]:
    """Move funds."""
    return _once(what, {"account": account, "currency": currency, "amount": text(amount), **to})


def users() -> Listing[User]:
    """Who may log in, by name."""
    return Listing(f"{ADMIN}/users", User, {}, lambda row: row.username)


def create_user(username: str, password: str, role: Role, account: str | None) -> Call[None]:
    """Make a user."""
    body = {"username": username, "password": password, "role": role, "account": account}
    return Call(method="POST", path=f"{ADMIN}/users", body=body, read=lambda *_: None, changes=True, has_key=True)


def change_user(username: str, change: Mapping[str, Any]) -> Call[None]:
    """Give a user another role, or let the user in or not."""
    return Call(
        method="PATCH",
        path=f"{ADMIN}/users/{quote(username, safe='')}",
        body=dict(change),
        read=lambda *_: None,
        changes=True,
        is_repeatable=False,
    )


def _change(method: str, path: str, body: Any) -> Call[Decision]:
    """Not repeated once it may have been made: another admin may have decided otherwise since."""
    return Call(
        method=method,
        path=f"{ADMIN}/{path}",
        body=body,
        read=as_it_is(Decision),
        changes=True,
        is_repeatable=False,
    )


def _once(path: str, body: Any) -> Call[Decision]:
    return Call(method="POST", path=f"{ADMIN}/{path}", body=body, read=as_it_is(Decision), changes=True, has_key=True)


def _body(value: Any) -> Any:
    """As JSON: numbers as `text` writes them, but counts; what is left out is left out. Raises TypeError for floats."""
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return {
            name: text(field) if name in _NUMBERS and field is not None else _body(field)
            for name, field in fields.items()
            if field is not UNSET
        }
    if isinstance(value, tuple):
        return [_body(one) for one in value]
    return value


def _numbers(*kinds: type[msgspec.Struct]) -> frozenset[str]:
    """Fields that hold decimals."""
    return frozenset(
        field.name for kind in kinds for field in msgspec.structs.fields(kind) if "Decimal" in str(field.type)
    )


_NUMBERS: Final = _numbers(SymbolChange, AccountChange, Breaker, Tier, Limits)
