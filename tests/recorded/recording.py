"""A log that an earlier release wrote, with all that is needed to read and to replay it."""

import json
import lzma
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Self

import fastavro.schema
import msgspec

from schemas.codec import Codec
from schemas.generate import load_schemas
from schemas.messages import RECORDS, InputRange, JournalEntry
from stream_topology.topics import journal
from workers.kernel.stage import Record

RECORDED_IDS: Final = {name: number for number, name in enumerate(sorted(RECORDS), 1_001)}
"""Schema ids of a recording that is made now."""


class Recording(msgspec.Struct):
    """One venue's log."""

    shards: int
    seal_secrets: dict[str, bytes]
    schemas: dict[int, str]
    """What the values were written with, by id, as JSON."""
    behaviours: dict[str, int]
    """Of each stage."""
    records: list[Record]
    """Topic by topic, partition by partition, each from its first offset to its last."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """A recording from its file."""
        return msgspec.msgpack.decode(lzma.decompress(path.read_bytes()), type=cls)

    def write(self, path: Path) -> int:
        """Into a file; its size in bytes."""
        return path.write_bytes(lzma.compress(msgspec.msgpack.encode(self)))

    def codec(self) -> Codec:
        """Reads the recorded values, and writes the same bytes wherever the record's schema is still the same.

        A record whose schema has changed gets an id that the recording does not have.
        """
        names = {json.loads(schema)["name"]: (number, schema) for number, schema in self.schemas.items()}
        ids: dict[str, int] = {}
        newest = max(self.schemas)
        for name, schema in load_schemas().items():
            number, recorded = names.get(schema["name"], (0, "{}"))
            if number and _canonical(json.loads(recorded)) == _canonical(schema):
                ids[name] = number
            else:
                newest += 1
                ids[name] = newest
        return Codec(ids, self.schemas.get)

    def log(self) -> "RecordedLog":
        """The records by where they stand."""
        return RecordedLog(self.records)


class RecordedLog:
    """Partitions, as a replay reads them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._partitions: Mapping[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            self._partitions[record.topic, record.partition].append(record)

    def partition(self, topic: str, number: int) -> list[Record]:
        """All its records."""
        return self._partitions[topic, number]

    def span(self, wanted: InputRange, shard: int) -> list[Record]:
        """The records of a range that a shard applied."""
        return self.partition(wanted.topic, shard)[wanted.first : wanted.last + 1]

    def entries(self, stage: str, shard: int, codec: Codec) -> Iterator[JournalEntry]:
        """A shard's journal from its first entry on."""
        for record in self.partition(journal(stage).name, shard):
            entry = codec.decode(record.value or b"", "JournalEntry")
            assert isinstance(entry, JournalEntry)
            yield entry


def recording_codec() -> Codec:
    """Writes what a recording that is made now holds."""
    return Codec(RECORDED_IDS, lambda _: None)


def _canonical(schema: object) -> str:
    """What decides the bytes: without texts, times as the integers that they are."""
    return fastavro.schema.to_parsing_canonical_form(schema)  # type: ignore[arg-type]
