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

from gateway.auth import totp
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
    set_totp,
)
from schemas.units import format_us
from tradsys import connections
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE


class Action(StrEnum):
    """What is done with a user."""

    LIST = "list"
    CREATE = "create"
    PASSWORD = "password"  # noqa: S105 - a verb  # nosec B105
    ROLE = "role"
    DISABLE = "disable"
    ENABLE = "enable"
    TOTP = "totp"
    TOTP_OFF = "totp-off"


def command(
    home: Home,
    action: Annotated[
        Action, typer.Argument(help="list, create, password, role, disable, enable, totp or totp-off.")
    ] = Action.LIST,
    username: Annotated[str | None, typer.Argument(help="Whom; not for list.")] = None,
    account: Annotated[
        str | None, typer.Option(help="create: the account for which the user acts; the user's name unless it is said.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="create, role: viewer, trader or admin.")] = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show who may log in; make a user, change a password or a role, disable and enable one, or ask one for codes too.

    A password is asked for, or read as one line from the standard input; it is never an argument. Disabling a user and
    changing a password or a role end the user's sessions and API keys everywhere within about a second.

    totp makes a secret for an authenticator, and prints it once: from then on the user logs in with its codes too. For
    a user who has lost it, it makes another. totp-off takes it away. Both end what a new password ends.
    """
    if (username is None) is not (action is Action.LIST):
        raise CommandError(f"{action} takes {'no' if username else 'a'} name.", exit_code=EXIT_USAGE)
    if (account and action is not Action.CREATE) or (role and action not in {Action.CREATE, Action.ROLE}):
        raise CommandError("--account goes with create, --role with create and role.", exit_code=EXIT_USAGE)
    if action in {Action.CREATE, Action.ROLE} and role is None:
        raise CommandError("Which --role: viewer, trader or admin?", exit_code=EXIT_USAGE)
    environ = connections.platform(home)
    conninfo = connections.database(environ)
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo),
        poolclass=NullPool,
        hide_parameters=True,  # errors are shown, and one of them may be the hash of a password
    )
    try:
        if action is Action.CREATE:
            user = NewUser(username or "", _password(), account or username or "", role or "")
            create(engine, user)
            said = f"{user.username} may log in, as {user.role} of the account {user.account}."
        else:
            said = _done(engine, action, username or "", role or "", environ.get("TOTP_KEYS", ""))
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


def _done(engine: Engine, action: Action, username: str, role: str, totp_keys: str) -> str:
    """Do it; what there is to say. Raises UserError."""
    match action:
        case Action.PASSWORD:
            said, ended = "has a new password", set_password(engine, username, _password())
        case Action.ROLE:
            said, ended = f"is {role} now", set_role(engine, username, role)
        case Action.DISABLE:
            said, ended = "can log in no more", disable(engine, username)
        case Action.TOTP:
            said, ended = (
                "logs in with codes of this secret too, which is not shown again",
                _enrolled(engine, username, totp_keys),
            )
        case Action.TOTP_OFF:
            said, ended = "logs in with the password alone", set_totp(engine, username, None)
        case Action.ENABLE:
            enable(engine, username)
            return f"{username} may log in again."
        case _:
            return ""
    return f"{username} {said}; {ended.sessions} sessions ended, {ended.keys} API keys were revoked."


def _enrolled(engine: Engine, username: str, keys: str) -> Ended:
    """Print a new secret as the address that authenticators take; what ended. Raises UserError."""
    secret, address = totp.new_secret(username)
    try:
        locked = totp.Vault(totp.read_keys(keys)).lock(username, secret)
    except totp.TotpKeyError as error:
        raise UserError(f"{error}.") from error
    ended = set_totp(engine, username, locked)
    typer.echo(address)
    return ended


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
        "totp": user.needs_code,
        "sessions": user.sessions,
        "api_keys": user.keys,
    }


def _table(users: list[Listed]) -> Table:
    table = Table("user", "account", "role", "disabled", "code", box=None, header_style="bold")
    for counted in ("sessions", "API keys"):
        table.add_column(counted, justify="right")
    for user in users:
        since = "" if user.disabled_us is None else format_us(user.disabled_us)
        table.add_row(
            user.username,
            user.account,
            user.role,
            since,
            "yes" if user.needs_code else "",
            str(user.sessions),
            str(user.keys),
        )
    return table
