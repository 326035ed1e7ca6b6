"""`tradsys up`."""

import json
import os
import shutil
import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tradsys.commands.fetching import fetch_with_progress
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.platform import down, up
from tradsys.settings import Settings, free_ports, load

Port = Annotated[int | None, typer.Option(min=1, max=65_535, metavar="PORT")]


class Layer(StrEnum):
    """What `--only` can name."""

    STACK = "stack"


def command(
    home: Home,
    only: Annotated[
        Layer | None, typer.Option(help="`stack`: Kafka, registry, PostgreSQL and Valkey without workers and gateway.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete all data of this home first, and start over.")] = False,  # noqa: FBT002 - an option
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,  # noqa: FBT002 - an option
    choose_ports: Annotated[bool, typer.Option("--free-ports", help="Choose free ports.")] = False,  # noqa: FBT002 - an option
    kafka_port: Port = None,
    kafka_controller_port: Port = None,
    registry_port: Port = None,
    db_port: Port = None,
    valkey_port: Port = None,
    gateway_port: Port = None,
    metrics_port: Port = None,
    instances: Annotated[
        list[str] | None, typer.Option(metavar="STAGE=N", help="Run N workers of a stage instead of one; repeatable.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Start the platform; harmless when it runs already.

    Kafka, the schema registry, PostgreSQL and Valkey are fetched on the first start, into a cache that all checkouts
    share. Everything listens on 127.0.0.1 only. Data live in the home directory and survive `down`.
    """
    named = {
        "kafka": kafka_port,
        "kafka_controller": kafka_controller_port,
        "registry": registry_port,
        "postgres": db_port,
        "valkey": valkey_port,
        "gateway": gateway_port,
        "metrics": metrics_port,
    }
    if fresh:
        _start_over(home, yes=yes)
    flags = free_ports() if choose_ports else {}
    environ = {**os.environ, "TRADSYS_INSTANCES": ",".join(instances)} if instances else os.environ
    settings = load(home, environ, flags={**flags, **{part: port for part, port in named.items() if port}})
    began_s = time.monotonic()
    console = Console(stderr=True)
    fetch_with_progress(console)
    with console.status("starting") as line:
        up(settings, report=lambda doing: line.update(escape(doing)), only_stack=only is Layer.STACK)
    if as_json:
        typer.echo(json.dumps(_addresses(settings)))
        return
    typer.echo(f"The platform runs ({time.monotonic() - began_s:.1f} s).")
    for name, address in _addresses(settings).items():
        typer.echo(f"  {name:<10} {address}")
    typer.echo("`tradsys status` shows its parts, `tradsys env` its secrets, `tradsys down` stops it.")


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "home": str(settings.home),
        "kafka": settings.kafka_bootstrap,
        "registry": settings.schema_registry_url,
        "postgres": f"127.0.0.1:{settings.ports.postgres}/{settings.db_name}",
        "valkey": f"127.0.0.1:{settings.ports.valkey}",
        "gateway": settings.gateway_url,
    }


def _start_over(home: Home, *, yes: bool) -> None:
    if not home.exists():
        return
    if any(home.iterdir()) and not (home / "secrets.json").exists():
        raise CommandError(
            f"{home} is not a home of this platform: it has files, but no secrets.json. Nothing was deleted."
        )
    if not yes and not typer.confirm(f"Delete all data in {home}?"):
        raise CommandError("Nothing was deleted.")
    down(home)
    shutil.rmtree(home)
