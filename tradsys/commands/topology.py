"""`tradsys topology`."""

import typer

from stream_topology.diagram import render


def command() -> None:
    """Print every topic and stage, and how they connect, as Markdown with a diagram (docs/topology.md is this)."""
    typer.echo(render(), nl=False)
