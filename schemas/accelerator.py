"""Plans for the codec's fast path in C: which records it can do, and where their fields are.

Flat records of numbers, strings, bytes, enums and their nullable forms are done in C, also where another release wrote
them. Records with arrays and maps are few a transaction and stay with fastavro, as do the rarer ways in which schemas
may differ.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from schemas import messages
from schemas.messages import RECORDS, Message

with suppress(ImportError):  # installed where there is no C compiler
    from schemas import _avro

ACCELERATED: Final = "_avro" in globals()
"""Whether the extension is there."""

_KINDS: Final = ("boolean", "int", "long", "double", "string", "bytes", "enum")
"""In the order of the extension's enum Kind."""

_SKIPPED: Final = -1
_PROMOTED: Final = {("int", "long")}


@dataclass(frozen=True, slots=True)
class _Flat:
    """A field's type that the extension knows."""

    kind: str
    nullable: bool
    enum: dict[str, Any] | None


class _NotFlatError(Exception):
    """A schema, or a difference between two, that stays with fastavro."""


def plan(
    reader: dict[str, Any], writer: dict[str, Any], ids: Iterable[int], string_bytes_max: int, value_bytes_max: int
) -> "_avro.Plan | None":
    """How records of this release's schema `reader` are read that have one of the ids, which are `writer`'s.

    If both are the same schema the plan serves for writing too. None if it stays with fastavro.
    """
    try:
        fields, defaults = _resolved(reader, writer)
    except _NotFlatError:
        return None
    return _avro.Plan(
        record=RECORDS[reader["name"]],
        headers=b"".join(b"\x00" + schema_id.to_bytes(4) for schema_id in ids),
        fields=fields,
        defaults=defaults,
        string_bytes_max=string_bytes_max,
        value_bytes_max=value_bytes_max,
    )


def encoder(plans: Iterable["_avro.Plan"], fallback: Callable[[Message], bytes]) -> Callable[[Message], bytes]:
    """Writes messages of the planned classes; all others, and what cannot be written, go to `fallback`."""
    return _avro.Encoder(tuple(plans), fallback)


def decoder(plan: "_avro.Plan", fallback: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    """Reads values with the plan's headers; all others, and what cannot be read, go to `fallback`."""
    return _avro.Decoder(plan, fallback)


def _resolved(reader: dict[str, Any], writer: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The fields as the extension takes them, and by slot what the message gets where the writer has no such field."""
    slots = RECORDS[reader["name"]].__struct_fields__
    wanted = _flat_fields(reader)
    written = _flat_fields(writer)
    fields = []
    for name, flat in written.items():
        target = wanted.get(name)
        members = _members(flat, target) if flat.enum else None
        slot = slots.index(name) if target and _reads(target, flat) else _SKIPPED
        fields.append((name, _KINDS.index(flat.kind), flat.nullable, slot, members))
    defaults = dict.fromkeys(slots)
    for field in reader["fields"]:
        if field["name"] not in written:
            defaults[field["name"]] = _default(field, wanted[field["name"]])
    return tuple(fields), tuple(defaults[name] for name in slots)


def _flat_fields(schema: dict[str, Any]) -> dict[str, _Flat]:
    named: dict[str, dict[str, Any]] = {}
    flat = {}
    for field in schema["fields"]:
        if field.get("aliases"):
            raise _NotFlatError
        flat[field["name"]] = _flat(field["type"], named)
    return flat


def _flat(avro_type: Any, named: dict[str, dict[str, Any]]) -> _Flat:
    nullable = False
    match avro_type:
        case ["null", inner]:
            nullable, avro_type = True, inner
    match avro_type:
        case {"type": "enum", "name": name}:
            named[name] = avro_type
            return _Flat("enum", nullable, avro_type)
        case str() as name if name in named:
            return _Flat("enum", nullable, named[name])
        case str() as name if name in _KINDS:
            return _Flat(name, nullable, None)
        case {"type": str() as name} if name in _KINDS:
            return _Flat(name, nullable, None)
    raise _NotFlatError


def _reads(reader: _Flat, writer: _Flat) -> bool:
    """True; what cannot be read, or only after a conversion, is not for the extension."""
    same = reader.kind == writer.kind or (writer.kind, reader.kind) in _PROMOTED
    if not same or (writer.nullable and not reader.nullable):
        raise _NotFlatError
    return True


def _members(writer: _Flat, reader: _Flat | None) -> tuple[Any, ...]:
    """By the writer's symbols: this release's members; its default stands for symbols that it does not know."""
    symbols = writer.enum["symbols"] if writer.enum else ()
    if reader is None:
        return tuple(symbols)  # skipped: only their number matters
    if reader.enum is None or writer.enum is None or reader.enum["name"] != writer.enum["name"]:
        raise _NotFlatError
    known = getattr(messages, reader.enum["name"])
    default = reader.enum.get("default")
    if default is None and not set(symbols) <= set(reader.enum["symbols"]):
        raise _NotFlatError
    return tuple(known(symbol if symbol in reader.enum["symbols"] else default) for symbol in symbols)


def _default(field: dict[str, Any], flat: _Flat) -> Any:
    if "default" not in field:
        raise _NotFlatError
    value = field["default"]
    if value is None:
        return None
    if flat.enum:
        return getattr(messages, flat.enum["name"])(value)
    if flat.kind == "bytes":
        raise _NotFlatError
    return float(value) if flat.kind == "double" else value
