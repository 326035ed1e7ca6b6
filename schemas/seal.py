"""Seals: what authorises a command, beside who may write to the topic.

A seal is over the record's whole value, byte for byte, and travels in two headers: `seal_key` names the key (UTF-8),
`seal` is the HMAC-SHA256 by one of the gateway's secrets, or the Ed25519 signature by a key that is registered for the
command's account. Whoever makes a seal reads the secret from its own settings; nothing is kept here.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # below it is imported where it is used: most processes meet no signature, and start sooner
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEAL_KEY_HEADER: Final = "seal_key"
SEAL_HEADER: Final = "seal"

KEY_ID_CHARACTERS_MAX: Final = 64
"""Longest key id; it is printable ASCII."""

SECRET_BYTES_MIN: Final = 16
"""Shortest HMAC secret."""

PUBLIC_KEY_BYTES: Final = 32
"""Length of an Ed25519 public key."""

_BLOCK_BYTES: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_KEY_ID: Final = re.compile(r"[!-~]+", re.ASCII)

SealHeaders = tuple[tuple[str, bytes], ...]


class SealError(ValueError):
    """Secrets or keys that cannot be used; the text says which and why."""


def seal_hmac(secret: bytes, value: bytes) -> bytes:
    """The HMAC-SHA256 (RFC 2104) of a record's value: 32 bytes.

    The hash's states after the key's blocks are kept for 64 secrets: a third of the time of `hmac.digest`.
    """
    inner, outer = _states(secret)
    digest = inner.copy()
    digest.update(value)
    seal = outer.copy()
    seal.update(digest.digest())
    return seal.digest()


def verify_hmac(secret: bytes, value: bytes, seal: bytes) -> bool:
    """Whether the seal is the value's, in constant time."""
    return hmac.compare_digest(seal_hmac(secret, value), seal)


def seal_ed25519(private_key: "Ed25519PrivateKey", value: bytes) -> bytes:
    """The Ed25519 signature of a record's value: 64 bytes."""
    return private_key.sign(value)


def public_key(raw: bytes) -> "Ed25519PublicKey":
    """The key in 32 raw bytes, as a Control KEY record carries it. Raises SealError."""
    if len(raw) != PUBLIC_KEY_BYTES:
        message = f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, this one has {len(raw)}"
        raise SealError(message)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

    return Ed25519PublicKey.from_public_bytes(raw)


def verify_ed25519(key: "Ed25519PublicKey", value: bytes, seal: bytes) -> bool:
    """Whether the seal is the value's signature by this key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above

    try:
        key.verify(seal, value)
    except InvalidSignature:
        return False
    return True


def seal_headers(key_id: str, seal: bytes) -> SealHeaders:
    """The two headers of a sealed record."""
    return (SEAL_KEY_HEADER, key_id.encode()), (SEAL_HEADER, seal)


def parse_seal_secrets(text: str) -> dict[str, bytes]:
    """The gateway's secrets by key id from `id:hex,id:hex`; the first one seals, all verify. Raises SealError.

    The secrets themselves never stand in an error's text.
    """
    secrets: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        key_id, colon, digits = part.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id) or len(key_id) > KEY_ID_CHARACTERS_MAX:
            raise SealError(f"seal secret {number}: write it as id:hex, with an id of 1 to 64 printable characters")
        if key_id in secrets:
            raise SealError(f"seal secret {number}: the id {key_id!r} stands there twice")
        try:
            secret = bytes.fromhex(digits)
        except ValueError:
            raise SealError(f"seal secret {number} ({key_id!r}): what follows the colon is not hexadecimal") from None
        if len(secret) < SECRET_BYTES_MIN:
            raise SealError(f"seal secret {number} ({key_id!r}): {len(secret)} bytes, at least {SECRET_BYTES_MIN}")
        secrets[key_id] = secret
    return secrets


def first_secret(secrets: Mapping[str, bytes]) -> tuple[str, bytes]:
    """The id and secret that seal: the first of those that verify."""
    return next(iter(secrets.items()))


@lru_cache(64)
def _states(secret: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER_PAD)), hashlib.sha256(block.translate(_OUTER_PAD))
