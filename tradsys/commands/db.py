"""`tradsys db`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final

import psycopg
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas import migrations
from schemas.migrations import Loss, MigrationError
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE
from tradsys.settings import environment_of
from workers.projections.rebuild import Rebuild
from workers.shell.endings import WorkerError


class Action(StrEnum):
    """What is done with the database."""

    CURRENT = "current"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REVISION = "revision"
    REBUILD = "rebuild"


_TAKES: Final = {
    Action.CURRENT: "current takes nothing more.",
    Action.REBUILD: "rebuild takes nothing more.",
    Action.UPGRADE: "",
    Action.DOWNGRADE: "Down to which revision? `tradsys db current` shows them; `base` is a database without tables.",
    Action.REVISION: 'What does it do? `tradsys db revision "Add what orders pay"`.',
}


def command(
    home: Home,
    action: Annotated[
        Action, typer.Argument(help="current, upgrade, downgrade, revision or rebuild.")
    ] = Action.CURRENT,
    what: Annotated[
        str | None,
        typer.Argument(help="upgrade, downgrade: to which revision; revision: what the new migration does."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before rows are lost.")] = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show which migrations the database has, migrate it up or down, write the next one, or rebuild it from the log.

    A migration happens wholly or not at all. One that takes something away from tables with rows says what, and asks
    first. Workers and gateways of a release need its newest revision: stop them before a downgrade. `revision` is for
    who changes the tables: in a checkout it writes a file that makes the database agree with them. `rebuild` makes
    what the projections write anew from the log, beside them, and changes places; readers and projections go on.
    """
    if action is not Action.UPGRADE and (what is None) is not (action in {Action.CURRENT, Action.REBUILD}):
        raise CommandError(_TAKES[action], exit_code=EXIT_USAGE)
    environ = environment_of(home)
    dsn = connections.database(environ)
    if action is Action.REBUILD:
        _rebuild(environ, dsn, as_json=as_json)
        return
    try:
        if action is Action.REVISION:
            path = migrations.write(dsn, (what or "").rstrip("."))
            typer.echo(
                json.dumps({"path": str(path)}) if as_json else f"{path}: read it, and mend what it cannot know."
            )
            return
        if action is not Action.CURRENT:
            _migrate(dsn, action, what or migrations.NEWEST, yes=yes)
        _show(migrations.current(dsn), as_json=as_json)
    except MigrationError as error:
        raise CommandError(str(error)) from error


def _rebuild(environ: Mapping[str, str], dsn: str, *, as_json: bool) -> None:
    log, codec = connections.log(environ), connections.codec(environ)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("reading the log", total=None)

        def report(read: int, total: int) -> None:
            progress.update(task, completed=read, total=total)

        try:
            done = Rebuild(log.bootstrap, log.prefix, dsn, codec, report).run()
        except WorkerError as error:
            raise CommandError(str(error)) from error
        except KafkaException as error:
            raise CommandError(f"The log cannot be read: {error}.") from error
        except psycopg.Error as error:
            raise CommandError(f"The tables could not be rebuilt: {str(error).strip().splitlines()[0]}") from error
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        typer.echo(
            f"The tables are as {done.records} records of the log say; the projections waited {done.waited_ms} ms."
        )


def _migrate(dsn: str, action: Action, revision: str, *, yes: bool) -> None:
    """Do it, when what is lost may be lost. Raises MigrationError."""
    lost = migrations.losses(dsn, revision)
    if lost and not yes:
        typer.confirm(_warning(revision, lost), abort=True, err=True)
    before = migrations.current(dsn)
    migrate = migrations.upgrade if action is Action.UPGRADE else migrations.downgrade
    after = migrate(dsn, revision)
    said = f"migrated from {before or 'none'} to {after or 'none'}" if after != before else f"has {after or 'none'}"
    typer.echo(f"The database {said}.", err=True)


def _warning(revision: str, lost: list[Loss]) -> str:
    again = ", ".join(loss.name for loss in lost if loss.comes_again)
    never = ", ".join(loss.name for loss in lost if not loss.comes_again)
    sentences = [f"Revision {revision} has less."]
    if again:
        sentences.append(f"Lost until `tradsys db rebuild`: {again}.")
    if never:
        sentences.append(f"Lost for good: {never}.")
    return " ".join([*sentences, "Go on?"])


def _show(revision: str | None, *, as_json: bool) -> None:
    known = migrations.steps()
    names = [step.revision for step in known]
    place = names.index(revision) + 1 if revision in names else 0
    newest = names[-1]
    if as_json:
        told = {
            "revision": revision,
            "newest": newest,
            "agrees": revision == newest,
            "revisions": [{"revision": step.revision, "does": step.does} for step in known],
        }
        typer.echo(json.dumps(told, indent=2))
        return
    table = Table("revision", "does", "there", box=None, header_style="bold")
    for number, step in enumerate(known, 1):
        table.add_row(step.revision, step.does, "yes" if number <= place else "no")
    Console().print(table)
    if revision is not None and not place:
        typer.echo(f"The database has revision {revision}, which this release does not know.")
