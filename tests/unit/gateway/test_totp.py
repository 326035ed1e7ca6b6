"""Codes that change every 30 s, and how their secrets are kept."""

import base64
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from gateway.auth.attempts import Attempt
from gateway.auth.enrolment import Enrolments
from gateway.auth.tokens import Identity
from gateway.auth.totp import SecondFactor, TotpKeyError, Vault, new_secret, read_keys, step_of
from gateway.auth.users import User
from gateway.errors import ApiError, Code, unavailable
from gateway.settings import SettingsError, load
from tests.unit.gateway.test_settings import ENOUGH

SECRET = b"12345678901234567890"
OLD, NEW = b"\x01" * 32, b"\x02" * 32


@pytest.mark.parametrize(
    ("now_s", "code"),
    [
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(now_s: int, code: str) -> None:
    """RFC 6238, appendix B."""
    step = now_s // 30
    assert step_of(SECRET, code, now_s) == step
    assert step_of(SECRET, code, now_s + 30) == step  # typing takes time
    assert step_of(SECRET, code, now_s + 60) is None
    assert step_of(SECRET, code, now_s - 30) is None
    assert step_of(SECRET, code[::-1], now_s) is None
    assert step_of(SECRET[::-1], code, now_s) is None


def test_every_secret_is_another_and_its_address_is_what_authenticators_take() -> None:
    secret, address = new_secret("ann")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/TradSys:ann")
    said = parse_qs(parts.query)
    assert (said["issuer"], said["digits"], said["period"]) == (["TradSys"], ["6"], ["30"])
    assert len(secret) == 20
    assert new_secret("ann")[0] != secret


def test_a_secret_is_opened_by_its_key_for_its_user_only() -> None:
    locked = Vault([OLD]).lock("ann", SECRET)
    assert SECRET.hex() not in locked
    assert Vault([OLD]).lock("ann", SECRET) != locked
    assert Vault([OLD]).unlock("ann", locked) == (SECRET, True)
    assert Vault([NEW, OLD]).unlock("ann", locked) == (SECRET, False)
    changed = locked[:-1] + ("0" if locked[-1] != "0" else "1")
    for keys, username, given in (([NEW], "ann", locked), ([], "ann", locked), ([OLD], "bob", locked)):
        with pytest.raises(TotpKeyError, match="no key of TOTP_KEYS opens"):
            Vault(keys).unlock(username, given)
    with pytest.raises(TotpKeyError):
        Vault([OLD]).unlock("ann", changed)
    with pytest.raises(TotpKeyError, match="TOTP_KEYS is not set"):
        Vault([]).lock("ann", SECRET)


def test_keys_are_read_newest_first() -> None:
    assert read_keys(f" {NEW.hex()},{OLD.hex()} ,") == (NEW, OLD)
    assert load(ENOUGH | {"TOTP_KEYS": NEW.hex()}).totp_keys == (NEW,)
    assert load(ENOUGH).totp_keys == ()
    assert "0202" not in repr(load(ENOUGH | {"TOTP_KEYS": NEW.hex()}))
    for text in ("x" * 64, "ab" * 31, f"{OLD.hex()},ab"):
        with pytest.raises(SettingsError, match="TOTP_KEYS: each key must be 64 hexadecimal digits"):
            load(ENOUGH | {"TOTP_KEYS": text})


class Counted:
    """Attempts that were begun and not taken back, and a database that is away."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    async def begin_code(self, username: str, _secret: str) -> Attempt:
        self.attempts.append(Attempt(username, ()))
        return self.attempts[-1]

    async def forget(self, attempt: Attempt) -> None:
        self.attempts.remove(attempt)

    async def rows(self, _statement: Any) -> list[Any]:
        raise unavailable("The database")


async def test_an_outage_is_no_wrong_code() -> None:
    counted: Any = Counted()
    vault = Vault([OLD])
    user = User("", "ann", "trader", None, vault.lock("ann", SECRET))
    factor = SecondFactor(counted, counted, vault, lambda: 1_234_567_890)
    with pytest.raises(ApiError) as refused:
        await factor.require("ann", user, "005924")
    assert (refused.value.code, counted.attempts) == (Code.SERVICE_UNAVAILABLE, [])
    with pytest.raises(ApiError) as refused:
        await factor.require("ann", user, "005925")
    assert (refused.value.code, len(counted.attempts)) == (Code.UNAUTHORIZED, 1)


class Known:
    """A database with one user, whose password is right."""

    def __init__(self, locked: str | None) -> None:
        self.user = User("", "ann", "trader", None, locked)

    async def rows(self, _statement: Any) -> list[Any]:
        return [self.user]

    async def user_of(self, *_: Any) -> User:
        return self.user


def enrolments(keys: list[bytes], locked: str | None = None) -> Enrolments:
    known: Any = Known(locked)
    logins: Any = SimpleNamespace(user=known.user_of)
    vault = Vault(keys)
    return Enrolments(known, logins, vault, lambda: 1_234_567_890)


ANN = Identity("ann", "ann", "trader", None, "1", frozenset())


async def test_an_enrolment_is_good_in_its_session_for_its_user_only() -> None:
    begun = await enrolments([OLD]).begin(ANN, "password", "10.0.0.1")
    assert begun["secret"] in begun["uri"]
    assert base64.b32decode(begun["secret"]).hex() not in begun["enrolment"]
    for other in (replace(ANN, session_id="2"), replace(ANN, username="bob")):
        with pytest.raises(ApiError) as refused:
            await enrolments([OLD]).confirm(other, begun["enrolment"], "000000")
        assert (refused.value.code, refused.value.field) == (Code.VALIDATION_FAILED, "enrolment")
    with pytest.raises(ApiError) as refused:
        await enrolments([OLD]).confirm(ANN, begun["enrolment"], "00000a")
    assert refused.value.field == "code"


async def test_a_secret_that_is_kept_is_no_enrolment() -> None:
    with pytest.raises(ApiError) as refused:
        await enrolments([OLD]).confirm(ANN, Vault([OLD]).lock("ann", SECRET), "005924")
    assert refused.value.field == "enrolment"


async def test_nobody_is_enrolled_twice_or_without_a_key() -> None:
    for keys, locked, code in (([OLD], "ab", Code.CONFLICT), ([], None, Code.SERVICE_UNAVAILABLE)):
        with pytest.raises(ApiError) as refused:
            await enrolments(keys, locked).begin(ANN, "password", "10.0.0.1")
        assert refused.value.code is code


async def test_the_routes_say_what_to_type_and_refuse_what_cannot_be(served: Any, client: Any) -> None:
    for path, body, field in (
        ("", {"password": 5}, "password"),
        ("", {}, "password"),
        ("/confirm", {"enrolment": "xyz", "code": "123456"}, "enrolment"),
        ("/confirm", {"enrolment": "ab", "code": "12345"}, "code"),
        ("/remove", {"password": "p", "code": "1234567"}, "code"),
        ("/remove", {"code": "123456"}, "password"),
    ):
        answer = await client.post(f"/auth/totp{path}", json=body, headers=served.bearer())
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
        assert "value" not in answer.json()["error"]["details"][0] or field == "enrolment"
