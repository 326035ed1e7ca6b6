"""Sessions: what a login begins, a refresh token carries on, and a logout ends.

A refresh token is 128 bits that name its family, which is one login, and 256 bits that are good once. PostgreSQL keeps
the hash of each; a use replaces the second. So whoever shows the family with another secret than the newest holds a
token that was used before, and the whole family ends: RFC 9700, section 4.14.2, with one row a login.
"""

import hashlib
import secrets
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Row, delete, func, insert, literal, or_, select, update

from gateway import limits
from gateway.auth.revocations import Revocations
from gateway.auth.users import User
from gateway.database import NOW_US, Database
from gateway.errors import ApiError, Code
from schemas.tables import sessions, users

FAMILY_BYTES: Final = 16
SECRET_BYTES: Final = 32
_US: Final = 1_000_000
_NOT_KEPT_BY_THE_DISK_YET: Final = func.set_config("synchronous_commit", "off", True) == "off"
"""No login waits for the disk of the database. A crash may forget the sessions of the second before it."""

_log: Final = structlog.get_logger("gateway.auth")


class Session(NamedTuple):
    """A session, and the refresh token that carries it on next."""

    session_id: str
    username: str
    account: str
    role: str
    refresh_token: str
    expires_us: int


class Sessions:
    """The rows of `sessions`."""

    def __init__(self, database: Database, revocations: Revocations) -> None:
        """The database, and where it is remembered that a session was ended."""
        self._database = database
        self._revocations = revocations

    async def begin(self, username: str, user: User) -> Session:
        """A new session of a user who is still as the login has seen it.

        Raises ApiError: 429 when the user has begun too many, 503 when the database is away or the user was changed.
        """
        await self._forget_old(username)
        recent = select(func.count()).where(
            sessions.c.username == username, sessions.c.created_us > NOW_US - 3_600 * _US
        )
        if (await self._database.rows(recent))[0][0] >= limits.SESSIONS_PER_HOUR:
            raise ApiError(
                Code.RATE_LIMITED,
                f"A user may log in {limits.SESSIONS_PER_HOUR} times an hour; refresh the token instead.",
                retry_after_s=60,
            )
        family, secret = secrets.token_bytes(FAMILY_BYTES), secrets.token_bytes(SECRET_BYTES)
        values: dict[str, Any] = {
            "session_id": literal(secrets.token_hex(FAMILY_BYTES)),
            "username": users.c.username,
            "family_hash": literal(_hash(family)),
            "token_hash": literal(_hash(secret)),
            "created_us": NOW_US,
            "expires_us": NOW_US + limits.SESSION_S * _US,
        }
        # The lock waits for a change that is under way, which would not see this session and leave it.
        is_as_seen = [users.c[name].is_not_distinct_from(value) for name, value in zip(User._fields, user, strict=True)]
        who = select(*values.values()).where(users.c.username == username, *is_as_seen).with_for_update(read=True)
        statement = insert(sessions).from_select(list(values), who.where(_NOT_KEPT_BY_THE_DISK_YET))
        begun = await self._database.rows(statement.returning(sessions.c.session_id, sessions.c.expires_us))
        if not begun:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "The user was changed meanwhile; nothing was done, log in again.")
        row = begun[0]
        return Session(row.session_id, username, user.account, user.role, _token(family, secret), row.expires_us)

    async def refresh(self, refresh_token: str) -> Session:
        """Use a refresh token up, and carry its session on, with the user's account and role as they are now.

        Raises ApiError. A token that was used before ends the session.
        """
        family, secret = _split(refresh_token)
        following = secrets.token_bytes(SECRET_BYTES)
        statement = (
            update(sessions)
            .values(token_hash=_hash(following))
            .where(
                sessions.c.family_hash == _hash(family),
                sessions.c.token_hash == _hash(secret),
                sessions.c.revoked_us.is_(None),
                sessions.c.expires_us > NOW_US,
                users.c.username == sessions.c.username,
                users.c.disabled_us.is_(None),
            )
            .returning(sessions.c.session_id, sessions.c.expires_us, users.c.username, users.c.account, users.c.role)
        )
        rows = await self._database.rows(statement)
        if rows:
            row = rows[0]
            token = _token(family, following)
            return Session(row.session_id, row.username, row.account, row.role, token, row.expires_us)
        was_used = (sessions.c.family_hash == _hash(family), sessions.c.token_hash != _hash(secret))
        for row in await self._end("reuse", *was_used):
            _log.warning("refresh_token_used_twice", username=row.username, session=row.session_id)
        raise _refused()

    async def end(self, session_id: str) -> int:
        """End a session; how many were not over yet. Raises ApiError when the database is away."""
        return len(await self._end("logout", sessions.c.session_id == session_id))

    async def end_all(self, username: str) -> int:
        """End all sessions of a user; how many were not over yet. Raises ApiError when the database is away."""
        return len(await self._end("logout", sessions.c.username == username))

    async def _end(self, because: str, *which: ColumnElement[bool]) -> list[Row[Any]]:
        statement = (
            update(sessions)
            .values(revoked_us=NOW_US, revoked_because=because)
            .where(sessions.c.revoked_us.is_(None), sessions.c.expires_us > NOW_US, *which)
            .returning(sessions.c.session_id, sessions.c.revoked_us, sessions.c.username)
        )
        rows = list(await self._database.rows(statement))
        self._revocations.take((row.session_id, row.revoked_us) for row in rows)
        return rows

    async def _forget_old(self, username: str) -> None:
        """Remove what no access token can name any more."""
        horizon_us = NOW_US - self._revocations.keep_us
        is_over = or_(sessions.c.expires_us < horizon_us, sessions.c.revoked_us < horizon_us)
        statement = delete(sessions).where(sessions.c.username == username, is_over).returning(sessions.c.session_id)
        await self._database.rows(statement)


def _token(family: bytes, secret: bytes) -> str:
    return (family + secret).hex()


def _split(token: str) -> tuple[bytes, bytes]:
    """Family and secret. Raises ApiError."""
    try:
        whole = bytes.fromhex(token)
    except ValueError:
        raise _refused() from None
    if len(whole) != FAMILY_BYTES + SECRET_BYTES:
        raise _refused()
    return whole[:FAMILY_BYTES], whole[FAMILY_BYTES:]


def _hash(secret: bytes) -> str:
    """SHA-256 is enough: what is hashed is random and long."""
    return hashlib.sha256(secret).hexdigest()


def _refused() -> ApiError:
    """One sentence for a token that is unknown, used, ended or too old."""
    return ApiError(Code.UNAUTHORIZED, "The refresh token is not good, or no longer; log in again.")
