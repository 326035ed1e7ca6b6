"""A stage for tests of the shell: what it writes depends on the order of all its inputs. Run as a worker's process.

usage: order_stage.py INSTANCE [BEHAVIOUR]
"""

import json
import sys
import zlib

from schemas.codec import local_codec
from schemas.messages import Frame, FrameKind, Mark, Tick
from stream_topology.sharding import partition_of
from stream_topology.stages import Stage
from workers.kernel.stage import Input, Output

STAGE = Stage("order", "depends on the order of all inputs", inputs=("clock", "marks"), outputs=("stream",))
POISON = -1
"""A tick of this sequence raises."""


def channel_of(shard: int, shards: int) -> str:
    """A channel whose frames go to the shard's own partition."""
    return next(name for n in range(10_000) if partition_of(name := f"shard:{n}", shards) == shard)


class OrderCore:
    """Numbers its inputs and chains their checksums: a lost, repeated or reordered input shows in all that follows."""

    def __init__(self, shard: int, shards: int, behaviour: int = 1) -> None:
        self.behaviour = behaviour
        self.channel = channel_of(shard, shards)
        self.sequence = 0
        self.chain = 0

    def apply(self, record: Input) -> list[Output]:
        message = record.message
        assert isinstance(message, Tick | Mark)
        if isinstance(message, Tick) and message.sequence == POISON:
            raise ValueError("poison")
        self.sequence += 1
        self.chain = zlib.crc32(record.value, self.chain)
        payload = json.dumps([record.topic, message.sequence, self.chain]).encode()
        frame = Frame(
            channel=self.channel, sequence=self.sequence, kind=FrameKind.UPDATE, payload=payload, ts_us=record.ts_us
        )
        return [Output("stream", self.channel, frame)]

    def dump(self) -> bytes:
        return json.dumps([self.sequence, self.chain]).encode()

    def load(self, state: bytes, behaviour: int) -> None:
        self.sequence, self.chain = json.loads(state)


if __name__ == "__main__":
    from workers.shell.worker import run

    version = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    factory = lambda shard, shards: OrderCore(shard, shards, version)  # noqa: E731 - it is passed on only
    sys.exit(run(STAGE, factory, int(sys.argv[1]), local_codec()))
