"""One channel of the stream: its sequence, and what its messages say. Pure."""

from typing import Any, Final

import msgspec

from schemas.units import UnitError
from tradsys.client.book import Book
from tradsys.client.errors import ErrorBody
from tradsys.client.events import (
    Alerted,
    BookChanged,
    CandleChanged,
    Event,
    Gap,
    HaltChanged,
    OpenOrders,
    OrderUpdated,
    PhaseChanged,
    PortfolioChanged,
    PositionsChanged,
    TickerChanged,
    TradesHappened,
)
from tradsys.client.messages import Candle, Execution, Order, Phase, Position, Ticker, Trade
from tradsys.client.portfolio import Alert, Halt, Portfolio


class Heard(msgspec.Struct, frozen=True):
    """Any message of the gateway; the fields of all kinds."""

    type: str
    request_id: str | None = None
    channel: str | None = None
    sequence: int | None = None
    offset: int | None = None
    kind: str | None = None
    checksum: int | None = None
    message: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorBody | None = None
    correlation_id: str | None = None
    retry_after: float | None = None
    """Seconds, of errors."""


class _Levels(msgspec.Struct, frozen=True):
    """What a book's message carries."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_NOTHING: Final = msgspec.Raw(b"null")
_levels: Final = msgspec.json.Decoder(_Levels).decode
_trade: Final = msgspec.json.Decoder(Trade).decode
_trades: Final = msgspec.json.Decoder(tuple[Trade, ...]).decode
_ticker: Final = msgspec.json.Decoder(Ticker).decode
_candle: Final = msgspec.json.Decoder(Candle).decode
_phase: Final = msgspec.json.Decoder(Phase).decode
_orders: Final = msgspec.json.Decoder(tuple[Order, ...]).decode
_execution: Final = msgspec.json.Decoder(Execution).decode
_position: Final = msgspec.json.Decoder(Position).decode
_positions: Final = msgspec.json.Decoder(tuple[Position, ...]).decode
_portfolio: Final = msgspec.json.Decoder(Portfolio).decode
_alert: Final = msgspec.json.Decoder(Alert).decode
_alerts: Final = msgspec.json.Decoder(tuple[Alert, ...]).decode
_halt: Final = msgspec.json.Decoder(Halt).decode


class Channel:
    """What is known of a channel."""

    def __init__(self, name: str, from_sequence: int | None = None, from_offset: int | None = None) -> None:
        """Its name as it was asked for, and the message after which it shall go on."""
        self.name = name
        self._kind, _, symbol = name.partition(":")
        self._book = Book(symbol)
        # To go on with a book its levels are needed, not only its number.
        self.sequence = None if self._kind == "book" else from_sequence
        self.offset = None if self._kind == "book" else from_offset
        """Of the last message in the log."""
        self.awaits_snapshot = self.sequence is None and self.offset is None
        """Whether its updates say nothing until a snapshot comes."""
        self._last_trade = -1

    def ask_anew(self) -> None:
        """Nothing is known of it any more."""
        self.sequence, self.offset, self.awaits_snapshot = None, None, True

    def take(self, heard: Heard) -> list[Event]:
        """What a message says. Raises msgspec.DecodeError or UnitError for one that cannot be read.

        A gap leaves the channel waiting for a snapshot, which somebody has to ask for.
        """
        is_snapshot = heard.kind == "snapshot"
        if not is_snapshot:
            if self.awaits_snapshot:
                return []
            if self.sequence is not None and heard.sequence != self.sequence + 1:
                return self._gap(f"message {heard.sequence} follows {self.sequence}")
        before, self.sequence, self.offset = self.sequence, heard.sequence, heard.offset
        self.awaits_snapshot = False
        if heard.data == _NOTHING:
            return []
        facts = {
            "channel": self.name,
            "sequence": heard.sequence,
            "offset": heard.offset,
            "is_snapshot": is_snapshot,
        }
        return self._told(heard, before, facts)

    def _told(self, heard: Heard, before: int | None, facts: dict[str, Any]) -> list[Event]:
        """What a channel of a symbol says."""
        data = heard.data
        event: Event
        match self._kind:
            case "book":
                return self._fold(heard, facts)
            case "trades":
                return self._trades(_trades(data) if facts["is_snapshot"] else (_trade(data),), before, facts)
            case "ticker":
                event = TickerChanged(ticker=_ticker(data), **facts)
            case "candles":
                event = CandleChanged(candle=_candle(data), **facts)
            case "session":
                event = PhaseChanged(phase=_phase(data), **facts)
            case "halts":
                event = HaltChanged(halt=_halt(data), **facts)
            case _:
                return self._told_of_the_account(heard, facts)
        return [event]

    def _told_of_the_account(self, heard: Heard, facts: dict[str, Any]) -> list[Event]:
        """What a channel of the account says; nothing for one that is not known here."""
        data, is_snapshot = heard.data, facts["is_snapshot"]
        match self._kind:
            case "orders" if is_snapshot:
                return [OpenOrders(orders=_orders(data), **facts)]
            case "orders":
                return [OrderUpdated(execution=_execution(data), message=heard.message, **facts)]
            case "positions":
                held = _positions(data) if is_snapshot else (_position(data),)
                return [PositionsChanged(positions=held, **facts)]
            case "portfolio":
                return [PortfolioChanged(portfolio=_portfolio(data), **facts)]
            case "alerts":
                alerts = _alerts(data) if is_snapshot else (_alert(data),)
                return [Alerted(alerts=alerts, message=heard.message, **facts)]
        return []

    def _fold(self, heard: Heard, facts: dict[str, Any]) -> list[Event]:
        levels = _levels(heard.data)
        if heard.kind == "snapshot":
            self._book.clear()
        try:
            self._book.fold(levels.bids, levels.asks)
        except UnitError as error:
            raise msgspec.DecodeError(str(error)) from error
        own = self._book.checksum()
        if heard.checksum is not None and own != heard.checksum:
            return self._gap(
                f"the checksum of message {heard.sequence} is {heard.checksum}, and that of the book {own}"
            )
        return [BookChanged(book=self._book, **facts)]

    def _trades(self, told: tuple[Trade, ...], before: int | None, facts: dict[str, Any]) -> list[Event]:
        """What was not told before: ids of a symbol's trades grow, and every trade is one number of the sequence."""
        fresh = tuple(trade for trade in told if int(trade.trade_id) > self._last_trade)
        if not fresh:
            return []
        sequence = facts["sequence"]
        missed = 0
        if before is not None and sequence is not None:
            missed = max(0, sequence - before - len(fresh))
        self._last_trade = int(fresh[-1].trade_id)
        return [TradesHappened(trades=fresh, missed=missed, **facts)]

    def _gap(self, why: str) -> list[Event]:
        self.ask_anew()
        return [Gap(channel=self.name, why=why)]
