"""Orders over the stream as pure code: what is said, and whose answers come by."""

from typing import Any, Final

import msgspec

from tradsys.client import limits
from tradsys.client.channels import Heard
from tradsys.client.errors import MAY_BE_DONE, ClientError, OutcomeUnknownError, api_error
from tradsys.client.events import CommandAccepted, CommandRefused
from tradsys.client.requests import Changes, NewOrder, as_json
from tradsys.client.rules import Means

STATUS: Final = "order.status"


class _Told(msgspec.Struct, frozen=True):
    """The ids in an answer."""

    order_id: str | None = None
    client_order_id: str | None = None
    command_id: str | None = None


_told: Final = msgspec.json.Decoder(_Told).decode

Said = tuple[str, str]
"""The request_id of a command, and its text."""


class Commands:
    """Those of one stream that wait for their answers."""

    def __init__(self, means: Means) -> None:
        """How names are made."""
        self._make_id = means.make_id
        self._count = 0
        self._waiting: dict[str, str | None] = {}
        """By request_id; the client_order_id of an order that is placed or cancelled, where it is known."""

    def submit(self, order: NewOrder) -> Said:
        """Place an order, under a client_order_id of its own if it has none. Raises ClientError."""
        named = order.named(self._make_id())
        return self._command("order.submit", {"order": as_json(named)}, named.client_order_id)

    def amend(self, order_id: str, changes: Changes) -> Said:
        """Amend an order. Raises ClientError."""
        return self._command("order.amend", {"order_id": order_id, "changes": as_json(changes)})

    def cancel(self, order_id: str | None, client_order_id: str | None) -> Said:
        """Cancel an order by either of its ids. Raises ClientError, and ValueError unless one of them is given."""
        if (order_id is None) is (client_order_id is None):
            raise ValueError("Give either order_id or client_order_id.")
        named = {"order_id": order_id} if order_id is not None else {"client_order_id": client_order_id}
        return self._command("order.cancel", named, client_order_id)

    def take(self, heard: Heard) -> CommandAccepted | CommandRefused | None:
        """What a message says of one of them; None where it is about something else. Raises msgspec.DecodeError."""
        request_id = heard.request_id
        if request_id is None or request_id not in self._waiting or (heard.error is None and heard.type != STATUS):
            return None
        client_order_id = self._waiting.pop(request_id)
        if heard.error is None:
            ids = _told(heard.data)
            return CommandAccepted(
                request_id=request_id,
                order_id=ids.order_id,
                client_order_id=ids.client_order_id or client_order_id,
                command_id=ids.command_id,
            )
        error: ClientError
        if heard.error.code in MAY_BE_DONE:
            error = _unknown(heard.error.message, client_order_id, heard.correlation_id)
        else:
            error = api_error(heard.error, correlation_id=heard.correlation_id, retry_after_s=heard.retry_after)
        return CommandRefused(request_id=request_id, client_order_id=client_order_id, error=error)

    def lost(self, why: str) -> list[CommandRefused]:
        """The connection has ended: what waits may be done or not."""
        waiting, self._waiting = self._waiting, {}
        message = f"No answer came: {why.rstrip('.')}."
        return [
            CommandRefused(request_id=request_id, client_order_id=name, error=_unknown(message, name))
            for request_id, name in waiting.items()
        ]

    def _command(self, kind: str, fields: dict[str, Any], client_order_id: str | None = None) -> Said:
        if len(self._waiting) >= limits.STREAM_COMMANDS_MAX:
            raise ClientError(f"{limits.STREAM_COMMANDS_MAX} commands wait for their answers; receive them first.")
        self._count += 1
        request_id = f"command-{self._count}"
        named = {"type": kind, "request_id": request_id, "correlation_id": self._make_id()}
        text = msgspec.json.encode(named | fields).decode()
        self._waiting[request_id] = client_order_id
        return request_id, text


def _unknown(message: str, client_order_id: str | None, correlation_id: str | None = None) -> OutcomeUnknownError:
    names = () if client_order_id is None else (client_order_id,)
    return OutcomeUnknownError(message, client_order_ids=names, correlation_id=correlation_id)
