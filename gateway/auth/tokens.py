"""Access tokens: JWT with one fixed algorithm, and the identity in them."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
import msgspec

from gateway import limits
from gateway.errors import ApiError, Code

ALGORITHM: Final = "HS256"
ISSUER: Final = "tradsys"
AUDIENCE: Final = "tradsys-api"
KIND: Final = "access"
_REQUIRED: Final = ["sub", "account", "role", "typ", "iss", "aud", "iat", "nbf", "exp", "jti"]

ADMIN: Final = "admin"
TRADER: Final = "trader"
VIEWER: Final = "viewer"
ROLES: Final = (ADMIN, TRADER, VIEWER)


class Identity(msgspec.Struct, frozen=True):
    """Who asks."""

    username: str
    account: str
    role: str
    expires_s: int
    """When the token ends, in seconds since 1970 UTC."""

    @property
    def may_trade(self) -> bool:
        """Viewers only look."""
        return self.role in {ADMIN, TRADER}


class Tokens:
    """Issues and verifies access tokens. Verified ones are remembered until they expire."""

    def __init__(self, secret: str, expiry_s: int, clock: Callable[[], float] = time.time) -> None:
        """The HMAC secret, how long a token is good, and seconds since 1970 UTC."""
        self._secret = secret
        self._expiry_s = expiry_s
        self._clock = clock
        self._remembered: dict[str, Identity] = {}

    def issue(self, username: str, account: str, role: str) -> tuple[str, Identity]:
        """A new token and what it says."""
        now_s = int(self._clock())
        identity = Identity(username, account, role, now_s + self._expiry_s)
        claims: dict[str, Any] = {
            "sub": username,
            "account": account,
            "role": role,
            "typ": KIND,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now_s,
            "nbf": now_s,
            "exp": identity.expires_s,
            "jti": os.urandom(16).hex(),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM), identity

    def verify(self, token: str) -> Identity:
        """The identity in a token. Raises ApiError when it is not ours, altered, not yet or no longer good."""
        identity = self._remembered.get(token)
        if identity is None:
            identity = self._decode(token)
            if len(self._remembered) >= limits.TOKENS_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[token] = identity
        elif identity.expires_s <= self._clock():
            del self._remembered[token]
            raise _refused("The token has expired; log in again.")
        return identity

    def bearer(self, authorization: bytes | None) -> Identity:
        """The identity in an Authorization header. Raises ApiError."""
        if authorization is None:
            raise _refused("This needs a token: send it as `Authorization: Bearer TOKEN`; POST /auth/login gives one.")
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise _refused("The Authorization header must be `Bearer TOKEN`.")
        return self.verify(token.decode("latin-1"))

    def _decode(self, token: str) -> Identity:
        if len(token) > limits.TOKEN_BYTES_MAX:
            raise _refused("The token is not one of ours.")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            identity = Identity(str(claims["sub"]), str(claims["account"]), str(claims["role"]), int(claims["exp"]))
            begins_s = int(claims["nbf"])
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise _refused("The token is not one of ours.") from None
        now_s = self._clock()
        if identity.expires_s <= now_s:
            raise _refused("The token has expired; log in again.")
        if begins_s > now_s or claims["typ"] != KIND or identity.role not in ROLES:
            raise _refused("The token is not one of ours.")
        return identity


def _refused(message: str) -> ApiError:
    return ApiError(Code.UNAUTHORIZED, message)
