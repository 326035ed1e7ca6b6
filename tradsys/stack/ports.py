"""Says who holds a port that a part needs."""

import socket

import psutil

from tradsys.errors import CommandError
from tradsys.settings import LOOPBACK
from tradsys.stack.part import Part


def require_free(part: Part) -> None:
    """Raise CommandError when another process listens where this part would."""
    for port in part.ports:
        if _taken(port):
            raise CommandError(
                f"Port {port}, where {part.name} would listen, is in use by {_holder(port)}. Stop that process, choose "
                f"another port with `tradsys up {part.port_flag} PORT`, or let `tradsys up --free-ports` choose all."
            )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are ending do not hold it
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # not ours to see
    return "a process of another user"
