"""What the stages say they have applied, against what their inputs hold."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from schemas.codec import Codec
from schemas.messages import InputRange, JournalEntry
from stream_topology.stages import STAGES
from stream_topology.topics import journal
from tradsys.audit.contents import Contents, Finding
from tradsys.audit.reconcile import Rule
from workers.kernel.stage import Record

Reader = Callable[[str], Iterable[Record]]
"""The committed records of a topic, each partition's in the order of its offsets."""


def journals_rule(records: Reader, codec: Codec) -> Rule:
    """The rule that a shard applied each record of its inputs once, up to the last that its journal names.

    What comes after that waits for its outputs, or came while the journals were read.
    """

    def check(_contents: Contents) -> Iterator[Finding]:
        spans: dict[str, list[_Spans]] = defaultdict(list)
        for stage in STAGES.values():
            if stage.journaled:
                own = {topic: _Spans(stage.name, topic) for topic in stage.inputs}
                yield from _collect(stage.name, records(journal(stage.name).name), codec, own)
                for topic in stage.inputs:
                    spans[topic].append(own[topic])
        for topic, readers in spans.items():
            for record in records(topic):
                for reader in readers:
                    yield from reader.judge(record)

    return Rule("journals", "Each stage has applied every record of its inputs, once and in order.", check)


class _Spans:
    """The ranges of one input that a stage's journals name, by shard."""

    def __init__(self, stage: str, topic: str) -> None:
        self._stage = stage
        self._topic = topic
        self._ranges: dict[int, list[InputRange]] = defaultdict(list)
        self._place: dict[int, int] = defaultdict(int)

    def add(self, shard: int, span: InputRange) -> Iterator[Finding]:
        """The next range of a shard."""
        ranges = self._ranges[shard]
        if ranges and span.first <= ranges[-1].last:
            detail = f"applies {span.first} to {span.last} after {ranges[-1].first} to {ranges[-1].last}"
            yield Finding("journals", f"{self._topic}/{shard}", f"{self._stage} {detail}")
        ranges.append(span)

    def judge(self, record: Record) -> Iterator[Finding]:
        """Whether a record stands in a range; they come in the order of their offsets."""
        ranges, place = self._ranges[record.partition], self._place[record.partition]
        while place < len(ranges) and ranges[place].last < record.offset:
            place += 1
        self._place[record.partition] = place
        if place < len(ranges) and record.offset < ranges[place].first:
            where = f"{self._topic}/{record.partition}/{record.offset}"
            yield Finding("journals", where, f"{self._stage} has passed it over")


def _collect(stage: str, entries: Iterable[Record], codec: Codec, spans: dict[str, _Spans]) -> Iterator[Finding]:
    """Give the ranges of a stage's journals to `spans`; their sequence has no gap."""
    sequences: dict[int, int] = {}
    for record in entries:
        entry = codec.decode(record.value or b"", "JournalEntry")
        assert isinstance(entry, JournalEntry)
        shard = record.partition
        due = sequences.get(shard, 0) + 1
        if entry.sequence != due:
            yield Finding("journals", f"{stage} shard {shard}", f"entry {entry.sequence} where {due} was due")
        sequences[shard] = entry.sequence
        for span in entry.ranges:
            yield from spans[span.topic].add(shard, span)
