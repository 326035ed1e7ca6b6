"""What admins can ask: the operator's decisions, and what is said of them.

In changes a field that is left out stays as it is, and None takes a rule away.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from tradsys.client.listings import Listing
from tradsys.client.messages import Limits, Message
from tradsys.client.requests import Number, SelfTradePrevention, text
from tradsys.client.wire import Call, as_it_is

ADMIN: Final = "/api/v1/admin"
UNSET: Final = msgspec.UNSET
Unset = msgspec.UnsetType
Role = Literal["admin", "trader", "viewer"]
Phases = Literal["pre_open", "auction", "continuous", "halted", "closed"]


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
    status: Literal["active", "reducing", "suspended"] | Unset | None = UNSET
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


def set_session(symbol: str, phase: Phases | None, at: datetime | None) -> Call[Decision]:
    """Set or plan a phase of a symbol, or withdraw what is planned."""
    body = {"phase": phase, "at": None if at is None else text(at)}
    return _once(f"symbols/{quote(symbol, safe='')}/sessions", body)


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
