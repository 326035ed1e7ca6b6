"""`tradsys provision`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.provisioning import provision

EXIT_DIFFERS = 1


def command(
    home: Home,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 when something differs.")] = False,  # noqa: FBT002 - an option
    replication: Annotated[int, typer.Option(min=1, help="Replicas of each new topic.")] = 1,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Make topics, schemas and tables agree with this release; a second run finds nothing to do.

    Addresses come from the environment (KAFKA_BOOTSTRAP, SCHEMA_REGISTRY_URL, DB_HOST, ...), else from the platform
    that was started in the home directory. What would lose data or lock out readers is refused, and then nothing is
    changed.
    """
    outcome = provision(connections.platform(home), replication=replication, only_check=check)
    if as_json:
        typer.echo(json.dumps(asdict(outcome), indent=2))
    else:
        for difference in outcome.differences:
            typer.echo(difference)
        verb = "differ" if check and outcome.differences else "agree"
        typer.echo(f"{outcome.topic_count} topics and {outcome.subject_count} schemas {verb}.")
        typer.echo(f"The database has revision {outcome.database_revision or 'none'}.")
    if check and outcome.differences:
        raise typer.Exit(EXIT_DIFFERS)
