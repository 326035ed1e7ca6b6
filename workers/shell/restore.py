"""What a restore reads, from Kafka: the journal from its end, the newest snapshot, inputs with one reader a topic."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from schemas.codec import Codec
from schemas.messages import InputRange, JournalEntry, SnapshotChunk
from stream_topology.stages import Stage
from stream_topology.topics import journal, snapshots
from workers.kernel.shard import ReplayError, Shard
from workers.kernel.stage import Record
from workers.shell.endings import Exit, WorkerError
from workers.shell.reader import PartitionReader

_TAIL_OFFSETS: Final = 8
_TAIL_GROWTH: Final = 32

OpenReader = Callable[[str], PartitionReader]
"""Opens a reader of the shard's partition of a topic, named without the prefix."""


class ShardLog:
    """The log of one shard, for `workers.kernel.restore`. Its older owner must have been fenced before.

    The time does not grow with history: the newest journal entry is looked for from the end, and names the newest
    snapshot before it.
    """

    def __init__(self, stage: Stage, codec: Codec, open_reader: OpenReader) -> None:
        """Readers are opened when they are needed."""
        self._stage = stage
        self._codec = codec
        self._open = open_reader
        self._readers: dict[str, PartitionReader] = {}
        self.journal_next = 0
        """Journal offset after the newest entry."""
        self.snapshot_offset = -1
        """Where the newest snapshot that was seen begins."""
        self.record_count = 0
        """Inputs read."""

    def last_entry(self) -> JournalEntry | None:
        """The newest journal entry. What may follow it are only the markers of transactions."""
        log = self._reader(journal(self._stage.name).name)
        low, self.journal_next = log.bounds()
        high = self.journal_next
        span = _TAIL_OFFSETS
        while low < high:
            begin = max(low, high - span)
            log.start(begin)
            last: Record | None = None
            for last in log.until(high):  # noqa: B007 - the last one is wanted
                pass
            if last is not None:
                self.journal_next = last.offset + 1
                return self._entry(last)
            if begin == low:
                break
            span *= _TAIL_GROWTH
        return None

    def chunks(self, offset: int) -> Iterator[SnapshotChunk]:
        """Snapshot chunks from an offset to the end."""
        log = self._reader(snapshots(self._stage.name).name)
        low, high = log.bounds()
        if low == high:
            return
        log.start(max(low, offset))
        for record in log.until(high):
            chunk = self._codec.decode(record.value or b"", "SnapshotChunk")
            assert isinstance(chunk, SnapshotChunk)
            if chunk.index == 0:
                self.snapshot_offset = record.offset
            yield chunk

    def entries(self, offset: int) -> Iterator[JournalEntry]:
        """Journal entries from an offset to the newest one."""
        log = self._reader(journal(self._stage.name).name)
        low, _ = log.bounds()
        if max(low, offset) >= self.journal_next:
            return
        log.start(max(low, offset))
        for record in log.until(self.journal_next - 1):
            yield self._entry(record)

    def records(self, span: InputRange) -> Iterator[Record]:
        """Input records of a range; a reader a range instead of a topic would take ten times as long."""
        new = span.topic not in self._readers
        reader = self._reader(span.topic)
        if new:
            low, _ = reader.bounds()
            if low > span.first:
                sentence = (
                    f"{span.topic}/{reader.partition}: offsets from {span.first} on are needed, the log begins at "
                    f"{low}. The topic's retention has deleted what this stage needs to rebuild its state."
                )
                raise ReplayError(sentence)
            reader.start(span.first)
        for record in reader.until(span.last):
            if record.offset >= span.first:
                self.record_count += 1
                yield record

    def committed(self) -> dict[str, int]:
        """The group's committed offsets by input; an input without one is left out."""
        return self._reader(journal(self._stage.name).name).committed(self._stage.inputs)

    def close(self) -> None:
        """Disconnect."""
        for reader in self._readers.values():
            reader.close()

    def _reader(self, topic: str) -> PartitionReader:
        reader = self._readers.get(topic)
        if reader is None:
            reader = self._readers[topic] = self._open(topic)
        return reader

    def _entry(self, record: Record) -> JournalEntry:
        entry = self._codec.decode(record.value or b"", "JournalEntry")
        assert isinstance(entry, JournalEntry)
        return entry


def compare_offsets(shard: Shard, offsets: Mapping[str, int]) -> None:
    """The group's offsets, by topic, are committed with the journal: raises WorkerError when they do not say the same.

    Inputs that wait for their outputs are in neither of them. A topic without a committed offset is passed over: the
    broker forgets those of a group that was away for long.
    """
    for topic, committed in offsets.items():
        position = shard.positions.get(topic, 0)
        if committed != position:
            sentence = (
                f"{shard.stage.name} shard {shard.number}: the group's committed offset of {topic} is {committed}, "
                f"the journal says {position}. They are written in one transaction, so somebody has changed one of "
                f"them. If the journal is right, set the group's offset to {position}."
            )
            raise WorkerError(Exit.STATE_UNTRUSTED, sentence)
