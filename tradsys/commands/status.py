"""`tradsys status`."""

import json
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.settings import load
from tradsys.status import PartStatus, status

EXIT_NOT_RUNNING: Final = 3
"""As `systemctl status` and the Linux Standard Base have it."""


def command(
    home: Home,
    as_json: AsJson = False,  # noqa: FBT002 - an option
    sample_s: Annotated[float, typer.Option("--sample", min=0.05, help="Measure CPU over so many seconds.")] = 0.3,
) -> None:
    """Show how each part is. Exit code 0: all that was started runs; 3: nothing runs; 1: a part is down."""
    if not home.exists():
        raise CommandError(f"{home} does not exist: nothing was ever started there.", exit_code=EXIT_NOT_RUNNING)
    settings = load(home)
    parts = status(settings, sample_s=sample_s)
    if as_json:
        addresses = {
            "home": str(settings.home),
            "kafka_bootstrap": settings.kafka_bootstrap,
            "schema_registry_url": settings.schema_registry_url,
            "db_host": "127.0.0.1",
            "db_port": settings.ports.postgres,
            "db_name": settings.db_name,
            "valkey_port": settings.ports.valkey,
            "gateway_url": settings.gateway_url,
        }
        typer.echo(json.dumps({**addresses, "parts": [asdict(part) for part in parts]}, indent=2))
    elif parts:
        Console().print(_table(parts))
    else:
        typer.echo(f"Nothing runs in {settings.home}. `tradsys up` starts it.")
    raise typer.Exit(_exit_code(parts))


def _exit_code(parts: list[PartStatus]) -> int:
    states = {part.state for part in parts} - {"stopped"}
    if not states:
        return EXIT_NOT_RUNNING
    return 0 if states == {"running"} else 1


def _table(parts: list[PartStatus]) -> Table:
    table = Table("part", "state", box=None, header_style="bold")
    for heading in ("pid", "port", "uptime", "memory", "CPU"):
        table.add_column(heading, justify="right")
    for part in parts:
        alive = part.pid != 0
        table.add_row(
            part.name,
            part.state,
            str(part.pid) if alive else "",
            str(part.port) if part.port else "",
            _duration(part.uptime_s) if alive else "",
            f"{part.rss_bytes / 1024 / 1024:.0f} MB" if alive else "",
            f"{part.cpu_percent:.1f} %" if alive else "",
        )
    memory_mb = sum(part.rss_bytes for part in parts) / 1024 / 1024
    cpu_percent = sum(part.cpu_percent for part in parts)
    table.add_row("", "", "", "", "", f"{memory_mb:.0f} MB", f"{cpu_percent:.1f} %", style="bold")
    return table


def _duration(seconds: int) -> str:
    minutes, rest_s = divmod(seconds, 60)
    hours, rest_min = divmod(minutes, 60)
    return f"{hours}:{rest_min:02}:{rest_s:02}" if hours else f"{rest_min}:{rest_s:02}"
