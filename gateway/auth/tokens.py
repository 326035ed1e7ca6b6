"""Access tokens: JWT, and the identity in them."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
import msgspec

from gateway import limits
from gateway.auth.token_keys import TokenKeys
from gateway.errors import ApiError, Code
from gateway.rights import ROLES, Right

ISSUER: Final = "tradsys"
AUDIENCE: Final = "tradsys-api"
KIND: Final = "access"
_REQUIRED: Final = ["sub", "sid", "account", "role", "typ", "iss", "aud", "iat", "nbf", "exp", "jti"]


class Identity(msgspec.Struct, frozen=True):
    """Who asks."""

    username: str
    account: str
    role: str
    expires_s: int | None
    """When the token ends, in seconds since 1970 UTC; None for an API key."""
    session_id: str
    """What a logout ends; the id of an API key."""
    rights: frozenset[Right]


NOBODY: Final = Identity("", "", "", None, "", frozenset())
"""Who need not say who he is."""


class Tokens:
    """Issues and verifies access tokens. Verified ones are remembered until they expire."""

    def __init__(self, keys: TokenKeys, expiry_s: int, clock: Callable[[], float] = time.time) -> None:
        """What signs and verifies, how long a token is good, and seconds since 1970 UTC."""
        self.keys = keys
        self._expiry_s = expiry_s
        self._clock = clock
        self._remembered: dict[str, tuple[Identity, int]] = {}

    def issue(self, username: str, account: str, role: str, session_id: str) -> tuple[str, int]:
        """A new token, and when it ends, in seconds since 1970 UTC."""
        now_s = int(self._clock())
        claims: dict[str, Any] = {
            "sub": username,
            "sid": session_id,
            "account": account,
            "role": role,
            "typ": KIND,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + self._expiry_s,
            "jti": os.urandom(16).hex(),
        }
        return self.keys.sign(claims), claims["exp"]

    def verify(self, token: str) -> Identity:
        """The identity in a token. Raises ApiError when it is not ours, altered, not yet or no longer good."""
        remembered = self._remembered.get(token)
        if remembered is None:
            remembered = self._decode(token)
            if len(self._remembered) >= limits.TOKENS_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[token] = remembered
        elif remembered[1] <= self._clock():
            del self._remembered[token]
            raise _refused("The token has expired; refresh it, or log in again.")
        return remembered[0]

    def _decode(self, token: str) -> tuple[Identity, int]:
        """Who it is, and when the token ends."""
        if len(token) > limits.TOKEN_BYTES_MAX:
            raise _refused("The token is not one of ours.")
        try:
            key = self.keys.named_in(token)
            claims = jwt.decode(
                token,
                key.verifies,
                algorithms=[key.algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            begins_s = int(claims["nbf"])
            # A shorter JWT_EXPIRY holds for tokens of before too: ended sessions are remembered only for so long.
            ends_s = min(int(claims["exp"]), int(claims["iat"]) + self._expiry_s)
            identity = Identity(
                str(claims["sub"]),
                str(claims["account"]),
                str(claims["role"]),
                ends_s,
                str(claims["sid"]),
                ROLES[claims["role"]],
            )
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, KeyError, ValueError, TypeError):
            raise _refused("The token is not one of ours.") from None
        now_s = self._clock()
        if ends_s <= now_s:
            raise _refused("The token has expired; refresh it, or log in again.")
        if begins_s > now_s or claims["typ"] != KIND:
            raise _refused("The token is not one of ours.")
        return identity, ends_s


def _refused(message: str) -> ApiError:
    return ApiError(Code.UNAUTHORIZED, message)
