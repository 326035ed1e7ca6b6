"""Runs parts under supervisord, and ends them, whatever happened to it.

supervisord is the package `supervisor`: it restarts what dies, rotates logs and answers over a socket in the home
directory. Every process it starts carries MARKER in its environment, so that what it left behind can be found.
"""

import hashlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from tradsys.errors import CommandError
from tradsys.stack.fetch import cache_directory
from tradsys.stack.part import Part

MARKER: Final = "TRADSYS_SUPERVISED"
OVERWRITERS: Final = {"postgres": "postgres", "valkey-server": "valkey"}
"""Programs that overwrite their environment, MARKER with it, and the part in whose directory each of them works."""
SOCKET_PATH_BYTES_MAX: Final = 100
"""Unix sockets take 104 bytes (macOS) or 108 (Linux)."""
SUPERVISOR_START_S_MAX: Final = 15.0
ANSWER_S_MAX: Final = 10.0
SHUTDOWN_S_MAX: Final = 90.0
POLL_S: Final = 0.05
TERMINATE_S_MAX: Final = 15.0
RESTARTS_MAX: Final = 1_000_000_000
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
LOG_BACKUPS: Final = 2

LAYERS: Final = ("stack", "workers", "gateway")
"""Started in this order and stopped in the other."""

_HEAD: Final = """\
[supervisord]
logfile=logs/supervisord.log
logfile_maxbytes={log_bytes_max}
logfile_backups={log_backups}
pidfile={pid_file}
directory={home}
silent=true
umask=077
minfds=4096
{user}
[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

_GROUP: Final = """
[group:{layer}]
programs={programs}
priority={priority}
"""

# Log files are relative to the home directory: supervisord expands percent signs of theirs twice.
_PROGRAM: Final = """
[program:{name}]
command={command}
directory={directory}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries={restarts_max}
stopsignal={stop_signal}
stopwaitsecs={stop_timeout_s}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes={log_bytes_max}
stdout_logfile_backups={log_backups}
"""


@dataclass(frozen=True, slots=True)
class State:
    """What the supervisor says about one part."""

    name: str
    layer: str
    state: str
    """running, starting, backoff, stopping, stopped, exited, fatal or unknown."""
    pid: int
    """0 when it does not run."""
    started_at_s: int
    """Seconds since the epoch."""


class Supervision:
    """The supervisor of one home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.logs = home / "logs"
        self._configuration = home / "supervisord.conf"
        self._pid_file = home / "supervisord.pid"

    def running(self) -> bool:
        """Whether the supervisor answers."""
        return bool(self._ask("getPID"))

    def require_same(self, parts: Sequence[Part]) -> None:
        """Raise CommandError when the supervisor runs with other parts or settings."""
        if self._configuration.read_text() != self._configure(parts):
            raise CommandError(
                f"The platform in {self.home} runs with other settings. Stop it first: `tradsys down`, then "
                "`tradsys up`."
            )

    def start(self, parts: Sequence[Part]) -> None:
        """Start the supervisor over these parts; it starts none of them yet."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self._configure(parts))
        errors = self.logs / "supervisord.err"
        with errors.open("wb") as output:
            done = subprocess.run(  # noqa: S603 - our own module; it returns when the supervisor has become a daemon
                [sys.executable, "-m", "tradsys.stack.supervisord", "-c", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.home,
                env={
                    **os.environ,
                    **_bytecode(),
                    MARKER: str(self.home),
                    "PYTHONPATH": _import_path(),
                    "PYTHONSAFEPATH": "1",
                },
                check=False,
            )
        deadline_s = time.monotonic() + SUPERVISOR_START_S_MAX
        while not self.running():
            if done.returncode or time.monotonic() > deadline_s:
                raise CommandError(f"The supervisor did not start:\n{errors.read_text().strip()}")
            time.sleep(0.02)

    def start_part(self, part: Part) -> None:
        """Start one part unless it runs; returns at once."""
        with suppress(xmlrpc.client.Fault):  # ALREADY_STARTED
            self._call("startProcess", f"{part.layer}:{part.name}", False)

    def stop_part(self, part: Part) -> None:
        """Ask one part to end; it is not restarted. Returns at once."""
        with suppress(xmlrpc.client.Fault):  # NOT_RUNNING
            self._call("stopProcess", f"{part.layer}:{part.name}", False)

    def states(self) -> list[State]:
        """What each part is doing; empty when the supervisor does not run."""
        return [
            State(
                name=info["name"],
                layer=info["group"],
                state=info["statename"].lower(),
                pid=info["pid"],
                started_at_s=info["start"],
            )
            for info in self._ask("getAllProcessInfo") or ()
        ]

    def log_file(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.logs / f"{part}.log"

    def stop(self) -> int:
        """End the supervisor and every process of this home, wait for it, and return how many there were."""
        ours = list(self.processes())
        if self.running():
            with suppress(OSError, http.client.HTTPException):
                self._call("shutdown")
            supervisor = [process for process in ours if process.pid == self._supervisor_pid()]
            _await_end(supervisor, SHUTDOWN_S_MAX)
        self.end_orphans()
        for leftover in (self._pid_file, self._socket()):
            leftover.unlink(missing_ok=True)
        return len(ours)

    def end_orphans(self) -> None:
        """End what a supervisor that was killed left running: politely first."""
        orphans = list(self.processes())
        for process in orphans:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        stubborn = _await_end(orphans, TERMINATE_S_MAX)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _await_end(stubborn, TERMINATE_S_MAX)

    def processes(self) -> Iterator[psutil.Process]:
        """Every process that this home's supervisor started, and itself; never the caller or what called it."""
        callers = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid not in callers and self._is_ours(process):
                    yield process

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.environ().get(MARKER) == str(self.home):
            return True
        part = OVERWRITERS.get(process.name())
        return part is not None and Path(process.cwd()).is_relative_to(self.home / part)

    def _supervisor_pid(self) -> int:
        with suppress(FileNotFoundError, ValueError):
            return int(self._pid_file.read_text())
        return 0

    def _configure(self, parts: Sequence[Part]) -> str:
        layers = {layer: [part.name for part in parts if part.layer == layer] for layer in LAYERS}
        text = _HEAD.format(
            home=_literal(self.home),
            pid_file=_literal(self._pid_file),
            socket=_literal(self._socket()),
            user="user=root\n" if os.geteuid() == 0 else "",
            log_bytes_max=LOG_BYTES_MAX,
            log_backups=LOG_BACKUPS,
        )
        for priority, (layer, names) in enumerate(layers.items()):
            if names:
                text += _GROUP.format(layer=layer, programs=",".join(names), priority=priority)
        for part in parts:
            text += _PROGRAM.format(
                name=part.name,
                command=" ".join(_quoted(word) for word in part.command),
                directory=_literal(part.directory),
                environment=",".join(
                    f"{name}={_variable(name, value)}" for name, value in sorted(part.environment.items())
                ),
                restarts_max=RESTARTS_MAX,
                stop_signal=part.stop_signal,
                stop_timeout_s=part.stop_timeout_s,
                log_bytes_max=LOG_BYTES_MAX,
                log_backups=LOG_BACKUPS,
            )
        return text

    def _socket(self) -> Path:
        inside = self.home / "supervisord.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES_MAX:
            return inside
        # The socket itself is private (0700); its name only has to be short and the same every time.
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tradsys-{os.geteuid()}-{digest}.sock"

    def _ask(self, method: str) -> Any:
        """The answer, or None when no supervisor is there to give one."""
        try:
            return self._call(method)
        except (OSError, http.client.HTTPException):
            return None

    def _call(self, method: str, *arguments: object) -> Any:
        with xmlrpc.client.ServerProxy("http://supervisor", transport=_UnixTransport(self._socket())) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


def runs(process: psutil.Process) -> bool:
    """Whether it does; what has ended and waits to be asked how does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _await_end(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until they have ended, and return those that have not.

    Who has ended stays in the process table until its parent has asked how: for ever, in a container whose first
    process never asks.
    """
    deadline_s = time.monotonic() + timeout_s
    while (running := [process for process in processes if runs(process)]) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return running


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        del host
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_S_MAX)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        client = http.client.HTTPConnection("supervisor")
        client.sock = connection
        self._connection = "supervisor", client  # where Transport.close looks
        return client


def _import_path() -> str:
    """Where the children find our packages: a checkout need not be installed."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


def _bytecode() -> dict[str, str]:
    """Where bytecode is kept when the caller's environment wants none beside the sources.

    Without it a worker that was killed is missed for a second longer: it compiles its libraries anew.
    """
    if not os.environ.get("PYTHONDONTWRITEBYTECODE") or os.environ.get("PYTHONPYCACHEPREFIX"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache_directory() / "bytecode")}


def _literal(value: object) -> str:
    """Text that supervisord's configuration takes as it stands: a percent sign begins an expansion there."""
    return str(value).replace("%", "%%")


def _quoted(word: str) -> str:
    """One word of a command, as a shell would take it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_literal(escaped)}"'


def _variable(name: str, value: str) -> str:
    """One value of the environment. supervisord has no escapes there. Raises CommandError for what it cannot take."""
    if '"' in value or "\n" in value or value != value.strip("'"):
        raise CommandError(
            f"{name} has a double quote, a line break, or an apostrophe at an end; choose another value."
        )
    return f'"{_literal(value)}"'
