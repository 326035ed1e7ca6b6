"""One shard of a stage: batches in, transactions out, and the same again as a replay."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from schemas.codec import Codec, CodecError
from schemas.messages import DeadLetter, DeadLetterReason, InputRange, JournalEntry, Message
from stream_topology.sharding import partition_of
from stream_topology.stages import Stage
from stream_topology.topics import TOPICS, Key, Topic
from workers.kernel.snapshot import Snapshot
from workers.kernel.stage import Core, Input, Output, Record

PENDING_RECORDS_MAX: Final = 20_000
"""Inputs without outputs that may wait for the next transaction; beyond it one is made for them alone."""

KEYS_MAX: Final = 65_536
"""Keys remembered per topic; then all are forgotten."""

DEAD_LETTER_VALUE_BYTES_MAX: Final = 65_536

DEAD_LETTERS: Final = "dead_letters"

_KEY_FIELD: Final = {Key.ACCOUNT: "account", Key.SYMBOL: "symbol", Key.CHANNEL: "channel"}


class ReplayError(Exception):
    """A replay gave something else than what was published, or may not be tried. The process must not go on."""


class Produced(msgspec.Struct, frozen=True, gc=False):
    """One output as bytes, ready to be produced."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class _Target(NamedTuple):
    """Where outputs of a topic and a key go."""

    partition: int
    key: bytes
    head: bytes
    """What the CRC of the outputs has of it before each value."""


@dataclass(slots=True)
class Transaction:
    """All that must be published together, or not at all."""

    outputs: list[Produced]
    journal: bytes
    """The journal entry's value; its partition is the shard."""
    offsets: dict[str, int]
    """Per input topic: the next offset, for the consumer group."""
    record_count: int
    """Inputs applied."""


@dataclass(slots=True)
class Shard:
    """State, positions and journal sequence of one shard. It does no I/O; whoever runs it publishes and reads."""

    stage: Stage
    core: Core
    number: int
    shards: int
    codec: Codec
    positions: dict[str, int] = field(default_factory=dict)
    """Per input topic: the next offset to apply. The authority on progress."""
    sequence: int = 0
    """Of the last journal entry."""
    snapshot_offset: int = -1
    """Where the newest snapshot begins in the stage's snapshots topic; the runner sets it."""
    dead_letter_count: int = 0
    failed_at: Record | None = None
    """The record at which the core raised. The shard cannot be used after that."""
    _ranges: list[InputRange] = field(default_factory=list)
    _pending_records: int = 0
    _outputs: list[Produced] = field(default_factory=list)
    _crc: int = 0
    """Of topic, partition, key and value of each of these outputs, in order."""
    _keys: dict[str, dict[bytes | None, str]] = field(default_factory=dict)
    """Per input topic: keys that were found to belong to this shard."""
    _targets: dict[str, dict[str, tuple[_Target, ...]]] = field(default_factory=dict)
    """Per output topic and key."""

    def apply(self, batch: Mapping[str, Sequence[Record]]) -> Transaction | None:
        """Merge a batch in the stage's input order and fold it.

        Records below the shard's positions are dropped: they were applied before. Returns what to publish, or None when
        there is nothing to say yet; the ranges then wait for the next transaction.
        """
        for topic in self.stage.inputs:
            records = batch.get(topic)
            if not records:
                continue
            position = self.positions.get(topic, 0)
            fresh = records if records[0].offset >= position else [r for r in records if r.offset >= position]
            if fresh:
                self._fold(TOPICS[topic], fresh)
                self._ranges.append(InputRange(topic=topic, first=fresh[0].offset, last=fresh[-1].offset))
                self._pending_records += len(fresh)
        if self._outputs or self._pending_records >= PENDING_RECORDS_MAX:
            return self.flush()
        return None

    def flush(self) -> Transaction | None:
        """What is pending as a transaction, None if nothing is."""
        if not self._ranges:
            return None
        self.sequence += 1
        entry = JournalEntry(
            stage=self.stage.name,
            shard=self.number,
            sequence=self.sequence,
            behaviour=self.core.behaviour,
            ranges=tuple(_joined(self._ranges)),
            output_count=len(self._outputs),
            output_crc=self._crc,
            snapshot_offset=self.snapshot_offset,
        )
        transaction = Transaction(self._outputs, self.codec.encode(entry), dict(self.positions), self._pending_records)
        self._outputs, self._crc, self._ranges, self._pending_records = [], 0, [], 0
        return transaction

    def replay(
        self,
        entry: JournalEntry,
        read: Callable[[InputRange], Iterable[Record]],
        *,
        accept_behaviour_change: bool = False,
    ) -> list[Produced]:
        """Apply again what a journal entry says, and compare the outputs with those that were published.

        `read` gives the committed records of a range. Raises ReplayError on any difference, on a gap in the journal and
        on an entry of another behaviour version, unless the operator accepts that.
        """
        where = f"{entry.stage} shard {entry.shard}, journal sequence {entry.sequence}"
        if entry.sequence != self.sequence + 1:
            message = f"{where}: expected sequence {self.sequence + 1}; a journal entry is missing"
            raise ReplayError(message)
        if entry.behaviour != self.core.behaviour and not accept_behaviour_change:
            message = (
                f"{where}: written by behaviour version {entry.behaviour}, this is version {self.core.behaviour}. "
                f"Stop the stage gracefully under the old version, so that it leaves a snapshot, then start this one; "
                f"or start with --accept-behaviour-change if another outcome than was published is acceptable."
            )
            raise ReplayError(message)
        for span in entry.ranges:
            records = list(read(span))
            if not records or records[0].offset != span.first or records[-1].offset != span.last:
                seen = f"{records[0].offset} to {records[-1].offset}" if records else "nothing"
                message = f"{where}: {span.topic} offsets {span.first} to {span.last} are needed, the log gave {seen}"
                raise ReplayError(message)
            self._fold(TOPICS[span.topic], records)
        outputs, crc = self._outputs, self._crc
        self._outputs, self._crc = [], 0
        if (len(outputs), crc) != (entry.output_count, entry.output_crc) and entry.behaviour == self.core.behaviour:
            message = (
                f"{where}: replay gave {len(outputs)} outputs with CRC {crc:08x}, "
                f"published were {entry.output_count} with CRC {entry.output_crc:08x}. The state cannot be trusted."
            )
            raise ReplayError(message)
        self.sequence = entry.sequence
        return outputs

    def snapshot(self) -> Snapshot:
        """The shard's whole state. Only between transactions, when nothing is pending."""
        if self._ranges or self._outputs:
            message = f"{self.stage.name} shard {self.number}: a snapshot with work pending"
            raise AssertionError(message)
        return Snapshot(
            self.stage.name, self.number, self.sequence, self.core.behaviour, dict(self.positions), self.core.dump()
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the state by a snapshot's."""
        self.core.load(snapshot.state, snapshot.behaviour)
        self.positions = dict(snapshot.positions)
        self.sequence = snapshot.journal_sequence

    def _fold(self, topic: Topic, records: Sequence[Record]) -> None:
        name, number, field_name = topic.name, self.number, _KEY_FIELD.get(topic.key)
        apply, decode, emit = self.core.apply, self.codec.decoder(topic.record), self._emit
        keys = self._keys.setdefault(name, {})
        record = records[0]
        try:
            for record in records:
                value = record.value or b""
                try:
                    message = decode(value)
                    key = keys.get(record.key)
                    if key is None or (field_name is not None and getattr(message, field_name) != key):
                        key = self._checked_key(record, message, field_name)
                except CodecError as error:
                    self._dead_letter(record, error)
                    continue
                for output in apply(
                    Input(name, number, record.offset, record.ts_us, key, message, value, record.headers)
                ):
                    emit(output)
        except Exception:
            self.failed_at = record
            raise
        self.positions[name] = records[-1].offset + 1

    def _checked_key(self, record: Record, message: Message, field_name: str | None) -> str:
        """The key, remembered when it may stand here. Raises CodecError."""
        try:
            key = (record.key or b"").decode()
        except UnicodeDecodeError as error:
            raise CodecError(DeadLetterReason.KEY_MISMATCH, f"the key is not UTF-8: {error}") from error
        if field_name is not None:
            self._check_key(record, key, field_name, getattr(message, field_name))
        keys = self._keys[record.topic]
        if len(keys) >= KEYS_MAX:
            keys.clear()
        keys[record.key] = key
        return key

    def _check_key(self, record: Record, key: str, field_name: str, named: str) -> None:
        if named != key:
            detail = f"the key {key[:64]!r} differs from the {field_name} {named[:64]!r}"
            raise CodecError(DeadLetterReason.KEY_MISMATCH, detail)
        expected = partition_of(key, self.shards)
        if expected != record.partition:
            detail = (
                f"the {field_name} {key[:64]!r} belongs to partition {expected} of {self.shards} (murmur2 of the key), "
                f"it was written to {record.partition}"
            )
            raise CodecError(DeadLetterReason.WRONG_PARTITION, detail)

    def _dead_letter(self, record: Record, error: CodecError) -> None:
        self.dead_letter_count += 1
        letter = DeadLetter(
            stage=self.stage.name,
            source_topic=record.topic,
            source_partition=record.partition,
            source_offset=record.offset,
            reason=error.reason,
            detail=str(error),
            key=record.key,
            value=record.value[:DEAD_LETTER_VALUE_BYTES_MAX] if record.value is not None else None,
            ts_us=record.ts_us,
        )
        self._emit(Output(DEAD_LETTERS, record.topic, letter))

    def _emit(self, output: Output) -> None:
        try:
            targets = self._targets[output.topic][output.key]
        except KeyError:
            targets = self._find_targets(output.topic, output.key)
        value = self.codec.encode(output.message)
        for partition, key, head in targets:
            self._outputs.append(Produced(output.topic, partition, key, value))
            self._crc = crc32(value, crc32(head, self._crc))

    def _find_targets(self, topic: str, key: str) -> tuple[_Target, ...]:
        """Where an output goes; remembered."""
        every = TOPICS[topic].key is Key.EVERY
        partitions = range(self.shards) if every else (partition_of(key, self.shards),)
        targets = self._targets.setdefault(topic, {})
        if len(targets) >= KEYS_MAX:
            targets.clear()
        targets[key] = found = tuple(_Target(to, key.encode(), f"{topic}/{to}/{key}/".encode()) for to in partitions)
        return found


def _joined(ranges: Iterable[InputRange]) -> Iterable[InputRange]:
    """Neighbouring runs of one topic as one run: the merge order is the same."""
    current: InputRange | None = None
    for span in ranges:
        if current is not None and span.topic == current.topic:
            current = InputRange(topic=span.topic, first=current.first, last=span.last)
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current
