"""What the demo's live view shows of the market: read from the log, as any consumer would."""

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from schemas.codec import Codec, CodecError
from schemas.messages import Execution, Message, Ticker, Trade
from stream_topology.topics import TOPICS

LATENCIES_MAX: Final = 5_000
"""Newest latencies that the percentiles are of."""

TRADES_SHOWN: Final = 8
WATCHED: Final = ("executions", "trades", "tickers")


@dataclass(slots=True)
class Observer:
    """Follows executions, trades and tickers from now on, in a thread of its own."""

    bootstrap: str
    prefix: str
    shards: int
    codec: Codec
    executions: int = 0
    trades: int = 0
    first_trade_s: float | None = None
    """Seconds from the start to the first trade."""
    last_trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_SHOWN))
    ticker: Ticker | None = None
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_MAX))
    _started_s: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin at the end of each topic."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}demo",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        partitions = [TopicPartition(self.prefix + topic, p) for topic in WATCHED for p in range(self.shards)]
        for partition in partitions:
            partition.offset = consumer.get_watermark_offsets(partition, timeout=10)[1]
        consumer.assign(partitions)
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._follow, args=(consumer,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def latency_ms(self) -> tuple[float, float]:
        """Median and 99th percentile from a command's append to its answer being read here, milliseconds."""
        values = sorted(self._latencies_ms)
        if not values:
            return 0.0, 0.0
        return statistics.median(values), values[min(len(values) * 99 // 100, len(values) - 1)]

    def _follow(self, consumer: Consumer) -> None:
        skip = len(self.prefix)
        while not self._stop.is_set():
            for message in consumer.consume(1_000, 0.05):
                name, value = message.topic(), message.value()
                if message.error() is not None or name is None or value is None:
                    continue
                try:
                    self._see(self.codec.decode(value, TOPICS[name[skip:]].record))
                except CodecError:
                    continue  # the reconciliation counts it
        consumer.close()

    def _see(self, message: Message) -> None:
        match message:
            case Execution(command_id=command_id, command_us=command_us):
                self.executions += 1
                if command_id is not None:
                    self._latencies_ms.append(time.time() * 1000 - command_us / 1000)
            case Trade():
                if self.first_trade_s is None:
                    self.first_trade_s = time.monotonic() - self._started_s
                self.trades += 1
                self.last_trades.append(message)
            case Ticker():
                self.ticker = message
