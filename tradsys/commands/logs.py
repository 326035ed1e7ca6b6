"""`tradsys logs`."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from tradsys.commands.options import Home
from tradsys.errors import CommandError
from tradsys.log_files import follow, last_lines

POLL_S: Final = 0.2


def command(
    home: Home,
    part: Annotated[
        str | None, typer.Argument(help="A part as `tradsys status` names it; all of them without.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of the past.")] = 20,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Show the last lines that a part wrote."""
    files = _files(home, part)
    for file in files:
        for line in last_lines(file, lines):
            typer.echo(_labelled(file, line, several=part is None))
    if following:
        for file, line in follow(files, lambda: time.sleep(POLL_S)):
            typer.echo(_labelled(file, line, several=part is None))


def _files(home: Path, part: str | None) -> list[Path]:
    logs = sorted((home / "logs").glob("*.log"))
    if not logs:
        raise CommandError(f"{home} has no logs: nothing was ever started there.")
    if part is None:
        return logs
    chosen = [log for log in logs if log.stem == part]
    if not chosen:
        raise CommandError(f"There is no part {part!r}; logs exist of {', '.join(log.stem for log in logs)}.")
    return chosen


def _labelled(file: Path, line: str, *, several: bool) -> str:
    return f"{file.stem:<12} {line}" if several else line
