"""Who may do what: every route, WebSocket action and channel with the right that it needs. Nothing else decides it.

What belongs to an account is shown to that account alone; to all others it does not exist (404).
"""

from enum import StrEnum
from typing import Final

from starlette.routing import compile_path

from gateway.errors import ApiError, Code


class Right(StrEnum):
    """What one may do, for the own account."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"
    """For the whole venue."""
    SESSION = "session"
    """What only a person does who has logged in."""
    SIGN = "sign"
    """To say whose signature counts for the account: for a person too."""
    USERS = "users"
    """To make and change users, who may have every right: for a person too, as nobody gives what he does not have."""


FOR_ADMINS: Final = frozenset({Right.ADMIN, Right.USERS})
"""What is asked from listed addresses only."""

EVERYBODY: Final = None
"""Needs no login."""

ADMIN: Final = "admin"
TRADER: Final = "trader"
VIEWER: Final = "viewer"

ROLES: Final[dict[str, frozenset[Right]]] = {
    ADMIN: frozenset(Right),
    TRADER: frozenset({Right.READ, Right.TRADE, Right.SESSION, Right.SIGN}),
    VIEWER: frozenset({Right.READ, Right.SESSION}),
}
"""The rights of each role."""

ROUTES: Final[dict[tuple[str, str], Right | None]] = {
    ("GET", "/health"): EVERYBODY,
    ("GET", "/health/live"): EVERYBODY,
    ("GET", "/health/ready"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("GET", "/swagger/{name}"): EVERYBODY,
    ("GET", "/errors"): EVERYBODY,
    ("GET", "/errors/{code}"): EVERYBODY,
    ("GET", "/.well-known/jwks.json"): EVERYBODY,
    ("POST", "/auth/login"): EVERYBODY,
    ("POST", "/auth/refresh"): EVERYBODY,
    ("POST", "/auth/logout"): Right.SESSION,
    ("POST", "/auth/ticket"): Right.SESSION,
    ("POST", "/auth/totp"): Right.SESSION,
    ("POST", "/auth/totp/confirm"): Right.SESSION,
    ("POST", "/auth/totp/remove"): Right.SESSION,
    ("POST", "/api/v1/api-keys"): Right.SESSION,
    ("GET", "/api/v1/api-keys"): Right.SESSION,
    ("DELETE", "/api/v1/api-keys/{key_id}"): Right.SESSION,
    ("POST", "/api/v1/signing-keys"): Right.SIGN,
    ("GET", "/api/v1/signing-keys"): Right.READ,
    ("DELETE", "/api/v1/signing-keys/{key_id}"): Right.SIGN,
    ("GET", "/api/v1/symbols"): EVERYBODY,
    ("GET", "/api/v1/book/{symbol}"): EVERYBODY,
    ("GET", "/api/v1/trades"): EVERYBODY,
    ("GET", "/api/v1/candles"): EVERYBODY,
    ("GET", "/api/v1/orders"): Right.READ,
    ("GET", "/api/v1/orders/{order_id}"): Right.READ,
    ("GET", "/api/v1/positions"): Right.READ,
    ("GET", "/api/v1/balances"): Right.READ,
    ("GET", "/api/v1/account"): Right.READ,
    ("GET", "/api/v1/fees"): Right.READ,
    ("GET", "/api/v1/executions"): Right.READ,
    ("GET", "/api/v1/ledger"): Right.READ,
    ("GET", "/api/v1/pairs"): Right.READ,
    ("GET", "/api/v1/pairs/{pair_id}"): Right.READ,
    ("GET", "/api/v1/pairs/{pair_id}/history"): Right.READ,
    ("POST", "/api/v1/pairs"): Right.ADMIN,
    ("PUT", "/api/v1/pairs/{pair_id}"): Right.ADMIN,
    ("DELETE", "/api/v1/pairs/{pair_id}"): Right.ADMIN,
    ("GET", "/api/v1/limits"): Right.READ,
    ("GET", "/api/v1/admin/users"): Right.ADMIN,
    ("POST", "/api/v1/admin/users"): Right.USERS,
    ("PATCH", "/api/v1/admin/users/{username}"): Right.USERS,
    ("PATCH", "/api/v1/admin/symbols/{symbol}"): Right.ADMIN,
    ("GET", "/api/v1/admin/sessions"): Right.ADMIN,
    ("POST", "/api/v1/admin/sessions"): Right.ADMIN,
    ("GET", "/api/v1/admin/symbols/{symbol}/sessions"): Right.ADMIN,
    ("POST", "/api/v1/admin/symbols/{symbol}/sessions"): Right.ADMIN,
    ("POST", "/api/v1/admin/symbols/{symbol}/timetable"): Right.ADMIN,
    ("GET", "/api/v1/admin/strategies"): Right.ADMIN,
    ("PUT", "/api/v1/admin/strategies"): Right.ADMIN,
    ("GET", "/api/v1/admin/accounts"): Right.ADMIN,
    ("PATCH", "/api/v1/admin/accounts/{account}"): Right.ADMIN,
    ("GET", "/api/v1/admin/limits"): Right.ADMIN,
    ("PUT", "/api/v1/admin/limits"): Right.ADMIN,
    ("POST", "/api/v1/admin/kill"): Right.ADMIN,
    ("POST", "/api/v1/admin/deposits"): Right.ADMIN,
    ("POST", "/api/v1/admin/withdrawals"): Right.ADMIN,
    ("POST", "/api/v1/admin/transfers"): Right.ADMIN,
    ("POST", "/api/v1/orders"): Right.TRADE,
    ("DELETE", "/api/v1/orders"): Right.TRADE,
    ("POST", "/api/v1/orders/batch"): Right.TRADE,
    ("POST", "/api/v1/orders/check"): Right.TRADE,
    ("POST", "/api/v1/orders/cancel-after"): Right.TRADE,
    ("PATCH", "/api/v1/orders/{order_id}"): Right.TRADE,
    ("DELETE", "/api/v1/orders/{order_id}"): Right.TRADE,
}
"""By method and template of the path."""

ACTIONS: Final[dict[str, Right | None]] = {
    "auth": EVERYBODY,
    "ping": EVERYBODY,
    "marketdata.subscribe": EVERYBODY,
    "marketdata.unsubscribe": EVERYBODY,
    "order.submit": Right.TRADE,
    "order.check": Right.TRADE,
    "order.amend": Right.TRADE,
    "order.cancel": Right.TRADE,
    "order.cancel_all": Right.TRADE,
    "order.cancel_after": Right.TRADE,
    "session.cancel_on_disconnect": Right.TRADE,
}
"""By the type of a WebSocket message."""

CHANNELS: Final[dict[str, Right | None]] = {
    "book": EVERYBODY,
    "trades": EVERYBODY,
    "ticker": EVERYBODY,
    "candles": EVERYBODY,
    "session": EVERYBODY,
    "orders": Right.READ,
    "positions": Right.READ,
    "portfolio": Right.READ,
    "alerts": Right.READ,
    "halts": EVERYBODY,
}
"""By what a channel carries. Those that need a right are the account's own."""


_TEMPLATES: Final = {path: compile_path(path)[0] for _, path in ROUTES}


def methods_of(path: str) -> list[str]:
    """What a path may be asked with, whoever answers it; none where there is no such route."""
    fitting = (template for template, pattern in _TEMPLATES.items() if pattern.match(path))
    template = path if path in _TEMPLATES else next(fitting, None)
    return [method for method, known in ROUTES if known == template]


_POSTS: Final = [(compile_path(path)[0], right) for (method, path), right in ROUTES.items() if method == "POST"]


def right_to_post(path: str) -> Right | None:
    """The right that a POST needs; None also where there is no such route."""
    return next((right for pattern, right in _POSTS if pattern.match(path)), EVERYBODY)


def require(rights: frozenset[Right], right: Right) -> None:
    """Raises ApiError unless the right is among those that somebody has."""
    if right not in rights:
        have = ", ".join(sorted(rights))
        raise ApiError(Code.FORBIDDEN, f"This needs the right {right}; you have: {have}.")
