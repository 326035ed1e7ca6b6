"""What waits for one WebSocket client: a bounded queue, and what becomes of one who does not keep up.

Books and tickers conflate: of those that wait too long only the newest state is sent. Nothing else is ever dropped: at
the queue's limit the client is told from where to resume, and disconnected.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from gateway import limits
from gateway.stream.protocol import WIRE_EVENT
from gateway.stream.wire import Message

WRITE_BYTES_MAX: Final = 65_536
"""Messages are joined to writes of about that size."""

CONFLATED: Final = ("book:", "ticker:")
"""Channels of which the newest state says all that a client can do something with."""


class Outbox:
    """Implements gateway.stream.channel.Subscriber."""

    __slots__ = (
        "_bytes",
        "_conflated",
        "_has_ended",
        "_queue",
        "_room",
        "_send",
        "_state",
        "_too_slow",
        "_under_way",
        "_waiter",
    )

    def __init__(
        self,
        send: Callable[[Any], Awaitable[None]],
        state: Callable[[str], Message | None],
        too_slow: Callable[[], None],
    ) -> None:
        """How bytes are sent, what the newest state of a channel is, and who is told that the client is too slow."""
        self._send = send
        self._state = state
        self._too_slow = too_slow
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._under_way: list[Message] = []
        """Taken from the queue and not written yet: the writer waits for the client."""
        self._conflated: dict[str, None] = {}
        """Channels of which the newest state is sent when all that waits has left."""
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._has_ended = False

    def deliver(self, message: Message) -> None:
        """Queue a message; never waits."""
        if self._has_ended or (self._conflated and message.channel in self._conflated):
            return
        queue = self._queue
        queue.append(message)
        self._bytes += len(message.data)
        if len(queue) > limits.WS_CONFLATE_FRAMES or self._bytes > limits.WS_CONFLATE_BYTES:
            self._is_long()
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def deliver_all(self, messages: Sequence[Message]) -> None:
        """Queue messages as fast as they leave."""
        try:
            async with asyncio.timeout(limits.REPLAY_SEND_S):
                for message in messages:
                    while len(self._queue) > limits.WS_CONFLATE_FRAMES or self._bytes > limits.WS_CONFLATE_BYTES:
                        self._room.clear()
                        await self._room.wait()
                    self.deliver(message)
        except TimeoutError:
            self._too_slow()

    def forget(self, channel: str) -> None:
        """The client does not listen to a channel any more."""
        self._conflated.pop(channel, None)

    async def run(self) -> None:
        """Send what is queued, joined; waits while the client does not read."""
        queue = self._queue
        loop = asyncio.get_running_loop()
        while True:
            if not queue and not self._send_newest():
                self._waiter = loop.create_future()
                await self._waiter
                continue
            size = 0
            while queue and size < WRITE_BYTES_MAX:
                message = queue.popleft()
                self._under_way.append(message)
                size += len(message.data)
            self._bytes -= size
            self._room.set()
            try:
                await self._send({"type": WIRE_EVENT, "data": _joined(self._under_way)})
            except OSError:
                return  # the client has gone; who reads from it hears of it
            self._under_way.clear()

    def end(self) -> bytes:
        """Take nothing more; what was not sent."""
        self._has_ended = True
        rest = _joined(self._under_way) + _joined(self._queue)
        self._under_way.clear()
        self._queue.clear()
        return rest

    def unsent(self) -> list[dict[str, Any]]:
        """For each channel of which something waits: after which message, and where in the log, the client resumes.

        No place where it was not given the snapshot with which the channel begins.
        """
        first: dict[str, Message] = {}
        for message in (*self._under_way, *self._queue):
            if message.channel:
                first.setdefault(message.channel, message)
        return [{"channel": name, **_place_before(message)} for name, message in first.items()]

    def _is_long(self) -> None:
        newest = self._queue[-1]
        if newest.channel.startswith(CONFLATED):
            self._queue.pop()
            self._bytes -= len(newest.data)
            self._conflated[newest.channel] = None
        elif len(self._queue) > limits.WS_QUEUE_FRAMES_MAX or self._bytes > limits.WS_QUEUE_BYTES_MAX:
            self._too_slow()

    def _send_newest(self) -> bool:
        """Queue the newest state of one channel that was conflated; false when there is none."""
        while self._conflated:
            channel = next(iter(self._conflated))
            del self._conflated[channel]
            state = self._state(channel)
            if state is not None:  # else the hub tells it as soon as it is known
                self.deliver(state)
                return True
        return False


def _joined(messages: Iterable[Message]) -> bytes:
    return b"".join(message.data for message in messages)


def _place_before(message: Message) -> dict[str, int]:
    if message.is_snapshot or not message.sequence:
        return {}
    place = {"from_sequence": message.sequence - 1}
    return place if not message.offset else place | {"from_offset": message.offset - 1}
