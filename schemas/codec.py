"""Message to bytes and back: Confluent wire format (0x00, 4-byte schema id, Avro).

A record is written with the schema of this release and read by the schema that its writer used, whose id it carries.
What is refused, and the sentence that says why, depend on the bytes and the writer's schema alone: a replay on another
machine must refuse the same.
"""

import io
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import fastavro
import msgspec

from schemas import accelerator, strict
from schemas.generate import load_schemas
from schemas.messages import RECORDS, DeadLetterReason, Message

MAGIC: Final = b"\x00"
HEADER_BYTES: Final = 5
VALUE_BYTES_MAX: Final = 1_000_000
"""Largest value that is decoded or encoded, in bytes."""

STRING_BYTES_MAX: Final = 65_536
"""Longest string within a value, in bytes of UTF-8. Fields of bytes are bounded by the value."""

WRITERS_MAX: Final = 1_000
"""Writers' schemas kept beside those of this release; the one that came first is forgotten first."""


class CodecError(Exception):
    """A value that can never be read; `reason` is from a closed list, the text is a sentence."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        """Say why, and what exactly."""
        super().__init__(detail)
        self.reason = reason


class EncodeError(ValueError):
    """A message that its schema cannot carry: a mistake of whoever made it."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """A schema that records were written with."""

    schema_id: int
    name: str
    read: Callable[[bytes], Message]
    """Reads a value that carries this id as this release's record of that name."""


class Codec:
    """Encodes and decodes the records of this release."""

    encode: Callable[[Message], bytes]
    """The value of a message. Raises EncodeError."""

    def __init__(self, ids: Mapping[str, int | tuple[int, ...]], writer_schema: Callable[[int], str | None]) -> None:
        """Schema ids by record name, and where to find the schema (JSON) of another id; None when there is none.

        Where a record has several ids the first one is written. Whatever `writer_schema` raises, decoding raises.
        """
        self._writer_schema = writer_schema
        self._schemas = load_schemas()
        self._parsed = {name: _parse(schema) for name, schema in self._schemas.items()}
        self._headers: dict[type[Message], bytes] = {}
        self._known: dict[int, _Writer] = {}
        self._met: OrderedDict[int, _Writer] = OrderedDict()
        self._decoders: dict[str, Callable[[bytes], Message]] = {
            name: partial(self._decode, name) for name in self._schemas
        }
        self.encode = self._encode
        all_ids = {name: (one,) if isinstance(one, int) else one for name, one in ids.items()}
        for name, record_ids in all_ids.items():
            self._headers[RECORDS[name]] = MAGIC + record_ids[0].to_bytes(4)
            for schema_id in record_ids:
                read = partial(self._read, name, schema_id, self._parsed[name], None)
                self._known[schema_id] = _Writer(schema_id, self._parsed[name]["name"], read)
        if accelerator.ACCELERATED:
            self._accelerate(all_ids)

    def decode(self, value: bytes, record: str) -> Message:
        """The message in a value of a topic whose records are `record`. Raises CodecError."""
        return self._decoders[record](value)

    def decoder(self, record: str) -> Callable[[bytes], Message]:
        """What `decode` does for one record type; for loops."""
        return self._decoders[record]

    def _accelerate(self, ids: Mapping[str, tuple[int, ...]]) -> None:
        """Put the extension before the methods below, which then see only what it leaves to them."""
        plans = []
        for name, record_ids in ids.items():
            schema = self._schemas[name]
            plan = accelerator.plan(schema, schema, record_ids, STRING_BYTES_MAX, VALUE_BYTES_MAX)
            if plan is not None:
                plans.append(plan)
                self._decoders[name] = accelerator.decoder(plan, self._decoders[name])
        self.encode = accelerator.encoder(plans, self._encode)

    def _encode(self, message: Message) -> bytes:
        kind = type(message)
        schema = self._parsed[kind.__name__]
        buffer = io.BytesIO()
        buffer.write(self._headers[kind])
        try:
            fastavro.schemaless_writer(buffer, schema, msgspec.to_builtins(message, builtin_types=(bytes,)))
        except Exception as error:
            raise EncodeError(f"This {kind.__name__} cannot be written: {error}") from error
        value = buffer.getvalue()
        if len(value) > VALUE_BYTES_MAX:
            raise EncodeError(f"This {kind.__name__} has {len(value)} bytes, at most {VALUE_BYTES_MAX}")
        try:
            strict.check(value, HEADER_BYTES, schema, STRING_BYTES_MAX)
        except (strict.MalformedError, strict.TooLargeError) as error:
            raise EncodeError(f"This {kind.__name__} cannot be written: {error}") from error
        return value

    def _decode(self, record: str, value: bytes) -> Message:
        if len(value) > VALUE_BYTES_MAX:
            raise CodecError(DeadLetterReason.TOO_LARGE, f"{len(value)} bytes, at most {VALUE_BYTES_MAX}")
        if len(value) < HEADER_BYTES or value[:1] != MAGIC:
            raise CodecError(
                DeadLetterReason.NOT_AVRO,
                "not in Confluent wire format: it must begin with byte 0 and a 4-byte schema id",
            )
        writer = self._writer(int.from_bytes(value[1:HEADER_BYTES]))
        if writer.name != self._parsed[record]["name"]:
            raise CodecError(
                DeadLetterReason.WRONG_RECORD,
                f"written as {writer.name} (schema id {writer.schema_id}), but this topic's records are {record}",
            )
        return writer.read(value)

    def _read(self, record: str, schema_id: int, writer: Any, reader: Any, value: bytes) -> Message:
        """Read by a parsed writer's schema, resolved to `reader` unless that is None: then they are the same."""
        try:
            strict.check(value, HEADER_BYTES, writer, STRING_BYTES_MAX)
        except strict.TooLargeError as error:
            raise CodecError(DeadLetterReason.TOO_LARGE, str(error)) from error
        except strict.MalformedError as error:
            raise CodecError(DeadLetterReason.TRUNCATED, str(error)) from error
        try:
            data = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), writer, reader)
            return msgspec.convert(data, RECORDS[record], builtin_types=(bytes,))
        except Exception as error:
            raise CodecError(
                DeadLetterReason.WRONG_RECORD,
                f"the schema it was written with (id {schema_id}) cannot be read as this release's {record}",
            ) from error

    def _writer(self, schema_id: int) -> _Writer:
        writer = self._known.get(schema_id) or self._met.get(schema_id)
        if writer is None:
            text = self._writer_schema(schema_id)
            if text is None:
                raise CodecError(DeadLetterReason.SCHEMA_UNKNOWN, f"no schema has the id {schema_id}")
            writer = self._met[schema_id] = self._meet(schema_id, text)
            if len(self._met) > WRITERS_MAX:
                self._met.popitem(last=False)
        return writer

    def _meet(self, schema_id: int, text: str) -> _Writer:
        """The writer behind a schema text that another release, or somebody else, has registered."""
        try:
            schema = json.loads(text)
            parsed = _parse(schema)
            name = parsed["name"]
        except Exception as error:
            raise CodecError(
                DeadLetterReason.SCHEMA_UNKNOWN, f"the schema with the id {schema_id} is not an Avro record"
            ) from error
        record = name.rpartition(".")[2]
        read: Callable[[bytes], Message] = partial(self._read, record, schema_id, parsed, self._parsed.get(record))
        if accelerator.ACCELERATED and record in self._schemas and name == self._parsed[record]["name"]:
            ids = (schema_id,)
            plan = accelerator.plan(self._schemas[record], schema, ids, STRING_BYTES_MAX, VALUE_BYTES_MAX)
            if plan is not None:
                read = accelerator.decoder(plan, read)
        return _Writer(schema_id, name, read)


@cache
def local_codec() -> Codec:
    """A codec whose ids count the records in name order: for logs that never leave the process."""
    return Codec({name: number for number, name in enumerate(sorted(RECORDS), 1)}, lambda _: None)


def _parse(schema: Any) -> Any:
    return fastavro.parse_schema(_without_logical_types(schema))


def _without_logical_types(schema: Any) -> Any:
    """Times stay integers of microseconds: no datetime is made on the way."""
    match schema:
        case dict():
            return {key: _without_logical_types(item) for key, item in schema.items() if key != "logicalType"}
        case list():
            return [_without_logical_types(item) for item in schema]
    return schema
