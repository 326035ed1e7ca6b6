"""Records of older and newer releases, and of releases that never were: both paths read them alike."""

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, CodecError
from schemas.messages import RECORDS, DeadLetterReason, Execution, Mark, Position, Side
from tests.oracle.messages import INTS, SCHEMAS, message, values

FLAT = sorted(RECORDS.keys() - {"JournalEntry", "SnapshotChunk"})
WRITER_ID = 77
NEW_TYPES: list[Any] = [
    "long",
    "string",
    "boolean",
    "double",
    "bytes",
    ["null", "string"],
    {"type": "enum", "name": "Mood", "symbols": ["GOOD", "BAD"]},
]
NEVER_WRITTEN = {"type": "array", "items": "long"}


def written(schema: dict[str, Any], fields: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    buffer.write(b"\x00" + WRITER_ID.to_bytes(4))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(copy.deepcopy(schema)), fields)
    return buffer.getvalue()


def codec_meeting(schema: Any) -> Codec:
    return Codec({"Tick": 1}, {WRITER_ID: json.dumps(schema)}.get)


def plain_codec_meeting(schema: Any) -> Codec:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.accelerator.ACCELERATED", False)
        return codec_meeting(schema)


def outcome(codec: Codec, value: bytes, record: str) -> Any:
    try:
        return codec.decode(value, record)
    except CodecError as error:
        return error.reason, str(error)


@st.composite
def other_releases(draw: Any) -> tuple[str, dict[str, Any]]:
    """A record and a schema that another release might have for it, compatible or not."""
    record = draw(st.sampled_from(FLAT))
    schema = copy.deepcopy(SCHEMAS[record])
    kept = [field for field in schema["fields"] if draw(st.integers(0, 9)) > 0]
    for field in kept:
        change(draw, field)
    for number in range(draw(st.integers(0, 2))):
        kind = copy.deepcopy(draw(st.sampled_from(NEW_TYPES)))
        if isinstance(kind, dict):
            kind["name"] += str(number)
        kept.append({"name": f"new_{number}", "type": kind})
    schema["fields"] = draw(st.permutations(kept))
    # An enum is defined where it is met first, and named from then on.
    return record, schema


def change(draw: Any, field: dict[str, Any]) -> None:
    kind = draw(st.integers(0, 19))
    nullable = isinstance(field["type"], list)
    inner = field["type"][1] if nullable else field["type"]
    if kind == 0 and nullable:
        field["type"] = inner
        field.pop("default", None)
    elif kind == 1 and not nullable:
        field["type"] = ["null", inner]
        field.pop("default", None)
    elif kind == 2 and inner in ("long", "int", "string"):
        field["type"] = draw(st.sampled_from(["int", "long", "bytes", "double", "string", ["string", "null"]]))
        field.pop("default", None)
    elif kind in {3, 4, 5} and isinstance(inner, dict) and inner["type"] == "enum":
        symbols = [symbol for symbol in inner["symbols"] if draw(st.integers(0, 4)) > 0]
        inner["symbols"] = draw(st.permutations([*symbols, "NEWER"]))
        inner["default"] = "NEWER"
        field.pop("default", None)


def raw(schema: dict[str, Any], draw: Any) -> dict[str, Any]:
    return {field["name"]: draw(raw_values(field["type"])) for field in schema["fields"]}


def raw_values(avro_type: Any) -> st.SearchStrategy[Any]:
    match avro_type:
        case list():
            return st.one_of([raw_values(branch) for branch in avro_type])
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case "int":
            return INTS
        case {"type": "long"}:
            return values("long", {})
    return values(avro_type, {})


@given(data=st.data(), other=other_releases())
def test_both_paths_read_any_other_release_alike(data: st.DataObject, other: tuple[str, dict[str, Any]]) -> None:
    record, schema = other
    value = written(schema, raw(schema, data.draw))
    fast, slow = (outcome(make(schema), value, record) for make in (codec_meeting, plain_codec_meeting))
    assert fast == slow
    if isinstance(fast, tuple):
        assert fast[0] is DeadLetterReason.WRONG_RECORD
    else:
        assert type(fast) is RECORDS[record]
    cut = value[: data.draw(st.integers(5, len(value)))]
    assert outcome(codec_meeting(schema), cut, record) == outcome(plain_codec_meeting(schema), cut, record)


@given(sent=message("Execution"))
def test_an_older_writer_lacks_what_has_a_default_today(sent: Execution) -> None:
    older = copy.deepcopy(SCHEMAS["Execution"])
    older["fields"] = [field for field in older["fields"] if field["name"] not in {"correlation_id", "kind"}]
    value = written(older, {field["name"]: getattr(sent, field["name"]) for field in older["fields"]})
    for codec in (codec_meeting(older), plain_codec_meeting(older)):
        read = codec.decode(value, "Execution")
        assert read.kind.value == "UNKNOWN"
        assert read.correlation_id is None
        assert read.order_id == sent.order_id
        assert read.reason is sent.reason


@given(sent=message("Position"))
def test_a_newer_writer_adds_fields_and_symbols(sent: Position) -> None:
    newer = copy.deepcopy(SCHEMAS["Position"])
    newer["fields"].insert(0, {"name": "margin_e8", "type": ["null", "long"], "default": None})
    newer["fields"].append({"name": "note", "type": "string", "default": ""})
    fields = {name: getattr(sent, name) for name in sent.__struct_fields__}
    value = written(newer, fields | {"margin_e8": 5, "note": "x" * 100})
    for codec in (codec_meeting(newer), plain_codec_meeting(newer)):
        assert codec.decode(value, "Position") == sent


def test_a_symbol_that_only_a_newer_writer_knows_is_unknown() -> None:
    newer = copy.deepcopy(SCHEMAS["BookChange"])
    side = next(field for field in newer["fields"] if field["name"] == "side")
    side["type"]["symbols"] = ["UNKNOWN", "BUY", "SELL", "SELL_SHORT"]
    fields = {"symbol": "A", "sequence": 1, "price_e8": 2, "quantity_e8": 3, "order_count": 1, "last": True, "ts_us": 4}
    for codec in (codec_meeting(newer), plain_codec_meeting(newer)):
        assert codec.decode(written(newer, fields | {"side": "SELL_SHORT"}), "BookChange").side is Side.UNKNOWN
        assert codec.decode(written(newer, fields | {"side": "SELL"}), "BookChange").side is Side.SELL


def test_a_schema_that_lacks_what_has_no_default_cannot_be_read() -> None:
    other = copy.deepcopy(SCHEMAS["Mark"])
    other["fields"] = [field for field in other["fields"] if field["name"] != "symbol"]
    mark = Mark("A", 1, 1, 1)
    value = written(other, {field["name"]: getattr(mark, field["name"]) for field in other["fields"]})
    for codec in (codec_meeting(other), plain_codec_meeting(other)):
        assert outcome(codec, value, "Mark") == (
            DeadLetterReason.WRONG_RECORD,
            "the schema it was written with (id 77) cannot be read as this release's Mark",
        )


def test_a_field_that_was_renamed_is_read_by_its_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases are this release's to give: older writers keep their names."""
    renamed = copy.deepcopy(SCHEMAS)
    renamed["Tick"]["fields"][0]["aliases"] = ["number"]
    older = copy.deepcopy(SCHEMAS["Tick"])
    older["fields"][0]["name"] = "number"
    monkeypatch.setattr("schemas.codec.load_schemas", lambda: renamed)
    read = codec_meeting(older).decode(written(older, {"number": 5, "ts_us": 6}), "Tick")
    assert (read.sequence, read.ts_us) == (5, 6)


@given(sent=message("SnapshotChunk"))
def test_records_that_are_not_flat_evolve_too(sent: Any) -> None:
    newer = copy.deepcopy(SCHEMAS["SnapshotChunk"])
    newer["fields"].append({"name": "extra", "type": NEVER_WRITTEN, "default": []})
    fields = {name: getattr(sent, name) for name in sent.__struct_fields__}
    assert codec_meeting(newer).decode(written(newer, fields | {"extra": [1, 2]}), "SnapshotChunk") == sent
