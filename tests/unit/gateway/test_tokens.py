from typing import Any

import jwt
import pytest

from gateway.auth.callers import Callers
from gateway.auth.revocations import Revocations
from gateway.auth.tokens import AUDIENCE, ISSUER, Tokens
from gateway.errors import ApiError, Code
from gateway.rights import Right

SECRET = "a secret of this test, and of nothing else"


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
    tokens = Tokens(SECRET, 60, clock)
    token, ends_s = tokens.issue("alice", "account-1", "trader", "session-1")
    for _ in range(2):  # the second time from memory
        identity = tokens.verify(token)
        assert identity.expires_s == ends_s == clock.now_s + 60
        assert (identity.username, identity.account, identity.role) == ("alice", "account-1", "trader")
    clock.now_s += 60
    for fresh in (tokens, Tokens(SECRET, 60, clock)):
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
    tokens = Tokens(SECRET, 60, Clock())
    assert tokens.verify(jwt.encode(claims(), SECRET, algorithm="HS256")).account == "alice"
    with pytest.raises(ApiError):
        tokens.verify(jwt.encode(claims(**changed), SECRET, algorithm="HS256"))


def test_a_shorter_expiry_holds_for_tokens_of_before_too() -> None:
    clock = Clock()
    token, _ = Tokens(SECRET, 3_600, clock).issue("alice", "account-1", "trader", "session-1")
    clock.now_s += 59
    shorter = Tokens(SECRET, 60, clock)
    assert shorter.verify(token).expires_s == clock.now_s + 1
    clock.now_s += 1
    for tokens in (shorter, Tokens(SECRET, 60, clock)):
        with pytest.raises(ApiError, match="expired"):
            tokens.verify(token)


def test_a_token_of_another_key_or_algorithm_is_refused() -> None:
    tokens = Tokens(SECRET, 60, Clock())
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


@pytest.mark.parametrize("header", [None, b"", b"Bearer", b"Bearer ", b"Token abc", b"Bearer \xff\xfe"])
async def test_a_header_without_a_good_token_is_refused(header: bytes | None) -> None:
    revocations = Revocations(60)
    keys: Any = None
    with pytest.raises(ApiError) as refused:
        await Callers(Tokens(SECRET, 60, Clock()), keys, revocations).admit(header, Right.READ, "10.0.0.1")
    assert refused.value.headers["www-authenticate"] == "Bearer"


def test_remembered_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.TOKENS_REMEMBERED", 3)
    tokens = Tokens(SECRET, 60, Clock())
    given = [tokens.issue("alice", f"a{number}", "trader", "s")[0] for number in range(10)]
    assert [tokens.verify(token).account for token in given] == [f"a{number}" for number in range(10)]
    assert len(tokens._remembered) == 3
