"""Valkey: attempt limits and single-use tickets of the gateway."""

import socket
from typing import Final

from tradsys.settings import LOOPBACK, Settings
from tradsys.stack.binaries import valkey_server
from tradsys.stack.part import NotReadyError, Part, write_if_changed

ANSWER_TIMEOUT_S: Final = 2.0

_CONFIGURATION: Final = """\
bind {host}
port {port}
requirepass {password}
dir "{data}"
appendonly yes
save ""
maxmemory 64mb
maxmemory-policy volatile-ttl
daemonize no
"""


def valkey_part(settings: Settings) -> Part:
    """Valkey as a part."""
    directory = settings.home / "valkey"
    configuration = directory / "valkey.conf"

    def prepare() -> None:
        (directory / "data").mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(
            host=LOOPBACK,
            port=settings.ports.valkey,
            password=settings.secrets.valkey_password,
            data=directory / "data",
        )
        write_if_changed(configuration, text)

    return Part(
        name="valkey",
        layer="stack",
        command=(str(valkey_server()), str(configuration)),
        directory=directory,
        ports=(settings.ports.valkey,),
        port_flag="--valkey-port",
        prepare=prepare,
        ready=lambda: _ready(settings),
    )


def _ready(settings: Settings) -> None:
    """It answers PING after AUTH; while it loads its file it answers with an error."""
    try:
        with socket.create_connection((LOOPBACK, settings.ports.valkey), ANSWER_TIMEOUT_S) as connection:
            connection.sendall(f"AUTH {settings.secrets.valkey_password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (received := connection.recv(256)):  # noqa: PLR2004 - two answers
                answer += received
    except OSError as error:
        raise NotReadyError(f"nothing answers on port {settings.ports.valkey}") from error
    if answer != b"+OK\r\n+PONG\r\n":
        raise NotReadyError(f"it answers {answer.decode(errors='replace').strip()!r} to PING")
