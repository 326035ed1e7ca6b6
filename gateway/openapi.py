"""What the OpenAPI document says beyond what FastAPI knows: answers with units, errors, headers, examples."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, Table

from gateway.errors import CATALOGUE, ApiError, Code
from gateway.guard import FREE
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


class Said(NamedTuple):
    """What an operation answers with."""

    schema: JsonObject
    status: int = 200
    is_list: bool = False
    is_paged: bool = False
    has_cursor: bool = False
    others: Sequence[Code] = ()
    """Errors beside those that follow from its parameters, body and security."""


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
    return _or_null(schema) if column.nullable else schema


def _object(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Final[JsonObject] = {"type": "string"}
_ID: Final[JsonObject] = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "An id of 64 bits, as a string"}
_NUMBER: Final[JsonObject] = {"type": "string", "pattern": DECIMAL, "description": "Decimal"}
_TIME: Final[JsonObject] = {"type": "string", "format": "date-time"}
_LEVELS: Final[JsonObject] = {
    "type": "array",
    "description": "[price in quote currency, quantity in base currency], best first",
    "items": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
}


def _or_null(schema: JsonObject) -> JsonObject:
    return schema | {"type": [schema["type"], "null"]}


SCHEMAS: Final[JsonObject] = {
    "Order": _row(tables.orders),
    "Execution": _row(tables.executions),
    "LedgerEntry": _row(tables.ledger),
    "Position": _row(tables.positions),
    "Balance": _row(tables.balances),
    "Account": _row(tables.account_states),
    "Trade": _row(
        tables.trades, without=("symbol", "maker_order_id", "taker_order_id", "maker_account", "taker_account")
    ),
    "Candle": _row(tables.candles, without=("symbol", "interval_s"), more={"symbol": _TEXT, "interval": _TEXT}),
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
            "client_order_id": _TEXT,
            "status": {"type": "string", "enum": ["pending"]},
        },
    },
    "Symbol": _object(
        symbol=_TEXT,
        status=_or_null(_TEXT),
        base=_or_null(_TEXT),
        quote=_or_null(_TEXT),
        **{
            name: _or_null(_NUMBER)
            for name in ("tick", "lot", "quantity_min", "quantity_max", "notional_min", "notional_max")
        },
        price_band=_or_null(_NUMBER | {"description": "A fraction of the mark"}),
        maker_fee=_or_null(_NUMBER | {"description": "A fraction of the notional"}),
        taker_fee=_or_null(_NUMBER | {"description": "A fraction of the notional"}),
    ),
    "Book": _object(
        symbol=_TEXT,
        sequence={"type": "integer"},
        bids=_LEVELS,
        asks=_LEVELS,
        checksum={"type": "integer", "description": "CRC32 of the whole book"},
        time=_or_null(_TIME),
    ),
    "Health": {
        "type": "object",
        "properties": {"status": {"type": "string"}, "dependencies": {"type": "object"}},
        "required": ["status"],
    },
    "Pagination": _object(**{name: {"type": "integer"} for name in ("page", "page_size", "total", "total_pages")}),
    "CursorPage": _object(limit={"type": "integer"}, next_cursor=_or_null(_TEXT)),
    "ErrorCode": {"type": "string", "enum": list(Code)},
    "ErrorEntry": _object(code=_ref("ErrorCode"), status={"type": "integer"}, title=_TEXT, meaning=_TEXT, remedy=_TEXT),
    "Violation": {
        "type": "object",
        "properties": {"path": _TEXT, "rule": _TEXT, "value": {"description": "What was given, cut short"}},
        "required": ["path", "rule"],
    },
    "Error": _object(
        success={"const": False},
        error={
            "type": "object",
            "properties": {
                "code": _ref("ErrorCode"),
                "message": _TEXT,
                "field": _TEXT,
                "details": {"description": "VALIDATION_FAILED: a list of Violation. CONFLICT: the report"},
            },
            "required": ["code", "message"],
        },
        correlation_id=_TEXT,
    ),
    "Problem": {
        "type": "object",
        "description": "RFC 9457",
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "code": _ref("ErrorCode"),
            "field": _TEXT,
            "details": {},
            "correlation_id": _TEXT,
        },
        "required": ["type", "title", "status", "detail", "code", "correlation_id"],
    },
}

_ORDER_WITH_EXECUTIONS: Final = {
    "allOf": [_ref("Order"), _object(executions={"type": "array", "items": _ref("Execution")})]
}
_COMMAND: Final = (Code.FORBIDDEN, Code.OUTCOME_UNKNOWN)
ANSWERS: Final[Mapping[tuple[str, str], Said]] = {
    ("get", "/api/v1/orders"): Said(_ref("Order"), is_list=True, is_paged=True),
    ("get", "/api/v1/orders/{order_id}"): Said(_ORDER_WITH_EXECUTIONS),
    ("get", "/api/v1/executions"): Said(_ref("Execution"), is_list=True, has_cursor=True),
    ("get", "/api/v1/ledger"): Said(_ref("LedgerEntry"), is_list=True, has_cursor=True),
    ("get", "/api/v1/positions"): Said(_ref("Position"), is_list=True, is_paged=True),
    ("get", "/api/v1/balances"): Said(_ref("Balance"), is_list=True, is_paged=True),
    ("get", "/api/v1/account"): Said(_ref("Account"), others=(Code.NOT_FOUND,)),
    ("post", "/api/v1/orders"): Said(_ref("Report"), others=_COMMAND),
    ("delete", "/api/v1/orders"): Said(_ref("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("post", "/api/v1/orders/check"): Said(_ref("Report"), others=_COMMAND),
    ("post", "/api/v1/orders/cancel-after"): Said(_ref("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("patch", "/api/v1/orders/{order_id}"): Said(_ref("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("delete", "/api/v1/orders/{order_id}"): Said(_ref("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("get", "/api/v1/symbols"): Said(_ref("Symbol"), is_list=True),
    ("get", "/api/v1/book/{symbol}"): Said(_ref("Book")),
    ("get", "/api/v1/trades"): Said(_ref("Trade"), is_list=True, is_paged=True, others=(Code.NOT_FOUND,)),
    ("get", "/api/v1/candles"): Said(_ref("Candle"), is_list=True, others=(Code.NOT_FOUND,)),
    ("get", "/health"): Said(_ref("Health")),
    ("get", "/health/live"): Said(_ref("Health")),
    ("get", "/health/ready"): Said(_ref("Health")),
    ("get", "/errors"): Said(_ref("ErrorEntry"), is_list=True),
    ("get", "/errors/{code}"): Said(_ref("ErrorEntry")),
}
"""What each operation says when all is well; what is not listed says any data."""

_WAITS: Final = frozenset({Code.RATE_LIMITED, Code.LIMIT_EXCEEDED, Code.SERVICE_UNAVAILABLE, Code.OUTCOME_UNKNOWN})
"""Their answers say when to try again."""
_BODIES: Final[Mapping[tuple[str, str], JsonObject]] = {
    ("post", "/api/v1/orders"): {
        "limit": {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "43210.5", "quantity": "0.015"},
        "market": {"symbol": "BTC-USD", "side": "sell", "type": "market", "quantity": "0.015"},
        "stop": {"symbol": "BTC-USD", "side": "sell", "type": "stop", "trigger_price": "40000", "quantity": "0.015"},
    },
    ("post", "/api/v1/orders/check"): {
        "limit": {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "43210.5", "quantity": "0.015"},
    },
    ("post", "/api/v1/orders/cancel-after"): {"in a minute": {"timeout": 60}, "never": {"timeout": 0}},
    ("patch", "/api/v1/orders/{order_id}"): {"price": {"price": "43000"}, "quantity": {"quantity": "0.01"}},
    ("post", "/auth/login"): {"login": {"username": "alice", "password": "as the operator gave it"}},  # nosec B105
}
"""Examples of what is sent."""
_HEADERS: Final[JsonObject] = {
    "X-Correlation-ID": {"description": "Names the request", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The budget and its window in seconds", "schema": _TEXT},
    "RateLimit": {"description": "What remains of the budget", "schema": _TEXT},
}


def complete(document: JsonObject) -> JsonObject:
    """Add to a document what FastAPI does not know."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= SCHEMAS
    components["responses"] = {code: _error_response([code]) for code in Code}
    components["headers"] = dict(_HEADERS)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method, path, operation)
    document["servers"] = [{"url": "/"}]
    document["tags"] = [
        {"name": "auth", "description": "Who asks"},
        {"name": "orders", "description": "Place, amend, cancel and look up"},
        {"name": "positions", "description": "What an account holds and how it stands"},
        {"name": "market", "description": "Public market data"},
        {"name": "health", "description": "For probes"},
        {"name": "errors", "description": "What the codes mean"},
    ]
    return document


def _complete(method: str, path: str, operation: JsonObject) -> None:
    said = ANSWERS.get((method, path), Said({}))
    headers = {
        name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS if name[0] == "X" or path not in FREE
    }
    responses = {status: dict(response) for status, response in operation["responses"].items() if status != "422"}
    operation["responses"] = responses  # the lean path shares one table
    data = {"type": "array", "items": said.schema} if said.is_list else said.schema
    for status, response in responses.items():
        if int(status) < 300:  # noqa: PLR2004 - what a success is
            told = _ref("Accepted") if status == "202" else data
            response["headers"] = headers
            response["content"] = {"application/json": {"schema": _envelope(told, _pagination(said))}}
    if (bodies := _BODIES.get((method, path))) is not None:
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"value": body} for name, body in bodies.items()}
    by_status: dict[int, list[Code]] = {}
    for code in _errors(path, operation, said):
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    for code_status, codes in sorted(by_status.items()):
        reference = {"$ref": f"#/components/responses/{codes[0]}"}
        responses[str(code_status)] = reference if len(codes) == 1 else _error_response(codes)


def _errors(path: str, operation: JsonObject, said: Said) -> list[Code]:
    codes = [Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE, *said.others]
    if path not in FREE:
        codes += [Code.RATE_LIMITED, Code.URI_TOO_LONG]
    if operation.get("security"):
        codes.append(Code.UNAUTHORIZED)
    if operation.get("parameters"):
        codes.append(Code.VALIDATION_FAILED)
    if "{" in path:
        codes.append(Code.NOT_FOUND)
    if "requestBody" in operation:
        codes += [Code.INVALID_JSON, Code.VALIDATION_FAILED, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE]
    return list(dict.fromkeys(codes))


def _pagination(said: Said) -> JsonObject | None:
    if said.has_cursor:
        return _ref("CursorPage")
    return _ref("Pagination") if said.is_paged else None


def _envelope(data: JsonObject, pagination: JsonObject | None) -> JsonObject:
    properties: JsonObject = {
        "success": {"const": True},
        "data": data,
        "message": {"type": "string", "description": "A sentence, where there is something to say"},
    }
    if pagination is not None:
        properties["pagination"] = pagination
    return {"type": "object", "properties": properties, "required": ["success", "data"]}


def _error_response(codes: Sequence[Code]) -> JsonObject:
    examples, problems = {}, {}
    for code in codes:
        error = ApiError(code, CATALOGUE[code].meaning)
        if code is Code.VALIDATION_FAILED:
            error = ApiError(code, "side: must be one of buy, sell.", field="side", value="hold")
        examples[code] = {"value": msgspec.to_builtins(error.body("5f0c"))}
        problems[code] = {"value": msgspec.to_builtins(error.problem("5f0c"))}
    response: JsonObject = {
        "description": " ".join(f"{code}: {CATALOGUE[code].meaning}" for code in codes),
        "headers": {"X-Correlation-ID": {"$ref": "#/components/headers/X-Correlation-ID"}},
        "content": {
            "application/json": {"schema": _ref("Error"), "examples": examples},
            "application/problem+json": {"schema": _ref("Problem"), "examples": problems},
        },
    }
    if not _WAITS.isdisjoint(codes):
        response["headers"]["Retry-After"] = {"description": "Seconds", "schema": {"type": "integer"}}
    return response
