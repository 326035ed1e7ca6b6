"""The matching stage as a process: `tradsys worker matching --instance K`."""

from stream_topology.stages import STAGES
from workers.kernel.stage import Core
from workers.matching.core import MatchingCore
from workers.shell.worker import run


def make_core(shard: int, shards: int) -> Core:
    """The books of one shard, empty."""
    return MatchingCore(shard, shards)


def main(instance: int) -> int:
    """Run worker number `instance` until it is told to stop; the process's exit code."""
    return run(STAGES["matching"], make_core, instance)
