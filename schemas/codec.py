"""Message to bytes and back: Confluent wire format (0x00, 4-byte schema id, Avro).

A record is written with the schema of this release and read by the schema that its writer used, whose id it carries.
"""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import fastavro
import msgspec

from schemas import messages
from schemas.generate import load_schemas
from schemas.messages import RECORDS, DeadLetterReason, Message

MAGIC: Final = b"\x00"
HEADER_BYTES: Final = 5
VALUE_BYTES_MAX: Final = 1_000_000
"""Largest value that is decoded or encoded, in bytes."""


class CodecError(Exception):
    """A value that cannot be read or written; `reason` is from a closed list, the text is a sentence."""

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        """Say why, and what exactly."""
        super().__init__(detail)
        self.reason = reason


class Codec:
    """Encodes and decodes the records of this release."""

    def __init__(self, ids: Mapping[str, int], writer_schema: Callable[[int], str | None]) -> None:
        """Schema ids by record name, and where to find the schema (JSON) of another id; None when there is none."""
        self._schemas = {name: _parse(schema) for name, schema in load_schemas().items()}
        self._ids = dict(ids)
        self._names = {schema_id: name for name, schema_id in ids.items()}
        self._headers = {RECORDS[name]: MAGIC + schema_id.to_bytes(4) for name, schema_id in ids.items()}
        self._writer_schema = writer_schema
        self._writers: dict[int, Any] = {schema_id: self._schemas[name] for name, schema_id in ids.items()}

    def encode(self, message: Message) -> bytes:
        """The value of a record."""
        buffer = io.BytesIO()
        buffer.write(self._headers[type(message)])
        fastavro.schemaless_writer(
            buffer, self._schemas[type(message).__name__], msgspec.to_builtins(message, builtin_types=(bytes,))
        )
        return buffer.getvalue()

    def decode(self, value: bytes, record: str) -> Message:
        """The message in a value of a topic whose records are `record`. Raises CodecError."""
        if len(value) > VALUE_BYTES_MAX:
            raise CodecError(DeadLetterReason.TOO_LARGE, f"{len(value)} bytes, at most {VALUE_BYTES_MAX}")
        if len(value) < HEADER_BYTES or value[:1] != MAGIC:
            raise CodecError(
                DeadLetterReason.NOT_AVRO,
                "not in Confluent wire format: it must begin with byte 0 and a 4-byte schema id",
            )
        writer = self._writer(int.from_bytes(value[1:HEADER_BYTES]))
        try:
            data = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), writer, self._schemas[record])
            return msgspec.convert(data, RECORDS[record], builtin_types=(bytes,))
        except Exception as error:
            raise CodecError(DeadLetterReason.TRUNCATED, f"not a {record}: {error}") from error

    def _writer(self, schema_id: int) -> Any:
        writer = self._writers.get(schema_id)
        if writer is None:
            text = self._writer_schema(schema_id)
            if text is None:
                raise CodecError(DeadLetterReason.SCHEMA_UNKNOWN, f"no schema has the id {schema_id}")
            writer = self._writers[schema_id] = _parse(json.loads(text))
        return writer


def local_codec() -> Codec:
    """A codec whose ids count the records in name order: for logs that never leave the process."""
    return Codec({name: number for number, name in enumerate(sorted(messages.RECORDS), 1)}, lambda _: None)


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
