"""Tickets: how a browser opens a WebSocket without its token in the address. Good once, for a short time."""

import hashlib
import secrets

import msgspec
from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.errors import ApiError, Code, unavailable


class Tickets:
    """Tickets in Valkey, so that any gateway process takes what another gave. Only their hash is kept."""

    def __init__(self, valkey: Valkey, prefix: str) -> None:
        """The store, and what its keys begin with."""
        self._valkey = valkey
        self._prefix = prefix

    async def issue(self, identity: Identity) -> str:
        """A new ticket. Raises ApiError when the store is away."""
        ticket = secrets.token_urlsafe(32)
        try:
            await self._valkey.set(self._key(ticket), msgspec.json.encode(identity), ex=limits.TICKET_S)
        except (ValkeyError, OSError) as error:
            raise unavailable("The store of tickets") from error
        return ticket

    async def redeem(self, ticket: str) -> Identity:
        """Whose ticket it was; it is used up. Raises ApiError."""
        try:
            stored = await self._valkey.getdel(self._key(ticket))
        except (ValkeyError, OSError) as error:
            raise unavailable("The store of tickets") from error
        if stored is None:
            raise ApiError(
                Code.UNAUTHORIZED, "The ticket is unknown, used or too old; POST /auth/ticket gives another."
            )
        return msgspec.json.decode(stored, type=Identity)

    def _key(self, ticket: str) -> str:
        return f"{self._prefix}ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
