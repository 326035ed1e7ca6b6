"""`tradsys down`."""

import json

import typer

from tradsys.commands.options import AsJson, Home
from tradsys.platform import down


def command(home: Home, as_json: AsJson = False) -> None:  # noqa: FBT002 - an option
    """Stop every process of the platform, also those whose supervisor was killed; the data stay."""
    stopped = down(home)
    if as_json:
        typer.echo(json.dumps({"stopped": stopped}))
    elif stopped:
        typer.echo(f"Stopped {stopped} processes; the data stay in {home}.")
    else:
        typer.echo(f"Nothing was running in {home}.")
