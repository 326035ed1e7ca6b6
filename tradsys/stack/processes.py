"""Our own processes: the workers of each stage, and the gateway. Those exist whose package does."""

import importlib.util
import json
import re
import sys
from typing import Final

from stream_topology.stages import STAGES, Stage
from tradsys.errors import CommandError
from tradsys.settings import METRICS_PORTS, Settings
from tradsys.stack.loopback import ask
from tradsys.stack.part import NotReadyError, Part

STOP_TIMEOUT_S: Final = 30
"""A worker that is asked to stop takes up to 25 s: snapshots, then it leaves its group."""
OK: Final = 200


def process_parts(settings: Settings) -> list[Part]:
    """Workers in the order of the topology, then the gateway. Raises CommandError for instances of unknown stages."""
    unknown = settings.instances.keys() - STAGES.keys()
    if unknown:
        raise CommandError(f"There is no stage {min(unknown)!r}; there are {', '.join(STAGES)}.")
    workers = [
        (stage, instance)
        for name, stage in STAGES.items()
        if _exists(f"workers.{name}.app")
        for instance in range(settings.instances.get(name, 1))
    ]
    if len(workers) > METRICS_PORTS:
        raise CommandError(f"{len(workers)} workers are asked for; this command runs at most {METRICS_PORTS}.")
    parts = [_worker(settings, *worker, settings.ports.metrics + place) for place, worker in enumerate(workers)]
    return [*parts, _gateway(settings)] if _exists("gateway.server") else parts


def _worker(settings: Settings, stage: Stage, instance: int, metrics_port: int) -> Part:
    return Part(
        name=f"{stage.name}-{instance}" if instance else stage.name,
        layer="workers",
        command=(sys.executable, "-m", "tradsys.worker_process", stage.name, str(instance)),
        directory=settings.home,
        environment={**settings.environment(), "METRICS_PORT": str(metrics_port)},
        ports=(metrics_port,),
        port_flag="--metrics-port",
        stop_timeout_s=STOP_TIMEOUT_S,
        ready=lambda: _works(stage, metrics_port, alone=settings.instances.get(stage.name, 1) == 1),
    )


def _works(stage: Stage, metrics_port: int, *, alone: bool) -> None:
    """Its metrics answer; a worker that is alone in its group must also own shards."""
    metrics = ask("GET", metrics_port, "/metrics").body.decode()
    shards = re.search(rf'^tradsys_worker_shards{{stage="{stage.name}"}} (\S+)$', metrics, re.MULTILINE)
    if stage.inputs and alone and not (shards and float(shards[1])):
        raise NotReadyError("it has no shards yet")


def _gateway(settings: Settings) -> Part:
    return Part(
        name="gateway",
        layer="gateway",
        command=(sys.executable, "-m", "gateway"),
        directory=settings.home,
        environment=settings.environment(),
        ports=(settings.ports.gateway,),
        port_flag="--gateway-port",
        stop_timeout_s=STOP_TIMEOUT_S,
        ready=lambda: _serves(settings.ports.gateway),
    )


def _serves(port: int) -> None:
    answer = ask("GET", port, "/health/ready")
    if answer.status != OK:
        raise NotReadyError(f"/health/ready answers {answer.status}: {_one_line(answer.body)}")


def _one_line(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body))[:500]
    except ValueError:
        return repr(body[:500])


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package does not exist
        return False
