"""Who may log in: the rows of `users`."""

import time
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from gateway.auth.passwords import HASHER
from gateway.auth.tokens import ROLES
from gateway.database import Database
from schemas.tables import users


class NewUser(msgspec.Struct, frozen=True):
    """A user to seed."""

    username: str
    password: str
    account: str
    role: str


def seed(engine: Engine, new_users: Iterable[NewUser]) -> None:
    """Create users, or give them this password, account and role. The caller makes passwords: there are no defaults.

    `engine` is a synchronous one for the database of the read models.
    """
    rows = []
    for user in new_users:
        if user.role not in ROLES:
            raise ValueError(f"The role of {user.username} is {user.role!r}; it must be one of {', '.join(ROLES)}.")
        rows.append(
            {
                "username": user.username,
                "password_hash": HASHER.hash(user.password),
                "account": user.account,
                "role": user.role,
                "created_us": time.time_ns() // 1_000,
            }
        )
    if not rows:
        return
    statement = insert(users)
    replaced = {name: statement.excluded[name] for name in ("password_hash", "account", "role")}
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=[users.c.username], set_=replaced), rows)


class User(NamedTuple):
    """A row of `users`."""

    password_hash: str
    account: str
    role: str


async def find(database: Database, username: str) -> User | None:
    """A user, None if there is none of that name. Raises ApiError when the database is away."""
    statement = select(users.c.password_hash, users.c.account, users.c.role).where(users.c.username == username)
    rows = await database.rows(statement)
    return User(*tuple(rows[0])) if rows else None
