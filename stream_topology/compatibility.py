"""Why a schema cannot read what an older one wrote, field by field."""

import json
from typing import Any, Final

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
)
from avro.schema import EnumSchema, Field, RecordSchema, Schema, UnionSchema, parse

_NESTED: Final = {
    SchemaIncompatibilityType.reader_field_missing_default_value: "a nested field without a default was added: {}",
    SchemaIncompatibilityType.missing_enum_symbols: "these symbols were removed: {}",
    SchemaIncompatibilityType.missing_union_branch: "{}",
    SchemaIncompatibilityType.type_mismatch: "{}",
    SchemaIncompatibilityType.name_mismatch: "the type's name was changed: {}",
    SchemaIncompatibilityType.fixed_size_mismatch: "the size was changed: {}",
}


def incompatibilities(reader: dict[str, Any], writer: dict[str, Any]) -> list[str]:
    """One sentence for each field of `reader` that cannot read what `writer` wrote; empty if it can read all."""
    new, old = parse(json.dumps(reader)), parse(json.dumps(writer))
    if _checked(new, old).compatibility is SchemaCompatibilityType.compatible:
        return []
    if not (isinstance(new, RecordSchema) and isinstance(old, RecordSchema)) or new.name != old.name:
        return [f"{_named(new)} cannot read {_named(old)}: the record's name must not change"]
    before = {field.name: field for field in old.fields}
    return [sentence for field in new.fields for sentence in _field(new.name, field, before)]


def _field(record: str, field: Field, before: dict[str, Field]) -> list[str]:
    path = f"{record}.{field.name}"
    aliases: Any = field.other_props.get("aliases", ())
    names = [field.name, *aliases]
    written = next((before[name] for name in names if name in before), None)
    if written is None:
        if field.has_default:
            return []
        return [f"{path} is new and has no default: records written without it could not be read. Give it a default"]
    result = _checked(field.type, written.type)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return [f"{path} was {_named(written.type)} and is {_named(field.type)}: {reason}" for reason in _reasons(result)]


def _checked(reader: Schema, writer: Schema) -> SchemaCompatibilityResult:
    return ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)  # type: ignore[no-untyped-call]


def _reasons(result: SchemaCompatibilityResult) -> list[str]:
    found = ", ".join(sorted(result.messages))
    kinds = {kind.name: _NESTED[kind].format(found) for kind in result.incompatibilities}
    return [kinds[name] for name in sorted(kinds)] or [found]


def _named(schema: Schema) -> str:
    match schema:
        case UnionSchema():
            return " or ".join(_named(branch) for branch in schema.schemas)
        case EnumSchema() | RecordSchema():
            return f"{schema.type} {schema.name}"
    return str(schema.type)
