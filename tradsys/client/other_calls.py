"""What can be asked about the market, an account, keys and the gateway itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

from tradsys.client.door import Enrolment, ErrorEntry, Health, KeyInfo, NewKey, SigningKey, Ticket
from tradsys.client.listings import Listing
from tradsys.client.messages import (
    Account,
    Balance,
    BookView,
    Candle,
    Execution,
    Fees,
    LedgerEntry,
    Limits,
    Order,
    Position,
    Symbol,
    Trade,
)
from tradsys.client.requests import Interval, Number, OrderStatus, Scope, Side, as_query
from tradsys.client.wire import Call, as_it_is

T = TypeVar("T")

API: Final = "/api/v1"


def symbols() -> Call[list[Symbol]]:
    """Every instrument with its rules."""
    return _public(f"{API}/symbols", list[Symbol])


def book(symbol: str, depth: int) -> Call[BookView]:
    """The best levels of a book."""
    return _public(f"{API}/book/{quote(symbol, safe='')}", BookView, depth=depth)


def candles(
    symbol: str, interval: Interval, since: datetime | None, before: datetime | None, limit: int
) -> Call[list[Candle]]:
    """The newest candles of a range, newest first."""
    path = f"{API}/candles"
    return _public(path, list[Candle], symbol=symbol, interval=interval, since=since, before=before, limit=limit)


def trades(symbol: str, since: datetime | None, until: datetime | None) -> Listing[Trade]:
    """The trades of a range, newest first."""
    query = as_query({"symbol": symbol, "since": since, "until": until})
    return Listing(f"{API}/trades", Trade, query, lambda row: row.trade_id, by_cursor=True, needs_login=False)


def health() -> Call[Health]:
    """How the gateway is, and what it needs."""
    return _public("/health", Health)


def ready() -> Call[Health]:
    """Whether the gateway can do all its work; what it cannot do is no error here."""
    return Call(method="GET", path="/health/ready", read=as_it_is(Health), needs_login=False, takes_any_status=True)


def errors() -> Call[list[ErrorEntry]]:
    """The closed list of error codes."""
    return _public("/errors", list[ErrorEntry])


def account() -> Call[Account]:
    """Whether the account may trade."""
    return Call(method="GET", path=f"{API}/account", read=as_it_is(Account))


def fees() -> Call[Fees]:
    """What the account pays."""
    return Call(method="GET", path=f"{API}/fees", read=as_it_is(Fees))


def limits() -> Call[list[Limits]]:
    """What the account may do at most."""
    return Call(method="GET", path=f"{API}/limits", read=as_it_is(list[Limits]))


def orders(
    status: OrderStatus | None, symbol: str | None, client_order_id: str | None, side: Side | None
) -> Listing[Order]:
    """The account's orders, newest first."""
    query = as_query({"status": status, "symbol": symbol, "client_order_id": client_order_id, "side": side})
    return Listing(f"{API}/orders", Order, query, lambda row: row.order_id, by_cursor=True)


def positions() -> Listing[Position]:
    """What the account holds, by symbol."""
    return Listing(f"{API}/positions", Position, {}, lambda row: row.symbol)


def balances() -> Listing[Balance]:
    """What the account has, by currency."""
    return Listing(f"{API}/balances", Balance, {}, lambda row: row.currency)


def executions(
    symbol: str | None, order_id: str | None, kind: str | None, since: datetime | None, until: datetime | None
) -> Listing[Execution]:
    """All that has happened to the account's orders and commands, newest first."""
    query = as_query({"symbol": symbol, "order_id": order_id, "kind": kind, "since": since, "until": until})
    return Listing(f"{API}/executions", Execution, query, lambda row: row.execution_id, by_cursor=True)


def ledger(
    symbol: str | None, currency: str | None, kind: str | None, since: datetime | None, until: datetime | None
) -> Listing[LedgerEntry]:
    """Every posting to the account, newest first."""
    query = as_query({"symbol": symbol, "currency": currency, "kind": kind, "since": since, "until": until})
    return Listing(f"{API}/ledger", LedgerEntry, query, lambda row: row.entry_id, by_cursor=True)


def ticket() -> Call[Ticket]:
    """What opens one WebSocket."""
    return Call(method="POST", path="/auth/ticket", read=as_it_is(Ticket))


def logout(*, everywhere: bool) -> Call[None]:
    """End the session, or all of the user."""
    return Call(method="POST", path="/auth/logout", body={"everywhere": everywhere}, read=lambda *_: None, changes=True)


def begin_codes(password: str) -> Call[Enrolment]:
    """Make a secret for an authenticator; one that is lost with its answer holds for nothing."""
    return Call(method="POST", path="/auth/totp", body={"password": password}, read=as_it_is(Enrolment))


def confirm_codes(enrolment: Enrolment, code: str) -> Call[None]:
    """Log in with codes from now on. A second time is refused, which would hide that the first time did it."""
    return _codes("confirm", {"enrolment": enrolment.enrolment, "code": code})


def remove_codes(password: str, code: str) -> Call[None]:
    """Log in with the password alone from now on, as `confirm_codes`."""
    return _codes("remove", {"password": password, "code": code})


def make_api_key(name: str, scopes: Sequence[Scope], addresses: Sequence[str]) -> Call[NewKey]:
    """Make a key for a program."""
    body = {"name": name, "scopes": list(scopes), "addresses": list(addresses)}
    return Call(
        method="POST",
        path=f"{API}/api-keys",
        body=body,
        read=as_it_is(NewKey),
        changes=True,
        has_key=True,
    )


def api_keys() -> Call[list[KeyInfo]]:
    """The user's keys, newest first, without their secrets."""
    return Call(method="GET", path=f"{API}/api-keys", read=as_it_is(list[KeyInfo]))


def revoke_api_key(key_id: str) -> Call[None]:
    """Revoke a key. A second time it is not found, which would hide that the first time did it."""
    return _delete(f"{API}/api-keys/{quote(key_id, safe='')}")


def register_signing_key(key_id: str, public_key: bytes) -> Call[SigningKey]:
    """Say whose Ed25519 signatures count for the account; the same key twice is one key."""
    body = {"key_id": key_id, "public_key": public_key.hex()}
    return Call(method="POST", path=f"{API}/signing-keys", body=body, read=as_it_is(SigningKey), changes=True)


def signing_keys() -> Call[list[SigningKey]]:
    """The account's public keys."""
    return Call(method="GET", path=f"{API}/signing-keys", read=as_it_is(list[SigningKey]))


def revoke_signing_key(key_id: str) -> Call[None]:
    """Revoke a public key, as `revoke_api_key`."""
    return _delete(f"{API}/signing-keys/{quote(key_id, safe='')}")


def _public(path: str, kind: type[T], **query: Number | datetime | str | None) -> Call[T]:
    return Call(method="GET", path=path, query=as_query(query), read=as_it_is(kind), needs_login=False)


def _codes(what: str, body: dict[str, str]) -> Call[None]:
    path = f"/auth/totp/{what}"
    return Call(method="POST", path=path, body=body, read=lambda *_: None, changes=True, is_repeatable=False)


def _delete(path: str) -> Call[None]:
    return Call(method="DELETE", path=path, read=lambda *_: None, changes=True, is_repeatable=False)
