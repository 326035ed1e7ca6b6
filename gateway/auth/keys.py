"""API keys: how programs ask, over REST and the WebSocket, in the name of the person who made the key.

A key is `tsk_ID_SECRET`; PostgreSQL keeps the SHA-256 of its 256 random bits. A verified key is remembered until it is
revoked, so that a request costs no query; `Revocations` hears of that within about a second.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, delete, func, insert, literal, select, update

from gateway import limits
from gateway.auth.lookups import Lookups
from gateway.auth.revocations import Revocations
from gateway.auth.tokens import Identity
from gateway.database import NOW_US, Database
from gateway.errors import ApiError, Code
from gateway.rates import address_of
from gateway.rights import ROLES, Right
from schemas.tables import api_keys, sessions, users

PREFIX: Final = "tsk_"
_US: Final = 1_000_000
_KEY: Final = re.compile(r"tsk_[0-9a-f]{16}_[0-9a-f]{64}", re.ASCII)

GIVEN: Final = frozenset({Right.READ, Right.TRADE, Right.ADMIN})
"""What a key may be given; the rest is for people."""

Network = IPv4Network | IPv6Network


class _Known(NamedTuple):
    identity: Identity
    networks: tuple[Network, ...]
    """From where it may be used; empty: from everywhere."""
    addresses: set[str]
    """From where it was used."""
    forget: Callable[[], object]


class ApiKeys:
    """The rows of `api_keys`."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        """The database, and where it is remembered that a key was revoked."""
        self._database = database
        self._revocations = revocations
        self._known: dict[str, _Known] = {}
        self._lookups = Lookups(self._read)

    async def identity(self, key: str, address: str) -> Identity:
        """Whose key this is, if it may be used from this address. Raises ApiError."""
        known = self._known.get(key)
        if known is None:
            found = await self._lookups.find(key, address_of(address)) if _KEY.fullmatch(key) else None
            if found is None:
                raise ApiError(Code.UNAUTHORIZED, "The key is not one of ours, or was revoked.")
            known = found
            self._revocations.require(known.identity.session_id)
            if key not in self._known:
                self._remember(key, known)
        else:
            self._revocations.require(known.identity.session_id)
        if known.networks and address not in known.addresses:
            if not is_in(address, known.networks):
                raise ApiError(Code.FORBIDDEN, f"This key may not be used from {address}.")
            if len(known.addresses) < limits.API_KEY_ADDRESSES_MAX:
                known.addresses.add(address)
        return known.identity

    async def make(
        self, identity: Identity, name: str, rights: frozenset[Right], addresses: Sequence[str]
    ) -> tuple[str, Row[Any]]:
        """A new key, which nobody can read again, and its row. Raises ApiError, also when the session has ended."""
        if missing := rights - identity.rights:
            raise ApiError(Code.FORBIDDEN, f"You cannot give what you do not have: {', '.join(sorted(missing))}.")
        networks = [_network(text) for text in addresses]
        await self._forget_old(identity.username)
        counts: Sequence[ColumnElement[Any]] = (
            func.count().filter(api_keys.c.revoked_us.is_(None)),
            func.count().filter(api_keys.c.created_us > NOW_US - 3_600 * _US),
        )
        counted: Any = await self._database.rows(select(*counts).where(api_keys.c.username == identity.username))
        has, made_lately = counted[0]
        if has >= limits.API_KEYS_PER_USER:
            raise ApiError(Code.LIMIT_EXCEEDED, f"A user may have {limits.API_KEYS_PER_USER} keys; revoke one.")
        if made_lately >= limits.API_KEYS_PER_HOUR:
            raise ApiError(
                Code.RATE_LIMITED, f"A user may make {limits.API_KEYS_PER_HOUR} keys an hour.", retry_after_s=60
            )
        key_id, secret = secrets.token_hex(8), secrets.token_bytes(32)
        values: dict[str, Any] = {
            "key_id": literal(key_id),
            "username": sessions.c.username,
            "name": literal(name),
            "secret_hash": literal(hashlib.sha256(secret).hexdigest()),
            "scopes": literal(" ".join(sorted(rights))),
            "addresses": literal(" ".join(map(str, networks))),
            "created_us": NOW_US,
        }
        # Who changes the password ends the sessions, then the keys: the lock makes this one of them, or refuses it.
        goes_on = (sessions.c.session_id == identity.session_id, sessions.c.revoked_us.is_(None))
        made = insert(api_keys).from_select(
            list(values), select(*values.values()).where(*goes_on).with_for_update(read=True)
        )
        rows = await self._database.rows(made.returning(*api_keys.c))
        if not rows:
            raise ApiError(Code.UNAUTHORIZED, "The session has ended; log in again.")
        return f"{PREFIX}{key_id}_{secret.hex()}", rows[0]

    async def of_user(self, username: str) -> Sequence[Row[Any]]:
        """The keys of a user that were not revoked, newest first. Raises ApiError."""
        mine = (api_keys.c.username == username, api_keys.c.revoked_us.is_(None))
        return await self._database.rows(select(api_keys).where(*mine).order_by(api_keys.c.created_us.desc()))

    async def revoke(self, username: str, key_id: str) -> bool:
        """Revoke a key; False if the user has none of that id. Raises ApiError."""
        mine = (api_keys.c.key_id == key_id, api_keys.c.username == username, api_keys.c.revoked_us.is_(None))
        statement = update(api_keys).values(revoked_us=NOW_US).where(*mine)
        rows = await self._database.rows(statement.returning(api_keys.c.key_id, api_keys.c.revoked_us))
        self._revocations.take((row.key_id, row.revoked_us) for row in rows)
        return bool(rows)

    async def _forget_old(self, username: str) -> None:
        """Remove those that were revoked longer ago than anybody needs to hear of it, or counts what was made."""
        horizon_us = NOW_US - max(self._revocations.keep_us, 3_600 * _US)
        old = (api_keys.c.username == username, api_keys.c.revoked_us < horizon_us)
        await self._database.rows(delete(api_keys).where(*old).returning(api_keys.c.key_id))

    def _remember(self, key: str, known: _Known) -> None:
        """Until it is revoked: a key has no end of its own, and revocations are forgotten in time."""
        if len(self._known) >= limits.API_KEYS_REMEMBERED:
            oldest = next(iter(self._known))
            oldest_id, forget_oldest = self._known[oldest].identity.session_id, self._known[oldest].forget
            self._revocations.unwatch(oldest_id, forget_oldest)
            forget_oldest()
        self._known[key] = known
        self._revocations.watch(known.identity.session_id, known.forget)

    async def _read(self, key: str) -> _Known | None:
        """What the database says of a key. Raises ApiError."""
        key_id, secret = key.removeprefix(PREFIX).split("_")
        secret_hash = hashlib.sha256(bytes.fromhex(secret)).hexdigest()
        statement = select(api_keys, users.c.account, users.c.role).where(
            api_keys.c.key_id == key_id,
            api_keys.c.secret_hash == secret_hash,
            api_keys.c.revoked_us.is_(None),
            users.c.username == api_keys.c.username,
            users.c.disabled_us.is_(None),
        )
        rows = await self._database.rows(statement)
        if not rows:
            return None
        row = rows[0]
        rights = frozenset(map(Right, row.scopes.split())) & ROLES[row.role]
        identity = Identity(row.username, row.account, row.role, None, row.key_id, rights)
        networks = tuple(map(_network, row.addresses.split()))
        return _Known(identity, networks, set(), partial(self._known.pop, key, None))


def _network(text: str) -> Network:
    """Raises ApiError."""
    try:
        return ip_network(text)
    except ValueError:
        raise ApiError(
            Code.VALIDATION_FAILED,
            "addresses must be IP addresses or networks, such as 203.0.113.7 or 2001:db8::/32.",
            field="addresses",
            value=text,
        ) from None


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
