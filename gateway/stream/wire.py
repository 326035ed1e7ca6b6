"""WebSocket messages as the bytes that travel: made once a process, shared by all receivers.

What a server sends is not masked (RFC 6455, section 5.1), so that one message is the same bytes for everybody.
"""

from typing import Any, Final, NamedTuple

import msgspec

from gateway.orders.answers import report_of
from gateway.orders.refusals import sentence
from schemas.messages import Frame, FrameKind

NO_REASON: Final = b'"reason":"NONE"'
"""In a payload that has nothing to explain."""
EXPLAINED: Final = frozenset({"orders", "alerts"})
"""Channels whose reasons are said in words too."""
_TEXT: Final = 0x81
"""The final frame of a text message (RFC 6455, section 5.2)."""
_LENGTH_SHORT_MAX: Final = 125
_LENGTH_16_BITS: Final = 126
_LENGTH_64_BITS: Final = 127
_16_BITS_MAX: Final = 0xFFFF


class Message(NamedTuple):
    """A WebSocket message as it travels, and what it is of: for one that waits too long."""

    data: bytes
    channel: str = ""
    """Empty for what is said to one client alone."""
    sequence: int | None = None
    offset: int | None = None
    """Where its frame stands in the topic."""
    is_snapshot: bool = False


TYPES: Final = {
    "book": "marketdata.book",
    "trades": "marketdata.trades",
    "candles": "marketdata.candles",
    "ticker": "price.update",
    "session": "marketdata.session",
    "orders": "order.status",
    "positions": "position.update",
    "portfolio": "portfolio.update",
    "alerts": "alert",
    "halts": "alert",
}
"""Message type by what a channel carries."""


def text_message(payload: bytes) -> bytes:
    """A whole text message of UTF-8 bytes."""
    length = len(payload)
    if length <= _LENGTH_SHORT_MAX:
        return bytes((_TEXT, length)) + payload
    if length <= _16_BITS_MAX:
        return bytes((_TEXT, _LENGTH_16_BITS)) + length.to_bytes(2) + payload
    return bytes((_TEXT, _LENGTH_64_BITS)) + length.to_bytes(8) + payload


def json_message(message: Any) -> Message:
    """A message of our own."""
    return Message(text_message(msgspec.json.encode(message)))


def frame_message(frame: Frame, offset: int | None) -> Message:
    """A frame of the log, its payload as it is, and in words why it says what it says."""
    kind = "snapshot" if frame.kind is FrameKind.SNAPSHOT else "update"
    explains = frame.channel.partition(":")[0] in EXPLAINED and NO_REASON not in frame.payload
    why = sentence(report_of(frame.payload)) if explains else None
    return channel_message(frame.channel, frame.sequence, offset, kind, frame.checksum, frame.payload, why)


def channel_message(
    channel: str,
    sequence: int | None,
    offset: int | None,
    kind: str,
    checksum: int | None,
    payload: bytes,
    why: str | None = None,
) -> Message:
    """A message of a channel. A sequence of None: nothing was heard of the channel yet."""
    extra = b"" if offset is None else b',"offset":%d' % offset
    if checksum is not None:
        extra += b',"checksum":%d' % checksum
    if why is not None:
        extra += b',"message":%b' % msgspec.json.encode(why)
    numbered = b"null" if sequence is None else b"%d" % sequence
    data = text_message(
        b'{"type":"%b","channel":%b,"sequence":%b,"kind":"%b"%b,"data":%b}'
        % (
            TYPES[channel.partition(":")[0]].encode(),
            msgspec.json.encode(channel),
            numbered,
            kind.encode(),
            extra,
            payload,
        )
    )
    return Message(data, channel, sequence, offset, kind == "snapshot")
