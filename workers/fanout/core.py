"""The fanout stage: one frame for each thing that happens, per channel in a gap-free sequence.

Only books have state beside their sequence: every other frame is the full state of its object.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.messages import (
    BookChange,
    Candle,
    Control,
    ControlKind,
    Execution,
    Frame,
    FrameKind,
    Position,
    Reason,
    SessionChange,
    Tick,
    Ticker,
    Trade,
)
from stream_topology.sharding import partition_of
from workers.fanout.book_channel import BookChannel, BookChannelState
from workers.fanout.frames import (
    INTERVAL_NAMES,
    candle_payload,
    order_payload,
    position_payload,
    session_payload,
    ticker_payload,
    trade_payload,
)
from workers.kernel.stage import Input, Output

CHANNELS_MAX: Final = 1_000_000
"""Most channels of one shard, books aside; a venue with more needs more shards."""

STRANGER_CHANNELS_MAX: Final = 10_000
"""Accounts that the operator never made get channels only while a shard has fewer channels than this: anybody who may
write to `commands` can invent accounts."""

STRANGER_LENGTH_MAX: Final = 64
"""Longest name, in characters, of such an account."""

_UNAUTHORISED: Final = frozenset(
    {
        Reason.ACCOUNT_UNKNOWN,
        Reason.KEY_UNKNOWN,
        Reason.KIND_UNKNOWN,
        Reason.MALFORMED,
        Reason.SEAL_INVALID,
        Reason.SEAL_MISSING,
    }
)
"""Refusals that say nothing about whether the account exists."""


class ChannelLimitError(Exception):
    """More channels than one shard may have."""


class FanoutState(msgspec.Struct, frozen=True, array_like=True):
    """The stage at rest, in name order."""

    books: list[BookChannelState]
    sequences: list[tuple[str, int]]


class FanoutCore:
    """Implements workers.kernel.stage.Core."""

    behaviour = 1

    def __init__(self, shard: int, shards: int) -> None:
        """One shard's channels: those of the symbols and accounts of its partitions."""
        self.shard = shard
        self.shards = shards
        self._books: dict[str, BookChannel] = {}
        self._symbols: list[str] = []
        """Those with a book, in name order."""
        self._sequences: dict[str, int] = {}
        """Of the last frame, by channel; books keep their own."""

    def apply(self, record: Input) -> Sequence[Output]:  # noqa: PLR0911 - one branch a topic
        """Fold one input. Raises BookError when book changes are missing or leave the book crossed."""
        message = record.message
        match record.topic:
            case "book" if isinstance(message, BookChange):
                book = self._books.get(message.symbol) or self._begin_book(message.symbol)
                return [Output("stream", frame.channel, frame) for frame in book.apply(message)]
            case "executions" if isinstance(message, Execution):
                return self._execution(message)
            case "trades" if isinstance(message, Trade):
                return self._frame(f"trades:{message.symbol}", trade_payload(message), message.ts_us)
            case "sessions" if isinstance(message, SessionChange):
                return self._frame(f"session:{message.symbol}", session_payload(message), message.ts_us)
            case "positions" if isinstance(message, Position):
                return self._frame(f"positions:{message.account}", position_payload(message), message.ts_us)
            case "candles" if isinstance(message, Candle):
                channel = f"candles:{message.symbol}:{INTERVAL_NAMES[message.interval_s]}"
                return self._frame(channel, candle_payload(message), message.ts_us)
            case "tickers" if isinstance(message, Ticker):
                return self._frame(f"ticker:{message.symbol}", ticker_payload(message), message.ts_us)
            case "clock" if isinstance(message, Tick):
                return self._tick(message)
            case "control" if isinstance(message, Control):
                return self._control(message)
        raise TypeError(f"fanout reads no {type(message).__name__} from {record.topic}")

    def _execution(self, execution: Execution) -> Sequence[Output]:
        channel = f"orders:{execution.account}"
        if (
            channel not in self._sequences
            and execution.reason in _UNAUTHORISED
            and (len(self._sequences) >= STRANGER_CHANNELS_MAX or len(execution.account) > STRANGER_LENGTH_MAX)
        ):
            return ()
        return self._frame(channel, order_payload(execution), execution.ts_us)

    def _control(self, control: Control) -> Sequence[Output]:
        """An account that the operator made has a channel from then on, whatever comes first on it."""
        account = control.account
        if (
            control.kind is ControlKind.ACCOUNT
            and account is not None
            and partition_of(account, self.shards) == self.shard
        ):
            channel = f"orders:{account}"
            if channel not in self._sequences:
                self._open(channel)
        return ()

    def _tick(self, tick: Tick) -> Sequence[Output]:
        return [
            Output("stream", frame.channel, frame)
            for symbol in self._symbols
            for frame in self._books[symbol].tick(tick.ts_us)
        ]

    def _frame(self, channel: str, payload: bytes, ts_us: int) -> Sequence[Output]:
        if channel not in self._sequences:
            self._open(channel)
        sequence = self._sequences[channel] = self._sequences[channel] + 1
        frame = Frame(channel=channel, sequence=sequence, kind=FrameKind.UPDATE, payload=payload, ts_us=ts_us)
        return (Output("stream", channel, frame),)

    def _open(self, channel: str) -> None:
        if len(self._sequences) >= CHANNELS_MAX:
            raise ChannelLimitError(f"fanout: {channel} would be one more than {CHANNELS_MAX} channels in one shard")
        self._sequences[channel] = 0

    def _begin_book(self, symbol: str) -> BookChannel:
        book = self._books[symbol] = BookChannel.begin(symbol)
        insort(self._symbols, symbol)
        return book

    def dump(self) -> bytes:
        """The whole state. Equal states give equal bytes."""
        return msgspec.msgpack.encode(
            FanoutState([self._books[symbol].state() for symbol in self._symbols], sorted(self._sequences.items()))
        )

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace the state by one that `dump` of that behaviour version gave. Raises ValueError for another's."""
        if behaviour != self.behaviour:
            raise ValueError(f"fanout: a state of behaviour version {behaviour}, this is version {self.behaviour}")
        decoded = msgspec.msgpack.decode(state, type=FanoutState)
        self._books = {book.symbol: BookChannel(book) for book in decoded.books}
        self._symbols = sorted(self._books)
        self._sequences = dict(decoded.sequences)
