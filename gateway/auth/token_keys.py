"""What signs access tokens: keys with names (`kid`), each of one algorithm. No token chooses how it is verified.

Of a private key only the gateway can make tokens, and others may verify them: `public_set` is what they read.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


class TokenKeyError(ValueError):
    """Keys that cannot be; the text says which, and what would be right."""


class TokenKey(NamedTuple):
    """A key with the only algorithm that it is good for."""

    kid: str | None
    """Its name in tokens; None for the secret, of which there is one."""
    algorithm: str
    verifies: str | PublicKey
    signs: str | PrivateKey | None
    """None where others sign."""


class TokenKeys:
    """The keys of one process."""

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        """The first that can sign signs; all verify what names them. Raises TokenKeyError."""
        self._keys = {key.kid: key for key in keys}
        if len(self._keys) < len(keys):
            raise TokenKeyError("each key needs a name of its own")
        signing = next((key for key in keys if key.signs is not None), None)
        if signing is None:
            raise TokenKeyError("none of the keys is a private one, so nothing can sign")
        self._signing = signing

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims."""
        key = self._signing
        named = None if key.kid is None else {"kid": key.kid}
        assert key.signs is not None
        return jwt.encode(dict(claims), key.signs, algorithm=key.algorithm, headers=named)

    def named_in(self, token: str) -> TokenKey:
        """The key that a token names. Raises jwt.InvalidTokenError."""
        key = self._keys.get(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise jwt.InvalidKeyError("it names no key of ours")
        return key

    def public_set(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [_public(key) for key in self._keys.values() if not isinstance(key.verifies, str)]}


def shared_secret(secret: str) -> TokenKey:
    """A secret that signs and verifies."""
    return TokenKey(None, "HS256", secret, secret)


def read_keys(text: str) -> list[TokenKey]:
    """Keys in PEM files, as `NAME:PATH` with commas between. Raises TokenKeyError."""
    keys = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        kid, _, path = entry.partition(":")
        if not _KID.fullmatch(kid) or not path:
            raise TokenKeyError(f"{entry!r} must be NAME:PATH; a name has letters, digits, '.', '_' and '-'")
        keys.append(_read(kid, path))
    return keys


def _read(kid: str, path: str) -> TokenKey:
    try:
        pem = Path(path).read_bytes()
        private = load_pem_private_key(pem, None) if b"PRIVATE KEY" in pem else None
        public = load_pem_public_key(pem) if private is None else private.public_key()
    except OSError as error:
        raise TokenKeyError(f"{kid} cannot be read from {path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TokenKeyError(f"{path} holds no key in PEM without a passphrase") from error
    if isinstance(public, Ed25519PublicKey):
        assert private is None or isinstance(private, Ed25519PrivateKey)
        return TokenKey(kid, "EdDSA", public, private)
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        assert private is None or isinstance(private, EllipticCurvePrivateKey)
        return TokenKey(kid, "ES256", public, private)
    raise TokenKeyError(f"{path} holds a key of another kind; Ed25519 or P-256 is needed")


def _public(key: TokenKey) -> dict[str, Any]:
    assert not isinstance(key.verifies, str)
    if isinstance(key.verifies, Ed25519PublicKey):
        members = OKPAlgorithm.to_jwk(key.verifies, as_dict=True)
    else:
        members = ECAlgorithm.to_jwk(key.verifies, as_dict=True)
    return members | {"kid": key.kid, "alg": key.algorithm, "use": "sig"}
