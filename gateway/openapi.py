"""What the OpenAPI document says beyond what FastAPI knows: answers with units, errors, headers, examples."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.errors import CATALOGUE, ApiError, Code
from gateway.guard import FREE, ORDERS
from gateway.idempotency import HEADER
from gateway.openapi_admin import ADMIN_SCHEMAS, BODIES, decision
from gateway.openapi_objects import SCHEMAS, TEXT, JsonObject, object_of, reference


class Said(NamedTuple):
    """What an operation answers with."""

    schema: JsonObject
    status: int = 200
    is_list: bool = False
    is_paged: bool = False
    has_cursor: bool = False
    has_tag: bool = False
    """Whether it says an ETag that a change is asked with."""
    others: Sequence[Code] = ()
    """Errors beside those that follow from its parameters, body and security."""


_ORDER_WITH_EXECUTIONS: Final = {
    "allOf": [reference("Order"), object_of(executions={"type": "array", "items": reference("Execution")})]
}
_REVOKED: Final = object_of(key_id=TEXT, status={"const": "revoked"})
_DELETED: Final = object_of(pair_id=TEXT, status={"const": "deleted"})
_ENDED: Final = object_of(sessions_ended={"type": "integer"}, keys_revoked={"type": "integer"})
_DECISION: Final = (Code.FORBIDDEN, Code.OUTCOME_UNKNOWN)
_COMMAND: Final = (Code.FORBIDDEN, Code.OUTCOME_UNKNOWN)
ANSWERS: Final[Mapping[tuple[str, str], Said]] = {
    ("get", "/api/v1/orders"): Said(reference("Order"), is_list=True, is_paged=True, has_cursor=True),
    ("get", "/api/v1/orders/{order_id}"): Said(_ORDER_WITH_EXECUTIONS),
    ("get", "/api/v1/executions"): Said(reference("Execution"), is_list=True, has_cursor=True),
    ("get", "/api/v1/ledger"): Said(reference("LedgerEntry"), is_list=True, has_cursor=True),
    ("get", "/api/v1/positions"): Said(reference("Position"), is_list=True, is_paged=True),
    ("get", "/api/v1/balances"): Said(reference("Balance"), is_list=True, is_paged=True),
    ("get", "/api/v1/account"): Said(reference("Account"), others=(Code.NOT_FOUND,)),
    ("get", "/api/v1/fees"): Said(reference("Fees")),
    ("post", "/api/v1/orders"): Said(reference("Report"), others=_COMMAND),
    ("post", "/api/v1/orders/batch"): Said(reference("Outcome"), is_list=True, others=_COMMAND),
    ("delete", "/api/v1/orders"): Said(reference("Report"), others=(*_COMMAND, Code.CONFLICT, Code.NOT_FOUND)),
    ("post", "/api/v1/orders/check"): Said(reference("Report"), others=_COMMAND),
    ("post", "/api/v1/orders/cancel-after"): Said(reference("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("patch", "/api/v1/orders/{order_id}"): Said(reference("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("delete", "/api/v1/orders/{order_id}"): Said(reference("Report"), others=(*_COMMAND, Code.CONFLICT)),
    ("post", "/auth/login"): Said(reference("Login"), others=(Code.UNAUTHORIZED,)),
    ("post", "/auth/refresh"): Said(reference("Login"), others=(Code.UNAUTHORIZED,)),
    ("post", "/auth/logout"): Said(object_of(sessions_ended={"type": "integer"}), others=(Code.FORBIDDEN,)),
    ("post", "/auth/ticket"): Said(object_of(ticket=TEXT, expires_in_s={"type": "integer"}), others=(Code.FORBIDDEN,)),
    ("post", "/auth/totp"): Said(
        object_of(secret=TEXT, uri=TEXT, enrolment=TEXT), others=(Code.FORBIDDEN, Code.CONFLICT)
    ),
    ("post", "/auth/totp/confirm"): Said(_ENDED, others=(*_COMMAND, Code.CONFLICT)),
    ("post", "/auth/totp/remove"): Said(_ENDED, others=(*_COMMAND, Code.CONFLICT)),
    ("post", "/api/v1/api-keys"): Said(reference("NewApiKeyAnswer"), others=(Code.FORBIDDEN, Code.LIMIT_EXCEEDED)),
    ("get", "/api/v1/api-keys"): Said(reference("ApiKey"), is_list=True, others=(Code.FORBIDDEN,)),
    ("delete", "/api/v1/api-keys/{key_id}"): Said(_REVOKED, others=(Code.FORBIDDEN,)),
    ("post", "/api/v1/signing-keys"): Said(
        reference("SigningKey"), others=(*_COMMAND, Code.CONFLICT, Code.LIMIT_EXCEEDED)
    ),
    ("get", "/api/v1/signing-keys"): Said(reference("SigningKey"), is_list=True),
    ("delete", "/api/v1/signing-keys/{key_id}"): Said(_REVOKED, others=_COMMAND),
    ("get", "/api/v1/pairs"): Said(reference("Pair"), is_list=True, is_paged=True),
    ("get", "/api/v1/pairs/{pair_id}"): Said(reference("Pair"), has_tag=True),
    ("get", "/api/v1/pairs/{pair_id}/history"): Said(reference("PairVersion"), is_list=True, has_cursor=True),
    ("post", "/api/v1/pairs"): Said(reference("Pair"), has_tag=True, others=(*_DECISION, Code.LIMIT_EXCEEDED)),
    ("put", "/api/v1/pairs/{pair_id}"): Said(
        reference("Pair"),
        has_tag=True,
        others=(*_DECISION, Code.PRECONDITION_FAILED, Code.PRECONDITION_REQUIRED),
    ),
    ("delete", "/api/v1/pairs/{pair_id}"): Said(_DELETED, others=(*_DECISION, Code.PRECONDITION_FAILED)),
    ("get", "/api/v1/limits"): Said(reference("Limits"), is_list=True),
    ("get", "/api/v1/admin/users"): Said(reference("User"), is_list=True, is_paged=True, others=(Code.FORBIDDEN,)),
    ("post", "/api/v1/admin/users"): Said(
        object_of(username=TEXT, account=TEXT, role=TEXT), others=(Code.FORBIDDEN, Code.OUTCOME_UNKNOWN)
    ),
    ("patch", "/api/v1/admin/users/{username}"): Said(
        {"type": "object", "properties": {"username": TEXT, "role": TEXT, "disabled": {"type": "boolean"}}},
        others=(Code.FORBIDDEN, Code.CONFLICT, Code.OUTCOME_UNKNOWN),
    ),
    ("get", "/api/v1/admin/accounts"): Said(
        reference("AccountRules"), is_list=True, is_paged=True, others=(Code.FORBIDDEN,)
    ),
    ("patch", "/api/v1/admin/accounts/{account}"): Said(decision("AccountRules"), others=(*_DECISION, Code.CONFLICT)),
    ("get", "/api/v1/admin/limits"): Said(reference("Limits"), is_list=True, others=(Code.FORBIDDEN,)),
    ("put", "/api/v1/admin/limits"): Said(decision("Limits"), others=(*_DECISION, Code.NOT_FOUND)),
    ("patch", "/api/v1/admin/symbols/{symbol}"): Said(decision("Symbol"), others=(*_DECISION, Code.CONFLICT)),
    ("get", "/api/v1/admin/sessions"): Said(reference("Next"), is_list=True, is_paged=True, others=(Code.FORBIDDEN,)),
    ("post", "/api/v1/admin/sessions"): Said(decision("Symbols"), others=_DECISION),
    ("get", "/api/v1/admin/symbols/{symbol}/sessions"): Said(reference("Planned"), others=(Code.FORBIDDEN,)),
    ("post", "/api/v1/admin/symbols/{symbol}/sessions"): Said(decision("Planned"), others=_DECISION),
    ("post", "/api/v1/admin/symbols/{symbol}/timetable"): Said(decision("Planned"), others=_DECISION),
    ("get", "/api/v1/admin/strategies"): Said(
        reference("Strategy"), is_list=True, is_paged=True, others=(Code.FORBIDDEN,)
    ),
    ("put", "/api/v1/admin/strategies"): Said(decision("Strategy"), others=(*_DECISION, Code.NOT_FOUND)),
    ("post", "/api/v1/admin/kill"): Said(decision("Stopped"), others=(*_DECISION, Code.NOT_FOUND)),
    ("post", "/api/v1/admin/deposits"): Said(decision("Moved"), others=(*_DECISION, Code.NOT_FOUND)),
    ("post", "/api/v1/admin/withdrawals"): Said(decision("Moved"), others=(*_DECISION, Code.NOT_FOUND)),
    ("post", "/api/v1/admin/transfers"): Said(decision("Moving"), others=(*_DECISION, Code.NOT_FOUND)),
    ("get", "/api/v1/symbols"): Said(reference("Symbol"), is_list=True),
    ("get", "/api/v1/book/{symbol}"): Said(reference("Book")),
    ("get", "/api/v1/trades"): Said(
        reference("Trade"), is_list=True, is_paged=True, has_cursor=True, others=(Code.NOT_FOUND,)
    ),
    ("get", "/api/v1/candles"): Said(reference("Candle"), is_list=True, others=(Code.NOT_FOUND,)),
    ("get", "/health"): Said(reference("Health")),
    ("get", "/health/live"): Said(reference("Health")),
    ("get", "/health/ready"): Said(reference("Health")),
    ("get", "/errors"): Said(reference("ErrorEntry"), is_list=True),
    ("get", "/errors/{code}"): Said(reference("ErrorEntry")),
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
    ("post", "/api/v1/orders/batch"): {
        "two": {
            "orders": [
                {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "43210.5", "quantity": "0.015"},
                {"symbol": "BTC-USD", "side": "sell", "type": "limit", "price": "43310.5", "quantity": "0.015"},
            ]
        }
    },
    ("post", "/api/v1/orders/check"): {
        "limit": {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "43210.5", "quantity": "0.015"},
    },
    ("post", "/api/v1/orders/cancel-after"): {"in a minute": {"timeout": 60}, "never": {"timeout": 0}},
    ("patch", "/api/v1/orders/{order_id}"): {"price": {"price": "43000"}, "quantity": {"quantity": "0.01"}},
    ("post", "/api/v1/api-keys"): {
        "market maker": {"name": "market maker", "scopes": ["read", "trade"], "addresses": ["203.0.113.0/24"]}
    },
    ("post", "/api/v1/signing-keys"): {"bot": {"key_id": "bot-1", "public_key": "ab" * 32}},
    ("post", "/api/v1/pairs"): {
        "two coins": {
            "symbol1": "BTC-USD",
            "symbol2": "ETH-USD",
            "ratio": "15.5",
            "status": "monitoring",
            "z_score_threshold_entry": "2",
            "z_score_threshold_exit": "0.5",
            "lookback_period": 60,
            "notes": "majors",
        }
    },
    ("put", "/api/v1/pairs/{pair_id}"): {
        "traded": {"symbol1": "BTC-USD", "symbol2": "ETH-USD", "status": "active", "lookback_period": 120}
    },
    ("post", "/auth/refresh"): {"refresh": {"refresh_token": "as the last answer gave it"}},  # nosec B105
    ("post", "/auth/logout"): {"here": {}, "everywhere": {"everywhere": True}},
    ("post", "/auth/totp"): {"begin": {"password": "as at login"}},  # nosec B105
    ("post", "/auth/totp/confirm"): {"confirm": {"enrolment": "ab" * 48, "code": "123456"}},
    ("post", "/auth/totp/remove"): {"remove": {"password": "as at login", "code": "123456"}},  # nosec B105
    ("post", "/auth/login"): {"login": {"username": "alice", "password": "as the operator gave it"}},  # nosec B105
}
"""Examples of what is sent."""
_PARAMETERS: Final[Mapping[str, str]] = {
    "account": "The account's name",
    "client_order_id": "The one that was placed with this id",
    "code": "One of the codes of errors",
    "depth": "Levels of each side",
    "interval": "From the open of a candle to the next one's",
    "key_id": "The key, as the list of keys names it",
    "limit": "Rows of one answer",
    "order_id": "As placing it was answered, or the id that a repeated order was answered with",
    "page_size": "Rows of one page",
    "pair_id": "As making the pair was answered",
    "side": "Of this side only",
    "status": "Of this status only",
    "symbol": "The instrument, such as BTC-USD",
    "username": "The user's name",
}
"""What they mean, where their route says no more."""
_EXAMPLES: Final[Mapping[str, str]] = {
    "account": "desk-1",
    "code": "NOT_FOUND",
    "if-match": "*",
    "symbol": "BTC-USD",
    "username": "carol",
}
"""What paths and queries name, where their route gives no example."""
_IDEMPOTENCY_KEY: Final[JsonObject] = {
    "name": HEADER,
    "in": "header",
    "description": "Sent again with the same key, the request is answered as before, and done once",
    "schema": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[!-~]*$"},
    "example": "5f0cbd0e-6c1f-4c1e-9a53-0c2d8c1f0e11",
}
_TAG: Final[JsonObject] = {"description": "Names the version, for If-Match and If-None-Match", "schema": TEXT}
_HEADERS: Final[JsonObject] = {
    "X-Correlation-ID": {"description": "Names the request", "schema": TEXT},
    "RateLimit-Policy": {"description": "The budget and its window in seconds", "schema": TEXT},
    "RateLimit": {"description": "What remains of the budget", "schema": TEXT},
}


def takes_idempotency_key(method: str, path: str) -> bool:
    """Whether an operation is one that the key is for."""
    return method == "post" and path.startswith("/api/v1/") and not path.startswith(ORDERS)


def complete(document: JsonObject) -> JsonObject:
    """Add to a document what FastAPI does not know."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    ours = SCHEMAS | ADMIN_SCHEMAS
    assert schemas.keys().isdisjoint(ours), "the body of a request is called as an answer is"
    schemas |= ours
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
        {"name": "admin", "description": "What the operator decides; from addresses that the operator lists"},
        {"name": "pairs", "description": "Pairs of symbols that strategies hold against each other"},
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
            told = reference("Accepted") if status == "202" and not said.is_list and "200" in responses else data
            response["headers"] = headers | ({"ETag": _TAG} if said.has_tag else {})
            response["content"] = {"application/json": {"schema": _envelope(told, _pagination(said))}}
    if (bodies := _BODIES.get((method, path)) or BODIES.get((method, path))) is not None:
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"value": body} for name, body in bodies.items()}
    for parameter in operation.get("parameters", ()):
        _complete_parameter(method, parameter)
    if takes_idempotency_key(method, path):
        operation["parameters"] = [*operation.get("parameters", ()), _IDEMPOTENCY_KEY]
    by_status: dict[int, list[Code]] = {}
    for code in _errors(method, path, operation, said):
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    for code_status, codes in sorted(by_status.items()):
        shared = {"$ref": f"#/components/responses/{codes[0]}"}
        responses[str(code_status)] = shared if len(codes) == 1 else _error_response(codes)


def _complete_parameter(method: str, parameter: JsonObject) -> None:
    name = parameter["name"]
    if name in _PARAMETERS:
        parameter.setdefault("description", _PARAMETERS[name])
    if name in _EXAMPLES:
        parameter.setdefault("example", _EXAMPLES[name])
    if (method, name) == ("put", "if-match"):
        parameter["required"] = True  # without it the answer is 428


def _errors(method: str, path: str, operation: JsonObject, said: Said) -> list[Code]:
    codes = [Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE, *said.others]
    if takes_idempotency_key(method, path):
        codes.append(Code.CONFLICT)
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
    if said.has_cursor and said.is_paged:
        return {"anyOf": [reference("Pagination"), reference("CursorPage")]}
    if said.has_cursor:
        return reference("CursorPage")
    return reference("Pagination") if said.is_paged else None


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
            "application/json": {"schema": reference("Error"), "examples": examples},
            "application/problem+json": {"schema": reference("Problem"), "examples": problems},
        },
    }
    if not _WAITS.isdisjoint(codes):
        response["headers"]["Retry-After"] = {"description": "Seconds", "schema": {"type": "integer"}}
    return response
