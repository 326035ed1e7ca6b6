"""What one WebSocket session asks of the order desk."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.correlation import CORRELATION
from gateway.errors import ApiError, Code
from gateway.orders.desk import OrderDesk
from gateway.orders.values import SIDES, parse_client_order_id, parse_order_id, parse_symbol
from gateway.stream import requests

T = TypeVar("T")

_log: Final = structlog.get_logger("gateway.stream")


class Orders:
    """Sends commands, and answers when the log has acknowledged them; what became of them says the channel `orders`."""

    def __init__(
        self,
        desk: OrderDesk,
        correlation_id: str,
        answer: Callable[..., None],
        refuse: Callable[[ApiError, str | None], None],
    ) -> None:
        """Where orders go, and how the client is told: `answer(type, request_id, data=...)`."""
        self._desk = desk
        self._correlation_id = correlation_id
        self._answer = answer
        self._refuse = refuse
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancels_for: Identity | None = None
        """Whose open orders end with the connection."""

    def ask(self, message: requests.Ordering, identity: Identity) -> None:
        """Send what a message asks. Raises ApiError, then nothing was sent."""
        if len(self._tasks) >= limits.WS_ORDERS_IN_FLIGHT_MAX:
            raise ApiError(
                Code.LIMIT_EXCEEDED,
                f"{limits.WS_ORDERS_IN_FLIGHT_MAX} commands of this connection wait for the log; wait for answers.",
            )
        desk, correlation_id = self._desk, message.correlation_id or self._correlation_id
        match message:
            case requests.Submit():
                acknowledged, client_order_id = _under("order", desk.place, identity, message.order, correlation_id)
                told = {"client_order_id": client_order_id, "status": "pending"}
            case requests.Check():
                acknowledged = _under("order", desk.check, identity, message.order, correlation_id)
                told = {"status": "pending_check"}
            case requests.Amend():
                order_id = _order_id(message.order_id)
                acknowledged = _under("changes", desk.amend, identity, order_id, message.changes, correlation_id)
                told = {"order_id": str(order_id), "status": "pending_amend"}
            case requests.Cancel():
                name, order = _named(message)
                acknowledged = desk.cancel(identity, order, correlation_id)
                told = {name: str(order), "status": "pending_cancel"}
            case requests.CancelAll():
                symbol = None if message.symbol is None else parse_symbol(message.symbol)
                side = None if message.side is None else SIDES[message.side]
                acknowledged = desk.cancel_all(identity, symbol, side, correlation_id)
                told = {"status": "pending_cancel"}
            case requests.CancelAfter():
                acknowledged = desk.cancel_after(identity, message.timeout, correlation_id)
                told = {"status": "pending"}
        named = "order_id" if isinstance(message, requests.Submit) else "command_id"
        task = asyncio.create_task(self._tell(acknowledged, message.request_id, named, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel_at_end(self, identity: Identity, *, enabled: bool) -> None:
        """Whether the account's open orders end with the connection."""
        self._cancels_for = identity if enabled else None

    def end(self) -> None:
        """The connection has ended."""
        for task in self._tasks:
            task.cancel()
        if self._cancels_for is None:
            return
        try:
            acknowledged = self._desk.cancel_all(self._cancels_for, None, None, self._correlation_id)
        except ApiError as error:
            self._not_cancelled(error)
        else:
            acknowledged.add_done_callback(self._ended)

    async def _tell(
        self, acknowledged: asyncio.Future[int], request_id: str | None, named: str, told: dict[str, Any]
    ) -> None:
        try:
            data = {named: str(await acknowledged), **told}
        except ApiError as error:
            self._refuse(error, request_id)
        else:
            self._answer("order.status", request_id, data=data, correlation_id=CORRELATION.get())

    def _ended(self, acknowledged: asyncio.Future[int]) -> None:
        if (error := acknowledged.exception()) is not None:
            self._not_cancelled(error)

    def _not_cancelled(self, error: BaseException) -> None:
        assert self._cancels_for is not None
        account, correlation_id = self._cancels_for.account, self._correlation_id
        _log.error("cancel_on_disconnect_failed", account=account, detail=str(error), correlation_id=correlation_id)


def _under(name: str, ask: Callable[..., T], *arguments: Any) -> T:
    """Ask, and say of what is refused under which name of the message it stands."""
    try:
        return ask(*arguments)
    except ApiError as error:
        raise error.under(name) from None


def _named(message: requests.Cancel) -> tuple[str, int | str]:
    """By which of its ids an order is named, and that id. Raises ApiError."""
    if (message.order_id is None) is (message.client_order_id is None):
        raise ApiError(Code.VALIDATION_FAILED, "Give either order_id or client_order_id.", field="order_id")
    if message.order_id is not None:
        return "order_id", _order_id(message.order_id)
    assert message.client_order_id is not None
    return "client_order_id", parse_client_order_id(message.client_order_id)


def _order_id(text: str) -> int:
    order_id = parse_order_id(text)
    if order_id is None:
        raise ApiError(Code.NOT_FOUND, "There is no such order.", field="order_id")
    return order_id
