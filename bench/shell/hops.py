"""One hop as a process: `python -m bench.shell.hops KIND HOP`, the addresses in the environment."""

import os
import sys
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.shell.records import HOPS, SHARDS
from schemas.codec import Codec, local_codec
from stream_topology.stages import Stage
from workers.kernel.stage import Input, Output

STAGES: Final = tuple(Stage(f"hop{n}", "identity", (HOPS[n],), (HOPS[n + 1],)) for n in range(3))
BARE_READY: Final = "ready"


class Raw(msgspec.Struct, frozen=True, gc=False):
    """A record that is only passed on; its value begins with its key."""

    account: str
    symbol: str
    value: bytes


def _raw(value: bytes) -> Raw:
    key = value[:2].decode()
    return Raw(key, key, value)


class RawCodec:
    """No Avro on the way; the journal is what it always is."""

    def __init__(self) -> None:
        self._own = local_codec()

    def decode(self, value: bytes, record: str) -> Any:
        """The record around its key."""
        return self.decoder(record)(value)

    def decoder(self, record: str) -> Callable[[bytes], Any]:
        """As a function of the value."""
        return self._own.decoder(record) if record in {"JournalEntry", "SnapshotChunk"} else _raw

    def encode(self, message: Any) -> bytes:
        """The value as it came."""
        return message.value if type(message) is Raw else self._own.encode(message)


class Identity:
    """Passes each record on."""

    behaviour = 1

    def __init__(self, output: str) -> None:
        self._output = output

    def apply(self, record: Input) -> list[Output]:
        """One output an input."""
        return [Output(self._output, record.key, record.message)]

    def dump(self) -> bytes:
        """There is no state."""
        return b""

    def load(self, state: bytes, behaviour: int) -> None:
        """There is no state."""
        assert (state, behaviour) == (b"", 1)


def shell(hop: int) -> int:
    """One worker of the shell."""
    from workers.shell.worker import run  # noqa: PLC0415 - the peer must not pay for these imports

    return run(STAGES[hop], lambda _shard, _shards: Identity(HOPS[hop + 1]), 0, cast("Codec", RawCodec()))


def bare(hop: int) -> int:
    """The floor: what confluent-kafka does in a loop."""
    prefix, bootstrap = os.environ["TRADSYS_PREFIX"], os.environ["KAFKA_BOOTSTRAP"]
    source, target = prefix + HOPS[hop], prefix + HOPS[hop + 1]
    common = {"bootstrap.servers": bootstrap, "socket.nagle.disable": True}
    consumer = Consumer(
        common
        | {
            "group.id": f"{prefix}{hop}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(source, shard, 0) for shard in range(SHARDS)])
    producer = Producer(
        common
        | {"transactional.id": f"{prefix}{hop}", "linger.ms": 0, "retry.backoff.ms": 2, "retry.backoff.max.ms": 20}
    )
    producer.list_topics(timeout=10)
    producer.init_transactions(30)
    print(BARE_READY, flush=True)
    while True:
        first = consumer.poll(1)
        if first is None:
            continue
        messages = [m for m in (first, *consumer.consume(4_000, 0)) if m.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        ends = {}
        for message in messages:
            shard, offset = message.partition(), message.offset()
            assert shard is not None
            assert offset is not None
            while True:
                try:
                    producer.produce(target, message.value(), message.key(), shard)
                    break
                except BufferError:
                    producer.poll(0.01)
            ends[shard] = offset + 1
        offsets = [TopicPartition(source, shard, end) for shard, end in ends.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
        producer.commit_transaction(10)


if __name__ == "__main__":
    sys.exit({"shell": shell, "bare": bare}[sys.argv[1]](int(sys.argv[2])))
