"""Who may log in: the rows of `users`.

What the operator does takes an `engine` for the database of the read models; what ends a user's right to be there also
ends the user's sessions.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate

from gateway import limits
from gateway.auth.passwords import HASHER
from gateway.database import NOW_US, Database
from gateway.rights import ROLES
from schemas.controls import ACCOUNT
from schemas.tables import api_keys, sessions, users


class UserError(ValueError):
    """What the operator asks cannot be done; the text says why."""


class NewUser(msgspec.Struct, frozen=True):
    """A user to make."""

    username: str
    password: str
    account: str
    role: str


class User(NamedTuple):
    """A row of `users`."""

    password_hash: str
    account: str
    role: str
    disabled_us: int | None
    totp_secret: str | None
    """Encrypted; None for who logs in with the password alone."""


class Listed(NamedTuple):
    """What the operator sees of a user."""

    username: str
    account: str
    role: str
    created_us: int
    disabled_us: int | None
    sessions: int
    """That have not ended."""
    keys: int
    """That were not revoked."""
    needs_code: bool
    """Whether the user is enrolled for codes."""


class Ended(NamedTuple):
    """What ended with a change of a user."""

    sessions: int
    keys: int


async def find(database: Database, username: str) -> User | None:
    """A user, None if there is none of that name. Raises ApiError when the database is away."""
    columns = [users.c[name] for name in User._fields]
    rows = await database.rows(select(*columns).where(users.c.username == username))
    return User(*tuple(rows[0])) if rows else None


async def upgrade_hash(database: Database, username: str, old_hash: str, new_hash: str) -> bool:
    """Replace the hash of a password; False if it was changed meanwhile. Raises ApiError."""
    is_as_it_was = (users.c.username == username, users.c.password_hash == old_hash)
    changed = update(users).values(password_hash=new_hash).where(*is_as_it_was).returning(users.c.username)
    return bool(await database.rows(changed))


def create(engine: Engine, user: NewUser) -> None:
    """Make a user. Raises UserError, also when there is one of that name."""
    statement = insert(users).values(_row(user)).on_conflict_do_nothing().returning(users.c.username)
    with engine.begin() as connection:
        if connection.execute(statement).first() is None:
            raise UserError(f"There is a user {user.username} already.")


def seed(engine: Engine, new_users: Iterable[NewUser]) -> None:
    """Make users, or give those there are this password, account and role. Raises UserError."""
    for user in new_users:
        row = _row(user)
        statement = insert(users).values(row).on_conflict_do_update(index_elements=[users.c.username], set_=row)
        with engine.begin() as connection:
            connection.execute(statement)
            _end(connection, user.username, "password")


def set_password(engine: Engine, username: str, password: str) -> Ended:
    """Change a password, and end what somebody may have who knew the old one. Raises UserError."""
    return _change(engine, username, "password", password_hash=_hashed(password))


def set_role(engine: Engine, username: str, role: str) -> Ended:
    """Give a user another role, and end what has the rights of the old one. Raises UserError."""
    _require_role(username, role)
    return _change(engine, username, "role", role=role)


def disable(engine: Engine, username: str) -> Ended:
    """Let a user log in no more, and end what the user has. Raises UserError."""
    return _change(engine, username, "disabled", disabled_us=func.coalesce(users.c.disabled_us, NOW_US))


def set_totp(engine: Engine, username: str, locked: str | None) -> Ended:
    """Let a user log in with codes of this secret too, or with None without, and end what the user has.

    Raises UserError.
    """
    return _change(engine, username, "totp", totp_secret=locked, totp_step=None)


def enroll(engine: Engine, username: str, session_id: str, locked: str, step: int) -> Ended:
    """As `set_totp`, asked by the user in a session that goes on, with the step of the first code, which is used up.

    Raises UserError, also where the user is enrolled already.
    """
    return _change_own(engine, username, session_id, None, totp_secret=locked, totp_step=step)


def give_up_codes(engine: Engine, username: str, session_id: str, locked: str | None) -> Ended:
    """As `set_totp` with None, asked by the user in a session that goes on, with a code of this secret.

    Raises UserError.
    """
    return _change_own(engine, username, session_id, locked, totp_secret=None, totp_step=None)


def enable(engine: Engine, username: str) -> None:
    """Let a user who was disabled log in again. Raises UserError."""
    enabled = update(users).values(disabled_us=None).where(users.c.username == username).returning(users.c.username)
    with engine.begin() as connection:
        _require(connection, username, enabled)


def listed(engine: Engine) -> list[Listed]:
    """All users, by name."""
    columns = (users.c.username, users.c.account, users.c.role, users.c.created_us, users.c.disabled_us)
    goes_on = and_(sessions.c.username == users.c.username, *_goes_on())
    keys = (
        select(func.count())
        .where(api_keys.c.username == users.c.username, api_keys.c.revoked_us.is_(None))
        .scalar_subquery()
    )
    statement = (
        select(*columns, func.count(sessions.c.session_id), keys, users.c.totp_secret.is_not(None))
        .select_from(users.outerjoin(sessions, goes_on))
        .group_by(users.c.username)
        .order_by(users.c.username)
    )
    with engine.connect() as connection:
        return [Listed(*tuple(row)) for row in connection.execute(statement)]


def _change(engine: Engine, username: str, because: str, **values: object) -> Ended:
    """All or nothing. The user's row comes first: a login or a new key that is under way waits for it, or is seen."""
    changed = update(users).values(**values).where(users.c.username == username).returning(users.c.username)
    with engine.begin() as connection:
        _require(connection, username, changed)
        return _end(connection, username, because)


def _change_own(engine: Engine, username: str, session_id: str, seen: str | None, **values: object) -> Ended:
    """Change the codes of who asks, unless that session has ended meanwhile, or the codes are others than were seen."""
    mine = users.c.username == username
    goes_on = select(sessions.c.session_id).where(sessions.c.session_id == session_id, *_goes_on())
    with engine.begin() as connection:
        found = connection.execute(select(users.c.totp_secret).where(mine).with_for_update()).first()
        # A look of its own, after the lock: whoever changes a user ends the sessions before anybody else comes by.
        if found is None or found.totp_secret != seen or connection.execute(goes_on).first() is None:
            raise UserError("You were changed meanwhile, or have logged out; nothing was done.")
        connection.execute(update(users).values(**values).where(mine))
        return _end(connection, username, "totp")


def _require(connection: Connection, username: str, changed: ReturningUpdate[Any]) -> None:
    if connection.execute(changed).first() is None:
        raise UserError(f"There is no user {username}.")


def _end(connection: Connection, username: str, because: str) -> Ended:
    """End the sessions of a user, then the keys: `ApiKeys.make` counts on this order."""
    ended = update(sessions).values(revoked_us=NOW_US, revoked_because=because)
    sessions_ended = connection.execute(ended.where(sessions.c.username == username, *_goes_on())).rowcount
    mine = (api_keys.c.username == username, api_keys.c.revoked_us.is_(None))
    return Ended(sessions_ended, connection.execute(update(api_keys).values(revoked_us=NOW_US).where(*mine)).rowcount)


def _goes_on() -> tuple[ColumnElement[bool], ...]:
    return sessions.c.revoked_us.is_(None), sessions.c.expires_us > NOW_US


def _row(user: NewUser) -> dict[str, object]:
    """Raises UserError for what cannot be a user."""
    for what, name in (("name", user.username), ("account", user.account)):
        if not ACCOUNT.fullmatch(name):
            raise UserError(
                f"{name!r} cannot be the {what} of a user: 1 to 64 letters, digits, '.', '_', '@', '+' or '-'."
            )
    _require_role(user.username, user.role)
    return {
        "username": user.username,
        "password_hash": _hashed(user.password),
        "account": user.account,
        "role": user.role,
        "created_us": NOW_US,
        "disabled_us": None,
    }


def _require_role(username: str, role: str) -> None:
    if role not in ROLES:
        raise UserError(f"The role of {username} is {role!r}; it must be one of {', '.join(ROLES)}.")


def _hashed(password: str) -> str:
    """The hash of a new password. Raises UserError for one that is too short or too long."""
    if not limits.PASSWORD_MIN <= len(password) <= limits.PASSWORD_MAX:
        raise UserError(
            f"The password has {len(password)} characters; {limits.PASSWORD_MIN} to {limits.PASSWORD_MAX} are needed."
        )
    return HASHER.hash(password)
