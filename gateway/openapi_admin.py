"""What admins see and send, as schemas and examples of the OpenAPI document."""

from collections.abc import Mapping
from typing import Final

from gateway.openapi_objects import NUMBER, TEXT, TIME, JsonObject, object_of, or_null, reference
from gateway.rights import ROLES
from schemas.decided import LIMIT_COUNTS, LIMIT_NUMBERS

_COUNT: Final[JsonObject] = {"type": "integer"}
_PHASE: Final[JsonObject] = object_of(at=TIME, phase=TEXT)
_MOVED: Final[JsonObject] = {"account": TEXT, "currency": TEXT, "amount": NUMBER}

ADMIN_SCHEMAS: Final[JsonObject] = {
    "Decision": object_of(
        decision_id=TEXT | {"description": "Of the first record; in the ledger it is `control_id`"},
        position=or_null(
            {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "In the log; null: it was made before"}
        ),
    ),
    "User": object_of(
        username=TEXT,
        account=TEXT,
        role={"type": "string", "enum": list(ROLES)},
        created_time=TIME,
        disabled_time=or_null(TIME),
        sessions=_COUNT,
        api_keys=_COUNT,
        totp={"type": "boolean", "description": "Whether codes are asked for at login"},
    ),
    "AccountRules": object_of(
        account=TEXT,
        kind=or_null(TEXT),
        status=or_null(TEXT),
        leverage=or_null(NUMBER),
        open_orders_max=or_null(_COUNT),
        self_trade_prevention=or_null(TEXT),
    ),
    "Limits": object_of(
        account=or_null(TEXT | {"description": "Whose; null: of every account"}),
        symbol=or_null(TEXT | {"description": "In which symbol; null: in all"}),
        **{name.removesuffix("_e8"): or_null(NUMBER) for name in LIMIT_NUMBERS},
        **{name: or_null(_COUNT) for name in LIMIT_COUNTS},
    ),
    "Planned": object_of(symbol=TEXT, planned={"type": "array", "items": _PHASE}),
    "Next": object_of(symbol=TEXT, next=or_null(_PHASE)),
    "Symbols": object_of(symbols={"type": "array", "items": TEXT}),
    "Strategy": object_of(account=TEXT, strategy=TEXT, status=or_null(TEXT)),
    "Stopped": object_of(stopped={"type": "array", "items": TEXT}),
    "Moved": object_of(**_MOVED),
    "Moving": object_of(**_MOVED, to_account=TEXT),
}

BODIES: Final[Mapping[tuple[str, str], JsonObject]] = {
    ("post", "/api/v1/admin/users"): {
        "trader": {"username": "carol", "password": "a long one of hers", "account": "desk-1", "role": "trader"}  # nosec B105
    },
    ("patch", "/api/v1/admin/users/{username}"): {"viewer": {"role": "viewer"}, "disabled": {"disabled": True}},
    ("patch", "/api/v1/admin/symbols/{symbol}"): {
        "new": {"tick": "0.01", "lot": "0.0001", "price_band": "0.1"},
        "changed": {
            "maker_fee": "0.0001",
            "breaker": {"move": "0.1", "window_s": 300, "halt_s": 60},
            "fee_tiers": [{"volume": "1000000", "maker_fee": "0", "taker_fee": "0.0002"}],
            "order_types": ["limit", "market"],
            "price_band": None,
        },
        "halted": {"status": "halted"},
    },
    ("post", "/api/v1/admin/symbols/{symbol}/sessions"): {
        "at once": {"phase": "auction"},
        "planned": {"phase": "closed", "at": "2090-01-31T17:30:00Z"},
        "withdrawn": {},
    },
    ("post", "/api/v1/admin/sessions"): {"a halt": {"phase": "halted"}},
    ("post", "/api/v1/admin/symbols/{symbol}/timetable"): {
        "a week": {
            "timetable": [
                {"at": "08:50", "phase": "auction"},
                {"at": "09:00", "phase": "continuous"},
                {"at": "17:30", "phase": "auction"},
                {"at": "17:35", "phase": "closed"},
            ],
            "zone": "Europe/Berlin",
            "days": 5,
            "holidays": ["2090-12-25"],
        }
    },
    ("put", "/api/v1/admin/strategies"): {
        "goes on": {"account": "desk-1", "strategy": "trend", "status": "active"},
    },
    ("patch", "/api/v1/admin/accounts/{account}"): {
        "new": {"kind": "margin", "leverage": "3"},
        "reducing": {"kind": "cash", "status": "reducing"},
    },
    ("put", "/api/v1/admin/limits"): {
        "everybody": {"max_order_size": "100", "trade_frequency": 100, "trade_frequency_s": 10}
    },
    ("post", "/api/v1/admin/kill"): {"a symbol": {"what": "symbol", "name": "BTC-USD"}},
    ("post", "/api/v1/admin/deposits"): {"dollars": {"account": "desk-1", "currency": "USD", "amount": "1000"}},
    ("post", "/api/v1/admin/withdrawals"): {"dollars": {"account": "desk-1", "currency": "USD", "amount": "10.5"}},
    ("post", "/api/v1/admin/transfers"): {
        "dollars": {"account": "desk-1", "to_account": "desk-2", "currency": "USD", "amount": "1"}
    },
}
"""Examples of what is sent."""


def decision(name: str) -> JsonObject:
    """What a decision answers with: where it stands, and what is so now."""
    return {"allOf": [reference("Decision"), reference(name)]}
