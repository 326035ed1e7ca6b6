"""The positions stage as a process."""

from stream_topology.stages import STAGES
from workers.kernel.stage import Core
from workers.positions.core import PositionsCore
from workers.shell.worker import run


def make_core(shard: int, shards: int) -> Core:
    """The core of one shard; it needs no settings."""
    return PositionsCore(shard, shards)


def main(instance: int) -> int:
    """Run the stage until it is told to stop; the exit code."""
    return run(STAGES["positions"], make_core, instance)
