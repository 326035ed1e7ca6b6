"""The hub: folds the frames of the stream topic, and gives each to those who subscribed.

Everything happens in the event loop and nothing waits: between a snapshot and the registration of its receiver no frame
can slip through. Frames of a channel come in order and without a gap; the hub checks it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Final

import structlog

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.stream.channel import Channel, Kept, Place, Subscriber, book_sides
from gateway.stream.wire import TYPES, Message, frame_message
from schemas.levels import Levels
from schemas.messages import Frame, FrameKind
from schemas.units import format_us

_log: Final = structlog.get_logger("gateway.stream")

BookState = tuple[int | None, Levels | None]
"""The sequence of a book and its levels, which are made anew where they were found wrong."""


class Hub:
    """All channels of one process."""

    def __init__(self, saw_execution: Callable[[bytes], None]) -> None:
        """`saw_execution` is told the payload of every execution report."""
        self._channels: dict[str, Channel] = {}
        self._kept: deque[tuple[Channel, int]] = deque()
        self._kept_bytes = 0
        self._saw_execution = saw_execution
        self.is_searched = False
        """Whether books that were quiet for long have been looked for in the older part of the topic."""

    def apply(self, frames: Iterable[Frame], offsets: Iterable[int | None] = repeat(None)) -> None:
        """Fold frames of the topic, in its order, and deliver them; with the offset of each, where that is known."""
        for frame, offset in zip(frames, offsets, strict=False):
            if frame.channel.partition(":")[0] not in TYPES:
                continue  # a newer fanout has channels that this gateway does not offer
            channel = self._channel(frame.channel)
            if frame.kind is FrameKind.SNAPSHOT:
                self._snapshot(channel, frame, offset)
            elif channel.sequence is None or frame.sequence > channel.sequence:
                self._update(channel, frame, offset)

    def subscribe(self, name: str, subscriber: Subscriber) -> None:
        """Deliver a snapshot of a channel, then every frame.

        The snapshot of a book that is not known yet follows as soon as it is.
        """
        channel = self._channel(name)
        if channel.kind == "book" and channel.levels is None and not self._is_empty(channel):
            channel.waiting[subscriber] = None
            return
        subscriber.deliver(channel.snapshot())
        channel.subscribers[subscriber] = None

    def missed(self, name: str, place: Place) -> list[Message] | None:
        """What came after a place; None where that is not in memory."""
        channel = self._channels.get(name)
        return None if channel is None else channel.after(place)

    def resume(self, name: str, subscriber: Subscriber, place: Place) -> bool:
        """Deliver what came after a place and then every frame; False, and nothing done, if it is not there."""
        missed = self.missed(name, place)
        if missed is None:
            return False
        for message in missed:
            subscriber.deliver(message)
        self._channel(name).subscribers[subscriber] = None
        return True

    def follow(self, name: str, subscriber: Subscriber) -> None:
        """Deliver every frame from now on, and nothing that was before."""
        self._channel(name).subscribers[subscriber] = None

    def join(
        self, name: str, subscriber: Subscriber, make: Callable[[int | None, int | None, Sequence[bytes]], Message]
    ) -> None:
        """Deliver a private channel: first what `make` makes of its sequence, offset and newest payloads, then every
        frame.
        """
        channel = self._channel(name)
        payloads = [kept.payload for kept in channel.ring]
        subscriber.deliver(make(channel.sequence, channel.newest_offset, payloads))
        channel.subscribers[subscriber] = None

    def sequence(self, name: str) -> int | None:
        """Of the last frame of a channel that was heard; None if none was."""
        channel = self._channels.get(name)
        return None if channel is None else channel.sequence

    def state(self, name: str) -> Message | None:
        """A snapshot of a channel that is not private; None while a book is not known."""
        channel = self._channel(name)
        return None if channel.kind == "book" and channel.levels is None else channel.snapshot()

    def unsubscribe(self, name: str, subscriber: Subscriber) -> None:
        """Deliver no more of a channel."""
        if (channel := self._channels.get(name)) is not None:
            channel.subscribers.pop(subscriber, None)
            channel.waiting.pop(subscriber, None)
            if channel.sequence is None and not channel.subscribers and not channel.waiting:
                del self._channels[name]

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        """The best levels of a book. Raises ApiError while it is not known."""
        channel = self._channels.get(f"book:{symbol}") or Channel(f"book:{symbol}")
        if channel.levels is None and not self._is_empty(channel):
            raise ApiError(Code.SERVICE_UNAVAILABLE, f"The book of {symbol} is not known yet; try again.")
        levels = channel.levels or Levels()
        return {
            "symbol": symbol,
            "sequence": channel.sequence or 0,
            **book_sides(levels, depth),
            "checksum": levels.checksum(),
            "time": format_us(channel.newest_us) if channel.newest_us else None,
        }

    def book_state(self, symbol: str) -> BookState:
        """What `book` tells of: while it is the same, so are the answers."""
        channel = self._channels.get(f"book:{symbol}")
        return (None, None) if channel is None else (channel.sequence, channel.levels)

    def unknown(self, symbols: Sequence[str]) -> list[str]:
        """Channels with a state, of these symbols, of which nothing is known yet: they may stand further back."""
        names = [f"book:{symbol}" for symbol in symbols if self._channel(f"book:{symbol}").levels is None]
        return names + [f"ticker:{symbol}" for symbol in symbols if self._channel(f"ticker:{symbol}").sequence is None]

    def found(self, frames: Sequence[Frame]) -> None:
        """Frames of one channel that stand before all that were applied; a book's begin with a snapshot."""
        channel = self._channel(frames[0].channel)
        if channel.kind != "book":
            if channel.sequence is None:
                self.apply(frames[-1:])
            return
        if channel.levels is not None:
            return
        later = list(channel.ring)
        last = frames[-1].sequence
        expected = range(last + 1, last + 1 + len(later))
        if channel.sequence is not None and [kept.sequence for kept in later] != list(expected):
            return  # the next snapshot of the stream will tell
        for frame in frames:
            channel.fold(frame)
        for kept in later:
            channel.fold(
                Frame(
                    channel=channel.name,
                    sequence=kept.sequence,
                    kind=FrameKind.UPDATE,
                    payload=kept.payload,
                    ts_us=channel.newest_us,
                )
            )
        if channel.sequence is None:
            channel.sequence = last
            channel.newest_us = frames[-1].ts_us
        self._known(channel)

    def searched(self) -> None:
        """The topic was searched as far back as it goes: a book that was not found is empty."""
        self.is_searched = True
        for channel in self._channels.values():
            if channel.kind == "book" and channel.levels is None and channel.sequence is None:
                self._known(channel)

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(name)
        return channel

    def _is_empty(self, channel: Channel) -> bool:
        return self.is_searched and channel.sequence is None

    def _snapshot(self, channel: Channel, frame: Frame, offset: int | None) -> None:
        if channel.kind != "book":
            self._say_again(channel, frame, offset)
            return
        levels = channel.levels
        if levels is not None and channel.sequence == frame.sequence:
            if levels.checksum() == frame.checksum:
                return
            _log.error("book_differs", channel=channel.name, sequence=frame.sequence)
            channel.waiting |= channel.subscribers
        elif channel.sequence is not None and frame.sequence < channel.sequence:
            return
        channel.sequence, channel.newest_us, channel.newest_offset = frame.sequence, frame.ts_us, offset
        channel.fold(frame)
        self._known(channel)

    def _say_again(self, channel: Channel, frame: Frame, offset: int | None) -> None:
        """What a channel said last, said again for those who were not there."""
        if channel.sequence is not None and frame.sequence <= channel.sequence:
            return
        self._forget_ring(channel)
        self._advance(channel, frame, offset)
        for subscriber in channel.subscribers:
            subscriber.deliver(channel.snapshot())

    def _advance(self, channel: Channel, frame: Frame, offset: int | None) -> None:
        channel.sequence, channel.newest, channel.newest_us = frame.sequence, frame.payload, frame.ts_us
        channel.newest_offset = offset

    def _update(self, channel: Channel, frame: Frame, offset: int | None) -> None:
        if channel.sequence is not None and frame.sequence != channel.sequence + 1:
            _log.error("frames_missing", channel=channel.name, after=channel.sequence, found=frame.sequence)
            self._forget_ring(channel)
            if channel.kind == "book":
                channel.levels = None
                channel.waiting |= channel.subscribers
                channel.subscribers.clear()
        message = frame_message(frame, offset)
        self._advance(channel, frame, offset)
        self._keep(channel, Kept(frame.sequence, message, frame.payload))
        if channel.kind == "orders":
            self._saw_execution(frame.payload)
        elif channel.kind == "book":
            channel.fold(frame)
        for subscriber in channel.subscribers:
            subscriber.deliver(message)
        if channel.waiting and channel.levels is not None:
            self._known(channel)

    def _known(self, channel: Channel) -> None:
        """A book has become known: who waits gets it, and every frame from now on."""
        waiting, channel.waiting = channel.waiting, {}
        channel.forget_snapshot()
        for subscriber in waiting:
            subscriber.deliver(channel.snapshot())
            channel.subscribers[subscriber] = None

    def _keep(self, channel: Channel, kept: Kept) -> None:
        channel.ring.append(kept)
        self._kept.append((channel, kept.sequence))
        self._kept_bytes += len(kept.message.data) + len(kept.payload)
        if len(channel.ring) > limits.RING_FRAMES_PER_CHANNEL:
            self._drop(channel)
        while len(self._kept) > limits.RING_FRAMES_MAX or self._kept_bytes > limits.RING_BYTES_MAX:
            oldest, sequence = self._kept.popleft()
            if oldest.ring and oldest.ring[0].sequence <= sequence:
                self._drop(oldest)

    def _forget_ring(self, channel: Channel) -> None:
        while channel.ring:
            self._drop(channel)

    def _drop(self, channel: Channel) -> None:
        dropped = channel.ring.popleft()
        self._kept_bytes -= len(dropped.message.data) + len(dropped.payload)
