"""What the gateway says of sessions, keys and itself, typed as in `messages`."""

from datetime import datetime
from decimal import Decimal

import msgspec

from tradsys.client.messages import Message


class Login(Message, frozen=True, kw_only=True):
    """A session; its tokens are not shown by repr."""

    token: str
    token_type: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    account: str
    role: str

    def __repr__(self) -> str:
        return f"Login(account={self.account!r}, role={self.role!r}, expires_at={self.expires_at!r})"


class Ticket(Message, frozen=True, kw_only=True):
    """Opens one WebSocket, once."""

    ticket: str
    expires_in_s: int


class KeyInfo(Message, frozen=True, kw_only=True):
    """An API key without its secret."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    created_time: datetime


class NewKey(KeyInfo, frozen=True, kw_only=True):
    """An API key that was just made: the secret is shown this once."""

    key: str


class SigningKey(Message, frozen=True, kw_only=True):
    """A public key whose signature counts for the account."""

    key_id: str
    public_key: str
    """Ed25519, 64 hexadecimal digits."""


class Enrolment(Message, frozen=True, kw_only=True):
    """A new secret for an authenticator, which holds once a code of it has confirmed it."""

    secret: str
    """For who types it, base32. It is told this once."""
    uri: str
    """For the authenticator, mostly as a QR code; it holds the secret."""
    enrolment: str
    """What confirms it, in the same session."""

    def __repr__(self) -> str:
        """Without the secret."""
        return "Enrolment()"


class ErrorEntry(Message, frozen=True, kw_only=True):
    """What an error code means."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str


class Dependency(Message, frozen=True, kw_only=True):
    """How something that the gateway needs is."""

    status: str
    latency_ms: Decimal
    detail: str | None = None


class Health(Message, frozen=True, kw_only=True):
    """How a gateway is."""

    status: str
    """up, degraded or down."""
    dependencies: dict[str, Dependency] = msgspec.field(default_factory=dict)
