"""The schema registry: Apicurio, through its Confluent API, on an H2 file."""

import json
from pathlib import Path
from typing import Any, Final

from tradsys.errors import CommandError
from tradsys.settings import LOOPBACK, REGISTRY_PATH, Settings
from tradsys.stack.jvm import ENVIRONMENT, Jvm
from tradsys.stack.loopback import ask
from tradsys.stack.part import NotReadyError, Part

HEAP_MB_MAX: Final = 256
OK: Final = 200
COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
"""A reader of today reads every version ever written: the log is kept, so all of them are still there."""


def registry_part(settings: Settings, jvm: Jvm, *, record_classes: Path | None = None) -> Part:
    """The registry as a part; with `record_classes` it writes its class-data archive there when it ends."""
    directory = settings.home / "registry"
    rest = (
        "-XX:TieredStopAtLevel=1",  # half the start time; the broker works too hard for it
        f"-Dquarkus.http.host={LOOPBACK}",
        f"-Dquarkus.http.port={settings.ports.registry}",
        "-Dquarkus.http.access-log.enabled=false",
        "-Dapicurio.ccompat.use-canonical-hash=true",
        # Without WRITE_DELAY=0 a kill loses the schemas of the last half second, and their ids are given out again.
        f"-Dapicurio.datasource.url=jdbc:h2:file:{directory}/data/registry;DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0",
        "-Dapicurio.datasource.jdbc.initial-size=2",
        "-Dapicurio.datasource.jdbc.min-size=2",
        "-Dapicurio.datasource.jdbc.max-size=10",
        "-jar",
        str(_runner(jvm.jars / "registry")),
    )
    if record_classes:
        command = jvm.recording_command(record_classes, HEAP_MB_MAX, *rest)
    else:
        command = jvm.command("registry", HEAP_MB_MAX, *rest)
    return Part(
        name="registry",
        layer="stack",
        command=command,
        directory=directory,
        environment=ENVIRONMENT,
        ports=(settings.ports.registry,),
        port_flag="--registry-port",
        prepare=lambda: (directory / "data").mkdir(parents=True, exist_ok=True),
        ready=lambda: _ready(settings),
    )


def _runner(jars: Path) -> Path:
    found = sorted(jars.glob("*-runner.jar"))
    if not found:
        raise CommandError(f"{jars} holds no registry; remove {jars.parent} so that it is fetched again.")
    return found[0]


def _ready(settings: Settings) -> None:
    """The registry answers, and refuses what old readers could not be read with. Its own default accepts everything."""
    if _config(settings, "GET").get("compatibilityLevel") != COMPATIBILITY:
        _config(settings, "PUT", {"compatibility": COMPATIBILITY})


def _config(settings: Settings, method: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    path = f"{REGISTRY_PATH}/config"
    answer = ask(method, settings.ports.registry, path, json.dumps(body).encode() if body else None)
    if answer.status != OK:
        raise NotReadyError(f"{method} {path} answers {answer.status}")
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed
