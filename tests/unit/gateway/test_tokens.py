import base64
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.auth.callers import Callers
from gateway.auth.revocations import Revocations
from gateway.auth.token_keys import TokenKeys, read_keys, shared_secret
from gateway.auth.tokens import AUDIENCE, ISSUER, Tokens
from gateway.errors import ApiError, Code
from gateway.rights import Right
from gateway.settings import SettingsError, load

SECRET = "a secret of this test, and of nothing else"
SETTINGS = {"DB_PASSWORD": "p", "GATEWAY_SEAL_SECRETS": "gateway-1:" + "ab" * 32}
KEYS = TokenKeys([shared_secret(SECRET)])


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


def claims(**changed: object) -> dict[str, object]:
    now = 1_800_000_000
    whole = {
        "sub": "alice",
        "sid": "session-1",
        "account": "alice",
        "role": "trader",
        "typ": "access",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "jti": "1",
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def test_a_token_says_who_and_ends() -> None:
    clock = Clock()
    tokens = Tokens(KEYS, 60, clock)
    token, ends_s = tokens.issue("alice", "account-1", "trader", "session-1")
    for _ in range(2):  # the second time from memory
        identity = tokens.verify(token)
        assert identity.expires_s == ends_s == clock.now_s + 60
        assert (identity.username, identity.account, identity.role) == ("alice", "account-1", "trader")
    clock.now_s += 60
    for fresh in (tokens, Tokens(KEYS, 60, clock)):
        with pytest.raises(ApiError, match="expired") as refused:
            fresh.verify(token)
        assert refused.value.code is Code.UNAUTHORIZED


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody"},
        {"aud": "another-api"},
        {"typ": "refresh"},
        {"role": "king"},
        {"nbf": 1_800_000_030},
        {"exp": 1_800_000_000},
        {"exp": None},
        {"jti": None},
        {"sid": None},
        {"account": None},
        {"exp": "soon"},
    ],
)
def test_a_token_with_wrong_claims_is_refused(changed: dict[str, object]) -> None:
    tokens = Tokens(KEYS, 60, Clock())
    assert tokens.verify(jwt.encode(claims(), SECRET, algorithm="HS256")).account == "alice"
    with pytest.raises(ApiError):
        tokens.verify(jwt.encode(claims(**changed), SECRET, algorithm="HS256"))


def test_a_shorter_expiry_holds_for_tokens_of_before_too() -> None:
    clock = Clock()
    token, _ = Tokens(KEYS, 3_600, clock).issue("alice", "account-1", "trader", "session-1")
    clock.now_s += 59
    shorter = Tokens(KEYS, 60, clock)
    assert shorter.verify(token).expires_s == clock.now_s + 1
    clock.now_s += 1
    for tokens in (shorter, Tokens(KEYS, 60, clock)):
        with pytest.raises(ApiError, match="expired"):
            tokens.verify(token)


def test_a_token_of_another_key_or_algorithm_is_refused() -> None:
    tokens = Tokens(KEYS, 60, Clock())
    long = SECRET * 2
    for token in (
        jwt.encode(claims(), SECRET[::-1], algorithm="HS256"),
        jwt.encode(claims(), long, algorithm="HS512"),
        jwt.encode(claims(), None, algorithm="none"),
        "not.a.token",
        "",
        "x" * 5_000,
    ):
        with pytest.raises(ApiError):
            tokens.verify(token)


def pem(kind: str, number: int = 0) -> tuple[bytes, bytes]:
    """A private key and its public half."""
    private: Any = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    if kind != "EdDSA":
        private = derive_private_key(number + 1, SECP256R1() if kind == "ES256" else SECP384R1())
    encoded: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Private keys `a` and `b`, their public halves, and what is no key of ours."""
    made: dict[str, Path] = {}
    for name, kind, number in (("a", "EdDSA", 1), ("b", "ES256", 2), ("c", "ES384", 3)):
        for path, content in zip((f"{name}.pem", f"{name}.pub"), pem(kind, number), strict=True):
            made[path] = tmp_path / path
            made[path].write_bytes(content)
    (tmp_path / "odd").write_text("no key")
    return made | {"odd": tmp_path / "odd", "none": tmp_path / "none"}


def tokens_of(files: dict[str, Path], *names: str, secret: bool = False) -> Tokens:
    named = ",".join(f"{name[0]}:{files[name]}" for name in names)
    return Tokens(TokenKeys(read_keys(named) + [shared_secret(SECRET)] * secret), 60, Clock())


def test_keys_are_rotated_while_all_tokens_stay_good(files: dict[str, Path]) -> None:
    """From the secret to one key and to the next; each step is good with the tokens of the step before and after."""
    steps = [
        tokens_of(files, secret=True),
        tokens_of(files, "a.pub", secret=True),
        tokens_of(files, "a.pem", secret=True),
        tokens_of(files, "a.pem"),
        tokens_of(files, "a.pem", "b.pub"),
        tokens_of(files, "b.pem", "a.pub"),
        tokens_of(files, "b.pem"),
    ]
    kids = []
    for number, step in enumerate(steps):
        token, _ = step.issue("alice", "account-1", "trader", "session-1")
        header = jwt.get_unverified_header(token)
        kids.append((header.get("kid"), header["alg"]))
        for other in steps[max(0, number - 1) : number + 2]:
            assert other.verify(token).account == "account-1"
    secret, a, b = (None, "HS256"), ("a", "EdDSA"), ("b", "ES256")
    assert kids == [secret, secret, a, a, a, b, b]
    with pytest.raises(ApiError):
        steps[-1].verify(steps[4].issue("alice", "account-1", "trader", "session-1")[0])


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_public_key_makes_no_tokens(files: dict[str, Path], name: str) -> None:
    """The confusion of algorithms: what everybody may read is taken for a secret."""
    tokens = tokens_of(files, f"{name}.pem", secret=True)
    public = files[f"{name}.pub"].read_text()
    raw = load_pem_public_key(public.encode())
    secrets = [public, public.strip()]
    if name == "a":
        secrets.append(raw.public_bytes(Encoding.Raw, PublicFormat.Raw).hex())
    unsigned = jwt.encode(claims(), None, algorithm="none", headers={"kid": name})
    assert "." in unsigned
    forged = [unsigned, unsigned + "AAAA"]
    for secret in secrets:
        forged += [forge(claims(), secret.encode(), {"alg": alg, "kid": name}) for alg in ("HS256", "HS512", "EdDSA")]
    good, _ = tokens.issue("alice", "account-1", "trader", "session-1")
    _, body, signature = good.split(".")
    for header in ({"alg": "HS256"}, {"alg": "EdDSA" if name == "b" else "ES256", "kid": name}, {"alg": "none"}):
        forged.append(f"{encoded(header)}.{body}.{signature}")
    private = load_pem_private_key(files[f"{name}.pem"].read_bytes(), None)
    algorithm = "EdDSA" if name == "a" else "ES256"
    for header in ({}, {"kid": "z"}, {"kid": ""}, {"kid": name, "crit": ["b64x"], "b64x": True}):
        forged.append(jwt.encode(claims(), private, algorithm=algorithm, headers=header))  # type: ignore[arg-type]
    forged.append(jwt.encode(claims(), SECRET, algorithm="HS256", headers={"kid": name}))
    forged.append(forge(claims(), SECRET.encode(), {"alg": "HS512"}))
    assert tokens.verify(jwt.encode(claims(), private, algorithm=algorithm, headers={"kid": name})).account == "alice"  # type: ignore[arg-type]
    for token in forged:
        with pytest.raises(ApiError) as refused:
            tokens.verify(token)
        assert refused.value.code is Code.UNAUTHORIZED


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forge(body: Any, secret: bytes, header: dict[str, str]) -> str:
    """A token with an HMAC, which the library refuses to make with such a secret."""
    signed = f"{encoded(header)}.{encoded(body)}"
    mac = hmac.digest(secret, signed.encode(), "sha512" if header["alg"] == "HS512" else "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


async def test_others_verify_with_the_public_keys(served: Any, client: Any, files: dict[str, Path]) -> None:
    assert (await client.get("/.well-known/jwks.json")).json() == {"keys": []}
    tokens = tokens_of(files, "a.pem", "b.pub", secret=True)
    served.tokens.keys = tokens.keys
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert {tuple(sorted(key)) for key in answer.json()["keys"]} == {
        ("alg", "crv", "kid", "kty", "use", "x"),
        ("alg", "crv", "kid", "kty", "use", "x", "y"),
    }
    token, _ = tokens.issue("alice", "account-1", "trader", "session-1")
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    checks: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    assert jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, options=checks)["account"] == "account-1"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("a.pub", "none of the keys is a private one"),
        ("c.pem", "a key of another kind; Ed25519 or P-256 is needed"),
        ("odd", "no key in PEM"),
        ("none", "cannot be read from"),
    ],
)
def test_keys_that_cannot_be_are_named(files: dict[str, Path], named: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"JWT_KEYS: .*{said}"):
        load(SETTINGS | {"JWT_KEYS": f"x:{files[named]}"})


def test_keys_have_names_of_their_own(files: dict[str, Path]) -> None:
    for text in ("x", "x y:z", f"x:{files['a.pem']},x:{files['b.pem']}"):
        with pytest.raises(SettingsError, match="JWT_KEYS"):
            load(SETTINGS | {"JWT_KEYS": text})
    whole = load(SETTINGS | {"JWT_KEYS": f" x:{files['a.pem']} , y:{files['b.pub']}"})
    assert [key["kid"] for key in whole.token_keys.public_set()["keys"]] == ["x", "y"]
    assert "PRIVATE" not in repr(whole)


@pytest.mark.parametrize("header", [None, b"", b"Bearer", b"Bearer ", b"Token abc", b"Bearer \xff\xfe"])
async def test_a_header_without_a_good_token_is_refused(header: bytes | None) -> None:
    revocations = Revocations(60)
    keys: Any = None
    with pytest.raises(ApiError) as refused:
        await Callers(Tokens(KEYS, 60, Clock()), keys, revocations).admit(header, Right.READ, "10.0.0.1")
    assert refused.value.headers["www-authenticate"] == "Bearer"


def test_remembered_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.TOKENS_REMEMBERED", 3)
    tokens = Tokens(KEYS, 60, Clock())
    given = [tokens.issue("alice", f"a{number}", "trader", "s")[0] for number in range(10)]
    assert [tokens.verify(token).account for token in given] == [f"a{number}" for number in range(10)]
    assert len(tokens._remembered) == 3
