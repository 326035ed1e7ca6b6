"""A shard on the log in memory: work that was published survives a crash, and a log that does not agree is refused."""

from collections.abc import Iterable

import msgspec
import pytest

from schemas.codec import local_codec
from schemas.messages import JournalEntry, Tick
from stream_topology.stages import Stage
from workers.kernel.memory import MemoryLog, MemoryPipeline, MemoryShard, _Reader
from workers.kernel.restore import Restored, restore
from workers.kernel.shard import ReplayError, Shard
from workers.kernel.stage import Input, Output

CODEC = local_codec()
STAGE = Stage("counter", "Counts ticks", inputs=("clock",), outputs=("clock",))


class Counter:
    """Tells how many inputs it has seen, on a topic that it does not read itself."""

    behaviour = 1

    def __init__(self, shard: int, shards: int) -> None:
        self.count = 0

    def apply(self, record: Input) -> list[Output]:
        self.count += 1
        return [Output("dead_letters", "count", Tick(sequence=self.count, ts_us=record.ts_us))]

    def dump(self) -> bytes:
        return msgspec.msgpack.encode(self.count)

    def load(self, state: bytes, behaviour: int) -> None:
        self.count = msgspec.msgpack.decode(state, type=int)


def tick(log: MemoryLog, number: int) -> None:
    log.append("clock", 0, b"", CODEC.encode(Tick(sequence=number, ts_us=number)))


def counted(log: MemoryLog) -> list[int]:
    return [CODEC.decode(record.value or b"", "Tick").sequence for record in log.read("dead_letters", 0)]  # type: ignore[union-attr]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def shard(log: MemoryLog) -> MemoryShard:
    return MemoryShard(log, STAGE, 0, 1, CODEC, Counter)


def test_published_work_is_there_after_a_crash_and_other_work_is_done_again(log: MemoryLog, shard: MemoryShard) -> None:
    for number in range(3):
        tick(log, number)
    assert shard.step(lambda _: 2) == 2
    assert shard.prepare(lambda _: 1) is not None  # and it dies before this is published
    shard.open()
    assert (counted(log), shard.lag()) == ([1, 2], 1)
    assert shard.step() == 1
    assert counted(log) == [1, 2, 3]


def test_what_is_delivered_again_is_passed_over(log: MemoryLog, shard: MemoryShard) -> None:
    for number in range(3):
        tick(log, number)
    shard.step(lambda _: 2)
    transaction = shard.prepare(lambda _: 1, again=2)
    assert transaction is not None
    shard.publish(transaction)
    assert counted(log) == [1, 2, 3]


def test_a_restore_begins_at_the_newest_snapshot(log: MemoryLog, shard: MemoryShard) -> None:
    for number in range(4):
        tick(log, number)
        shard.step()
        if number in {0, 2}:
            shard.snapshot()
    shard.open()
    assert shard.restored == Restored(snapshot_sequence=3, snapshot_bytes=1, replayed_entries=1)
    tick(log, 4)
    shard.step()
    assert counted(log) == [1, 2, 3, 4, 5]


def test_a_journal_that_lost_its_middle_is_not_guessed_at(log: MemoryLog, shard: MemoryShard) -> None:
    for number in range(3):
        tick(log, number)
        shard.step()
    entries = log.read("counter.journal", 0)
    torn = MemoryLog()
    for number in range(3):
        tick(torn, number)
    for entry in (entries[0], entries[2]):
        torn.append("counter.journal", 0, entry.key or b"", entry.value or b"")
    with pytest.raises(ReplayError):
        MemoryShard(torn, STAGE, 0, 1, CODEC, Counter)


def test_a_journal_that_ends_before_its_last_entry_is_refused(log: MemoryLog, shard: MemoryShard) -> None:
    for number in range(2):
        tick(log, number)
        shard.step()

    class Short(_Reader):
        def entries(self, offset: int) -> Iterable[JournalEntry]:
            return list(super().entries(offset))[:1]

    with pytest.raises(ReplayError, match="the journal ends at 1, its last entry is 2"):
        restore(Shard(STAGE, Counter(0, 1), 0, 1, CODEC), Short(log, STAGE, 0, CODEC))


def test_a_pipeline_runs_until_nothing_waits() -> None:
    pipeline = MemoryPipeline.create([STAGE], {"counter": Counter}, 1, CODEC)
    tick(pipeline.log, 0)
    pipeline.run()
    assert counted(pipeline.log) == [1]
    assert [shard.lag() for shard in pipeline.shards] == [0]
