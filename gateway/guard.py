"""What every request passes before it is handled: its query's size, its origin, its budgets."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from gateway import limits
from gateway.asgi import Headers, Heads, host_of
from gateway.auth.tokens import Identity
from gateway.errors import ApiError, Code
from gateway.rates import Budget, Charge, Rates, address_of
from gateway.rights import Right

ORDERS: Final = "/api/v1/orders"
CANCEL_AFTER: Final = "/api/v1/orders/cancel-after"
FREE: Final = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Probes and scrapers are never refused for asking often."""
_READS: Final = frozenset({"GET", "HEAD"})
_PREFLIGHT_S: Final = b"600"
_METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = b"authorization, content-type, x-correlation-id, idempotency-key, if-match, if-none-match"
_EXPOSED: Final = b"x-correlation-id, retry-after, ratelimit, ratelimit-policy, etag, location"


class Budgets(NamedTuple):
    """How often one may ask."""

    orders: Budget = Budget("orders", 3_000, 10)
    """A user's orders, amendments and other changes."""
    cancels: Budget = Budget("cancels", 3_000, 10)
    """A user's cancels: who has placed too much may still take it back."""
    reads: Budget = Budget("reads", 1_200, 10)
    """A user's reads."""
    public: Budget = Budget("public", 600, 10)
    """Reads of an address that shows no token."""
    address: Budget = Budget("address", 10_000, 10)
    """All that comes from one address."""
    routes: Sequence[tuple[str, Budget]] = (
        ("/auth/login", Budget("login", 100, 10)),
        ("/auth/totp", Budget("login", 100, 10)),
        ("/auth/totp/remove", Budget("login", 100, 10)),
        ("/api/v1/trades", Budget("trades", 300, 10)),
        ("/api/v1/candles", Budget("candles", 300, 10)),
    )
    """What some routes have beside, by template and caller."""


class Guard:
    """Shared by all connections of a process."""

    def __init__(
        self,
        rates: Rates,
        who: Callable[[bytes | None, str], Awaitable[Identity]],
        *,
        budgets: Budgets = Budgets(),  # noqa: B008 - immutable
        origins: Sequence[str] = (),
    ) -> None:
        """Who sends an Authorization header from a host, else ApiError; origins whose pages may ask from a browser."""
        self._rates = rates
        self._who = who
        self._budgets = budgets
        self._routes = dict(budgets.routes)
        self._origins = frozenset(origin.encode() for origin in origins)

    async def admit(self, scope: Any, heads: Heads) -> Headers:
        """Charge a request; what its answer tells of its budget. Raises ApiError."""
        query, path, method = scope["query_string"], scope["path"], scope["method"]
        if query and (len(query) > limits.QUERY_BYTES_MAX or query.count(b"&") >= limits.QUERY_PARAMETERS_MAX):
            raise ApiError(
                Code.URI_TOO_LONG,
                f"A query has at most {limits.QUERY_BYTES_MAX} bytes and {limits.QUERY_PARAMETERS_MAX} parameters.",
            )
        if not path.isprintable():
            raise ApiError(Code.NOT_FOUND, "There is no path with control characters.")
        if path in FREE:
            return []
        host = host_of(scope)
        identity = await self._identity(heads.authorization, host)
        address = address_of(host)
        budgets = self._budgets
        if identity is None or (method not in _READS and Right.TRADE not in identity.rights):
            # A key that may only read shall not use up what its owner trades with.
            caller, budget = f"address:{address}", budgets.public
        else:
            caller = f"user:{identity.username}"
            budget = budgets.reads if method in _READS else budgets.orders
            if (method == "DELETE" and path.startswith(ORDERS)) or path == CANCEL_AFTER:
                budget = budgets.cancels
        charged = [budget] if (beside := self._routes.get(path)) is None else [beside, budget]
        return await self._charge(caller, address, charged)

    async def charge_command(self, identity: Identity, address: str, *, cancels: bool) -> None:
        """Charge what a message on the WebSocket asks, to the same budgets. Raises ApiError."""
        budget = self._budgets.cancels if cancels else self._budgets.orders
        await self._charge(f"user:{identity.username}", address, [budget])

    async def charge_read(self, identity: Identity, address: str) -> None:
        """Charge what a message on the WebSocket asks of the database. Raises ApiError."""
        await self._charge(f"user:{identity.username}", address, [self._budgets.reads])

    async def charge_handshake(self, heads: Heads, address: str) -> None:
        """Charge a WebSocket handshake. Raises ApiError, also for a page of an origin that is not allowed.

        Browsers let every page connect, and say whose page it is: nothing else keeps others out. Programs say nothing.
        """
        if heads.origin is not None and heads.origin not in self._origins:
            raise ApiError(Code.FORBIDDEN, "Pages of this origin may not connect; the operator lists those that may.")
        await self._rates.charge(f"handshake {address}", [Charge(f"address:{address}", self._budgets.address)])

    def preflight(self, scope: Any, heads: Heads) -> Headers | None:
        """What answers a browser that asks whether it may ask; None for any other request."""
        if scope["method"] != "OPTIONS" or heads.origin is None:
            return None
        if not any(name == b"access-control-request-method" for name, _ in scope["headers"]):
            return None
        allowed = self.cors(heads)
        if len(allowed) > 1:
            allowed += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", _PREFLIGHT_S),
            ]
        return allowed

    def cors(self, heads: Heads) -> Headers:
        """What lets the pages of an allowed origin read an answer; nobody's cookies are ever sent along."""
        if heads.origin is None or not self._origins:
            return []
        headers: Headers = [(b"vary", b"origin")]
        if heads.origin in self._origins:
            headers += [
                (b"access-control-allow-origin", heads.origin),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        return headers

    async def _charge(self, caller: str, address: str, budgets: Sequence[Budget]) -> Headers:
        name = f"{budgets[0].name} {caller} {address}"
        told = self._rates.spend(name)
        if told is None:
            charges = [Charge(f"{budget.name}:{caller}", budget) for budget in budgets]
            charges.append(Charge(f"address:{address}", self._budgets.address))
            told = await self._rates.charge(name, charges)
        return told

    async def _identity(self, authorization: bytes | None, host: str) -> Identity | None:
        """None for one who shows no good token; the route will say so."""
        if authorization is None:
            return None
        try:
            return await self._who(authorization, host)
        except ApiError:
            return None
