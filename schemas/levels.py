"""The price levels of one book, folded from what travels: level-2 data.

It stands beside the messages because three parts need the very same fold and may not import each other: statistics and
fanout fold BookChange records, the gateway folds the frames that fanout made of them. `schemas` is what all of them may
import, and the fold is what a BookChange means.
"""

import zlib
from bisect import bisect_left, insort
from typing import Final

import msgspec

from schemas.messages import BookChange, Side
from schemas.units import format_e8

CHECKSUM_LEVELS: Final = 10
"""Levels a side that the checksum covers."""


class BookError(Exception):
    """A book that cannot be: a missing change, an unknown side, bids at or above asks. Nobody may go on from it."""


class LevelsState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Levels at rest: equal levels give an equal state."""

    sequence: int
    bids: list[tuple[int, int]]
    """(price_e8, quantity_e8), best first."""
    asks: list[tuple[int, int]]
    """(price_e8, quantity_e8), best first."""


class Ladder:
    """One side. Its prices are kept as keys that ascend towards the best, because changes are mostly near the best and
    the end of a list is where a change moves least.
    """

    __slots__ = ("_keys", "_quantities", "_sign", "_texts")

    def __init__(self, sign: int) -> None:
        """The sign is 1 where the highest price is best (bids), -1 where the lowest is (asks)."""
        self._sign = sign
        self._keys: list[int] = []
        self._quantities: dict[int, int] = {}
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, price_e8: int, quantity_e8: int) -> None:
        """Set what rests at a price; 0 removes the level, and does nothing where there is none."""
        key = price_e8 * self._sign
        if quantity_e8:
            if key not in self._quantities:
                insort(self._keys, key)
            self._quantities[key] = quantity_e8
        elif self._quantities.pop(key, 0):
            del self._keys[bisect_left(self._keys, key)]
        self._texts.pop(key, None)

    def best(self) -> tuple[int, int] | None:
        """(price_e8, quantity_e8) of the best level."""
        if not self._keys:
            return None
        key = self._keys[-1]
        return key * self._sign, self._quantities[key]

    def top(self, count: int) -> list[tuple[int, int]]:
        """(price_e8, quantity_e8) of the best levels, best first, at most that many."""
        sign, quantities = self._sign, self._quantities
        return [(key * sign, quantities[key]) for key in self._keys[: -count - 1 : -1]]

    def texts(self, count: int) -> list[str]:
        """The best levels as "price:quantity" in decimal, best first, at most that many."""
        texts = self._texts
        return [texts.get(key) or self._text(key) for key in self._keys[: -count - 1 : -1]]

    def _text(self, key: int) -> str:
        text = self._texts[key] = f"{format_e8(key * self._sign)}:{format_e8(self._quantities[key])}"
        return text


class Levels:
    """Both sides of a book."""

    __slots__ = ("asks", "bids", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        """Of the last BookChange; 0 before the first."""
        self.bids = Ladder(1)
        self.asks = Ladder(-1)

    def apply(self, change: BookChange) -> None:
        """Fold one change. Raises BookError when one is missing before it, when its side is unknown, and when the book
        is crossed after the last change of an order's effect (within an effect it may be, and while it collects orders
        for an auction).
        """
        if change.sequence != self.sequence + 1:
            message = f"{change.symbol}: book change {change.sequence} follows {self.sequence}; changes are missing"
            raise BookError(message)
        self.sequence = change.sequence
        if change.side is Side.BUY:
            self.bids.put(change.price_e8, change.quantity_e8)
        elif change.side is Side.SELL:
            self.asks.put(change.price_e8, change.quantity_e8)
        else:
            message = (
                f"{change.symbol}: book change {change.sequence} has the side {change.side}; it must be BUY or SELL"
            )
            raise BookError(message)
        if change.last and not change.collecting:
            bid, ask = self.bids.best(), self.asks.best()
            if bid is not None and ask is not None and bid[0] >= ask[0]:
                message = (
                    f"{change.symbol}: the book is crossed after change {change.sequence}: "
                    f"bid {format_e8(bid[0])}, ask {format_e8(ask[0])}"
                )
                raise BookError(message)

    def checksum(self) -> int:
        """CRC-32 (unsigned) of the ASCII text of the top 10 asks, best first, then the top 10 bids, best first: each
        level as "price:quantity" in plain decimal, joined by "|".
        """
        texts = self.asks.texts(CHECKSUM_LEVELS)
        texts += self.bids.texts(CHECKSUM_LEVELS)
        return zlib.crc32("|".join(texts).encode())

    def state(self) -> LevelsState:
        """What a snapshot keeps."""
        return LevelsState(self.sequence, self.bids.top(len(self.bids)), self.asks.top(len(self.asks)))

    @classmethod
    def from_state(cls, state: LevelsState) -> "Levels":
        """The levels that gave the state."""
        levels = cls()
        levels.sequence = state.sequence
        # Worst first: each level is then appended at the end of its ladder.
        for price_e8, quantity_e8 in reversed(state.bids):
            levels.bids.put(price_e8, quantity_e8)
        for price_e8, quantity_e8 in reversed(state.asks):
            levels.asks.put(price_e8, quantity_e8)
        return levels
