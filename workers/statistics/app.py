"""The statistics worker."""

from stream_topology.stages import STAGES
from workers.kernel.stage import Core
from workers.shell.worker import run
from workers.statistics.core import StatisticsCore


def make_core(shard: int, shards: int) -> Core:
    """The core of one shard; it needs no settings."""
    return StatisticsCore(shard, shards)


def main(instance: int) -> int:
    """Run the worker until it is told to stop; the exit code."""
    return run(STAGES["statistics"], make_core, instance)
