"""Makes Kafka, the registry and the database agree with this release."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import migrations
from stream_topology import provision as topology
from tradsys import connections
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
    compare, log = topology.check if only_check else topology.provision, connections.log(environ)
    try:
        report = compare(log.bootstrap, connections.registry_url(environ), log.prefix, log.shards, replication)
        dsn = connections.database(environ)
        revision = migrations.current(dsn) if only_check else migrations.upgrade(dsn)
    except topology.ProvisionError as error:
        raise CommandError(str(error)) from error
    except migrations.MigrationError as error:
        raise CommandError(str(error)) from error
    return Outcome(tuple(map(str, report.differences)), report.topic_count, report.subject_count, revision)
