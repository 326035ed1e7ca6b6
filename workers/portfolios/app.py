"""The portfolios stage as a process."""

from stream_topology.stages import STAGES
from workers.kernel.stage import Core
from workers.portfolios.core import PortfoliosCore
from workers.shell.worker import run


def make_core(shard: int, shards: int) -> Core:
    """The core of one shard; it needs no settings."""
    return PortfoliosCore(shard, shards)


def main(instance: int) -> int:
    """Run the stage until it is told to stop; the exit code."""
    return run(STAGES["portfolios"], make_core, instance)
