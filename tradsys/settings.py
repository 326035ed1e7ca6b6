"""The platform's settings: one place, read from flags, then the environment, then the last start, then defaults.

The processes that the platform starts do not import this module. They read the same names from their environment, which
`Settings.environment` makes.
"""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stream_topology.topics import DEFAULT_PREFIX, DEFAULT_SHARDS, SHARDS_MAX
from tradsys.errors import CommandError

LOOPBACK: Final = "127.0.0.1"
SECRET_BYTES: Final = 32
PORT_MAX: Final = 65_535
METRICS_PORTS: Final = 32
"""So many ports from `Ports.metrics` on are the workers'."""
FREE_PORTS: Final = range(15_000, 32_000)
"""Where free ports are looked for: an outgoing connection, which gets a higher one, cannot take one meanwhile."""
REGISTRY_PATH: Final = "/apis/ccompat/v7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each part listens, always on loopback."""

    kafka: int = 9092
    kafka_controller: int = 9093
    registry: int = 8081
    postgres: int = 5432
    valkey: int = 6379
    gateway: int = 8080
    metrics: int = 9400
    """The first worker's metrics; the others follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Made once for a home directory; there are no defaults."""

    jwt_secret: str
    gateway_seal_secrets: str
    """`id:hex`, several by commas: the first seals, all are accepted."""
    db_password: str
    valkey_password: str
    totp_keys: str
    """Hexadecimal, several by commas: the first encrypts the secrets of second factors, all open them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `tradsys up` decides before it starts anything."""

    home: Path
    ports: Ports
    secrets: Secrets
    db_name: str = "tradsys"
    db_user: str = "tradsys"
    topic_prefix: str = DEFAULT_PREFIX
    shards: int = DEFAULT_SHARDS
    jwt_expiry: str = "24h"
    instances: Mapping[str, int] = field(default_factory=dict)
    """How many workers a stage has, where it is not one."""

    @property
    def kafka_bootstrap(self) -> str:
        """The broker's address, as Kafka clients take it."""
        return f"{LOOPBACK}:{self.ports.kafka}"

    @property
    def schema_registry_url(self) -> str:
        """The Confluent API of the registry."""
        return f"http://{LOOPBACK}:{self.ports.registry}{REGISTRY_PATH}"

    @property
    def db_dsn(self) -> str:
        """PostgreSQL as a URL with its password."""
        return f"postgresql://{self.db_user}:{self.secrets.db_password}@{LOOPBACK}:{self.ports.postgres}/{self.db_name}"

    @property
    def valkey_url(self) -> str:
        """Valkey as a URL with its password."""
        return f"valkey://:{self.secrets.valkey_password}@{LOOPBACK}:{self.ports.valkey}/0"

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers."""
        return f"http://{LOOPBACK}:{self.ports.gateway}"

    def environment(self) -> dict[str, str]:
        """Every setting under the name that workers, gateway and provisioning read it by."""
        return {
            "TRADSYS_HOME": str(self.home),
            "TRADSYS_PREFIX": self.topic_prefix,
            "TRADSYS_SHARDS": str(self.shards),
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "SCHEMA_REGISTRY_URL": self.schema_registry_url,
            "DB_HOST": LOOPBACK,
            "DB_PORT": str(self.ports.postgres),
            "DB_NAME": self.db_name,
            "DB_USER": self.db_user,
            "DB_PASSWORD": self.secrets.db_password,
            "VALKEY_URL": self.valkey_url,
            "JWT_SECRET": self.secrets.jwt_secret,
            "JWT_EXPIRY": self.jwt_expiry,
            "TOTP_KEYS": self.secrets.totp_keys,
            "TRADSYS_INSTANCES": ",".join(f"{stage}={count}" for stage, count in self.instances.items()),
            "GATEWAY_PORT": str(self.ports.gateway),
            "GATEWAY_SEAL_SECRETS": self.secrets.gateway_seal_secrets,
        }


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """TRADSYS_HOME, else the user's data directory."""
    if named := environ.get("TRADSYS_HOME"):
        return Path(named).expanduser()
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "tradsys"


def load(home: Path, environ: Mapping[str, str] = os.environ, *, flags: Mapping[str, int] | None = None) -> Settings:
    """Settings of the platform in `home`; `flags` are ports by their name in `Ports`.

    Creates the home directory and its secrets when they do not exist. Raises CommandError where the environment says
    something that cannot be.
    """
    home = home.expanduser().resolve()
    if unusable := set(str(home)) & set(',;"\\\n'):
        raise CommandError(f"The home directory {str(home)!r} has {min(unusable)!r} in its path; choose another.")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen = asdict(Ports()) | _recorded_ports(home) | _ports_of(environ) | dict(flags or {})
    _refuse_shared_ports(chosen)
    environ = environment_of(home, environ)
    shards = environ.get("TRADSYS_SHARDS", str(DEFAULT_SHARDS))
    if not shards.isdecimal() or not 0 < int(shards) <= SHARDS_MAX:
        raise CommandError(f"TRADSYS_SHARDS is {shards!r}; it must be a whole number from 1 to {SHARDS_MAX}.")
    return Settings(
        home=home,
        ports=Ports(**chosen),
        secrets=_secrets(home, environ),
        db_name=environ.get("DB_NAME", "tradsys"),
        db_user=environ.get("DB_USER", "tradsys"),
        topic_prefix=environ.get("TRADSYS_PREFIX", DEFAULT_PREFIX),
        shards=int(shards),
        jwt_expiry=environ.get("JWT_EXPIRY", "24h"),
        instances=_instances(environ.get("TRADSYS_INSTANCES", "")),
    )


def environment_of(home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the platform in `home` was started with, under what `environ` says; only the latter where none was started.

    So a command that is run by hand finds the platform that runs.
    """
    with suppress(FileNotFoundError, ValueError, KeyError):
        return {**json.loads((home / "platform.json").read_text())["environment"], **environ}
    return dict(environ)


def was_started(home: Path) -> bool:
    """Whether a platform was ever started in a home directory."""
    return (home / "platform.json").exists()


def record(settings: Settings) -> None:
    """Write `platform.json`: where the platform in this home listens, for later commands and other programs."""
    addresses = {
        "ports": asdict(settings.ports),
        "kafka_bootstrap": settings.kafka_bootstrap,
        "schema_registry_url": settings.schema_registry_url,
        "db_dsn": settings.db_dsn,
        "valkey_url": settings.valkey_url,
        "gateway_url": settings.gateway_url,
        "environment": settings.environment(),
    }
    write_private(settings.home / "platform.json", json.dumps(addresses, indent=2) + "\n")


def free_ports() -> dict[str, int]:
    """Free loopback ports for all parts. They are held together while choosing, so that no two are the same."""
    with ExitStack() as held:
        single = {name: _hold(held, 1) for name in asdict(Ports()) if name != "metrics"}
        return {**single, "metrics": _hold(held, METRICS_PORTS)}


def _hold(held: ExitStack, count: int) -> int:
    """Bind a run of free ports until `held` closes; where one of a run is taken another run is tried."""
    while True:
        first = secrets.choice(FREE_PORTS)
        with suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind((LOOPBACK, port))
            return first


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _recorded_ports(home: Path) -> dict[str, int]:
    with suppress(FileNotFoundError, ValueError, KeyError):
        ports = json.loads((home / "platform.json").read_text())["ports"]
        return {name: int(ports[name]) for name in asdict(Ports())}
    return {}


def _ports_of(environ: Mapping[str, str]) -> dict[str, int]:
    """Ports that the environment names, under the names that the processes read."""
    ports = {}
    for name, part in (("DB_PORT", "postgres"), ("GATEWAY_PORT", "gateway")):
        if text := environ.get(name):
            ports[part] = _port(name, text)
    for name, part in (("KAFKA_BOOTSTRAP", "kafka"), ("SCHEMA_REGISTRY_URL", "registry"), ("VALKEY_URL", "valkey")):
        if text := environ.get(name):
            ports[part] = _loopback_port(name, text)
    host = environ.get("DB_HOST", LOOPBACK)
    if host not in {LOOPBACK, "localhost"}:
        raise CommandError(_elsewhere("DB_HOST", host))
    return ports


def _loopback_port(name: str, text: str) -> int:
    address = urlsplit(text if "://" in text else f"//{text}")
    if address.hostname not in {LOOPBACK, "localhost"}:
        raise CommandError(_elsewhere(name, text))
    return _port(name, address.netloc.rpartition(":")[2])


def _elsewhere(name: str, text: str) -> str:
    return (
        f"{name} is {text!r}, but this command runs its own parts on {LOOPBACK}. Unset {name} to use the embedded "
        "stack, or start workers and gateway yourself (`tradsys worker`, `tradsys gateway`) to use that address."
    )


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= PORT_MAX:
        raise CommandError(f"{name} is {text!r}; it must name a port from 1 to {PORT_MAX}.")
    return int(text)


def _refuse_shared_ports(ports: Mapping[str, int]) -> None:
    owners: dict[int, str] = {}
    for part, first in ports.items():
        for port in range(first, first + (METRICS_PORTS if part == "metrics" else 1)):
            if port in owners:
                raise CommandError(
                    f"{owners[port]} and {part} cannot both listen on port {port}; give one another port."
                )
            owners[port] = part


def _instances(text: str) -> dict[str, int]:
    """STAGE=N, several by commas."""
    counts = {}
    for item in filter(None, text.split(",")):
        stage, _, count = item.partition("=")
        if not count.isdecimal() or not 0 < int(count) <= METRICS_PORTS:
            raise CommandError(
                f"TRADSYS_INSTANCES (--instances) has {item!r}; it must be STAGE=N, such as matching=2, with N from 1 "
                f"to {METRICS_PORTS}."
            )
        counts[stage] = int(count)
    return counts


def _secrets(home: Path, environ: Mapping[str, str]) -> Secrets:
    """The home's secrets, made on first use; those of the environment go before."""
    path = home / "secrets.json"
    totp_keys = secrets.token_hex(SECRET_BYTES)
    try:
        known = json.loads(path.read_text())
        stored = Secrets(**{"totp_keys": totp_keys, **known})
        if "totp_keys" not in known:  # a home of before
            write_private(path, json.dumps(asdict(stored), indent=2) + "\n")
    except FileNotFoundError:
        stored = Secrets(
            jwt_secret=secrets.token_urlsafe(SECRET_BYTES),
            gateway_seal_secrets=f"gateway-1:{secrets.token_hex(SECRET_BYTES)}",
            db_password=secrets.token_urlsafe(SECRET_BYTES),
            valkey_password=secrets.token_urlsafe(SECRET_BYTES),
            totp_keys=totp_keys,
        )
        write_private(path, json.dumps(asdict(stored), indent=2) + "\n")
    except (ValueError, TypeError) as error:
        raise CommandError(
            f"{path} does not hold this platform's secrets ({error}); restore it or start over."
        ) from error
    return Secrets(
        jwt_secret=environ.get("JWT_SECRET", stored.jwt_secret),
        gateway_seal_secrets=environ.get("GATEWAY_SEAL_SECRETS", stored.gateway_seal_secrets),
        db_password=stored.db_password,
        valkey_password=stored.valkey_password,
        totp_keys=environ.get("TOTP_KEYS", stored.totp_keys),
    )
