"""Bots that write to `commands` directly: several producers, each sealing with its accounts' own Ed25519 keys."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Final

from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.codec import Codec
from schemas.seal import SEAL_HEADER, SEAL_KEY_HEADER, seal_ed25519
from stream_topology.sharding import partition_of
from tradsys.demo.flow import FlowEvent
from tradsys.demo.memory import command_of

QUEUE_EVENTS_MAX: Final = 2_000
"""Events that wait for one producer; the flow waits when it is full."""

FLUSH_S: Final = 30.0


@dataclass(slots=True)
class Bots:
    """Sends a flow at a rate, spread by account over several producers."""

    bootstrap: str
    topic: str
    """`commands` with its prefix."""
    shards: int
    codec: Codec
    run: str
    """Names the flow's orders and the keys that seal them."""
    keys: Mapping[str, Ed25519PrivateKey]
    """By account."""
    producer_count: int = 4
    sent: int = 0
    acknowledged: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def send(self, events: Iterable[FlowEvent], rate: float) -> None:
        """Send all events, `rate` a second, and wait until the broker has them. Blocks; `stop` ends it early."""
        queues: list[Queue[FlowEvent | None]] = [Queue(QUEUE_EVENTS_MAX) for _ in range(self.producer_count)]
        threads = [threading.Thread(target=self._produce, args=(queue,), daemon=True) for queue in queues]
        for thread in threads:
            thread.start()
        self._feed(queues, events, rate)
        for queue in queues:
            queue.put(None)
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Let `send` return after what is on its way."""
        self._stop.set()

    def _feed(self, queues: Sequence[Queue[FlowEvent | None]], events: Iterable[FlowEvent], rate: float) -> None:
        accounts: dict[str, int] = {}
        start_s = time.monotonic()
        for number, event in enumerate(events):
            ahead_s = start_s + number / rate - time.monotonic()
            if ahead_s > 0 and self._stop.wait(ahead_s):
                return
            queue = queues[accounts.setdefault(event.account, len(accounts)) % len(queues)]
            while not self._stop.is_set():
                try:
                    queue.put(event, timeout=0.2)
                    break
                except Full:
                    continue
            if self._stop.is_set():
                return

    def _produce(self, queue: "Queue[FlowEvent | None]") -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "delivery.timeout.ms": 60_000,
            }
        )
        while True:
            try:
                event = queue.get(timeout=0.05)
            except Empty:
                producer.poll(0)
                continue
            if event is None:
                break
            command = command_of(event, self.run)
            value = self.codec.encode(command)
            producer.produce(
                self.topic,
                value,
                key=command.account,
                partition=partition_of(command.account, self.shards),
                headers=[
                    (SEAL_KEY_HEADER, self.run.encode()),
                    (SEAL_HEADER, seal_ed25519(self.keys[command.account], value)),
                ],
                on_delivery=self._delivered,
            )
            self.sent += 1
            producer.poll(0)
        if producer.flush(FLUSH_S):
            self.failed.append(f"the broker did not acknowledge everything within {FLUSH_S:.0f} s")

    def _delivered(self, error: object, _message: object) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.failed.append(str(error))
