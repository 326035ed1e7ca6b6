"""The stream for programs with threads."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Self, cast

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tradsys.client.commands import Commands, Said
from tradsys.client.errors import ClientError
from tradsys.client.events import Event
from tradsys.client.requests import Changes, NewOrder
from tradsys.client.rules import Authorise
from tradsys.client.steps import Ask, Hang, Hear, Lost, Open, Rest, Say, Step
from tradsys.client.stream import Stream
from tradsys.client.transport import NOT_OPENED, Transport, ends_s, left_s, lost, not_opened
from tradsys.client.wire import Answer, Call


class OpenStream:
    """Events, one after the other. One thread reads them; the connection is opened by the first `receive`.

    Any thread may say something meanwhile, or close.
    """

    def __init__(
        self,
        stream: Stream,
        transport: Transport,
        authorise: Callable[[str | None], str],
        perform: Callable[[Call[Any]], Any],
    ) -> None:
        """What rules it, and how to come by connections, tokens and answers."""
        self._stream = stream
        self._transport = transport
        self._authorise = authorise
        self._perform = perform
        self._steps = stream.run()
        self._step: Step | None = None
        """What is being done; None before the first."""
        self._ends_s: float | None = None
        """When a step that waits is over."""
        self._connection: ClientConnection | None = None
        self._opened = ExitStack()
        self._lock = Lock()
        """Held while the rules run, so that each command belongs to one connection, and is told when that is lost."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """All events, for ever."""
        while True:
            event = self.receive()
            assert event is not None
            yield event

    def subscribe(self, *channels: str, from_sequence: int | None = None, from_offset: int | None = None) -> None:
        """Follow channels; one that is no book may go on after the event with that sequence, and that offset."""
        if (from_sequence, from_offset) != (None, None) and len(channels) != 1:
            raise ValueError("from_sequence and from_offset are of one channel.")
        for channel in channels:
            self._change(partial(self._stream.subscribe, channel, from_sequence, from_offset))

    def unsubscribe(self, *channels: str) -> None:
        """Follow channels no more."""
        for channel in channels:
            self._change(partial(self._stream.unsubscribe, channel))

    def cancel_on_disconnect(self, *, enabled: bool = True) -> None:
        """Whether the account's open orders are cancelled when a connection of this stream ends, however it ends."""
        self._change(partial(self._stream.cancel_on_disconnect, enabled=enabled))

    def submit(self, order: NewOrder) -> str:
        """Send an order; its answer is an event with the request_id that this gives. Raises ClientError."""
        return self._command(lambda commands: commands.submit(order))

    def amend(self, order_id: str, changes: Changes) -> str:
        """Send an amendment, as `submit`."""
        return self._command(lambda commands: commands.amend(order_id, changes))

    def cancel(self, order_id: str | None = None, *, client_order_id: str | None = None) -> str:
        """Send a cancel by either id of an order, as `submit`."""
        return self._command(lambda commands: commands.cancel(order_id, client_order_id))

    def receive(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None if none came in time. Raises ClientError when the stream cannot go on."""
        gives_up_s = None if timeout_s is None else time.monotonic() + timeout_s
        result: Any = None
        error: ClientError | None = None
        while True:
            if self._step is None:
                self._step = self._next(result, error)
                self._ends_s = ends_s(self._step)
            result = error = None
            match self._step:
                case Hear() | Rest():
                    result = self._wait(self._step, gives_up_s)
                    if result is None and left_s(self._ends_s) != 0.0:
                        return None
                case Open(target, headers):
                    result = self._open(target, headers)
                case Say(text):
                    _send(self._connection, [text])
                case Hang():
                    self._hang()
                case Authorise() | Ask():
                    try:
                        result = self._ask(self._step)
                    except ClientError as refusal:
                        error = refusal
                case _:
                    event, self._step = self._step, None
                    return event
            self._step = None

    def close(self) -> None:
        """Say goodbye to the gateway, and end."""
        with self._lock:
            self._steps.close()
        self._hang()

    def _change(self, say: Callable[[], list[str]]) -> None:
        with self._lock:
            texts, connection = say(), self._connection
        _send(connection, texts)

    def _command(self, say: Callable[[Commands], Said]) -> str:
        with self._lock:
            request_id, text = say(self._stream.commands)
            connection = self._connection
        _send(connection, [text])
        return request_id

    def _next(self, result: Any, error: ClientError | None) -> Step:
        try:
            with self._lock:
                return self._steps.send(result) if error is None else self._steps.throw(error)
        except StopIteration:
            self._hang()  # of what was opened while another thread closed the stream
            raise ClientError("The stream has ended; open another.") from None

    def _ask(self, step: Authorise | Ask) -> Any:
        return self._authorise(step.refused) if isinstance(step, Authorise) else self._perform(step.call)

    def _wait(self, step: Hear | Rest, gives_up_s: float | None) -> str | Lost | None:
        wait_s = left_s(self._ends_s, gives_up_s)
        if isinstance(step, Rest):
            time.sleep(wait_s or 0.0)
            return None
        connection = self._connection
        if connection is None:
            return Lost("hung up")
        try:
            return cast("str", connection.recv(wait_s))
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            self._hang()
            return lost(error)

    def _open(self, target: str, headers: Any) -> Answer | Lost | None:
        try:
            self._connection = self._opened.enter_context(connect(**self._transport.socket(target, headers)))
        except NOT_OPENED as error:
            return not_opened(error)
        return None

    def _hang(self) -> None:
        self._connection = None
        self._opened.close()


def _send(connection: ClientConnection | None, texts: list[str]) -> None:
    if connection is None:
        return
    try:
        for text in texts:
            connection.send(text)
    except ConnectionClosed:
        return  # the next `receive` tells of it
