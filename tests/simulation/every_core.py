"""Runs every core over one seeded flow and prints digests of all that they wrote: `every_core.py BATCH_RECORDS`.

One line each for the records of a stage's topic partition by partition, key by key, and for each shard's state.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from schemas.codec import local_codec
from stream_topology.stages import STAGES
from tradsys.demo.flow import synthetic
from tradsys.demo.memory import START_US, TICK_US, MemoryVenue, command_of
from workers.kernel.stage import Record

EVENTS = 400
EVENTS_A_TICK = 25
SEED = 11
SHARDS = 2


def run(batch_records: int) -> MemoryVenue:
    """A venue that has traded the flow, every shard reading at most so many records of a topic at a time."""
    venue = MemoryVenue(shards=SHARDS, codec=local_codec())
    log, shards = venue.pipeline.log, venue.pipeline.shards

    def settle() -> None:
        while sum(shard.step(lambda _: batch_records) for shard in shards if shard.lag()):
            pass

    for number, event in enumerate(islice(synthetic(SEED), EVENTS)):
        if number == 0:
            venue.open("run", event.price_e8)
        log.now_us = max(log.now_us, START_US + event.at_us)
        venue.send(command_of(event, "run"))
        if number % EVENTS_A_TICK == 0:
            settle()  # what a tick tells is then the same, however it was read
            log.now_us += TICK_US
            venue.tick()
        settle()
    for shard in shards:
        shard.snapshot()
    return venue


def digest(records: Iterable[Record]) -> str:
    """The number of the records and a digest of their bytes, in their order."""
    summed, count = hashlib.sha256(), 0
    for record in records:
        for part in (record.key or b"", record.value or b""):
            summed.update(len(part).to_bytes(4, "big") + part)
        count += 1
    return f"{count} {summed.hexdigest()}"


def written(venue: MemoryVenue) -> Iterator[str]:
    """The lines of this script."""
    for stage in (stage for stage in STAGES.values() if stage.journaled):
        for topic in stage.outputs:
            records = list(venue.records(topic))
            yield f"output {topic} {digest(records)}"
            for key in sorted({record.key or b"" for record in records}):
                yield f"key {topic} {key.decode()} {digest(r for r in records if (r.key or b'') == key)}"
        for own in stage.topics():
            yield f"own {own.name} {digest(venue.records(own.name))}"
    for shard in venue.pipeline.shards:
        yield f"state {shard.stage.name} {shard.number} {hashlib.sha256(shard.shard.core.dump()).hexdigest()}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in written(run(int(sys.argv[1]))))
