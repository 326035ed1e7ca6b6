"""`tradsys db`."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final

import psycopg
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress
from rich.table import Table

from schemas import migrations
from schemas.migrations import Loss, MigrationError
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE
from workers.projections.prune import DAYS_MIN, Old, Pruning
from workers.projections.rebuild import Rebuild
from workers.shell.endings import WorkerError

DIGITS_MAX: Final = 6
"""Of the days to keep."""


class Action(StrEnum):
    """What is done with the database."""

    CURRENT = "current"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REVISION = "revision"
    REBUILD = "rebuild"
    PRUNE = "prune"


_TAKES: Final = {
    Action.CURRENT: "current takes nothing more.",
    Action.REBUILD: "rebuild takes nothing more.",
    Action.UPGRADE: "",
    Action.DOWNGRADE: "Down to which revision? `tradsys db current` shows them; `base` is a database without tables.",
    Action.PRUNE: "How many days are to be kept? `tradsys db prune 400`.",
    Action.REVISION: 'What does it do? `tradsys db revision "Add what orders pay"`.',
}


def command(
    home: Home,
    action: Annotated[
        Action, typer.Argument(help="current, upgrade, downgrade, revision, rebuild or prune.")
    ] = Action.CURRENT,
    what: Annotated[
        str | None,
        typer.Argument(
            help="upgrade, downgrade: to which revision; revision: what the new migration does; prune: how many days "
            "are kept."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before rows are lost.")] = False,  # noqa: FBT002 - an option
    dry_run: Annotated[bool, typer.Option("--dry-run", help="prune: only say what would go.")] = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show which migrations the database has, migrate it, write the next one; rebuild the rows, or let old ones go.

    A migration happens wholly or not at all. One that takes something away from tables with rows says what, and asks
    first. Workers and gateways of a release need its newest revision: stop them before a downgrade. `revision` is for
    who changes the tables: in a checkout it writes a file that makes the database agree with them. `rebuild` makes
    what the projections write anew from the log, beside them, and changes places; readers and projections go on.
    `prune` drops the months of executions and trades of which no day is to be kept, after it has asked; they are left
    out from then on, also by a rebuild, and stand in the log only.
    """
    if action is not Action.UPGRADE and (what is None) is not (action in {Action.CURRENT, Action.REBUILD}):
        raise CommandError(_TAKES[action], exit_code=EXIT_USAGE)
    if dry_run and action is not Action.PRUNE:
        raise CommandError("--dry-run is for prune only.", exit_code=EXIT_USAGE)
    environ = connections.platform(home)
    dsn = connections.database(environ)
    if action is Action.REBUILD:
        _rebuild(environ, dsn, as_json=as_json)
        return
    if action is Action.PRUNE:
        _prune(Pruning(dsn, _days(what or ""), time.time_ns() // 1_000), yes=yes, dry_run=dry_run, as_json=as_json)
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


def _days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX else 0
    if days < DAYS_MIN:
        sentence = f"The days to keep are a whole number from {DAYS_MIN} on: fees follow from the fills of so many."
        raise CommandError(sentence, exit_code=EXIT_USAGE)
    return days


def _prune(pruning: Pruning, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    try:
        old = pruning.look()
        if old and not dry_run:
            if not yes:
                _list(old)
                typer.confirm("They stand in the log only then. Drop them?", abort=True, err=True)
            old = pruning.run()
    except WorkerError as error:
        raise CommandError(str(error)) from error
    except psycopg.Error as error:
        raise CommandError(f"Nothing was dropped: {str(error).strip().splitlines()[0]}") from error
    if as_json:
        partitions = [one._asdict() | {"month": str(one.month)} for one in old]
        typer.echo(
            json.dumps(
                {"kept_from": str(pruning.kept_from), "dropped": not dry_run, "partitions": partitions}, indent=2
            )
        )
        return
    if dry_run and old:
        _list(old)
    size = decimal(sum(one.size_bytes for one in old))
    said = f"{len(old)} partitions from before {pruning.kept_from}, {size}"
    typer.echo(f"Would be dropped: {said}." if dry_run else f"Dropped: {said}.")


def _list(old: list[Old]) -> None:
    table = Table("month", "of", "size", box=None, header_style="bold")
    for one in old:
        table.add_row(str(one.month), one.table, decimal(one.size_bytes))
    Console(stderr=True).print(table)


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
