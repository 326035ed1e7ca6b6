import pytest

from gateway.settings import SettingsError, load

ENOUGH = {
    "JWT_SECRET": "s" * 32,
    "DB_PASSWORD": "p@ss:word/",
    "GATEWAY_SEAL_SECRETS": "gateway-2:" + "ab" * 32 + ",gateway-1:" + "cd" * 32,
}


def test_secrets_are_enough_and_the_first_seal_key_seals() -> None:
    settings = load(ENOUGH | {"JWT_EXPIRY": "15m", "TRADSYS_SHARDS": "12"})
    assert (settings.seal_key, settings.seal_secret) == ("gateway-2", b"\xab" * 32)
    assert (settings.jwt_expiry_s, settings.shards, settings.port) == (900, 12, 8080)
    assert settings.database.password == ENOUGH["DB_PASSWORD"]


def test_secrets_are_not_shown() -> None:
    shown = repr(load(ENOUGH))
    assert not any(secret in shown for secret in ("s" * 32, "p@ss", "abab", "\\xab"))


@pytest.mark.parametrize("name", sorted(ENOUGH))
def test_a_secret_has_no_default(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({key: value for key, value in ENOUGH.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "short"),
        ("JWT_EXPIRY", "24"),
        ("JWT_EXPIRY", "0h"),
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_PORT", "65536"),
        ("TRADSYS_SHARDS", "0"),
        ("DB_PORT", "-1"),
        ("VALKEY_URL", "127.0.0.1:6379"),
        ("VALKEY_URL", "valkey://127.0.0.1:port/0"),
        ("ANSWER_MS", "0"),
        ("ANSWER_MS", "5001"),
        ("GATEWAY_SEAL_SECRETS", "gateway-1"),
        ("GATEWAY_SEAL_SECRETS", "gateway-1:ab"),
        ("GATEWAY_SEAL_SECRETS", "gateway-1:zz"),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(ENOUGH | {name: value})
