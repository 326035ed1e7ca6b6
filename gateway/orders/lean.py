"""The lean path of orders, from bytes to bytes.

POST and DELETE /api/v1/orders; POST /api/v1/orders/batch, /api/v1/orders/check and /api/v1/orders/cancel-after; PATCH
and DELETE /api/v1/orders/{id}.
"""

from asyncio import Future
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from gateway import limits
from gateway.asgi import Reply, Request, require_json
from gateway.envelope import encode
from gateway.errors import ApiError, Code, violation
from gateway.guard import Guard
from gateway.lean import Handlers
from gateway.orders.answers import Report, report_of
from gateway.orders.desk import OrderDesk
from gateway.orders.refusals import sentence
from gateway.orders.requests import (
    AmendRequest,
    CancelAfterRequest,
    OrderRequest,
    parse_amend,
    parse_batch,
    parse_cancel_after,
    parse_order,
)
from gateway.orders.values import (
    CLIENT_ORDER_ID,
    SYMBOL,
    parse_client_order_id,
    parse_order_id,
    parse_side,
    parse_symbol,
)
from gateway.strict import UNKNOWN, refused

ORDERS: Final = "/api/v1/orders"
ORDER: Final = "/api/v1/orders/"
CANCEL_AFTER: Final = "/api/v1/orders/cancel-after"
CHECK: Final = "/api/v1/orders/check"
BATCH: Final = "/api/v1/orders/batch"
WAIT_DIGITS_MAX: Final = 9
_ALL_BY: Final = frozenset({"symbol", "side", "client_order_id", "wait"})


class LeanOrders:
    """Handlers of the lean path."""

    def __init__(self, desk: OrderDesk, guard: Guard) -> None:
        """Where orders go, and how many may."""
        self._guard = guard
        self._desk = desk

    def handlers(self) -> Mapping[str, Handlers]:
        """By template and method."""
        return {
            ORDERS: {"POST": self.place, "DELETE": self.cancel_all},
            ORDER + "{order_id}": {"PATCH": self.amend, "DELETE": self.cancel},
            CANCEL_AFTER: {"POST": self.cancel_after},
            CHECK: {"POST": self.check},
            BATCH: {"POST": self.batch},
        }

    async def place(self, request: Request) -> Reply:
        """POST /api/v1/orders."""
        require_json(request.heads.content_type)
        order = parse_order(request.body)
        wait_s = self._wait_s(request.query)
        acknowledged, client_order_id = self._desk.place(request.identity, order, request.correlation_id)
        order_id = await acknowledged
        if wait_s and (payload := await self._desk.answers.wait(order_id, wait_s)):
            return _told(payload, report_of(payload))
        # Both are of characters that JSON takes as they are.
        return Reply(
            202,
            b'{"success":true,"data":{"order_id":"%d","client_order_id":"%b","status":"pending"}}'
            % (order_id, client_order_id.encode()),
        )

    async def batch(self, request: Request) -> Reply:
        """POST /api/v1/orders/batch: in their order in the log, each with an answer of its own."""
        require_json(request.heads.content_type)
        placed: list[tuple[Future[int], str] | ApiError] = []
        for number, body in enumerate(parse_batch(request.body)):
            try:
                order = parse_order(body)
                if number:  # the first is charged as the request
                    await self._guard.charge_command(request.identity, request.address, cancels=False)
                placed.append(self._desk.place(request.identity, order, request.correlation_id))
            except ApiError as error:
                placed.append(error)
        return Reply(202, encode([await _outcome(one) for one in placed]))

    async def check(self, request: Request) -> Reply:
        """POST /api/v1/orders/check: waits, for what is asked for is the answer."""
        require_json(request.heads.content_type)
        order = parse_order(request.body)
        wait_s = self._wait_s(request.query, default_ms=limits.WAIT_MS_MAX)
        command_id = await self._desk.check(request.identity, order, request.correlation_id)
        return await self._changed(command_id, wait_s, "Nothing was checked")

    async def amend(self, request: Request) -> Reply:
        """PATCH /api/v1/orders/{id}."""
        require_json(request.heads.content_type)
        order_id = _order_id(request.path)
        amendment = parse_amend(request.body)
        wait_s = self._wait_s(request.query)
        command_id = await self._desk.amend(request.identity, order_id, amendment, request.correlation_id)
        return await self._changed(command_id, wait_s, "The order was not amended", order_id)

    async def cancel(self, request: Request) -> Reply:
        """DELETE /api/v1/orders/{id}."""
        order_id = _order_id(request.path)
        wait_s = self._wait_s(request.query)
        command_id = await self._desk.cancel(request.identity, order_id, request.correlation_id)
        return await self._changed(command_id, wait_s, "The order was not cancelled", order_id)

    async def cancel_all(self, request: Request) -> Reply:
        """DELETE /api/v1/orders."""
        query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
        wrong = [violation(name[:64], UNKNOWN, texts[-1]) for name, texts in query.items() if name not in _ALL_BY]
        wrong += [violation(name, "stands there twice", texts) for name, texts in query.items() if len(texts) > 1]
        if wrong:
            raise refused(wrong)
        if "client_order_id" in query:
            return await self._cancel_by_client_id(request, query)
        symbol = parse_symbol(query["symbol"][-1]) if "symbol" in query else None
        side = parse_side(query["side"][-1]) if "side" in query else None
        wait_s = self._wait_s(request.query)
        command_id = await self._desk.cancel_all(request.identity, symbol, side, request.correlation_id)
        return await self._changed(command_id, wait_s, "Nothing was cancelled")

    async def _cancel_by_client_id(self, request: Request, query: Mapping[str, list[str]]) -> Reply:
        """The one open order of this id."""
        client_order_id = parse_client_order_id(query["client_order_id"][-1])
        beside = [name for name in ("symbol", "side") if name in query]
        if beside:
            raise refused([violation(name, "does not go with client_order_id", query[name][-1]) for name in beside])
        wait_s = self._wait_s(request.query)
        command_id = await self._desk.cancel(request.identity, client_order_id, request.correlation_id)
        return await self._changed(command_id, wait_s, "The order was not cancelled")

    async def cancel_after(self, request: Request) -> Reply:
        """POST /api/v1/orders/cancel-after."""
        require_json(request.heads.content_type)
        timeout_s = parse_cancel_after(request.body).timeout
        wait_s = self._wait_s(request.query)
        command_id = await self._desk.cancel_after(request.identity, timeout_s, request.correlation_id)
        return await self._changed(command_id, wait_s, "The timer is as it was")

    async def _changed(self, command_id: int, wait_s: float, unchanged: str, order_id: int | None = None) -> Reply:
        """What became of a command about one order, or about all. Raises ApiError where it changed nothing."""
        if wait_s and (payload := await self._desk.answers.wait(command_id, wait_s)):
            report = report_of(payload)
            if report.reason == "ORDER_UNKNOWN":
                raise _not_found()
            if report.kind in {"amend_rejected", "cancel_rejected"}:
                raise ApiError(
                    Code.CONFLICT,
                    f"{unchanged}. {sentence(report) or report.reason}",
                    details=msgspec.Raw(payload),
                )
            return _told(payload, report)
        named = b"" if order_id is None else b'"order_id":"%d",' % order_id
        return Reply(202, b'{"success":true,"data":{%b"command_id":"%d"}}' % (named, command_id))

    def _wait_s(self, query: bytes, default_ms: int = 0) -> float:
        """`?wait=` in seconds. Raises ApiError."""
        texts = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("wait") if query else None
        text = str(default_ms) if texts is None else texts[-1]
        if text == "0":
            return 0.0
        if not text.isdecimal() or not text.isascii() or len(text) > WAIT_DIGITS_MAX or int(text) > limits.WAIT_MS_MAX:
            raise ApiError(
                Code.VALIDATION_FAILED,
                f"wait must be whole milliseconds from 0 to {limits.WAIT_MS_MAX}.",
                field="wait",
                value=text,
            )
        self._desk.answers.require_room()
        return int(text) / 1_000


def openapi_paths() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the OpenAPI document says of the lean path: operations by path and method, and schemas by name."""
    (order, amendment, timer), schemas = msgspec.json.schema_components(
        [OrderRequest, AmendRequest, CancelAfterRequest], ref_template="#/components/schemas/{name}"
    )
    batch = {
        "type": "object",
        "properties": {"orders": {"type": "array", "items": order, "minItems": 1, "maxItems": limits.BATCH_ORDERS_MAX}},
        "required": ["orders"],
        "additionalProperties": False,
    }
    wait = {
        "name": "wait",
        "in": "query",
        "description": "Wait so many milliseconds for the first execution",
        "schema": {"type": "integer", "minimum": 0, "maximum": limits.WAIT_MS_MAX},
    }
    order_id = {"name": "order_id", "in": "path", "required": True, "schema": {"type": "string"}}
    answers = {
        "200": {"description": "The first execution, when asked to wait and it came in time"},
        "202": {"description": "The log has acknowledged the command"},
        "503": {"description": "SERVICE_UNAVAILABLE: nothing was done. OUTCOME_UNKNOWN: retry with the same id"},
    }
    secured: list[dict[str, list[str]]] = [{"HTTPBearer": []}]
    return {
        ORDERS: {
            "post": {
                "tags": ["orders"],
                "summary": "Place an order",
                "operationId": "place_order",
                "security": secured,
                "parameters": [wait],
                "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                "responses": answers,
            },
            "delete": {
                "tags": ["orders"],
                "summary": "Cancel all open orders, those of a symbol or a side, or the one of a client_order_id",
                "operationId": "cancel_all_orders",
                "security": secured,
                "parameters": [
                    {"name": "symbol", "in": "query", "schema": {"type": "string", "pattern": SYMBOL}},
                    {"name": "side", "in": "query", "schema": {"enum": ["buy", "sell"]}},
                    {
                        "name": "client_order_id",
                        "in": "query",
                        "description": "Only this one; goes without symbol and side",
                        "schema": {"type": "string", "pattern": CLIENT_ORDER_ID},
                    },
                    wait,
                ],
                "responses": answers,
            },
        },
        CANCEL_AFTER: {
            "post": {
                "tags": ["orders"],
                "summary": "Cancel all open orders in so many seconds, unless this is asked again before",
                "operationId": "cancel_orders_after",
                "security": secured,
                "parameters": [wait],
                "requestBody": {"required": True, "content": {"application/json": {"schema": timer}}},
                "responses": answers,
            },
        },
        BATCH: {
            "post": {
                "tags": ["orders"],
                "summary": "Place several orders",
                "description": "They stand in the log in their order. Each is answered by itself: one that is refused "
                "keeps none of the others back.",
                "operationId": "place_orders",
                "security": secured,
                "requestBody": {"required": True, "content": {"application/json": {"schema": batch}}},
                "responses": {"202": {"description": "An answer for each order, in their order"}},
            },
        },
        CHECK: {
            "post": {
                "tags": ["orders"],
                "summary": "Ask whether an order would pass pre-trade risk",
                "description": "It is not placed. The answer is of kind checked, with the reason NONE where it would "
                "go to the book, else with the reason and the numbers that it would be refused with.",
                "operationId": "check_order",
                "security": secured,
                "parameters": [wait],
                "requestBody": {"required": True, "content": {"application/json": {"schema": order}}},
                "responses": answers,
            },
        },
        ORDER + "{order_id}": {
            "patch": {
                "tags": ["orders"],
                "summary": "Amend an order",
                "description": "A smaller quantity at the same price keeps the order's place in the queue; "
                "anything else loses it.",
                "operationId": "amend_order",
                "security": secured,
                "parameters": [order_id, wait],
                "requestBody": {"required": True, "content": {"application/json": {"schema": amendment}}},
                "responses": answers,
            },
            "delete": {
                "tags": ["orders"],
                "summary": "Cancel an order",
                "operationId": "cancel_order",
                "security": secured,
                "parameters": [order_id, wait],
                "responses": answers,
            },
        },
    }, schemas


async def _outcome(placed: tuple[Future[int], str] | ApiError) -> dict[str, Any]:
    """What one order of a batch is answered with."""
    if not isinstance(placed, ApiError):
        acknowledged, client_order_id = placed
        try:
            told = {"order_id": str(await acknowledged), "client_order_id": client_order_id, "status": "pending"}
        except ApiError as error:
            placed = error
        else:
            return {"success": True, "data": told}
    return {"success": False, "error": placed.body(None).error}


def _order_id(path: str) -> int:
    """The order that a path names. Raises ApiError."""
    order_id = parse_order_id(path[len(ORDER) :])
    if order_id is None:
        raise _not_found()
    return order_id


def _told(payload: bytes, report: Report) -> Reply:
    """An execution report, and in words why it is not what was hoped for."""
    why = sentence(report)
    message = b"" if why is None else b'"message":%b,' % msgspec.json.encode(why)
    return Reply(200, b'{"success":true,%b"data":%b}' % (message, payload))


def _not_found() -> ApiError:
    return ApiError(Code.NOT_FOUND, "There is no such order.")
