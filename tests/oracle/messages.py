"""Messages of any record, as hypothesis strategies made from the schemas themselves."""

from typing import Any

from hypothesis import strategies as st

from schemas import messages
from schemas.codec import STRING_BYTES_MAX
from schemas.generate import load_schemas
from schemas.messages import RECORDS, Message

SCHEMAS = load_schemas()

INTS = st.integers(-(1 << 31), (1 << 31) - 1)
LONGS = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-70, 70) | st.sampled_from([-(1 << 63), (1 << 63) - 1])
STRINGS = st.text(st.characters(codec="utf-8"), max_size=40) | st.just("é" * (STRING_BYTES_MAX // 2))

_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": INTS,
    "long": LONGS,
    "double": st.floats(allow_nan=False),
    "string": STRINGS,
    "bytes": st.binary(max_size=200),
}


def any_message() -> st.SearchStrategy[Message]:
    return st.one_of([message(name) for name in SCHEMAS])


def message(record: str) -> st.SearchStrategy[Any]:
    named: dict[str, Any] = {}
    schema = SCHEMAS[record]
    fields = {field["name"]: values(field["type"], named) for field in schema["fields"]}
    return st.fixed_dictionaries(fields).map(lambda given: RECORDS[record](**given))


def values(avro_type: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one branch an Avro type
    match avro_type:
        case list():
            return st.one_of([values(branch, named) for branch in avro_type])
        case str() if avro_type in _PRIMITIVES:
            return _PRIMITIVES[avro_type]
        case str():
            return values(named[avro_type], named)
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = avro_type
            return st.sampled_from([getattr(messages, name)(symbol) for symbol in symbols])
        case {"type": "array", "items": items}:
            return st.lists(values(items, named), max_size=5).map(tuple)
        case {"type": "map", "values": inner}:
            return st.dictionaries(STRINGS, values(inner, named), max_size=5)
        case {"type": "record", "name": name, "fields": fields}:
            parts = {field["name"]: values(field["type"], named) for field in fields}
            return st.fixed_dictionaries(parts).map(lambda given: getattr(messages, name)(**given))
        case {"type": inner}:
            return values(inner, named)
    raise AssertionError(avro_type)
