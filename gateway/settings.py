"""The gateway's settings, read from the environment. Secrets have no defaults."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from sqlalchemy import URL
from valkey.asyncio.connection import parse_url

from gateway import limits
from gateway.auth import totp
from gateway.auth.token_keys import TokenKeyError, TokenKeys, read_keys, shared_secret
from gateway.guard import Budgets
from gateway.rates import Budget
from schemas.seal import SealError, first_secret, parse_seal_secrets
from stream_topology.topics import DEFAULT_PREFIX, DEFAULT_SHARDS, SHARDS_MAX

JWT_SECRET_CHARACTERS_MIN: Final = 32
PORT_MAX: Final = 65_535
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
RISK_LAG_S_MAX: Final = 300
ANSWER_MS_MAX: Final = 5_000
_EXPIRY: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_RATE: Final = re.compile(r"([1-9][0-9]{0,7})/([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class SettingsError(Exception):
    """The environment says something that cannot be; the text says which name and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything one gateway process is told."""

    kafka_bootstrap: str = "127.0.0.1:9092"
    schema_registry_url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    prefix: str = DEFAULT_PREFIX
    shards: int = DEFAULT_SHARDS
    database: URL = field(repr=False)
    valkey_url: str = field(repr=False)
    token_keys: TokenKeys = field(repr=False)
    jwt_expiry_s: int = 86_400
    totp_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """What encrypts the secrets of second factors, newest first."""
    seal_key: str = "gateway-1"
    """The name under which this gateway seals commands."""
    seal_secret: bytes = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    budgets: Budgets = Budgets()  # noqa: RUF009 - immutable
    risk_lag_s: int = limits.RISK_LAG_S
    """How far pre-trade risk may be behind before new orders are refused, in seconds."""
    answer_ms: int = limits.ANSWER_MS
    """How long the log, PostgreSQL and Valkey may take for one answer, in milliseconds."""
    admin_networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, LOOPBACK))
    """Whence what needs the right admin may be asked."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may ask from a browser."""


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment. Raises SettingsError."""
    seal_key, seal_secret = _seal(_secret(environ, "GATEWAY_SEAL_SECRETS", "gateway-1:<64 hexadecimal digits>"))
    return Settings(
        kafka_bootstrap=environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
        schema_registry_url=environ.get("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7"),
        prefix=environ.get("TRADSYS_PREFIX", DEFAULT_PREFIX),
        shards=_number(environ, "TRADSYS_SHARDS", DEFAULT_SHARDS, SHARDS_MAX),
        database=URL.create(
            "postgresql+psycopg",
            username=environ.get("DB_USER", "tradsys"),
            password=_secret(environ, "DB_PASSWORD", "the password of DB_USER"),
            host=environ.get("DB_HOST", "127.0.0.1"),
            port=_number(environ, "DB_PORT", 5432, PORT_MAX),
            database=environ.get("DB_NAME", "tradsys"),
        ),
        valkey_url=_valkey(environ.get("VALKEY_URL", "valkey://127.0.0.1:6379/0")),
        token_keys=_token_keys(environ),
        totp_keys=_totp_keys(environ.get("TOTP_KEYS", "")),
        jwt_expiry_s=_expiry(environ.get("JWT_EXPIRY", "24h")),
        seal_key=seal_key,
        seal_secret=seal_secret,
        host=environ.get("GATEWAY_HOST", "127.0.0.1"),
        port=_number(environ, "GATEWAY_PORT", 8080, PORT_MAX),
        budgets=_budgets(environ),
        risk_lag_s=_number(environ, "RISK_LAG_S", limits.RISK_LAG_S, RISK_LAG_S_MAX),
        answer_ms=_number(environ, "ANSWER_MS", limits.ANSWER_MS, ANSWER_MS_MAX),
        admin_networks=_networks(environ.get("ADMIN_ADDRESSES", ",".join(LOOPBACK))),
        cors_origins=_origins(environ.get("CORS_ORIGINS", "")),
    )


def _secret(environ: Mapping[str, str], name: str, what: str) -> str:
    if text := environ.get(name):
        return text
    raise SettingsError(f"{name} is not set; it has no default and must be {what}.")


def _token_keys(environ: Mapping[str, str]) -> TokenKeys:
    """Those of JWT_KEYS, then JWT_SECRET, which may be left out where there are others."""
    try:
        keys = read_keys(environ.get("JWT_KEYS", ""))
        if not keys or environ.get("JWT_SECRET"):
            secret = _secret(environ, "JWT_SECRET", f"at least {JWT_SECRET_CHARACTERS_MIN} random characters")
            if len(secret) < JWT_SECRET_CHARACTERS_MIN:
                raise SettingsError(
                    f"JWT_SECRET has {len(secret)} characters; at least {JWT_SECRET_CHARACTERS_MIN} are needed."
                )
            keys.append(shared_secret(secret))
        return TokenKeys(keys)
    except TokenKeyError as error:
        raise SettingsError(f"JWT_KEYS: {error}.") from error


def _totp_keys(text: str) -> tuple[bytes, ...]:
    try:
        return totp.read_keys(text)
    except totp.TotpKeyError as error:
        raise SettingsError(f"TOTP_KEYS: {error}.") from error


def _valkey(url: str) -> str:
    try:
        parse_url(url)
    except ValueError:  # it may hold a password, so it is not shown
        raise SettingsError("VALKEY_URL is no address; it must be such as valkey://127.0.0.1:6379/0.") from None
    return url


def _number(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not 0 < int(text) <= most:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from 1 to {most}.")
    return int(text)


def _expiry(text: str) -> int:
    found = _EXPIRY.fullmatch(text)
    if not found:
        raise SettingsError(f"JWT_EXPIRY is {text!r}; it must be a number with a unit, such as 15m, 24h or 7d.")
    return int(found[1]) * _UNIT_S[found[2]]


def _budgets(environ: Mapping[str, str]) -> Budgets:
    """RATE_ORDERS, RATE_CANCELS, RATE_READS, RATE_PUBLIC and RATE_ADDRESS: requests in so many seconds."""
    changed: dict[str, Any] = {}
    for name in ("orders", "cancels", "reads", "public", "address"):
        text = environ.get(f"RATE_{name.upper()}")
        if text is None:
            continue
        found = _RATE.fullmatch(text)
        if not found:
            raise SettingsError(
                f"RATE_{name.upper()} is {text!r}; it must be requests in up to 3600 seconds, such as 3000/10."
            )
        changed[name] = Budget(name, int(found[1]), int(found[2]))
    return Budgets(**changed)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"ADMIN_ADDRESSES: {error}; addresses and networks, with commas between them.") from None


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"CORS_ORIGINS has {origin!r}; an origin is such as https://app.example.com, without a path."
            )
    return origins


def _seal(text: str) -> tuple[str, bytes]:
    """Name and secret of the key that seals."""
    try:
        return first_secret(parse_seal_secrets(text))
    except SealError as error:
        raise SettingsError(f"GATEWAY_SEAL_SECRETS: {error}") from error
