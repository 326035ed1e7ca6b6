"""The stream for asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tradsys.client.commands import Said
from tradsys.client.errors import ClientError
from tradsys.client.events import Event
from tradsys.client.requests import Changes, NewOrder
from tradsys.client.rules import Authorise
from tradsys.client.steps import Ask, Hang, Hear, Lost, Open, Rest, Say, Step
from tradsys.client.stream import Stream
from tradsys.client.transport import NOT_OPENED, Transport, ends_s, left_s, lost, not_opened
from tradsys.client.wire import Answer, Call


class AsyncOpenStream:
    """Events, one after the other. One task reads them; the connection is opened by the first `receive`.

    Any task may say something meanwhile, or close.
    """

    def __init__(
        self,
        stream: Stream,
        transport: Transport,
        authorise: Callable[[str | None], Awaitable[str]],
        perform: Callable[[Call[Any]], Awaitable[Any]],
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
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """All events, for ever."""
        while True:
            event = await self.receive()
            assert event is not None
            yield event

    async def subscribe(self, *channels: str, from_sequence: int | None = None, from_offset: int | None = None) -> None:
        """Follow channels; one that is no book may go on after the event with that sequence, and that offset."""
        if (from_sequence, from_offset) != (None, None) and len(channels) != 1:
            raise ValueError("from_sequence and from_offset are of one channel.")
        for channel in channels:
            await self._say(self._stream.subscribe(channel, from_sequence, from_offset))

    async def unsubscribe(self, *channels: str) -> None:
        """Follow channels no more."""
        for channel in channels:
            await self._say(self._stream.unsubscribe(channel))

    async def cancel_on_disconnect(self, *, enabled: bool = True) -> None:
        """Whether the account's open orders are cancelled when a connection of this stream ends, however it ends."""
        await self._say(self._stream.cancel_on_disconnect(enabled=enabled))

    async def submit(self, order: NewOrder) -> str:
        """Send an order; its answer is an event with the request_id that this gives. Raises ClientError."""
        return await self._command(self._stream.commands.submit(order))

    async def amend(self, order_id: str, changes: Changes) -> str:
        """Send an amendment, as `submit`."""
        return await self._command(self._stream.commands.amend(order_id, changes))

    async def cancel(self, order_id: str | None = None, *, client_order_id: str | None = None) -> str:
        """Send a cancel by either id of an order, as `submit`."""
        return await self._command(self._stream.commands.cancel(order_id, client_order_id))

    async def receive(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None if none came in time. Raises ClientError when the stream cannot go on."""
        gives_up_s = None if timeout_s is None else time.monotonic() + timeout_s
        result: Any = None
        error: ClientError | None = None
        while True:
            if self._step is None:
                self._step = await self._next(result, error)
                self._ends_s = ends_s(self._step)
            result = error = None
            match self._step:
                case Hear() | Rest():
                    result = await self._wait(self._step, gives_up_s)
                    if result is None and left_s(self._ends_s) != 0.0:
                        return None
                case Open(target, headers):
                    result = await self._open(target, headers)
                case Say(text):
                    await self._say([text])
                case Hang():
                    await self._hang()
                case Authorise() | Ask():
                    try:
                        result = await self._ask(self._step)
                    except ClientError as refusal:
                        error = refusal
                case _:
                    event, self._step = self._step, None
                    return event
            self._step = None

    async def close(self) -> None:
        """Say goodbye to the gateway, and end."""
        self._steps.close()
        await self._hang()

    async def _command(self, said: Said) -> str:
        request_id, text = said
        await self._say([text])
        return request_id

    async def _next(self, result: Any, error: ClientError | None) -> Step:
        try:
            return self._steps.send(result) if error is None else self._steps.throw(error)
        except StopIteration:
            await self._hang()  # of what was opened while another task closed the stream
            raise ClientError("The stream has ended; open another.") from None

    async def _ask(self, step: Authorise | Ask) -> Any:
        return await (self._authorise(step.refused) if isinstance(step, Authorise) else self._perform(step.call))

    async def _wait(self, step: Hear | Rest, gives_up_s: float | None) -> str | Lost | None:
        wait_s = left_s(self._ends_s, gives_up_s)
        if isinstance(step, Rest):
            await asyncio.sleep(wait_s or 0.0)
            return None
        if self._connection is None:
            return Lost("hung up")
        try:
            async with asyncio.timeout(wait_s):
                return cast("str", await self._connection.recv())
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            await self._hang()
            return lost(error)

    async def _open(self, target: str, headers: Any) -> Answer | Lost | None:
        try:
            self._connection = await self._opened.enter_async_context(
                connect(**self._transport.socket(target, headers))
            )
        except NOT_OPENED as error:
            return not_opened(error)
        return None

    async def _say(self, texts: list[str]) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            for text in texts:
                await connection.send(text)
        except ConnectionClosed:
            return  # the next `receive` tells of it

    async def _hang(self) -> None:
        self._connection = None
        await self._opened.aclose()
