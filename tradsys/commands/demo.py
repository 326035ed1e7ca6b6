"""`tradsys demo`."""

import json
import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape

from tradsys.audit.report import as_json, as_table
from tradsys.commands.options import AsJson
from tradsys.demo.flow import FlowEvent, recorded, sample_path, synthetic
from tradsys.errors import CommandError
from tradsys.settings import default_home

EVENTS_DEFAULT: Final = 30_000
MEMORY_EVENTS_DEFAULT: Final = 12_000
RATE_DEFAULT: Final = 1_000.0
EXIT_DISAGREES: Final = 1


def command(
    home: Annotated[
        Path | None, typer.Option(help="The demo's own directory; what an earlier demo left there is deleted.")
    ] = None,
    synthetic_seed: Annotated[
        int | None, typer.Option("--synthetic", metavar="SEED", help="Trade a market made from SEED.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="How many orders and cancels.")] = None,
    rate: Annotated[float, typer.Option(min=1, help="Orders and cancels a second.")] = RATE_DEFAULT,
    in_memory: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--in-memory", help="One process, no Kafka, no Java: a first look within seconds.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the platform running at the end.")] = False,  # noqa: FBT002 - an option
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Choose free ports.")] = False,  # noqa: FBT002 - an option
    json_output: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Send real order flow through the whole platform and prove from the log that nothing was lost.

    The flow is half an hour of Bitstamp BTC/USD that the package ob-analytics ships (`pip install tradsys[samples]`),
    or with --synthetic a market made from a seed. Exit code 1 says that the proof found something.
    """
    console = Console(stderr=json_output)
    flow = _flow(synthetic_seed)
    if in_memory:
        if keep or home or free_ports:
            raise CommandError("--in-memory leaves nothing behind: --keep, --home and --free-ports do not go with it.")
        _in_memory(console, islice(flow, events or MEMORY_EVENTS_DEFAULT), json_output=json_output)
        return
    directory = home or default_home() / "demo"
    limited = islice(flow, events or EVENTS_DEFAULT)
    _on_platform(console, directory, limited, rate, keep=keep, choose_ports=free_ports, json_output=json_output)


def _flow(seed: int | None) -> Iterator[FlowEvent]:
    if seed is not None:
        return synthetic(seed)
    path = sample_path()
    if path is None:
        raise CommandError(
            "The recorded market is not installed: `pip install 'tradsys[samples]'`, "
            "or trade a made one with `tradsys demo --synthetic 1`."
        )
    return recorded(path)


def _in_memory(console: Console, flow: Iterator[FlowEvent], *, json_output: bool) -> None:
    from tradsys.demo.memory import MemoryVenue  # noqa: PLC0415 - the platform's demo does not need it

    venue = MemoryVenue()
    began_s = time.monotonic()
    with console.status("trading in memory") as status:
        sent = 0
        for sent in venue.trade(flow):
            status.update(f"trading in memory: {sent:,} events")
        took_s = time.monotonic() - began_s
        result = venue.reconcile()
    if json_output:
        typer.echo(json.dumps({"events": sent, "seconds": round(took_s, 3), **as_json(result)}))
    else:
        console.print(f"{sent:,} events through every stage in {took_s:.1f} s, in one process.")
        console.print(as_table(result))
    if not result.agrees:
        raise typer.Exit(EXIT_DISAGREES)


def _on_platform(
    console: Console,
    home: Path,
    flow: Iterator[FlowEvent],
    rate: float,
    *,
    keep: bool,
    choose_ports: bool,
    json_output: bool,
) -> None:
    from tradsys import settings as all_settings  # noqa: PLC0415 - the in-memory demo begins sooner without all this
    from tradsys.commands.fetching import fetch_with_progress  # noqa: PLC0415
    from tradsys.demo.advice import advice  # noqa: PLC0415
    from tradsys.demo.platform_run import PlatformRun  # noqa: PLC0415
    from tradsys.demo.view import render  # noqa: PLC0415
    from tradsys.platform import down, up  # noqa: PLC0415
    from tradsys.stack.processes import process_parts  # noqa: PLC0415
    from tradsys.stack.supervision import Supervision  # noqa: PLC0415

    began_s = time.monotonic()
    if any(Supervision(home.expanduser().resolve()).processes()):
        raise CommandError(
            f"A platform runs in {home}, where this demo would start over. `tradsys down --home {quote(str(home))}` "
            "ends it; --home with another directory and --free-ports let both run."
        )
    shutil.rmtree(home, ignore_errors=True)
    settings = all_settings.load(home, flags=all_settings.free_ports() if choose_ports else {})
    fetch_with_progress(console)
    with console.status("starting") as status:
        up(settings, report=lambda doing: status.update(escape(doing)))
    try:
        ports = {part.name: part.ports[0] for part in process_parts(settings) if part.layer == "workers"}
        run = PlatformRun.create(settings, ports)
        console.print(f"The platform runs ({time.monotonic() - began_s:.0f} s). Trading begins.")
        with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
            run.trade(flow, rate, lambda: live.update(render(run.metrics, run.observer, run.bots, run.clients)))
        with console.status("reading the log and the database"):
            result = run.prove()
        wrong = [*run.bots.failed, *run.clients.wrong]
        first_trade_s = run.observer.first_trade_s
        latency_ms = run.observer.latency_ms()
        if json_output:
            facts = {"first_trade_s": first_trade_s, "latency_ms": latency_ms, "clients": dict(run.clients.outcomes)}
            typer.echo(json.dumps({**facts, "clients_saw_wrong": wrong, **as_json(result)}))
        else:
            console.print(as_table(result))
            for sentence in wrong[:10]:
                console.print(f"a client saw: {sentence}", style="red")
        if keep:
            what_to_try = advice(home, settings.gateway_url, run.clients.logins[0])
            console.print(what_to_try, markup=False, highlight=False, soft_wrap=True)
    finally:
        if not keep:
            with console.status("stopping"):
                down(home)
    if wrong or not result.agrees:
        raise typer.Exit(EXIT_DISAGREES)
