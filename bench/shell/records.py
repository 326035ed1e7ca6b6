"""The records, and an even stream of them: `python -m bench.shell.records BOOTSTRAP TOPIC RATE SECONDS`."""

import sys
import time
from typing import Final

from confluent_kafka import Producer

from stream_topology.sharding import partition_of

HOPS: Final = ("commands", "orders", "trades", "book")
"""The topics, in the order in which a record goes through them."""

SHARDS: Final = 4
RECORD_BYTES: Final = 70
KEYS: Final = [
    next(key for n in range(100) if partition_of(key := f"{n:02}", SHARDS) == shard) for shard in range(SHARDS)
]
"""A key of each partition, as Kafka's own partitioner chooses."""


def produce(producer: Producer, topic: str, number: int) -> None:
    """Put one record into the producer's queue: its key, the time in ns, padding."""
    key = KEYS[number % SHARDS]
    value = f"{key}{time.time_ns():019}".ljust(RECORD_BYTES).encode()
    producer.produce(topic, value, key, number % SHARDS)
    producer.poll(0)


def age_ms(value: bytes) -> float:
    """How long ago a record was produced."""
    return (time.time_ns() - int(value[2:21])) / 1e6


def pace(bootstrap: str, topic: str, rate: int, seconds: int) -> None:
    """Produce evenly."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "socket.nagle.disable": True})
    producer.list_topics(timeout=10)
    begin_s = time.perf_counter()
    for number in range(rate * seconds):
        wait_s = begin_s + number / rate - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        produce(producer, topic, number)
    producer.flush()


if __name__ == "__main__":
    pace(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
