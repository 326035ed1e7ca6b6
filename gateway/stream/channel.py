"""One channel in memory: its newest state, the frames from which clients resume, and who listens."""

from collections import deque
from typing import Final, NamedTuple, Protocol

import msgspec

from gateway import limits
from gateway.stream.wire import channel_message
from schemas.levels import Levels
from schemas.messages import Frame, FrameKind
from schemas.units import parse_e8

SNAPSHOT_LEVELS_MAX: Final = 5_000
"""Levels a side in a snapshot, as fanout has it."""


class BookPayload(msgspec.Struct, frozen=True):
    """What a book's frames carry: levels as (price, quantity)."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Kept(NamedTuple):
    """A frame from which clients can resume."""

    sequence: int
    message: bytes
    payload: bytes


class Subscriber(Protocol):
    """Who listens."""

    def deliver(self, message: bytes) -> None:
        """Take a message; never waits."""


_decode_book: Final = msgspec.json.Decoder(BookPayload).decode


class Channel:
    """One channel."""

    __slots__ = (
        "_snapshot",
        "kind",
        "levels",
        "name",
        "newest",
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
        self.levels: Levels | None = None
        """Books: None until a snapshot, or the very first update, was seen."""
        self._snapshot: tuple[int | None, bytes] | None = None

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

    def snapshot(self) -> bytes:
        """The state as a message, made once for a sequence. Private channels have theirs from the read models."""
        if self._snapshot is None or self._snapshot[0] != self.sequence:
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
            message = channel_message(self.name, self.sequence, "snapshot", checksum, payload)
            self._snapshot = (self.sequence, message)
        return self._snapshot[1]

    def forget_snapshot(self) -> None:
        """The state changed under the same sequence."""
        self._snapshot = None

    def after(self, sequence: int) -> list[bytes] | None:
        """The messages after a sequence; None where some are no longer there, or the sequence was never given."""
        if self.sequence is None or sequence > self.sequence:
            return None
        missed = self.sequence - sequence
        if missed > len(self.ring):
            return None
        return [kept.message for kept in list(self.ring)[len(self.ring) - missed :]]


def book_sides(levels: Levels, depth: int) -> dict[str, list[list[str]]]:
    """The best levels a side as clients read them."""
    return {
        "bids": [text.split(":") for text in levels.bids.texts(depth)],
        "asks": [text.split(":") for text in levels.asks.texts(depth)],
    }
