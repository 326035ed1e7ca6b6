"""`tradsys limits`."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from schemas.decided import LIMIT_NUMBERS, scope_of
from schemas.messages import Control, ControlKind
from schemas.units import format_us
from tradsys import connections
from tradsys.commands.options import AsJson, DecisionId, Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions
from tradsys.operator.typed import EXIT_USAGE, decidable, made_before, shown_e8, typed_count, typed_e8

NONE: Final = "none"
EVERY: Final = "every"


def command(
    home: Home,
    account: Annotated[str | None, typer.Argument(help="Whose limits; without one, those of every account.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only in this symbol.")] = None,
    max_order_size: Annotated[str | None, typer.Option(help="Largest quantity of an order.")] = None,
    max_position_size: Annotated[str | None, typer.Option(help="Most of the base currency, long or short.")] = None,
    max_daily_volume: Annotated[str | None, typer.Option(help="Most that is traded in a UTC day, in quote.")] = None,
    max_open_orders: Annotated[str | None, typer.Option(help="Most open orders of one symbol.")] = None,
    trade_frequency: Annotated[
        str | None, typer.Option(metavar="ORDERS/SECONDS", help="Orders and amendments, such as 100/10.")
    ] = None,
    fat_finger_limit: Annotated[str | None, typer.Option(help="Furthest a price may be on the worse side.")] = None,
    concentration_limit: Annotated[str | None, typer.Option(help="Largest part of the equity in one symbol.")] = None,
    max_leverage: Annotated[str | None, typer.Option(help="Largest exposure per equity.")] = None,
    var_limit: Annotated[str | None, typer.Option(help="Largest value at risk of a day at 99 %, in quote.")] = None,
    max_daily_loss: Annotated[str | None, typer.Option(help="Most that is lost in a UTC day, in quote.")] = None,
    max_drawdown: Annotated[
        str | None, typer.Option(help="Furthest below the highest equity, as a part of it.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Show who changed what, and when.")] = False,  # noqa: FBT002 - an option
    decision_id: DecisionId = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show the limits, or change what is given of an account's, a symbol's, both or everybody's; `none` takes one away.

    Of each kind of limit the most specific holds: of the account in the symbol, of the account, of the symbol, of all.
    """
    environ = connections.platform(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    with decidable():
        decisions.decided.require("account", account)
        decisions.decided.require("symbol", symbol)
    texts = (
        *(max_order_size, max_position_size, max_daily_volume, fat_finger_limit),
        *(concentration_limit, max_leverage, var_limit, max_daily_loss, max_drawdown),
    )
    changes: dict[str, Any] = {
        name: None if text == NONE else typed_e8(_option(name), text)
        for name, text in zip(LIMIT_NUMBERS, texts, strict=True)
        if text is not None
    }
    if max_open_orders is not None:
        count = None if max_open_orders == NONE else typed_count("--max-open-orders", max_open_orders)
        changes["max_open_orders"] = count
    if trade_frequency is not None:
        changes |= _frequency(trade_frequency)
    if changes:
        fields = decisions.decided.limits_fields(account, symbol, changes)
        if not decisions.decide(ControlKind.LIMITS, decision_id, changes, **fields):
            typer.echo(made_before(decision_id), err=True)
    if history:
        _show_history(decisions.limit_changes, account, symbol, as_json=as_json)
    else:
        shown = [limits for limits in decisions.limits.values() if _meant(limits, account, symbol) and _facts(limits)]
        _show(shown, as_json=as_json)


def _option(name: str) -> str:
    return f"--{name.removesuffix('_e8').replace('_', '-')}"


def _frequency(text: str) -> dict[str, int | None]:
    """Orders and seconds of `100/10`. Raises CommandError."""
    if text == NONE:
        return {"trade_frequency": None, "trade_frequency_s": None}
    count, slash, seconds = text.partition("/")
    if not slash:
        sentence = f"--trade-frequency is {text[:40]!r}; it must be orders in so many seconds, such as 100/10, or none."
        raise CommandError(sentence, exit_code=EXIT_USAGE)
    return {
        "trade_frequency": typed_count("--trade-frequency", count),
        "trade_frequency_s": typed_count("--trade-frequency", seconds),
    }


def _meant(limits: Control, account: str | None, symbol: str | None) -> bool:
    """Whether a record may hold for what is asked about: it names the same, or nothing."""
    return account in {None, limits.account or account} and symbol in {None, limits.symbol or symbol}


def _facts(limits: Control | None) -> dict[str, Any]:
    """What a record limits."""
    if limits is None:
        return {}
    facts: dict[str, Any] = {
        name.removesuffix("_e8"): shown_e8(value)
        for name in LIMIT_NUMBERS
        if (value := getattr(limits, name)) is not None
    }
    if limits.max_open_orders is not None:
        facts["max_open_orders"] = limits.max_open_orders
    if limits.trade_frequency is not None:
        facts["trade_frequency"] = f"{limits.trade_frequency}/{limits.trade_frequency_s}"
    return facts


def _show(shown: list[Control], *, as_json: bool) -> None:
    if as_json:
        scopes = [{"account": each.account, "symbol": each.symbol} | _facts(each) for each in shown]
        typer.echo(json.dumps(scopes, indent=2))
        return
    table = Table("account", "symbol", "limit", box=None, header_style="bold")
    table.add_column("value", justify="right")
    for each in shown:
        for name, value in _facts(each).items():
            table.add_row(each.account or EVERY, each.symbol or EVERY, name.replace("_", " "), str(value))
    Console().print(table)


def _show_history(controls: Iterable[Control], account: str | None, symbol: str | None, *, as_json: bool) -> None:
    """Each change of a limit: when, by whom, whose, from what to what."""
    newest: dict[tuple[str, str], Control] = {}
    changes: list[dict[str, Any]] = []
    for control in controls:
        old, new = _facts(newest.get(scope_of(control))), _facts(control)
        newest[scope_of(control)] = control
        if not _meant(control, account, symbol):
            continue
        changes += [
            {
                "time": format_us(control.issued_us),
                "by": control.issued_by,
                "account": control.account,
                "symbol": control.symbol,
                "limit": name,
                "old": old.get(name),
                "new": new.get(name),
            }
            for name in dict.fromkeys((*old, *new))
            if old.get(name) != new.get(name)
        ]
    if as_json:
        typer.echo(json.dumps(changes, indent=2))
        return
    table = Table("time", "by", "account", "symbol", "limit", box=None, header_style="bold")
    table.add_column("old", justify="right")
    table.add_column("new", justify="right")
    for change in changes:
        time, by, whose, where, name, old_value, new_value = change.values()
        cells = (time, by or "", whose or EVERY, where or EVERY, name.replace("_", " "))
        table.add_row(*cells, *("" if value is None else str(value) for value in (old_value, new_value)))
    Console().print(table)
