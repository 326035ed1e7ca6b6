"""What clients may say on the WebSocket, as strict JSON."""

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.orders.requests import AmendRequest, OrderRequest, Timeout
from gateway.orders.values import SYMBOL
from gateway.strict import parsed
from schemas.correlation import CORRELATION

_RequestId = Annotated[str, msgspec.Meta(max_length=64)] | None
_CorrelationId = Annotated[str, msgspec.Meta(pattern=CORRELATION)] | None
_ChannelName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """Any message; its request_id comes back in the answer."""

    request_id: _RequestId = None
    correlation_id: _CorrelationId = None
    """Of what follows from this message; left out: the connection's."""

    cancels: ClassVar[bool] = False
    """Whether it asks for the end of orders, which has a budget of its own."""


class Authenticate(Message, frozen=True, tag="auth"):
    """Say who you are, with an access token."""

    token: Annotated[str, msgspec.Meta(max_length=limits.TOKEN_BYTES_MAX)]


class Subscribe(Message, frozen=True, tag="marketdata.subscribe"):
    """Ask for one channel by its whole name, or for several of a symbol."""

    channel: _ChannelName | None = None
    symbol: Annotated[str, msgspec.Meta(pattern=SYMBOL)] | None = None
    channels: Annotated[list[_ChannelName], msgspec.Meta(min_length=1, max_length=16)] | None = None
    from_sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Resume one channel after this sequence: the last that the client has."""
    from_offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Where in the log to look for what comes after: the offset of the last message that the client has."""


class Unsubscribe(Message, frozen=True, tag="marketdata.unsubscribe"):
    """The reverse of Subscribe."""

    channel: _ChannelName | None = None
    symbol: Annotated[str, msgspec.Meta(pattern=SYMBOL)] | None = None
    channels: Annotated[list[_ChannelName], msgspec.Meta(min_length=1, max_length=16)] | None = None


class Submit(Message, frozen=True, tag="order.submit"):
    """Place an order: the same object as the body of POST /api/v1/orders."""

    order: OrderRequest


class Check(Message, frozen=True, tag="order.check"):
    """Ask whether an order would pass; the answer comes by on the channel of the account's orders."""

    order: OrderRequest


class Cancel(Message, frozen=True, tag="order.cancel"):
    """Cancel an order, by either of its ids."""

    cancels = True

    order_id: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    client_order_id: Annotated[str, msgspec.Meta(max_length=limits.CLIENT_ORDER_ID_MAX)] | None = None


class Amend(Message, frozen=True, tag="order.amend"):
    """Amend an order; `changes` is the same object as the body of PATCH /api/v1/orders/{id}."""

    order_id: Annotated[str, msgspec.Meta(max_length=20)]
    changes: AmendRequest


class CancelAll(Message, frozen=True, tag="order.cancel_all"):
    """Cancel all open orders, or those of a symbol or a side."""

    cancels = True

    symbol: Annotated[str, msgspec.Meta(pattern=SYMBOL)] | None = None
    side: Literal["buy", "sell"] | None = None


class CancelAfter(Message, frozen=True, tag="order.cancel_after"):
    """Cancel all open orders in so many seconds, unless this is asked again before; 0 calls it off."""

    cancels = True

    timeout: Timeout


class CancelOnDisconnect(Message, frozen=True, tag="session.cancel_on_disconnect"):
    """Whether all open orders of the account are cancelled when this connection ends."""

    enabled: bool


class Ping(Message, frozen=True, tag="ping"):
    """Ask for a pong."""


Ordering = Submit | Check | Amend | Cancel | CancelAll | CancelAfter
Request = Authenticate | Subscribe | Unsubscribe | Ordering | CancelOnDisconnect | Ping

_DECODER: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)


class _Named(msgspec.Struct):
    request_id: _RequestId = None


_NAME: Final = msgspec.json.Decoder(_Named)


def parse(text: str | None) -> Request:
    """The message in a text; None stands for a binary frame. Raises ApiError."""
    if text is None:
        raise ApiError(Code.INVALID_REQUEST, "Messages are JSON in text frames.")
    return parsed(_DECODER, text.encode())


def request_id_in(text: str | None) -> str | None:
    """What a message that cannot be meant calls itself, so that its sender finds the refusal; None if unsaid."""
    try:
        return None if text is None else _NAME.decode(text.encode()).request_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def type_of(message: Request) -> str:
    """The type that a message has in JSON."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def channel_names(request: Subscribe | Unsubscribe) -> list[str]:
    """The whole names of the channels that are meant, private ones without their account. Raises ApiError."""
    if request.channel is not None and request.symbol is None and request.channels is None:
        return [request.channel]
    if request.channel is None and request.symbol is not None:
        names = []
        for part in request.channels or ["ticker"]:
            kind, colon, rest = part.partition(":")
            names.append(f"{kind}:{request.symbol}{colon}{rest}")
        return list(dict.fromkeys(names))
    raise ApiError(
        Code.VALIDATION_FAILED,
        'Name a channel, such as {"channel":"book:BTC-USD"}, or a symbol with its channels, such as '
        '{"symbol":"BTC-USD","channels":["book","trades","ticker","candles:1m"]}.',
        field="channel",
    )
