"""Makes Kafka, the registry and the database agree with this release."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import SQLAlchemyError

from schemas import migrations
from stream_topology import provision as topology
from stream_topology.topics import DEFAULT_PREFIX, DEFAULT_SHARDS
from tradsys.errors import CommandError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What differed (and now agrees, unless it was only checked)."""

    differences: tuple[str, ...]
    topic_count: int
    subject_count: int
    database_revision: str | None


def provision(environ: Mapping[str, str], *, replication: int = 1, only_check: bool = False) -> Outcome:
    """Create and change what differs, or only say it. Addresses come from `environ`, by the names all processes read.

    Raises CommandError when something cannot be made to agree; then no topic and no schema has been changed.
    """
    compare = topology.check if only_check else topology.provision
    try:
        report = compare(
            environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
            environ.get("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7"),
            environ.get("TRADSYS_PREFIX", DEFAULT_PREFIX),
            int(environ.get("TRADSYS_SHARDS", DEFAULT_SHARDS)),
            replication,
        )
        dsn = database(environ)
        revision = migrations.current(dsn) if only_check else migrations.upgrade(dsn)
    except topology.ProvisionError as error:
        raise CommandError(str(error)) from error
    except (psycopg.Error, SQLAlchemyError) as error:
        raise CommandError(f"The database could not be migrated: {str(error).strip()}") from error
    return Outcome(tuple(map(str, report.differences)), report.topic_count, report.subject_count, revision)


def database(environ: Mapping[str, str]) -> str:
    """The database that the environment names. Raises CommandError where it names none."""
    if not environ.get("DB_PASSWORD"):
        raise CommandError("DB_PASSWORD is not set; it is the password of DB_USER at DB_HOST, and has no default.")
    return make_conninfo(
        host=environ.get("DB_HOST", "127.0.0.1"),
        port=environ.get("DB_PORT", "5432"),
        dbname=environ.get("DB_NAME", "tradsys"),
        user=environ.get("DB_USER", "tradsys"),
        password=environ["DB_PASSWORD"],
    )
