"""`tradsys env`."""

import json
import shlex

import typer

from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.settings import load, was_started


def command(home: Home, as_json: AsJson = False) -> None:  # noqa: FBT002 - an option
    """Print what workers, gateway and provisioning read from their environment: `eval "$(tradsys env)"`."""
    if not was_started(home):
        raise CommandError(f"Nothing was ever started in {home}, so it has no addresses to print. `tradsys up` does.")
    environment = load(home).environment()
    if as_json:
        typer.echo(json.dumps(environment, indent=2))
        return
    for name, value in environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
