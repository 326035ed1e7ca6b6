"""Plans for the codec's fast path in C: which records it can do, and where their fields are.

Flat records of numbers, strings, bytes, enums and their nullable forms are done in C; records with arrays and maps are
few a transaction and stay with fastavro.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from schemas import messages
from schemas.messages import RECORDS, Message

with suppress(ImportError):  # installed where there is no C compiler
    from schemas import _avro

ACCELERATED: Final = "_avro" in globals()
"""Whether the extension is there."""

_KINDS: Final = ("boolean", "int", "long", "double", "string", "bytes", "enum")
"""In the order of the extension's enum Kind."""

FieldPlan = tuple[str, int, bool, int, tuple[Any, ...] | None]
"""Name, kind, nullable, position among the message's arguments, enum members."""


def plan(
    schema: dict[str, Any], ids: Iterable[int], string_bytes_max: int, value_bytes_max: int
) -> "_avro.Plan | None":
    """How a record of this release is written and read under these schema ids; None if it is not flat."""
    record = RECORDS[schema["name"]]
    named: dict[str, dict[str, Any]] = {}
    fields: list[FieldPlan] = []
    for field in schema["fields"]:
        planned = _field(field, record.__struct_fields__, named)
        if planned is None:
            return None
        fields.append(planned)
    headers = b"".join(b"\x00" + schema_id.to_bytes(4) for schema_id in ids)
    return _avro.Plan(
        record=record,
        headers=headers,
        fields=tuple(fields),
        string_bytes_max=string_bytes_max,
        value_bytes_max=value_bytes_max,
    )


def encoder(plans: Iterable["_avro.Plan"], fallback: Callable[[Message], bytes]) -> Callable[[Message], bytes]:
    """Writes messages of the planned classes; all others, and what cannot be written, go to `fallback`."""
    return _avro.Encoder(tuple(plans), fallback)


def decoder(plan: "_avro.Plan", fallback: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    """Reads values with the plan's headers; all others, and what cannot be read, go to `fallback`."""
    return _avro.Decoder(plan, fallback)


def _field(field: dict[str, Any], slots: tuple[str, ...], named: dict[str, dict[str, Any]]) -> FieldPlan | None:
    nullable, avro_type = False, field["type"]
    match avro_type:
        case ["null", inner]:
            nullable, avro_type = True, inner
    while isinstance(avro_type, dict) and avro_type["type"] in _KINDS and avro_type["type"] != "enum":
        avro_type = avro_type["type"]
    members: tuple[Any, ...] | None = None
    match avro_type:
        case {"type": "enum", "name": name}:
            named[name] = avro_type
            kind, members = "enum", _members(avro_type)
        case str() as name if name in named:
            kind, members = "enum", _members(named[name])
        case str() as name if name in _KINDS:
            kind = name
        case _:
            return None
    return field["name"], _KINDS.index(kind), nullable, slots.index(field["name"]), members


def _members(enum: dict[str, Any]) -> tuple[Any, ...]:
    known = getattr(messages, enum["name"])
    return tuple(known(symbol) for symbol in enum["symbols"])
