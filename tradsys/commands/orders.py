"""`tradsys orders`."""

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from gateway.orders.values import parse_order_id
from schemas.messages import OrderStatus
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.orders import OPEN, Orders, why
from tradsys.operator.typed import EXIT_USAGE, facts_table

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 10_000

_STATUSES: Final = (OPEN, *(status.lower() for status in OrderStatus if status not in {"UNKNOWN", "PENDING"}))


def command(
    home: Home,
    order_id: Annotated[str | None, typer.Argument(help="Show this order's whole life.")] = None,
    account: Annotated[str | None, typer.Option(help="Only orders of this account.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only orders of this symbol.")] = None,
    status: Annotated[str | None, typer.Option(help=f"Only orders that are {', '.join(_STATUSES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="So many at most, newest first.")] = LIMIT_DEFAULT,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show orders as the database has them, or all that happened to one.

    What the log has and the projections have not written yet is not there.
    """
    if status is not None and status not in _STATUSES:
        raise CommandError(
            f"--status is {status[:40]!r}; it must be one of {', '.join(_STATUSES)}.", exit_code=EXIT_USAGE
        )
    known = Orders(connections.database(connections.platform(home)))
    if order_id is not None:
        if account or symbol or status:
            raise CommandError("An order's id says which one: leave the other options out.", exit_code=EXIT_USAGE)
        _show_one(known, order_id, as_json=as_json)
        return
    found = known.newest(limit, account, symbol, status)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found:
        Console().print(_table(found))
    else:
        typer.echo("There are no such orders.")


def _show_one(known: Orders, order_id: str, *, as_json: bool) -> None:
    if (number := parse_order_id(order_id)) is None:
        raise CommandError(f"{order_id[:40]!r} is no order's id: that is a whole number.", exit_code=EXIT_USAGE)
    order = known.life(number)
    if order is None:
        raise CommandError(f"There is no order {order_id} in the database.")
    if as_json:
        typer.echo(json.dumps(order, indent=2))
        return
    happened = order.pop("executions")
    console = Console()
    facts = {name: value for name, value in order.items() if value is not None} | {"reason": why(order)}
    console.print(facts_table(f"order {facts.pop('order_id')}", facts))
    console.print()
    console.print(_life(happened))


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("order", "account", "symbol", "side", box=None, header_style="bold")
    for heading in ("quantity", "price", "filled"):
        table.add_column(heading, justify="right")
    table.add_column("status")
    for order in found:
        numbers = (order["quantity"], order["price"] or order["order_type"], order["cumulative"])
        status = order["status"].replace("_", " ")
        table.add_row(order["order_id"], order["account"], order["symbol"], order["side"], *numbers, status)
    return table


def _life(happened: list[dict[str, Any]]) -> Table:
    table = Table("time", "what", box=None, header_style="bold")
    for heading in ("quantity", "price", "leaves"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    for each in happened:
        quantity, price = each["last_quantity"] or each["quantity"], each["last_price"] or each["price"] or ""
        table.add_row(
            each["time"], each["kind"].replace("_", " "), quantity, price, each["leaves"], each["message"] or ""
        )
    return table
