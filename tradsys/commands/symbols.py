"""`tradsys symbols`."""

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from schemas.controls import fee_tiers
from schemas.decided import BREAKER, SYMBOL_NUMBERS, SYMBOL_ORDERS
from schemas.messages import Control, ControlKind, SymbolStatus
from schemas.units import E8
from tradsys import connections
from tradsys.commands.options import AsJson, DecisionId, Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions
from tradsys.operator.typed import (
    EXIT_USAGE,
    decidable,
    facts_table,
    made_before,
    shown_e8,
    typed_choice,
    typed_count,
    typed_e8,
)

NONE: Final = "none"
ALL: Final = "ALL"


def command(
    home: Home,
    symbol: Annotated[
        str | None, typer.Argument(help="The symbol to show, make or change; without one all are shown.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="What is traded; else what stands before the dash.")] = None,
    quote: Annotated[str | None, typer.Option(help="What it is traded for; else what stands after the dash.")] = None,
    tick: Annotated[str | None, typer.Option(help="Prices are multiples of this.")] = None,
    lot: Annotated[str | None, typer.Option(help="Quantities are multiples of this.")] = None,
    quantity_min: Annotated[str | None, typer.Option(help="Smallest quantity of an order.")] = None,
    quantity_max: Annotated[str | None, typer.Option(help="Largest quantity of an order.")] = None,
    notional_min: Annotated[str | None, typer.Option(help="Smallest price times quantity.")] = None,
    notional_max: Annotated[str | None, typer.Option(help="Largest price times quantity.")] = None,
    price_band: Annotated[str | None, typer.Option(help="How far a price may be from the mark: 0.1 is 10 %.")] = None,
    reference_price: Annotated[str | None, typer.Option(help="The mark until there is one.")] = None,
    maker_fee: Annotated[str | None, typer.Option(help="Of the notional: 0.0001 is 1 basis point.")] = None,
    taker_fee: Annotated[str | None, typer.Option(help="Of the notional: 0.0001 is 1 basis point.")] = None,
    maintenance_margin: Annotated[
        str | None,
        typer.Option(help="Equity a margin account needs: 0.05 is 5 % of a position; or none."),
    ] = None,
    initial_margin: Annotated[
        str | None,
        typer.Option(help="Equity a margin account needs to raise a position: 0.1 is 10 % of it; or none."),
    ] = None,
    fee_tiers_text: Annotated[
        str | None,
        typer.Option(
            "--fee-tiers",
            metavar="VOLUME/MAKER/TAKER,...",
            help="Other fees from a 30-day volume on, as 1000000/0.0001/0.0003,5000000/0/0.0002; or none.",
        ),
    ] = None,
    breaker: Annotated[
        str | None,
        typer.Option(
            metavar="MOVE/WINDOW/HALT", help="Circuit breaker, as 0.1/300/60: a fraction and seconds; or none."
        ),
    ] = None,
    order_types: Annotated[
        str | None, typer.Option(help="The types of orders that it takes, as limit,market; or all.")
    ] = None,
    times_in_force: Annotated[
        str | None, typer.Option(help="The times in force that it takes, as gtc,ioc; or all.")
    ] = None,
    max_open_orders: Annotated[str | None, typer.Option(help="Most open orders of an account in it; or none.")] = None,
    status: Annotated[str | None, typer.Option(help="trading, or halted: takes cancels only.")] = None,
    decision_id: DecisionId = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show the symbols, or all rules of one; make one, or change what is given of it and leave the rest as it is.

    The decision is a record in the log: it takes effect there, for every order after it.
    """
    environ = connections.platform(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    symbols = decisions.symbols
    texts = (tick, lot, quantity_min, quantity_max, notional_min, notional_max, price_band, reference_price)
    margins = maintenance_margin, initial_margin
    given: dict[str, Any] = {
        name: typed_e8(f"--{name.removesuffix('_e8').replace('_', '-')}", text)
        for name, text in zip(
            SYMBOL_NUMBERS,
            (*texts, maker_fee, taker_fee, *(None if text == NONE else text for text in margins)),
            strict=True,
        )
    }
    given |= {"base": base, "quote": quote, "symbol_status": typed_choice("--status", status, SymbolStatus)}
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= {name: None for name, text in zip(SYMBOL_NUMBERS[-2:], margins, strict=True) if text == NONE}
    if breaker is not None:
        changes |= _typed_breaker(breaker)
    if fee_tiers_text is not None:
        changes["fee_tiers"] = _typed_tiers(fee_tiers_text)
    changes |= _typed_orders(order_types, times_in_force, max_open_orders)
    if symbol is None and changes:
        raise CommandError("Which symbol? Name it before the options.", exit_code=EXIT_USAGE)
    if symbol is not None and symbol not in symbols and not changes:
        raise CommandError(f"There is no symbol {symbol}; there are {', '.join(symbols) or 'none yet'}.")
    if symbol is not None and changes:
        with decidable():
            fields = decisions.decided.symbol_fields(symbol, changes)
        if not decisions.decide(ControlKind.SYMBOL, decision_id, changes, **fields):
            typer.echo(made_before(decision_id), err=True)
    shown = {name: control for name, control in decisions.symbols.items() if symbol in {None, name}}
    if as_json:
        typer.echo(json.dumps({name: _facts(control) for name, control in shown.items()}, indent=2))
    else:
        Console().print(_table(shown) if symbol is None else facts_table(symbol, _facts(shown[symbol])))


def _typed_breaker(text: str) -> dict[str, Any]:
    """The three numbers of a circuit breaker, or none of them. Raises CommandError."""
    parts = text.split("/")
    if text == NONE:
        return dict.fromkeys(BREAKER)
    if len(parts) != len(BREAKER):
        raise CommandError(f"--breaker is {text[:40]!r}; it must be as 0.1/300/60, or none.", exit_code=EXIT_USAGE)
    move_e8, window_e8, halt_e8 = (typed_e8("--breaker", part) or 0 for part in parts)
    return dict(zip(BREAKER, (move_e8, window_e8 // E8, halt_e8 // E8), strict=True))


def _typed_orders(order_types: str | None, times_in_force: str | None, max_open_orders: str | None) -> dict[str, Any]:
    """What is said of which orders it takes, and how many. Raises CommandError."""
    changes: dict[str, Any] = {}
    for option, text in (("order_types", order_types), ("times_in_force", times_in_force)):
        if text is not None:
            names = ",".join(part.strip().upper() for part in text.split(","))
            changes[option] = None if names == ALL else names
    if max_open_orders is not None:
        count = None if max_open_orders == NONE else typed_count("--max-open-orders", max_open_orders)
        changes["open_orders_max"] = count
    return changes


def _typed_tiers(text: str) -> str | None:
    """Tiers as a record has them. Raises CommandError."""
    if text == NONE:
        return None
    numbers = [[typed_e8("--fee-tiers", part.strip()) for part in tier.split("/")] for tier in text.split(",")]
    return ",".join("/".join(map(str, tier)) for tier in numbers)


def _shown_tiers(control: Control) -> str | None:
    tiers = fee_tiers(control.fee_tiers)
    return ", ".join("/".join(map(shown_e8, tier)) for tier in tiers) or None


def _shown_breaker(control: Control) -> str | None:
    move_e8, *times = (getattr(control, name) for name in BREAKER)
    return None if move_e8 is None else "/".join((shown_e8(move_e8), *map(str, times)))


def _facts(control: Control) -> dict[str, Any]:
    numbers = {name.removesuffix("_e8"): shown_e8(getattr(control, name)) or None for name in SYMBOL_NUMBERS}
    status = (control.symbol_status or SymbolStatus.UNKNOWN).lower()
    named = {"status": status, "base": control.base, "quote": control.quote}
    lists = {name: text and text.lower() for name in SYMBOL_ORDERS[:2] for text in (getattr(control, name),)}
    numbers["fee_tiers"] = _shown_tiers(control)
    return named | numbers | {"breaker": _shown_breaker(control)} | lists | {"max_open_orders": control.open_orders_max}


def _table(symbols: dict[str, Control]) -> Table:
    """What one wants to see of all symbols, within 80 columns."""
    table = Table("symbol", "status", "pair", box=None, header_style="bold")
    for heading in ("tick", "lot", "band", "maker fee", "taker fee"):
        table.add_column(heading, justify="right")
    for name, control in symbols.items():
        facts = _facts(control)
        numbers = (facts[fact] or "" for fact in ("tick", "lot", "price_band", "maker_fee", "taker_fee"))
        table.add_row(name, facts["status"], f"{facts['base']}/{facts['quote']}", *numbers)
    return table
