"""`tradsys users`."""

import getpass
import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.auth.users import (
    Ended,
    Listed,
    NewUser,
    UserError,
    create,
    disable,
    enable,
    listed,
    set_password,
    set_role,
)
from schemas.units import format_us
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE
from tradsys.settings import environment_of


class Action(StrEnum):
    """What is done with a user."""

    LIST = "list"
    CREATE = "create"
    PASSWORD = "password"  # noqa: S105 - a verb  # nosec B105
    ROLE = "role"
    DISABLE = "disable"
    ENABLE = "enable"


def command(
    home: Home,
    action: Annotated[Action, typer.Argument(help="list, create, password, role, disable or enable.")] = Action.LIST,
    username: Annotated[str | None, typer.Argument(help="Whom; not for list.")] = None,
    account: Annotated[
        str | None, typer.Option(help="create: the account for which the user acts; the user's name unless it is said.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="create, role: viewer, trader or admin.")] = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show who may log in; make a user, change a password or a role, or disable and enable a user.

    A password is asked for, or read as one line from the standard input; it is never an argument. Disabling a user and
    changing a password or a role end the user's sessions and API keys everywhere within about a second.
    """
    if (username is None) is not (action is Action.LIST):
        raise CommandError(f"{action} takes {'no' if username else 'a'} name.", exit_code=EXIT_USAGE)
    if (account and action is not Action.CREATE) or (role and action not in {Action.CREATE, Action.ROLE}):
        raise CommandError("--account goes with create, --role with create and role.", exit_code=EXIT_USAGE)
    if action in {Action.CREATE, Action.ROLE} and role is None:
        raise CommandError("Which --role: viewer, trader or admin?", exit_code=EXIT_USAGE)
    conninfo = connections.database(environment_of(home))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)
    try:
        said = _done(engine, action, username or "", account or username or "", role or "")
        users = [user for user in listed(engine) if username in {None, user.username}]
    except UserError as error:
        raise CommandError(str(error)) from error
    except (SQLAlchemyError, psycopg.Error) as error:
        raise CommandError(f"The database does not do that: {str(error).splitlines()[0]}.") from error
    if said:
        typer.echo(said, err=True)
    if as_json:
        typer.echo(json.dumps({user.username: _facts(user) for user in users}, indent=2))
    elif action is Action.LIST:
        Console().print(_table(users))


def _done(engine: Engine, action: Action, username: str, account: str, role: str) -> str:
    """Do it; what there is to say. Raises UserError."""
    match action:
        case Action.LIST:
            return ""
        case Action.CREATE:
            create(engine, NewUser(username, _password(), account, role))
            return f"{username} may log in, as {role} of the account {account}."
        case Action.PASSWORD:
            return f"{username} has a new password; {_told(set_password(engine, username, _password()))}."
        case Action.ROLE:
            return f"{username} is {role} now; {_told(set_role(engine, username, role))}."
        case Action.DISABLE:
            return f"{username} can log in no more; {_told(disable(engine, username))}."
        case Action.ENABLE:
            enable(engine, username)
            return f"{username} may log in again."


def _told(ended: Ended) -> str:
    return f"{ended.sessions} sessions ended, {ended.keys} API keys were revoked"


def _password() -> str:
    """From the keyboard, twice, or else the first line of the standard input. Raises CommandError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("These were two passwords; nothing was done.")
    return password


def _facts(user: Listed) -> dict[str, Any]:
    return {
        "account": user.account,
        "role": user.role,
        "created": format_us(user.created_us),
        "disabled": None if user.disabled_us is None else format_us(user.disabled_us),
        "sessions": user.sessions,
        "api_keys": user.keys,
    }


def _table(users: list[Listed]) -> Table:
    table = Table("user", "account", "role", "disabled", box=None, header_style="bold")
    for counted in ("sessions", "API keys"):
        table.add_column(counted, justify="right")
    for user in users:
        since = "" if user.disabled_us is None else format_us(user.disabled_us)
        table.add_row(user.username, user.account, user.role, since, str(user.sessions), str(user.keys))
    return table
