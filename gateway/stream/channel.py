"""One channel in memory: its newest state, the frames from which clients resume, and who listens."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from gateway import limits
from gateway.stream.wire import Message, channel_message
from schemas.levels import Levels
from schemas.messages import Frame, FrameKind
from schemas.units import parse_e8

SNAPSHOT_LEVELS_MAX: Final = 5_000
"""Levels a side in a snapshot, as fanout has it."""


class BookPayload(msgspec.Struct, frozen=True):
    """What a book's frames carry: levels as (price, quantity)."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Place(NamedTuple):
    """How far a client has heard a channel: what it wants to hear next stands after that."""

    sequence: int | None = None
    """Of the last message that it has."""
    offset: int | None = None
    """Of that, or anything before the next in the partition of the channel."""


class Kept(NamedTuple):
    """A frame from which clients can resume."""

    sequence: int
    message: Message
    payload: bytes


class Subscriber(Protocol):
    """Who listens."""

    def deliver(self, message: Message) -> None:
        """Take a message; never waits."""

    async def deliver_all(self, messages: Sequence[Message]) -> None:
        """Take messages as fast as they leave; those of channels that go on meanwhile come between."""

    def forget(self, channel: str) -> None:
        """Take nothing more of a channel."""


_decode_book: Final = msgspec.json.Decoder(BookPayload).decode


class Channel:
    """One channel."""

    __slots__ = (
        "_snapshot",
        "kind",
        "levels",
        "name",
        "newest",
        "newest_offset",
        "newest_us",
        "ring",
        "sequence",
        "subscribers",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = name.partition(":")[0]
        self.sequence: int | None = None
        """Of the last frame; None before the first that was seen."""
        self.ring: deque[Kept] = deque()
        self.subscribers: dict[Subscriber, None] = {}
        """Who gets every frame."""
        self.waiting: dict[Subscriber, None] = {}
        """Who waits for the book to be known."""
        self.newest = b"null"
        """The last payload."""
        self.newest_us = 0
        self.newest_offset: int | None = None
        """Of the last frame in the topic."""
        self.levels: Levels | None = None
        """Books: None until a snapshot, or the very first update, was seen."""
        self._snapshot: Message | None = None

    def fold(self, frame: Frame) -> None:
        """Apply a book frame to the levels."""
        if frame.kind is FrameKind.SNAPSHOT or (self.levels is None and frame.sequence == 1):
            self.levels = Levels()
        if self.levels is None:
            return
        payload = _decode_book(frame.payload)
        # Worst first, so that the levels of a snapshot are appended.
        for price, quantity in reversed(payload.bids):
            self.levels.bids.put(parse_e8(price), parse_e8(quantity))
        for price, quantity in reversed(payload.asks):
            self.levels.asks.put(parse_e8(price), parse_e8(quantity))

    def snapshot(self) -> Message:
        """The state as a message, made once for a sequence. Private channels have theirs from the read models."""
        if self._snapshot is None or self._snapshot.sequence != self.sequence:
            checksum = None
            if self.kind == "book":
                levels = self.levels or Levels()
                checksum = levels.checksum()
                payload = msgspec.json.encode(book_sides(levels, SNAPSHOT_LEVELS_MAX))
            elif self.kind == "trades":
                newest = [kept.payload for kept in list(self.ring)[-limits.TRADES_IN_SNAPSHOT :]]
                payload = b"[%b]" % b",".join(newest)
            else:
                payload = self.newest
            self._snapshot = channel_message(
                self.name, self.sequence, self.newest_offset, "snapshot", checksum, payload
            )
        return self._snapshot

    def forget_snapshot(self) -> None:
        """The state changed under the same sequence."""
        self._snapshot = None

    def after(self, place: Place) -> list[Message] | None:
        """The messages after a place; None where some are no longer there, or the place was never given."""
        if place.sequence is None:
            return None if place.offset is None else self._after_offset(place.offset)
        if self.sequence is None or place.sequence > self.sequence:
            return None
        missed = self.sequence - place.sequence
        if missed > len(self.ring):
            return None
        return [kept.message for kept in list(self.ring)[len(self.ring) - missed :]]

    def _after_offset(self, offset: int) -> list[Message] | None:
        known = [kept.message for kept in self.ring if kept.message.offset is not None]
        first = self.newest_offset if not known else known[0].offset
        if first is None or (first > offset and not (known and known[0].sequence == 1)):
            return None
        return [message for message in known if message.offset is not None and message.offset > offset]


def book_sides(levels: Levels, depth: int) -> dict[str, list[list[str]]]:
    """The best levels a side as clients read them."""
    return {
        "bids": [text.split(":") for text in levels.bids.texts(depth)],
        "asks": [text.split(":") for text in levels.asks.texts(depth)],
    }
