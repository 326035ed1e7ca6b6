"""What clients may ask of orders, as strict JSON: no unknown fields, no duplicate keys, numbers of money as strings."""

import os
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import replace

from gateway import limits
from gateway.errors import ApiError, Code, together
from gateway.orders.groups import TRIGGERS, BracketRequest, StopRequest, group_rules, of_group
from gateway.orders.values import CLIENT_ORDER_ID, SIDES, SYMBOL, Positive, Time, moment, positive_or_none
from gateway.strict import DECIMALS, parsed
from schemas.controls import STRATEGY_CHARACTERS_MAX
from schemas.messages import (
    Command,
    CommandKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

STRATEGY: Final = rf"^[ -~]{{1,{STRATEGY_CHARACTERS_MAX}}}$"

_TYPES: Final = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "take_profit": OrderType.TAKE_PROFIT,
    "trailing_stop": OrderType.TRAILING_STOP,
}
_TIMES: Final = {
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
    "gtd": TimeInForce.GTD,
    "day": TimeInForce.DAY,
}
_PREVENTIONS: Final = {
    "cancel_newest": SelfTradePrevention.CANCEL_NEWEST,
    "cancel_oldest": SelfTradePrevention.CANCEL_OLDEST,
    "cancel_both": SelfTradePrevention.CANCEL_BOTH,
    "decrement_and_cancel": SelfTradePrevention.DECREMENT_AND_CANCEL,
    "none": SelfTradePrevention.NONE,
}
_PRICED: Final = frozenset({"limit", "stop_limit"})


EXPIRE_TIME: Final = "Only for gtd: when the order ends, RFC 3339 such as 2030-01-31T12:00:00Z"


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new order."""

    symbol: Annotated[str, msgspec.Meta(pattern=SYMBOL, description="The instrument, such as BTC-USD")]
    side: Literal["buy", "sell"]
    type: Literal["limit", "market", "stop", "stop_limit", "take_profit", "trailing_stop"]
    quantity: (
        Annotated[Positive, msgspec.Meta(description='Base currency, a decimal string such as "0.015"')] | None
    ) = None
    price: (
        Annotated[Positive, msgspec.Meta(description="Quote currency, a decimal string; for limit and stop_limit")]
        | None
    ) = None
    time_in_force: Literal["gtc", "ioc", "fok", "gtd", "day"] | None = None
    expire_time: Annotated[Time, msgspec.Meta(description=EXPIRE_TIME)] | None = None
    client_order_id: (
        Annotated[str, msgspec.Meta(pattern=CLIENT_ORDER_ID, description="Unique per account; repeating it is safe")]
        | None
    ) = None
    post_only: bool = False
    self_trade_prevention: (
        Annotated[
            Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel", "none"],
            msgspec.Meta(description="Left out: as the account has it"),
        ]
        | None
    ) = None
    trigger_price: (
        Annotated[Positive, msgspec.Meta(description="For stop, stop_limit and take_profit: where it stops waiting")]
        | None
    ) = None
    trigger_by: (
        Annotated[Literal["last", "mark"], msgspec.Meta(description="The price that must come there; last if left out")]
        | None
    ) = None
    trail: (
        Annotated[
            Positive, msgspec.Meta(description="For trailing_stop: how far behind the best price, quote currency")
        ]
        | None
    ) = None
    reduce_only: Annotated[bool, msgspec.Meta(description="Never make the position larger, or turn it round")] = False
    strategy: (
        Annotated[
            str, msgspec.Meta(pattern=STRATEGY, description="What of the account places it: it may be stopped alone")
        ]
        | None
    ) = None
    slide: Annotated[bool, msgspec.Meta(description="For post_only: rest at the best price that takes nothing")] = False
    display_quantity: (
        Annotated[Positive, msgspec.Meta(description="So much at most is shown in the book at a time; all if left out")]
        | None
    ) = None
    trail_rate: (
        Annotated[Positive, msgspec.Meta(description='For trailing_stop: the same as a fraction, such as "0.01"')]
        | None
    ) = None
    notional: (
        Annotated[
            Positive,
            msgspec.Meta(description="For market orders to buy, instead of a quantity: spend so much, without fees"),
        ]
        | None
    ) = None
    oco: (
        Annotated[
            StopRequest, msgspec.Meta(description="For limit: a stop order beside it, of which one cancels the other")
        ]
        | None
    ) = None
    bracket: (
        Annotated[
            BracketRequest,
            msgspec.Meta(description="For limit and market: what takes its profit or stops its loss when it has ended"),
        ]
        | None
    ) = None


class AmendRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an open order shall become; what is left out stays."""

    price: (
        Annotated[Positive, msgspec.Meta(description='Quote currency, a decimal string such as "43210.5"')] | None
    ) = None
    quantity: (
        Annotated[
            Positive, msgspec.Meta(description="Base currency, a decimal string; what has been filled is part of it")
        ]
        | None
    ) = None
    expire_time: Annotated[Time, msgspec.Meta(description=EXPIRE_TIME)] | None = None
    trigger_price: (
        Annotated[Positive, msgspec.Meta(description="Of an order that still waits for its trigger")] | None
    ) = None
    display_quantity: Annotated[Positive, msgspec.Meta(description="So much at most is shown at a time")] | None = None


_NO_CHANGE: Final = AmendRequest()
Timeout = Annotated[
    int, msgspec.Meta(ge=0, le=limits.CANCEL_AFTER_S_MAX, description="Whole seconds; 0 calls the timer off")
]


class CancelAfterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When all open orders are cancelled, unless this is asked again before."""

    timeout: Timeout


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several new orders."""

    orders: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=limits.BATCH_ORDERS_MAX)]


_BATCH: Final = msgspec.json.Decoder(BatchRequest)
_CANCEL_AFTER: Final = msgspec.json.Decoder(CancelAfterRequest)
_AMEND: Final = msgspec.json.Decoder(AmendRequest)
_ORDER: Final = msgspec.json.Decoder(OrderRequest)


def parse_order(body: bytes) -> OrderRequest:
    """The order in a body. Raises ApiError."""
    return parsed(_ORDER, body)


def parse_batch(body: bytes) -> list[bytes]:
    """The orders in a body, each as the body of one. Raises ApiError."""
    return [bytes(order) for order in parsed(_BATCH, body).orders]


def parse_amend(body: bytes) -> AmendRequest:
    """The amendment in a body. Raises ApiError."""
    return parsed(_AMEND, body)


def parse_cancel_after(body: bytes) -> CancelAfterRequest:
    """The timer in a body. Raises ApiError."""
    return parsed(_CANCEL_AFTER, body)


def new_order(request: OrderRequest, account: str, sent_us: int, correlation_id: str) -> Command:
    """The command that asks for an order. Raises ApiError with all of it that cannot be."""
    try:
        return _new_order(request, account, sent_us, correlation_id)
    except ApiError:
        raise together(_wrong_in_order(request)) from None


def _new_order(request: OrderRequest, account: str, sent_us: int, correlation_id: str) -> Command:
    _require_one_line(request.symbol, "symbol")
    _require_one_line(request.client_order_id, "client_order_id")
    _require_a_size(request)
    _require_a_price_where_there_is_one(request)
    command = Command(
        kind=CommandKind.NEW,
        account=account,
        client_order_id=request.client_order_id or os.urandom(16).hex(),
        symbol=request.symbol,
        side=SIDES[request.side],
        order_type=_TYPES[request.type],
        time_in_force=_TIMES[request.time_in_force] if request.time_in_force else None,
        price_e8=positive_or_none(request.price, "price"),
        quantity_e8=positive_or_none(request.quantity, "quantity"),
        post_only=request.post_only,
        self_trade_prevention=_PREVENTIONS[request.self_trade_prevention] if request.self_trade_prevention else None,
        sent_us=sent_us,
        correlation_id=correlation_id,
        expire_us=moment(request.expire_time),
        trigger_price_e8=positive_or_none(request.trigger_price, "trigger_price"),
        trigger_by=TRIGGERS[request.trigger_by] if request.trigger_by else None,
        trail_e8=positive_or_none(request.trail, "trail"),
        trail_rate_e8=positive_or_none(request.trail_rate, "trail_rate"),
        display_quantity_e8=positive_or_none(request.display_quantity, "display_quantity"),
        slide=request.slide,
        reduce_only=request.reduce_only,
        strategy=request.strategy,
        notional_e8=positive_or_none(request.notional, "notional"),
    )
    grouped = of_group(request)
    return replace(command, **grouped) if grouped else command


def _require_one_line(text: str | None, field: str) -> None:
    if text is not None and text.endswith("\n"):  # which `$` of a pattern lets pass
        raise ApiError(Code.VALIDATION_FAILED, f"{field} ends with a line break.", field=field, value=text)


def _require_a_price_where_there_is_one(request: OrderRequest) -> None:
    if request.type in _PRICED:
        if request.price is None:
            raise ApiError(Code.VALIDATION_FAILED, f"A {request.type} order needs a price.", field="price")
    elif request.price is not None:
        raise ApiError(
            Code.VALIDATION_FAILED,
            f"A {request.type} order has no price; leave it out.",
            field="price",
            value=request.price,
        )


def _wrong_in_order(request: OrderRequest) -> Iterator[ApiError]:
    """Everything in an order that cannot be, each rule tried by itself."""
    yield from _failing(_require_one_line, request.symbol, "symbol")
    yield from _failing(_require_one_line, request.client_order_id, "client_order_id")
    yield from _failing(_require_a_size, request)
    yield from _failing(_require_a_price_where_there_is_one, request)
    yield from _wrong_numbers(request)
    for rule, values in group_rules(request):
        yield from _failing(rule, *values)


def _wrong_numbers(request: OrderRequest | AmendRequest) -> Iterator[ApiError]:
    for name in request.__struct_fields__:
        if name in DECIMALS:
            yield from _failing(positive_or_none, getattr(request, name), name)
    yield from _failing(moment, request.expire_time)


def _failing(rule: Callable[..., object], *values: Any) -> Iterator[ApiError]:
    """What a rule says against values."""
    try:
        rule(*values)
    except ApiError as error:
        yield error


def _require_a_size(request: OrderRequest) -> None:
    """Raises ApiError for neither a quantity nor a notional, for both, or for a notional that is not spent."""
    if request.quantity is None and request.notional is None:
        raise ApiError(Code.VALIDATION_FAILED, "The field quantity is missing.", field="quantity")
    if request.notional is None:
        return
    wrong = None
    if request.quantity is not None:
        wrong = "An order has a quantity or a notional, not both."
    elif (request.type, request.side) != ("market", "buy"):
        wrong = "Only a market order to buy has a notional."
    if wrong is not None:
        raise ApiError(Code.VALIDATION_FAILED, wrong, field="notional", value=request.notional)


def amend_order(order_id: int, request: AmendRequest, account: str, sent_us: int, correlation_id: str) -> Command:
    """The command that asks for another price or quantity. Raises ApiError with all of it that cannot be."""
    if request == _NO_CHANGE:
        raise ApiError(
            Code.VALIDATION_FAILED,
            "An amendment names a new price, quantity, trigger_price, display_quantity or expire_time.",
        )
    try:
        return _amend_order(order_id, request, account, sent_us, correlation_id)
    except ApiError:
        raise together(_wrong_numbers(request)) from None


def _amend_order(order_id: int, request: AmendRequest, account: str, sent_us: int, correlation_id: str) -> Command:
    return Command(
        kind=CommandKind.AMEND,
        account=account,
        order_id=order_id,
        price_e8=positive_or_none(request.price, "price"),
        quantity_e8=positive_or_none(request.quantity, "quantity"),
        sent_us=sent_us,
        correlation_id=correlation_id,
        expire_us=moment(request.expire_time),
        trigger_price_e8=positive_or_none(request.trigger_price, "trigger_price"),
        display_quantity_e8=positive_or_none(request.display_quantity, "display_quantity"),
    )


def cancel_order(order: int | str, account: str, sent_us: int, correlation_id: str) -> Command:
    """The command that asks for the end of an order, by its order_id or its client_order_id."""
    return Command(
        kind=CommandKind.CANCEL,
        account=account,
        order_id=order if isinstance(order, int) else None,
        client_order_id=order if isinstance(order, str) else None,
        sent_us=sent_us,
        correlation_id=correlation_id,
    )


def cancel_all_orders(
    account: str, symbol: str | None, side: Side | None, sent_us: int, correlation_id: str
) -> Command:
    """The command that asks for the end of all open orders, or of those of a symbol or a side."""
    return Command(
        kind=CommandKind.CANCEL_ALL,
        account=account,
        symbol=symbol,
        side=side,
        sent_us=sent_us,
        correlation_id=correlation_id,
    )


def cancel_orders_after(account: str, timeout_s: int, sent_us: int, correlation_id: str) -> Command:
    """The command that sets the account's dead man's timer, or calls it off."""
    return Command(
        kind=CommandKind.CANCEL_AFTER,
        account=account,
        timeout_s=timeout_s,
        sent_us=sent_us,
        correlation_id=correlation_id,
    )
