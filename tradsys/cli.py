"""The `tradsys` command line.

A command is a module of `tradsys.commands` whose function `command` does it, and a line in COMMANDS. The module is
imported when its command runs, so `tradsys --help` and each command load only what they use.
"""

import importlib
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from tradsys.errors import CommandError

COMMANDS: Final = {
    "up": "Start Kafka, registry, PostgreSQL, Valkey, every worker and the gateway.",
    "down": "Stop all of it; the data stay.",
    "status": "Show each part: state, pid, port, uptime, memory, CPU.",
    "logs": "Show the output of a part.",
    "audit": "Prove from the log and the database that nothing was lost and nothing happened twice.",
    "symbols": "Show what can be traded, make a symbol, or change it.",
    "sessions": "Show how symbols trade and what is planned, or open, halt, auction or close them.",
    "accounts": "Show who may trade, make an account, change it, or move its funds.",
    "users": "Show who may log in, make users, change their passwords, disable them.",
    "limits": "Show what accounts may do at most, change it, or show who changed it.",
    "orders": "Show orders as the database has them, or all that happened to one.",
    "kill": "Stop a symbol, an account or all symbols, and take out what rests.",
    "provision": "Make topics, schemas and tables agree with this release, or check whether they do.",
    "db": "Migrate the database up or down, show its revision, or rebuild it from the log.",
    "topology": "Print every topic and stage, and how they connect.",
    "worker": "Run a stage's worker in the foreground.",
    "gateway": "Run the gateway in the foreground.",
    "demo": "Send real order flow through the platform and prove that nothing was lost.",
    "env": "Print the platform's addresses and secrets as shell exports.",
}

EXIT_INTERRUPTED: Final = 130


class _Commands(TyperGroup):
    """Lists the commands without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return _as_click(_stub, cmd_name, COMMANDS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or command is None:
            return name, command, rest
        function = importlib.import_module(f"tradsys.commands.{name}").command
        return name, _as_click(function, name, None), rest


def _stub() -> None:
    """Stand for a command in the list of commands."""


def _as_click(function: Any, name: str, help_text: str | None) -> Any:
    holder = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    holder.command(name=name, help=help_text)(function)
    return typer.main.get_command(holder)


def main() -> None:
    """Run the command line; a CommandError becomes its sentence on stderr and its exit code."""
    app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_tradsys)
    try:
        app(prog_name="tradsys")
    except CommandError as error:
        sys.stderr.write(f"tradsys: {error.sentence}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _tradsys() -> None:
    """Run a trading venue and strategy platform whose truth is a Kafka log."""
