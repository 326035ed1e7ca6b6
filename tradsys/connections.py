"""Where a platform's log, registry and database are, by the names that all processes read from their environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import make_conninfo

from schemas.codec import Codec
from schemas.registry import RegistryError, connect
from stream_topology.subjects import subjects
from stream_topology.topics import DEFAULT_PREFIX, DEFAULT_SHARDS
from tradsys.audit.kafka_log import KafkaLog
from tradsys.errors import CommandError
from tradsys.settings import environment_of, was_started


def platform(home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the platform in `home`, or of the one that `environ` names. Raises CommandError.

    Nothing is looked for at the usual addresses: what listens there may be a venue that nobody meant.
    """
    if not was_started(home) and not environ.keys() & {"KAFKA_BOOTSTRAP", "DB_PASSWORD"}:
        raise CommandError(
            f"Nothing was ever started in {home}. Name the platform with --home or TRADSYS_HOME, or its addresses with "
            "KAFKA_BOOTSTRAP and those that `tradsys env` shows."
        )
    return environment_of(home, environ)


def log(environ: Mapping[str, str]) -> KafkaLog:
    """The log. Connects when it is read. Raises CommandError where the environment does not say where it is."""
    if not environ.get("KAFKA_BOOTSTRAP"):
        raise CommandError("KAFKA_BOOTSTRAP is not set; it is where Kafka listens, such as 127.0.0.1:9092.")
    return KafkaLog(
        environ["KAFKA_BOOTSTRAP"],
        environ.get("TRADSYS_PREFIX", DEFAULT_PREFIX),
        int(environ.get("TRADSYS_SHARDS", DEFAULT_SHARDS)),
    )


def registry_url(environ: Mapping[str, str]) -> str:
    """The Confluent API of the registry."""
    return environ.get("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7")


def codec(environ: Mapping[str, str]) -> Codec:
    """The codec with the registry's ids. Raises CommandError when the registry does not answer."""
    try:
        return connect(registry_url(environ), subjects(environ.get("TRADSYS_PREFIX", DEFAULT_PREFIX)))
    except RegistryError as error:
        raise CommandError(str(error)) from error


def database(environ: Mapping[str, str]) -> str:
    """The database as a connection string. Raises CommandError where the environment has no password for it."""
    if not environ.get("DB_PASSWORD"):
        raise CommandError("DB_PASSWORD is not set; it is the password of DB_USER at DB_HOST, and has no default.")
    return make_conninfo(
        host=environ.get("DB_HOST", "127.0.0.1"),
        port=environ.get("DB_PORT", "5432"),
        dbname=environ.get("DB_NAME", "tradsys"),
        user=environ.get("DB_USER", "tradsys"),
        password=environ["DB_PASSWORD"],
    )
