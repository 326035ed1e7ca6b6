"""`tradsys db`."""

import json
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from schemas import migrations
from schemas.migrations import Loss, MigrationError
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE
from tradsys.settings import environment_of


class Action(StrEnum):
    """What is done with the database."""

    CURRENT = "current"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REVISION = "revision"


_TAKES: Final = {
    Action.CURRENT: "current takes nothing more.",
    Action.UPGRADE: "",
    Action.DOWNGRADE: "Down to which revision? `tradsys db current` shows them; `base` is a database without tables.",
    Action.REVISION: 'What does it do? `tradsys db revision "Add what orders pay"`.',
}


def command(
    home: Home,
    action: Annotated[Action, typer.Argument(help="current, upgrade, downgrade or revision.")] = Action.CURRENT,
    what: Annotated[
        str | None,
        typer.Argument(help="upgrade, downgrade: to which revision; revision: what the new migration does."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before rows are lost.")] = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show which migrations the database has, migrate it up or down, or write the next migration.

    A migration happens wholly or not at all. One that takes something away from tables with rows says what, and asks
    first. Workers and gateways of a release need its newest revision: stop them before a downgrade. `revision` is for
    who changes the tables: in a checkout it writes a file that makes the database agree with them.
    """
    if action is not Action.UPGRADE and (what is None) is not (action is Action.CURRENT):
        raise CommandError(_TAKES[action], exit_code=EXIT_USAGE)
    dsn = connections.database(environment_of(home))
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
        sentences.append(f"Lost until the projections read the log again: {again}.")
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
