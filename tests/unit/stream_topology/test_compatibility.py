import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.generate import load_schemas
from stream_topology.compatibility import incompatibilities

Change = Callable[[dict[str, Any]], Any]


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in schema["fields"] if field["name"] == name)


def changed(record: str, change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(load_schemas()[record])
    change(schema)
    return schema


@pytest.mark.parametrize(
    ("record", "change", "sentence"),
    [
        (
            "Trade",
            lambda schema: schema["fields"].append({"name": "venue", "type": "string"}),
            "Trade.venue is new and has no default: records written without it could not be read. Give it a default",
        ),
        (
            "Trade",
            lambda schema: field(schema, "price_e8").update(type="int"),
            "Trade.price_e8 was long and is int: reader type: int not compatible with writer type: long",
        ),
        (
            "BookChange",
            lambda schema: (
                field(schema, "side")["type"].update(symbols=["UNKNOWN", "BUY"], default=None)
                or field(schema, "side")["type"].pop("default")
            ),
            "BookChange.side was enum Side and is enum Side: these symbols were removed: {'SELL'}",
        ),
        (
            "Execution",
            lambda schema: field(schema, "fee_e8").update(type="long", default=0),
            "Execution.fee_e8 was null or long and is long: reader type: long not compatible with writer type: null",
        ),
        (
            "Mark",
            lambda schema: schema.update(name="Price"),
            "record Price cannot read record Mark: the record's name must not change",
        ),
        (
            "JournalEntry",
            lambda schema: field(schema, "ranges")["type"]["items"]["fields"].append({"name": "count", "type": "long"}),
            "JournalEntry.ranges was array and is array: a nested field without a default was added: count",
        ),
        (
            "Mark",
            lambda schema: field(schema, "symbol").update(type={"type": "enum", "name": "Symbol", "symbols": ["A"]}),
            "Mark.symbol was string and is enum Symbol: reader type: enum not compatible with writer type: string",
        ),
    ],
)
def test_the_field_and_the_reason_are_named(record: str, change: Change, sentence: str) -> None:
    assert incompatibilities(changed(record, change), load_schemas()[record]) == [sentence]


@pytest.mark.parametrize(
    ("record", "change"),
    [
        ("Trade", lambda schema: schema["fields"].append({"name": "venue", "type": "string", "default": ""})),
        ("Trade", lambda schema: schema["fields"].pop()),
        ("Frame", lambda schema: field(schema, "kind")["type"]["symbols"].append("RESET")),
        ("BookChange", lambda schema: field(schema, "order_count").update(type="long")),
        ("Mark", lambda schema: field(schema, "symbol").update(name="instrument", aliases=["symbol"])),
        ("Mark", lambda schema: schema.update(doc="Another.")),
    ],
)
def test_a_compatible_change_has_no_reasons(record: str, change: Change) -> None:
    assert incompatibilities(changed(record, change), load_schemas()[record]) == []


def test_every_broken_field_is_named() -> None:
    schema = load_schemas()["Trade"]
    broken = copy.deepcopy(schema)
    field(broken, "price_e8")["type"] = "int"
    broken["fields"].append({"name": "venue", "type": "string"})
    assert [reason.partition(" ")[0] for reason in incompatibilities(broken, schema)] == [
        "Trade.price_e8",
        "Trade.venue",
    ]
