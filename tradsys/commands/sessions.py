"""`tradsys sessions`."""

import json
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from schemas.messages import ControlKind, Phase, SessionChange
from schemas.units import UnitError, format_us, parse_us
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.calendars import exchange_changes
from tradsys.operator.decisions import Decisions
from tradsys.operator.sessions import told_sessions
from tradsys.operator.timetable import typed_days, typed_timetable
from tradsys.operator.typed import EXIT_USAGE, decidable, shown_e8, typed_choice


def command(
    home: Home,
    symbol: Annotated[str | None, typer.Argument(help="Which symbol; without one all are shown.")] = None,
    phase: Annotated[
        str | None,
        typer.Option(help="pre_open or auction: collects orders; continuous; halted or closed: cancels only."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, such as 2030-01-31T12:00:00Z; without it at once.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what is planned for --at, or all.")] = False,  # noqa: FBT002 - an option
    timetable: Annotated[
        str | None,
        typer.Option(metavar='"09:00 auction, ..."', help="Plan these phases for the next --days that have not begun."),
    ] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Plan the sessions of an exchange, such as XNYS, for --days of them.")
    ] = None,
    auction: Annotated[int, typer.Option(help="Minutes that each auction of a --calendar collects.")] = 10,
    zone: Annotated[str, typer.Option(help="Time zone of the timetable.")] = "UTC",
    days: Annotated[int, typer.Option(help="For how many days.")] = 1,
    weekdays: Annotated[str, typer.Option(help="The days of the week on which it holds.")] = "mon,tue,wed,thu,fri",
    holidays: Annotated[str | None, typer.Option(help="Dates on which it does not, as 2030-12-25,2030-12-26.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every symbol of the venue.")] = False,  # noqa: FBT002 - an option
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show how symbols trade and what is planned for them, or decide it, at once or ahead of time.

    A planned phase begins with the first tick of the log's clock that is not before its time. What opens or closes a
    symbol after an auction trades what was collected at one price.
    """
    environ = connections.platform(home)
    log, codec = connections.log(environ), connections.codec(environ)
    decisions = Decisions(log, codec)
    chosen = typed_choice("--phase", phase, Phase)
    meant = _meant(decisions, symbol, every=every)
    steps: list[tuple[int | None, Phase | None]] = []
    if chosen is not None or withdraw:
        steps.append((_typed_time(at), chosen))
    elif at is not None:
        raise CommandError("--at goes with --phase or --withdraw.", exit_code=EXIT_USAGE)
    if timetable is not None:
        steps += typed_days(typed_timetable(timetable), zone, days, weekdays, holidays, time.time_ns() // 1_000)
    if calendar is not None:
        steps += exchange_changes(calendar, days, auction, time.time_ns() // 1_000)
    if sum((chosen is not None, withdraw, timetable is not None, calendar is not None)) > 1:
        raise CommandError("Only one of --phase, --withdraw, --timetable and --calendar.", exit_code=EXIT_USAGE)
    if steps:
        if symbol is None and not every:
            raise CommandError("Which symbol? Name it, or say --all.", exit_code=EXIT_USAGE)
        if every and not yes:
            what = "withdraw the plans of" if withdraw else f"{chosen or 'plan sessions'} for"
            typer.confirm(f"{what.capitalize()} {', '.join(meant)}?", abort=True)
        decide(decisions, [(name, *step) for name in meant for step in steps])
        typer.echo("Decided. It takes effect with the log: the phase below may be the one before.", err=True)
    told = told_sessions(log, codec)
    shown = {name: _facts(decisions, name, told.get(name)) for name in meant}
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
    else:
        Console().print(_table(shown))


def decide(decisions: Decisions, steps: Iterable[tuple[str, int | None, Phase | None]]) -> None:
    """Decide phases of (symbol, from when on, phase; None withdraws), all of them or none. Raises CommandError."""
    controls = [
        decisions.new(ControlKind.SESSION, symbol=symbol, phase=phase, effective_us=effective_us)
        for symbol, effective_us, phase in steps
    ]
    with decidable():
        decisions.decided.require_room(controls, time.time_ns() // 1_000)
    decisions.write(controls, "Deciding it twice is harmless: repeat it.")


def _meant(decisions: Decisions, symbol: str | None, *, every: bool) -> list[str]:
    known = list(decisions.symbols)
    if symbol is not None and every:
        raise CommandError("Either a symbol or --all.", exit_code=EXIT_USAGE)
    if symbol is not None and symbol not in known:
        raise CommandError(f"There is no symbol {symbol}; there are {', '.join(known) or 'none'}.")
    return known if symbol is None else [symbol]


def _typed_time(text: str | None) -> int | None:
    try:
        return None if text is None else parse_us(text)
    except UnitError as error:
        raise CommandError(f"--at: {error}.", exit_code=EXIT_USAGE) from error


def _facts(decisions: Decisions, symbol: str, told: SessionChange | None) -> dict[str, Any]:
    auction = told is not None and told.price_e8 is not None
    return {
        "phase": (Phase.CONTINUOUS if told is None else told.phase).lower(),
        "price": shown_e8(told.price_e8) if told and auction else None,
        "volume": shown_e8(told.volume_e8) if told and auction else None,
        "surplus": shown_e8(told.surplus_e8) if told and auction else None,
        "planned": [{"at": format_us(at), "phase": phase.lower()} for at, phase in decisions.planned(symbol)],
    }


def _table(shown: dict[str, dict[str, Any]]) -> Table:
    table = Table("symbol", "phase", "price", "volume", "surplus", "planned (UTC)", box=None, header_style="bold")
    for name, facts in shown.items():
        planned = [f"{step['phase']} {step['at'][:19].replace('T', ' ')}" for step in facts["planned"]]
        told = (facts[number] or "" for number in ("price", "volume", "surplus"))
        table.add_row(name, facts["phase"], *told, "\n".join(planned if len(shown) == 1 else planned[:1]))
    return table
