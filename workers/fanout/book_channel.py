"""The channel book:SYMBOL: an order's whole effect in one frame, and a snapshot now and then for late joiners."""

from typing import Final

import msgspec

from schemas.levels import Levels, LevelsState
from schemas.messages import BookChange, Frame, FrameKind, Side
from workers.fanout.frames import PriceLevel, book_payload, price_level

SNAPSHOT_LEVELS_MAX: Final = 5_000
"""Levels a side in a snapshot. A late joiner learns of those beyond when they change."""

UPDATE_LEVELS_MAX: Final = 5_000
"""Levels in one update; an effect on more is told in several frames. With 10,000 levels of 48 bytes at most, a frame
stays below half of the largest record."""

SNAPSHOT_INTERVAL_US: Final = 30_000_000
"""Between two snapshots of a book that changes."""

SNAPSHOT_REFRESH_US: Final = 6 * 3_600_000_000
"""Between two snapshots of a book that does not change: the stream is kept for a day, and a gateway that starts must
find every book in it."""


class BookChannelState(msgspec.Struct, frozen=True, array_like=True):
    """A book channel at rest."""

    symbol: str
    levels: LevelsState
    sequence: int
    bids: list[PriceLevel]
    asks: list[PriceLevel]
    snapshot_sequence: int
    snapshot_us: int


class BookChannel:
    """One book as clients see it."""

    __slots__ = ("_asks", "_bids", "_channel", "_levels", "_sequence", "_snapshot_sequence", "_snapshot_us", "_symbol")

    def __init__(self, state: BookChannelState) -> None:
        self._symbol = state.symbol
        self._channel = f"book:{state.symbol}"
        self._levels = Levels.from_state(state.levels)
        self._sequence = state.sequence
        self._bids = state.bids
        """Changed since the last frame; empty but within an effect."""
        self._asks = state.asks
        self._snapshot_sequence = state.snapshot_sequence
        self._snapshot_us = state.snapshot_us

    @classmethod
    def begin(cls, symbol: str) -> "BookChannel":
        """The channel of a book that is empty."""
        return cls(BookChannelState(symbol, LevelsState(0, [], []), 0, [], [], 0, 0))

    def state(self) -> BookChannelState:
        """What a snapshot of the stage keeps."""
        return BookChannelState(
            self._symbol,
            self._levels.state(),
            self._sequence,
            self._bids,
            self._asks,
            self._snapshot_sequence,
            self._snapshot_us,
        )

    def apply(self, change: BookChange) -> list[Frame]:
        """Fold a change; at the end of an effect its frame, and after the very first one a snapshot too. Raises
        BookError when changes are missing or leave the book crossed.
        """
        self._levels.apply(change)
        changed = self._bids if change.side is Side.BUY else self._asks
        changed.append(price_level(change.price_e8, change.quantity_e8))
        if not change.last and len(self._bids) + len(self._asks) < UPDATE_LEVELS_MAX:
            return []
        self._sequence += 1
        frame = Frame(
            channel=self._channel,
            sequence=self._sequence,
            kind=FrameKind.UPDATE,
            payload=book_payload(self._bids, self._asks),
            checksum=self._levels.checksum(),
            ts_us=change.ts_us,
        )
        self._bids, self._asks = [], []
        if self._snapshot_sequence:
            return [frame]
        return [frame, self._snapshot(change.ts_us)]

    def tick(self, ts_us: int) -> list[Frame]:
        """A snapshot if one is due. It waits for the end of an effect that is told in part."""
        if self._bids or self._asks:
            return []
        changed = self._sequence != self._snapshot_sequence
        if ts_us - self._snapshot_us < (SNAPSHOT_INTERVAL_US if changed else SNAPSHOT_REFRESH_US):
            return []
        return [self._snapshot(ts_us)]

    def _snapshot(self, ts_us: int) -> Frame:
        self._snapshot_sequence, self._snapshot_us = self._sequence, ts_us
        levels = self._levels
        return Frame(
            channel=self._channel,
            sequence=self._sequence,
            kind=FrameKind.SNAPSHOT,
            payload=book_payload(
                [price_level(*level) for level in levels.bids.top(SNAPSHOT_LEVELS_MAX)],
                [price_level(*level) for level in levels.asks.top(SNAPSHOT_LEVELS_MAX)],
            ),
            checksum=levels.checksum(),
            ts_us=ts_us,
        )
