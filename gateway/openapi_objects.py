"""The objects that clients see, as schemas of the OpenAPI document; rows with their units."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table

from gateway.auth.keys import GIVEN
from gateway.errors import Code
from gateway.rights import ROLES
from gateway.rows import Renderer
from schemas import tables

JsonObject = dict[str, Any]

DECIMAL: Final = r"^-?[0-9]+(\.[0-9]{1,8})?$"
_EXAMPLES: Final[Mapping[str, str]] = {
    "symbol": "BTC-USD",
    "account": "alice",
    "currency": "USD",
    "price_e8": "43210.5",
    "quantity_e8": "0.015",
    "ts_us": "2030-01-31T12:00:00Z",
    "order_id": "281474976710656",
    "client_order_id": "mine-1",
    "side": "buy",
    "status": "new",
    "order_type": "limit",
    "time_in_force": "gtc",
}
_BASE: Final = frozenset(
    {"quantity_e8", "leaves_e8", "cumulative_e8", "last_quantity_e8", "display_quantity_e8", "volume_e8"}
)
"""Columns in base currency; the other decimals are in quote currency, or what their name says."""


def _row(table: Table, *, without: Sequence[str] = (), more: JsonObject | None = None) -> JsonObject:
    """The object that clients see of a row."""
    renderer = Renderer(table, without=without)
    properties = {str(name): _value(column) for name, column in zip(renderer.names, renderer.columns, strict=True)}
    properties |= more or {}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _value(column: Column[Any]) -> JsonObject:
    schema: JsonObject
    name = column.name
    if name.endswith("_e8"):
        unit = "base currency" if name in _BASE else "quote currency, or a fraction where it is a rate"
        schema = {"type": "string", "format": "decimal", "pattern": DECIMAL, "description": f"Decimal, {unit}"}
    elif name.endswith("_us"):
        schema = {"type": "string", "format": "date-time", "description": "UTC, to the microsecond"}
    elif isinstance(column.type, Boolean):
        schema = {"type": "boolean"}
    elif isinstance(column.type, (BigInteger, Integer)) and not name.endswith("_id"):
        schema = {"type": "integer"}
    else:
        schema = {"type": "string"}
    if name in _EXAMPLES:
        schema["examples"] = [_EXAMPLES[name]]
    return or_null(schema) if column.nullable else schema


def object_of(**properties: JsonObject) -> JsonObject:
    """An object that always has these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def reference(name: str) -> JsonObject:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Final[JsonObject] = {"type": "string"}
_ID: Final[JsonObject] = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "An id of 64 bits, as a string"}
NUMBER: Final[JsonObject] = {"type": "string", "pattern": DECIMAL, "description": "Decimal"}
TIME: Final[JsonObject] = {"type": "string", "format": "date-time"}
_LEVELS: Final[JsonObject] = {
    "type": "array",
    "description": "[price in quote currency, quantity in base currency], best first",
    "items": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
}


def or_null(schema: JsonObject) -> JsonObject:
    """What may be null too."""
    return schema | {"type": [schema["type"], "null"]}


_FEES: Final[JsonObject] = {
    f"{side}_fee": NUMBER | {"description": "A fraction of the notional; negative: a rebate"}
    for side in ("maker", "taker")
}
_API_KEY: Final = object_of(
    key_id=TEXT,
    name=TEXT,
    scopes={"type": "array", "items": {"type": "string", "enum": sorted(GIVEN)}},
    addresses={"type": "array", "items": TEXT, "description": "Networks; none: from everywhere"},
    created_time=TIME,
)

_PAIR: Final[JsonObject] = {
    "version": {"type": "integer", "description": "1, and one more with each change"},
    "symbol1": TEXT,
    "symbol2": TEXT,
    "ratio": NUMBER | {"description": "How much of symbol2 stands against one of symbol1"},
    "status": {"type": "string", "enum": ["active", "inactive", "monitoring"]},
    "z_score_threshold_entry": NUMBER | {"description": "Standard deviations"},
    "z_score_threshold_exit": NUMBER | {"description": "Standard deviations"},
    "lookback_period": {"type": "integer", "description": "Observations"},
    "notes": TEXT,
}

SCHEMAS: Final[JsonObject] = {
    "Pair": object_of(
        id=_ID | {"description": "Which pair of the log it was, as a string; the first is 1"},
        pair_id=TEXT,
        **_PAIR,
        created_by=or_null(TEXT),
        created_at=TIME,
        updated_at=TIME,
    ),
    "PairVersion": object_of(
        **_PAIR | {"status": {"type": "string", "enum": ["active", "inactive", "monitoring", "deleted"]}},
        changed_by=or_null(TEXT),
        changed_at=TIME,
    ),
    "Order": _row(tables.orders),
    "Execution": _row(tables.executions),
    "LedgerEntry": _row(tables.ledger),
    "Position": _row(tables.positions),
    "Balance": _row(tables.balances),
    "Account": _row(tables.account_states),
    "Fees": object_of(
        volumes={
            "type": "object",
            "description": "By quote currency: what was traded in the 30 UTC days before today",
            "additionalProperties": NUMBER,
        },
        symbols={
            "type": "object",
            "description": "By symbol: what a new order pays",
            "additionalProperties": object_of(**_FEES),
        },
    ),
    "Trade": _row(
        tables.trades, without=("symbol", "maker_order_id", "taker_order_id", "maker_account", "taker_account")
    ),
    "Candle": _row(tables.candles, without=("symbol", "interval_s"), more={"symbol": TEXT, "interval": TEXT}),
    "Report": {
        "type": "object",
        "description": "An execution, as the channel orders says it: what it has nothing to say of is null or left out",
        "properties": _row(tables.executions)["properties"],
        "required": ["kind", "reason"],
    },
    "Accepted": {
        "type": "object",
        "description": "The log has the command; what becomes of it is not known yet",
        "properties": {
            "order_id": _ID,
            "command_id": _ID,
            "client_order_id": TEXT,
            "status": {"type": "string", "enum": ["pending"]},
        },
    },
    "Outcome": {
        "oneOf": [
            object_of(success={"const": True}, data=reference("Accepted")),
            object_of(success={"const": False}, error={"$ref": "#/components/schemas/Error/properties/error"}),
        ]
    },
    "Symbol": object_of(
        symbol=TEXT,
        status=or_null(TEXT),
        base=or_null(TEXT),
        quote=or_null(TEXT),
        **{
            name: or_null(NUMBER)
            for name in ("tick", "lot", "quantity_min", "quantity_max", "notional_min", "notional_max")
        },
        price_band=or_null(NUMBER | {"description": "A fraction of the mark"}),
        **{name: or_null(fee) for name, fee in _FEES.items()},
        **{
            name: or_null(NUMBER | {"description": "A fraction of a position's value"})
            for name in ("initial_margin", "maintenance_margin")
        },
        fee_tiers={
            "type": "array",
            "description": "Other fees from a 30-day volume in quote currency on, the smallest first",
            "items": object_of(volume=NUMBER, maker=NUMBER, taker=NUMBER),
        },
        order_types=or_null({"type": "array", "items": TEXT, "description": "Those it takes; null: all"}),
        times_in_force=or_null({"type": "array", "items": TEXT, "description": "Those it takes; null: all"}),
        max_open_orders=or_null({"type": "integer", "description": "Of one account"}),
    ),
    "Book": object_of(
        symbol=TEXT,
        sequence={"type": "integer"},
        bids=_LEVELS,
        asks=_LEVELS,
        checksum={"type": "integer", "description": "CRC32 of the whole book"},
        time=or_null(TIME),
    ),
    "Health": {
        "type": "object",
        "properties": {"status": {"type": "string"}, "dependencies": {"type": "object"}},
        "required": ["status"],
    },
    "Login": object_of(
        token=TEXT | {"description": "The access token"},
        token_type={"const": "Bearer"},
        expires_at=TIME,
        refresh_token=TEXT | {"description": "Good once, for POST /auth/refresh"},
        refresh_expires_at=TIME,
        account=TEXT,
        role={"type": "string", "enum": list(ROLES)},
    ),
    "ApiKey": _API_KEY,
    "NewApiKeyAnswer": {"allOf": [_API_KEY, object_of(key=TEXT | {"description": "The key itself, shown this once"})]},
    "SigningKey": object_of(
        key_id=TEXT, public_key={"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Ed25519, hexadecimal"}
    ),
    "Pagination": object_of(**{name: {"type": "integer"} for name in ("page", "page_size", "total", "total_pages")}),
    "CursorPage": object_of(limit={"type": "integer"}, next_cursor=or_null(TEXT)),
    "ErrorCode": {"type": "string", "enum": list(Code)},
    "ErrorEntry": object_of(
        code=reference("ErrorCode"), status={"type": "integer"}, title=TEXT, meaning=TEXT, remedy=TEXT
    ),
    "Violation": {
        "type": "object",
        "properties": {"path": TEXT, "rule": TEXT, "value": {"description": "What was given, cut short"}},
        "required": ["path", "rule"],
    },
    "Error": object_of(
        success={"const": False},
        error={
            "type": "object",
            "properties": {
                "code": reference("ErrorCode"),
                "message": TEXT,
                "field": TEXT,
                "details": {"description": "VALIDATION_FAILED: a list of Violation. CONFLICT: the report"},
            },
            "required": ["code", "message"],
        },
        correlation_id=TEXT,
    ),
    "Problem": {
        "type": "object",
        "description": "RFC 9457",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "code": reference("ErrorCode"),
            "field": TEXT,
            "details": {},
            "correlation_id": TEXT,
        },
        "required": ["type", "title", "status", "detail", "code", "correlation_id"],
    },
}
