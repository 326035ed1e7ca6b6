"""Whose name and password these are; who asks learns nothing else."""

from typing import Final

import structlog

from gateway.auth.attempts import Attempts
from gateway.auth.passwords import Passwords
from gateway.auth.totp import SecondFactor
from gateway.auth.users import User, find, upgrade_hash
from gateway.database import Database
from gateway.errors import ApiError, Code

_log: Final = structlog.get_logger("gateway.auth")


class Logins:
    """Looks at names and passwords: as long, as often and in the same words whether a user exists or not."""

    def __init__(
        self, database: Database, passwords: Passwords, attempts: Attempts, second_factor: SecondFactor
    ) -> None:
        """Where users are, what verifies passwords, what counts attempts, and what asks for codes."""
        self._second_factor = second_factor
        self._database = database
        self._passwords = passwords
        self._attempts = attempts

    async def user(self, username: str, password: str, address: str, code: str | None = None) -> User:
        """The user of this name, if password and code are right and nobody has disabled it.

        Raises ApiError: 401, 429 after too many failures for the name or from the address, 503. A hash that was made
        otherwise than now is replaced.
        """
        attempt = await self._attempts.begin(username, address)
        try:
            user = await find(self._database, username) if _can_be(username) else None
            is_right, new_hash = await self._passwords.verify(user.password_hash if user else None, password)
        except ApiError:
            await self._attempts.forget(attempt)  # nobody could look: an outage must lock nobody out
            raise
        if user is None or not is_right or user.disabled_us is not None:
            _log.info("login_refused", address=address)
            raise ApiError(Code.UNAUTHORIZED, "Username or password is wrong.")
        await self._attempts.forget(attempt)
        if new_hash is not None and await upgrade_hash(self._database, username, user.password_hash, new_hash):
            user = user._replace(password_hash=new_hash)
        return await self._second_factor.require(username, user, code)


def _can_be(username: str) -> bool:
    """PostgreSQL's text holds no NUL."""
    return "\0" not in username
