"""`tradsys env`."""

import json
import shlex

import typer

from tradsys.commands.options import AsJson, Home
from tradsys.settings import load


def command(home: Home, as_json: AsJson = False) -> None:  # noqa: FBT002 - an option
    """Print what workers, gateway and provisioning read from their environment: `eval "$(tradsys env)"`."""
    environment = load(home).environment()
    if as_json:
        typer.echo(json.dumps(environment, indent=2))
        return
    for name, value in environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
