from typing import Any

import msgspec
import pytest

from schemas import generate, messages
from schemas.generate import load_schemas
from schemas.messages import RECORDS


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_field_says_its_unit(name: str) -> None:
    schema = load_schemas()[name]
    assert schema["doc"].endswith(".")
    for field in schema["fields"]:
        assert field["doc"], field["name"]
        if field["name"].endswith("_us"):
            time = {"type": "long", "logicalType": "timestamp-micros"}
            assert field["type"] in (time, ["null", time]), field["name"]
        if field["name"].endswith("_e8"):
            assert field["type"] in ("long", ["null", "long"]), field["name"]
            assert "10^-8" in field["doc"] or "unit" in field["doc"] or "number" in field["doc"], field["name"]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_messages_are_frozen_and_slotted(name: str) -> None:
    record = RECORDS[name]
    assert record.__struct_config__.frozen
    assert "__dict__" not in dir(record)
    assert {field.name for field in msgspec.structs.fields(record)} == {
        f["name"] for f in load_schemas()[name]["fields"]
    }


def test_every_enum_has_a_member_for_what_newer_writers_add() -> None:
    for schema in load_schemas().values():
        for field in schema["fields"]:
            for branch in field["type"] if isinstance(field["type"], list) else [field["type"]]:
                if isinstance(branch, dict) and branch["type"] == "enum":
                    assert branch["default"] == "UNKNOWN"
                    assert [member.value for member in getattr(messages, branch["name"])] == branch["symbols"]


def test_an_enum_that_differs_between_records_is_refused() -> None:
    side = {"type": "enum", "name": "Side", "doc": "Which.", "symbols": ["BUY"]}
    other = side | {"symbols": ["SELL"]}

    def record(name: str, kind: Any) -> dict[str, Any]:
        return {"name": name, "doc": "R.", "fields": [{"name": "side", "type": kind, "doc": "S."}]}

    with pytest.raises(ValueError, match=r"B\.side: Side differs from its definition elsewhere"):
        generate.generate({"A": record("A", side), "B": record("B", other)})
