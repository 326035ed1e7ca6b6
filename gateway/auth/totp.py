"""The second factor: codes of six digits that change every 30 s (TOTP, RFC 6238), for users who are enrolled.

PostgreSQL keeps each user's secret encrypted with a key that is not there (AES-256-GCM, bound to the user's name), and
the step of the newest code that was used, so that no code is good twice.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import or_, update

from gateway.auth.attempts import Attempts
from gateway.auth.users import User
from gateway.database import Database
from gateway.errors import ApiError, Code
from schemas.tables import users

STEP_S: Final = 30
STEPS_BACK: Final = 1
"""A code is good for one step more, because typing takes time (RFC 6238, section 5.2)."""
DIGITS: Final = 6
SECRET_BYTES: Final = 20
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12

_log: Final = structlog.get_logger("gateway.auth")


class TotpKeyError(ValueError):
    """Keys that cannot be, or a secret that none of them opens; the text says which."""


class Vault:
    """Encrypts secrets: the newest key does, all of them open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Keys of 32 bytes, newest first; without one nobody can be enrolled."""
        self._keys = [AESGCM(key) for key in keys]

    def lock(self, username: str, secret: bytes) -> str:
        """A secret as it is kept. Raises TotpKeyError without a key."""
        if not self._keys:
            raise TotpKeyError("TOTP_KEYS is not set; codes need a key of 64 hexadecimal digits there")
        nonce = os.urandom(_NONCE_BYTES)
        return (nonce + self._keys[0].encrypt(nonce, secret, username.encode())).hex()

    def unlock(self, username: str, locked: str) -> tuple[bytes, bool]:
        """The secret, and whether the newest key opened it. Raises TotpKeyError."""
        whole = bytes.fromhex(locked)
        for number, key in enumerate(self._keys):
            try:
                return key.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], username.encode()), number == 0
            except InvalidTag:
                continue
        raise TotpKeyError(f"no key of TOTP_KEYS opens the secret of {username}")


def read_keys(text: str) -> tuple[bytes, ...]:
    """Keys as hexadecimal digits with commas between. Raises TotpKeyError."""
    try:
        keys = tuple(bytes.fromhex(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise TotpKeyError("each key must be 64 hexadecimal digits") from None
    if any(len(key) != KEY_BYTES for key in keys):
        raise TotpKeyError("each key must be 64 hexadecimal digits")
    return keys


def new_secret(username: str) -> tuple[bytes, str]:
    """A secret, and the address under which an authenticator takes it."""
    secret = secrets.token_bytes(SECRET_BYTES)
    return secret, _codes(secret).get_provisioning_uri(username, "TradSys")


def step_of(secret: bytes, code: str, now_s: float) -> int | None:
    """The step of which this is the code, None if it is of none that counts now."""
    codes, newest = _codes(secret), int(now_s) // STEP_S
    found = None
    for step in range(newest - STEPS_BACK, newest + 1):
        try:
            codes.verify(code.encode(), step * STEP_S)
            found = step
        except InvalidToken:
            continue
    return found


class SecondFactor:
    """Asks users who are enrolled for a code."""

    def __init__(
        self, database: Database, attempts: Attempts, vault: Vault, clock: Callable[[], float] = time.time
    ) -> None:
        """Where users are, what counts attempts, what opens secrets, and seconds since 1970 UTC."""
        self._database = database
        self._attempts = attempts
        self._vault = vault
        self._clock = clock

    async def require(self, username: str, user: User, code: str | None) -> User:
        """The user, whose password was right, if the code is right too and was not used before. Raises ApiError."""
        if user.totp_secret is None:
            return user
        if code is None:
            raise ApiError(Code.UNAUTHORIZED, "This user logs in with a code too; send it as `code`.", field="code")
        try:
            secret, is_newest = self._vault.unlock(username, user.totp_secret)
        except TotpKeyError as error:
            _log.error("codes_cannot_be_checked", detail=str(error))
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Codes cannot be checked here; tell the operator.") from error
        attempt = await self._attempts.begin_code(username, user.totp_secret)
        step = step_of(secret, code, self._clock())
        kept = user.totp_secret if is_newest else self._vault.lock(username, secret)
        try:
            is_good = step is not None and await self._use(username, user.totp_secret, step, kept)
        except ApiError:
            await self._attempts.forget(attempt)
            raise
        if not is_good:
            _log.warning("code_refused", username=username)
            raise ApiError(
                Code.UNAUTHORIZED, "The code is wrong, or was used before; wait for the next one.", field="code"
            )
        await self._attempts.forget(attempt)
        return user._replace(totp_secret=kept)

    async def _use(self, username: str, seen: str, step: int, kept: str) -> bool:
        """Use a step up; False where it, or a later one, was used already, or the user was changed meanwhile."""
        is_new = or_(users.c.totp_step.is_(None), users.c.totp_step < step)
        statement = (
            update(users)
            .values(totp_step=step, totp_secret=kept)
            .where(users.c.username == username, users.c.totp_secret == seen, is_new)
            .returning(users.c.username)
        )
        return bool(await self._database.rows(statement))


def _codes(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - all that authenticators take  # nosec B303
