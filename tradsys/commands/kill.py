"""`tradsys kill`."""

from typing import Annotated, Final

import typer

from schemas.messages import AccountStatus, Control, ControlKind, SymbolStatus
from tradsys import connections
from tradsys.commands.options import Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions
from tradsys.operator.typed import EXIT_USAGE
from tradsys.settings import environment_of

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
    environ = environment_of(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    if reducing and what == "symbol":
        raise CommandError("A symbol cannot be reducing: an account or the venue can.", exit_code=EXIT_USAGE)
    status = AccountStatus.REDUCING if reducing else AccountStatus.SUSPENDED
    if name is not None and strategy is not None:
        meant = _strategy(decisions, name, strategy, status)
    else:
        meant = _meant(decisions, "account" if reducing else what, name, status)
    if not yes:
        typer.confirm(f"Stop {', '.join(meant)}, and cancel all that rests there?", abort=True)
    decisions.write(meant.values(), "Killing twice is harmless: repeat it.")
    typer.echo(f"Stopped: {', '.join(meant)}.")


def _meant(decisions: Decisions, what: str, name: str | None, status: AccountStatus) -> dict[str, Control]:
    """The decisions that stop what is meant, by name. Raises CommandError where there is no such thing."""
    if what == "account":
        known = decisions.accounts
        stop: dict[str, object] = {"account_status": status, "resume": False}
    else:
        known = decisions.symbols
        stop = {"symbol_status": SymbolStatus.HALTED}
    if name is not None and name not in known:
        raise CommandError(f"There is no {what} {name}; there are {', '.join(known) or 'none'}.")
    if not known:
        raise CommandError(f"The venue has no {what}s.")
    return {
        each: decisions.changed(control, cancel_open=True, **stop)
        for each, control in known.items()
        if name in {None, each}
    }


def _strategy(decisions: Decisions, account: str, strategy: str, status: AccountStatus) -> dict[str, Control]:
    """The decision that stops a strategy, by its name; nobody has to have made it. Raises CommandError."""
    if account not in decisions.accounts:
        raise CommandError(f"There is no account {account}; there are {', '.join(decisions.accounts) or 'none'}.")
    stop = decisions.new(
        ControlKind.STRATEGY, account=account, strategy=strategy, account_status=status, cancel_open=True
    )
    return {f"{strategy} of {account}": stop}
