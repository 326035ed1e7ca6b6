"""The clock's process."""

import signal
import threading

from schemas.codec import Codec
from stream_topology.stages import STAGES
from workers.clock.writer import Clock
from workers.shell import process


def main(instance: int, codec: Codec | None = None) -> int:
    """Run one clock until it is told to stop. Returns the exit code."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopped.set())
    return process.run(STAGES["clock"].name, instance, codec, lambda settings, own: Clock(settings, own).run(stopped))
