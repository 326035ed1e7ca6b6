"""Writes ticks to every partition of the clock topic. Only one clock writes; another one stands by."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from schemas.codec import Codec
from schemas.messages import Tick
from schemas.units import SECOND_US
from stream_topology.stages import STAGES
from workers.clock.ticks import next_tick, wait_s
from workers.shell.endings import Exit, WorkerError
from workers.shell.metrics import CLOCK_SEQUENCE
from workers.shell.reader import PartitionReader
from workers.shell.settings import Settings
from workers.shell.transactions import FencedError, TransactionalProducer

SILENCE_S: Final = 2.5
"""Without a tick for so long there is no other clock, or it hangs: take over."""

_LOOK_EVERY_S: Final = 0.25
_TAIL_OFFSETS: Final = 16
_TAIL_GROWTH: Final = 32

_STAGE: Final = STAGES["clock"]
_TOPIC: Final = _STAGE.outputs[0]
_KEY: Final = b"clock"

_log = structlog.stdlib.get_logger()


class Clock:
    """One clock process."""

    def __init__(
        self, settings: Settings, codec: Codec, now_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    ) -> None:
        """`now_us` is the machine's time."""
        self._settings = settings
        self._codec = codec
        self._now_us = now_us
        self._producer = TransactionalProducer(settings, f"{settings.prefix}{_STAGE.name}")

    def run(self, stopped: threading.Event) -> None:
        """Stand by while another clock ticks, then tick until told to stop. Raises WorkerError."""
        reader = PartitionReader(self._settings, f"{self._settings.prefix}{_STAGE.name}", _TOPIC, 0)
        try:
            if not self._stand_by(reader, stopped):
                return
            self._producer.fence()
            last = self._newest(reader)
        finally:
            reader.close()
        _log.info("clock ticks", after_sequence=last.sequence if last else 0)
        try:
            while not stopped.wait(wait_s(self._now_us())):
                last = next_tick(last, self._now_us())
                self._write(last)
        except FencedError as error:
            raise WorkerError(Exit.FENCED, f"another clock has taken over ({error})") from error
        finally:
            self._producer.close()

    def _stand_by(self, reader: PartitionReader, stopped: threading.Event) -> bool:
        """Wait until nobody ticks; False when stopped before."""
        tick = self._newest(reader)
        if tick is None or self._now_us() - tick.ts_us > SILENCE_S * SECOND_US:
            return True
        _log.info("another clock may be ticking", sequence=tick.sequence)
        seen, seen_at = tick.sequence, time.monotonic()
        while time.monotonic() - seen_at < SILENCE_S:
            if stopped.wait(_LOOK_EVERY_S):
                return False
            tick = self._newest(reader)
            if tick is not None and tick.sequence != seen:
                seen, seen_at = tick.sequence, time.monotonic()
        return True

    def _newest(self, reader: PartitionReader) -> Tick | None:
        """The last tick in the log. Each is one transaction over all partitions, so one partition tells it."""
        low, high = reader.bounds()
        span = _TAIL_OFFSETS
        while low < high:
            begin = max(low, high - span)
            reader.start(begin)
            values = [record.value for record in reader.until(high)]
            if values:
                tick = self._codec.decode(values[-1] or b"", "Tick")
                assert isinstance(tick, Tick)
                return tick
            if begin == low:
                break
            span *= _TAIL_GROWTH
        return None

    def _write(self, tick: Tick) -> None:
        value, topic = self._codec.encode(tick), self._settings.prefix + _TOPIC

        def fill(producer: TransactionalProducer) -> None:
            for partition in range(self._settings.shards):
                producer.produce(topic, value, _KEY, partition, timestamp=tick.ts_us // 1_000)

        self._producer.publish(fill)
        CLOCK_SEQUENCE.set(tick.sequence)
