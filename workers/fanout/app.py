"""The fanout worker."""

from stream_topology.stages import STAGES
from workers.fanout.core import FanoutCore
from workers.kernel.stage import Core
from workers.shell.worker import run


def make_core(shard: int, shards: int) -> Core:
    """The core of one shard; it needs no settings."""
    return FanoutCore(shard, shards)


def main(instance: int) -> int:
    """Run the worker until it is told to stop; the exit code."""
    return run(STAGES["fanout"], make_core, instance)
