"""The risk stage as a process."""

import os

from schemas.seal import SealError, parse_seal_secrets
from stream_topology.stages import STAGES
from workers.kernel.stage import Core
from workers.risk.core import RiskCore
from workers.shell.worker import run

SEAL_SECRETS_NAME = "GATEWAY_SEAL_SECRETS"


def make_core(shard: int, shards: int) -> Core:
    """The core of one shard. GATEWAY_SEAL_SECRETS (`id:hex,...`) names the gateway's secrets; it has no default."""
    text = os.environ.get(SEAL_SECRETS_NAME)
    if not text:
        raise SealError(f"{SEAL_SECRETS_NAME} is not set: give the gateway's secrets as id:hex, the same for all")
    return RiskCore(shard, shards, seal_secrets=parse_seal_secrets(text))


def main(instance: int) -> int:
    """Run the stage until it is told to stop; the exit code."""
    return run(STAGES["risk"], make_core, instance)
