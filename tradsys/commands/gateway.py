"""`tradsys gateway`."""

import os

import typer

import gateway
from tradsys.commands.options import Home
from tradsys.settings import environment_of


def command(home: Home) -> None:
    """Run one gateway process in the foreground until it is told to stop.

    Settings come from the environment, else from the platform that was started in the home directory.
    """
    os.environ.update(environment_of(home))
    raise typer.Exit(gateway.main())
