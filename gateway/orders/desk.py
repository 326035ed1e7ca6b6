"""The order desk: takes requests from REST and the WebSocket alike, and makes them commands in the log."""

import time
from asyncio import Future
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from gateway.auth.tokens import Identity
from gateway.orders.answers import Answers
from gateway.orders.requests import (
    AmendRequest,
    OrderRequest,
    amend_order,
    cancel_all_orders,
    cancel_order,
    cancel_orders_after,
    new_order,
)
from gateway.pressure import Pressure
from schemas.codec import Codec
from schemas.messages import CommandKind, Side


class CommandLog(Protocol):
    """Where commands go."""

    def send(self, account: str, value: bytes, correlation_id: str) -> Future[int]:
        """Hand over a command, and what its client calls it; the future gives its id."""


class OrderDesk:
    """Places, amends and cancels orders."""

    def __init__(
        self,
        log: CommandLog,
        codec: Codec,
        answers: Answers,
        pressure: Pressure,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        """The log, how commands are written, where their answers come by, what keeps orders back while those before
        them wait, and microseconds since 1970 UTC.
        """
        self._log = log
        self._require_no_pressure = pressure.require
        self._encode = codec.encode
        self._clock_us = clock_us
        self.answers = answers

    def place(self, identity: Identity, request: OrderRequest, correlation_id: str) -> tuple[Future[int], str]:
        """Send a new order: the future of its id, and its client_order_id. Raises ApiError, then nothing was sent."""
        self._require_no_pressure(identity.account)
        command = new_order(request, identity.account, self._clock_us(), correlation_id)
        assert command.client_order_id is not None
        return self._log.send(identity.account, self._encode(command), correlation_id), command.client_order_id

    def check(self, identity: Identity, request: OrderRequest, correlation_id: str) -> Future[int]:
        """Ask whether an order would pass, and place none: the future of the command's id. Raises as `place`."""
        self._require_no_pressure(identity.account)
        placing = new_order(request, identity.account, self._clock_us(), correlation_id)
        return self._log.send(identity.account, self._encode(replace(placing, kind=CommandKind.CHECK)), correlation_id)

    def amend(self, identity: Identity, order_id: int, request: AmendRequest, correlation_id: str) -> Future[int]:
        """Ask for another price or quantity: the future of the command's id. Raises ApiError, then nothing was sent."""
        self._require_no_pressure(identity.account)
        command = amend_order(order_id, request, identity.account, self._clock_us(), correlation_id)
        return self._log.send(identity.account, self._encode(command), correlation_id)

    def cancel_all(self, identity: Identity, symbol: str | None, side: Side | None, correlation_id: str) -> Future[int]:
        """Ask for the end of all open orders, or of those of a symbol or a side; as `cancel`."""
        command = cancel_all_orders(identity.account, symbol, side, self._clock_us(), correlation_id)
        return self._log.send(identity.account, self._encode(command), correlation_id)

    def cancel_after(self, identity: Identity, timeout_s: int, correlation_id: str) -> Future[int]:
        """Set the account's dead man's timer, or call it off with 0; as `cancel`."""
        command = cancel_orders_after(identity.account, timeout_s, self._clock_us(), correlation_id)
        return self._log.send(identity.account, self._encode(command), correlation_id)

    def cancel(self, identity: Identity, order: int | str, correlation_id: str) -> Future[int]:
        """Ask for the end of an order, by its order_id or its client_order_id: the future of the command's id.

        Raises ApiError, then nothing was sent.
        """
        command = cancel_order(order, identity.account, self._clock_us(), correlation_id)
        return self._log.send(identity.account, self._encode(command), correlation_id)
