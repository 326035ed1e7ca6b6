"""Our own processes: one a stage, and the gateway. Those exist whose package does."""

import importlib.util
import os
import subprocess
import sys
import urllib.request
from typing import Final

from stream_topology.stages import STAGES
from tradsys.errors import CommandError
from tradsys.settings import Settings
from tradsys.stack.part import NotReadyError, Part

ANSWER_TIMEOUT_S: Final = 5.0


def process_parts(settings: Settings) -> list[Part]:
    """Workers in the order of the topology, then the gateway."""
    workers = [_worker(settings, stage) for stage in STAGES if _exists(f"workers.{stage}.app")]
    return [*workers, _gateway(settings)] if _exists("gateway.app") else workers


def provision(settings: Settings) -> None:
    """Make the cluster and the registry agree with the topology. Raises CommandError with what it said."""
    if not _exists("stream_topology.provision"):
        return
    done = subprocess.run(
        [sys.executable, "-m", "tradsys", "provision"],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"Provisioning failed:\n{(done.stderr or done.stdout).strip()}")


def _worker(settings: Settings, stage: str) -> Part:
    return Part(
        name=stage,
        layer="workers",
        command=(sys.executable, "-m", "tradsys", "worker", stage, "--instance", "0"),
        directory=settings.home,
        environment=settings.environment(),
    )


def _gateway(settings: Settings) -> Part:
    return Part(
        name="gateway",
        layer="gateway",
        command=(sys.executable, "-m", "tradsys", "gateway"),
        directory=settings.home,
        environment=settings.environment(),
        ports=(settings.ports.gateway,),
        port_flag="--gateway-port",
        ready=lambda: _answers(settings),
    )


def _answers(settings: Settings) -> None:
    url = f"{settings.gateway_url}/health/ready"
    try:
        urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S).close()  # noqa: S310 - an http address on loopback
    except OSError as error:
        raise NotReadyError(f"{url}: {error}") from error


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package does not exist
        return False
