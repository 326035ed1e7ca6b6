"""Codes that change every 30 s, and how their secrets are kept."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.auth.attempts import Attempt
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
