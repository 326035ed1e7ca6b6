"""A client in the simplest way: it knows only what frames told it, and complains when they cannot be right.

It takes frames as the log holds them (`receive`) and as the gateway sends them (`receive_text`).
"""

import json
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.messages import Frame, FrameKind


class ClientError(AssertionError):
    """Frames that cannot be right."""


@dataclass
class NaiveBook:
    bids: dict[Decimal, str] = field(default_factory=dict)
    """Quantity, as it was told, by price."""
    asks: dict[Decimal, str] = field(default_factory=dict)

    def fold(self, data: dict[str, list[list[str]]]) -> None:
        for levels, side in ((data["bids"], self.bids), (data["asks"], self.asks)):
            for price, quantity in levels:
                if quantity == "0":
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = quantity

    def best_asks(self) -> list[tuple[Decimal, str]]:
        return sorted(self.asks.items())

    def best_bids(self) -> list[tuple[Decimal, str]]:
        return sorted(self.bids.items(), reverse=True)

    def checksum(self) -> int:
        top = self.best_asks()[:10] + self.best_bids()[:10]
        return zlib.crc32("|".join(f"{_plain(price)}:{quantity}" for price, quantity in top).encode())


class NaiveClient:
    """All channels that it hears of. What is not a book is the newest state of each object, by its id."""

    def __init__(self) -> None:
        self.sequences: dict[str, int] = {}
        """Of the last frame, by channel."""
        self.books: dict[str, NaiveBook] = {}
        """By symbol, from the first snapshot on, or from the first frame if it was number 1."""
        self.trades: dict[str, list[dict[str, Any]]] = {}
        """By symbol, all of them."""
        self.tickers: dict[str, dict[str, Any]] = {}
        """By symbol."""
        self.sessions: dict[str, dict[str, Any]] = {}
        """By symbol."""
        self.candles: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        """By symbol and interval, then by open_time."""
        self.orders: dict[str, dict[str, dict[str, Any]]] = {}
        """By account, then by order_id."""
        self.positions: dict[str, dict[str, dict[str, Any]]] = {}
        """By account, then by symbol."""
        self.portfolios: dict[str, dict[str, Any]] = {}
        """By account."""
        self.alerts: dict[str, list[dict[str, Any]]] = {}
        """By account, all of them."""
        self.halts: dict[str, dict[str, Any]] = {}
        """By symbol."""

    def receive(self, frame: Frame) -> None:
        """A record of the topic `stream`."""
        kind = "snapshot" if frame.kind is FrameKind.SNAPSHOT else "update"
        self._fold(frame.channel, frame.sequence, kind, frame.checksum, json.loads(frame.payload))

    def receive_text(self, text: str | bytes) -> None:
        """A frame inside the gateway's envelope; messages of other kinds are for somebody else."""
        message = json.loads(text)
        if "sequence" in message and "data" in message:
            self._fold(
                message["channel"], message["sequence"], message["kind"], message.get("checksum"), message["data"]
            )

    def _fold(self, channel: str, sequence: int, kind: str, checksum: int | None, data: Any) -> None:
        subject, _, rest = channel.partition(":")
        if subject == "book":
            if self._fold_book(channel, rest, sequence, data, snapshot=kind == "snapshot"):
                self._check(channel, rest, checksum)
            return
        if subject == "halts" and kind == "snapshot":
            if self.sequences.setdefault(channel, sequence) != sequence:
                raise ClientError(f"{channel}: the snapshot {sequence} came after update {self.sequences[channel]}")
            self.halts[rest] = data
            return
        self._next(channel, sequence)
        if subject == "candles":
            self._fold_candle(channel, rest, data)
        elif subject in {"orders", "positions"}:
            named = "order_id" if subject == "orders" else "symbol"
            (self.orders if subject == "orders" else self.positions).setdefault(rest, {})[data[named]] = data
        elif subject in {"trades", "alerts"}:
            (self.trades if subject == "trades" else self.alerts).setdefault(rest, []).append(data)
        elif subject in (newest := self._newest()):
            newest[subject][rest] = data
        else:
            raise ClientError(f"{channel}: no such channel")

    def _newest(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Channels of which each frame is all that there is to know."""
        return {
            "ticker": self.tickers,
            "session": self.sessions,
            "portfolio": self.portfolios,
            "halts": self.halts,
        }

    def _fold_candle(self, channel: str, rest: str, data: Any) -> None:
        symbol, _, interval = rest.rpartition(":")
        series = self.candles.setdefault((symbol, interval), {})
        if series.get(data["open_time"], {}).get("final"):
            raise ClientError(f"{channel}: the candle of {data['open_time']} was final and came again")
        series[data["open_time"]] = data

    def _fold_book(self, channel: str, symbol: str, sequence: int, data: Any, *, snapshot: bool) -> bool:
        """Whether the book is known after it."""
        book = self.books.get(symbol)
        if snapshot:
            told = NaiveBook()
            told.fold(data)
            if book is not None and self.sequences[channel] == sequence and told != book:
                raise ClientError(f"{channel}: the snapshot {sequence} is not the book that the updates made")
            if self.sequences.get(channel, 0) > sequence:
                raise ClientError(f"{channel}: the snapshot {sequence} came after update {self.sequences[channel]}")
            self.books[symbol], self.sequences[channel] = told, sequence
            return True
        if book is None and sequence > 1:
            return False  # a late joiner waits for a snapshot
        self._next(channel, sequence)
        self.books.setdefault(symbol, NaiveBook()).fold(data)
        return True

    def _check(self, channel: str, symbol: str, checksum: int | None) -> None:
        own = self.books[symbol].checksum()
        if own != checksum:
            raise ClientError(f"{channel}: the checksum of frame {self.sequences[channel]} is {checksum}, not {own}")

    def _next(self, channel: str, sequence: int) -> None:
        known = self.sequences.get(channel)
        if known is not None and sequence != known + 1:
            raise ClientError(f"{channel}: frame {sequence} follows {known}")
        self.sequences[channel] = sequence


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
