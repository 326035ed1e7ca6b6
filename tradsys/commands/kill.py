"""`tradsys kill`."""

from typing import Annotated, Final

import typer

from schemas.messages import AccountStatus
from tradsys import connections
from tradsys.commands.options import Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions
from tradsys.operator.typed import EXIT_USAGE, decidable

KINDS: Final = {"symbol": 1, "account": 1, "strategy": 2, "venue": 0}
"""What can be stopped, and how many names say which one."""


def command(
    home: Home,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="symbol, account, strategy or venue.")],
    name: Annotated[str | None, typer.Argument(help="Which symbol or account.")] = None,
    strategy: Annotated[str | None, typer.Argument(help="Which strategy of the account.")] = None,
    reducing: Annotated[bool, typer.Option("--reducing", help="Accounts may still reduce positions.")] = False,  # noqa: FBT002 - an option
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Stop a symbol, an account, a strategy of an account, or all symbols of the venue, and take out what rests.

    It takes effect in the log: every order after it is refused, and each that rests ends with the reason KILLED; many
    of them end over the next seconds. An account with more than 50,000 open orders must be killed again for the rest.
    With --reducing an account, or every one, may still place orders that reduce its positions; no symbol is halted.
    `tradsys symbols NAME --status trading` and `tradsys accounts NAME --status active` let them go on, the latter with
    `--strategy NAME` a strategy.
    """
    if KINDS.get(what) != sum(each is not None for each in (name, strategy)):
        raise CommandError(
            "Kill what? `tradsys kill symbol NAME`, `tradsys kill account NAME`, `tradsys kill strategy ACCOUNT NAME`, "
            "or `tradsys kill venue`.",
            exit_code=EXIT_USAGE,
        )
    environ = connections.platform(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    if reducing and what == "symbol":
        raise CommandError("A symbol cannot be reducing: an account or the venue can.", exit_code=EXIT_USAGE)
    status = AccountStatus.REDUCING if reducing else AccountStatus.SUSPENDED
    with decidable():
        stops = decisions.decided.stops(what, name, strategy, status)
    meant = {
        stop.what: decisions.new(stop.kind, **stop.fields)
        if stop.before is None
        else decisions.changed(stop.before, **stop.fields)
        for stop in stops
    }
    if not yes:
        typer.confirm(f"Stop {', '.join(meant)}, and cancel all that rests there?", abort=True)
    changes = {name for stop in stops for name in stop.fields}
    decisions.write(meant.values(), "Killing twice is harmless: repeat it.", changes)
    typer.echo(f"Stopped: {', '.join(meant)}.")
