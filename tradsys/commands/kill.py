"""`tradsys kill`."""

from typing import Annotated, Final

import typer

from schemas.messages import AccountStatus, Control, SymbolStatus
from tradsys import connections
from tradsys.commands.options import Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions
from tradsys.operator.typed import EXIT_USAGE
from tradsys.settings import environment_of

KINDS: Final = ("symbol", "account", "venue")


def command(
    home: Home,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="symbol, account or venue.")],
    name: Annotated[str | None, typer.Argument(help="Which symbol or account.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Stop a symbol, an account, or all symbols of the venue, and take out what rests.

    It takes effect in the log: every order after it is refused, and each that rests ends with the reason KILLED; many
    of them end over the next seconds. An account with more than 50,000 open orders must be killed again for the rest.
    `tradsys symbols NAME --status trading` and `tradsys accounts NAME --status active` let them go on.
    """
    if what not in KINDS or (name is None) is not (what == "venue"):
        raise CommandError(
            "Kill what? `tradsys kill symbol NAME`, `tradsys kill account NAME`, or `tradsys kill venue`.",
            exit_code=EXIT_USAGE,
        )
    environ = environment_of(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    meant = _meant(decisions, what, name)
    if not yes:
        typer.confirm(f"Stop {', '.join(meant)}, and cancel all that rests there?", abort=True)
    decisions.write(meant.values(), "Killing twice is harmless: repeat it.")
    typer.echo(f"Stopped: {', '.join(meant)}.")


def _meant(decisions: Decisions, what: str, name: str | None) -> dict[str, Control]:
    """The decisions that stop what is meant, by name. Raises CommandError where there is no such thing."""
    if what == "account":
        known = decisions.accounts
        stop: dict[str, object] = {"account_status": AccountStatus.SUSPENDED}
    else:
        known = decisions.symbols
        stop = {"symbol_status": SymbolStatus.HALTED}
    if name is not None and name not in known:
        raise CommandError(f"There is no {what} {name}; there are {', '.join(known) or 'none'}.")
    if not known:
        raise CommandError("The venue has no symbols.")
    return {
        each: decisions.changed(control, cancel_open=True, **stop)
        for each, control in known.items()
        if name in {None, each}
    }
