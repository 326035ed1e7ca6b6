"""Payloads of client frames: compact JSON of one record.

Money is decimal strings, times are RFC 3339, ids are strings (they exceed what a double holds), enum values are lower
case, and reasons stay codes. Every payload but a book's and a trade's is the full state of its object, so that the
newest wins. What is unknown or does not apply is null: the fields of a channel are always all there.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.messages import Candle, Execution, Position, SessionChange, Ticker, Trade
from schemas.units import format_e8, format_us

_encode: Final = msgspec.json.Encoder().encode

PriceLevel = tuple[str, str]
"""(price, quantity); the quantity 0 removes the level."""

INTERVAL_NAMES: Final = {1: "1s", 60: "1m", 300: "5m", 3_600: "1h", 86_400: "1d"}
"""Candle lengths in seconds, as channels name them."""


class BookPayload(msgspec.Struct, gc=False):
    """Channel book:SYMBOL."""

    bids: Sequence[PriceLevel]
    asks: Sequence[PriceLevel]


class TradePayload(msgspec.Struct, gc=False):
    """Channel trades:SYMBOL."""

    trade_id: str
    price: str
    quantity: str
    notional: str
    aggressor_side: str
    time: str


class TickerPayload(msgspec.Struct, gc=False):
    """Channel ticker:SYMBOL."""

    symbol: str
    sequence: int
    last: str | None
    bid: str | None
    bid_quantity: str | None
    ask: str | None
    ask_quantity: str | None
    open_24h: str | None
    high_24h: str | None
    low_24h: str | None
    volume_24h: str
    notional_24h: str
    trade_count_24h: int
    time: str


class SessionPayload(msgspec.Struct, gc=False):
    """Channel session:SYMBOL."""

    symbol: str
    sequence: int
    phase: str
    price: str | None
    volume: str | None
    surplus: str | None
    time: str


class CandlePayload(msgspec.Struct, gc=False):
    """Channel candles:SYMBOL:INTERVAL."""

    symbol: str
    interval: str
    open_time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    notional: str
    trade_count: int
    final: bool
    time: str


class OrderPayload(msgspec.Struct, gc=False):
    """Channel orders:ACCOUNT: an execution report."""

    kind: str
    execution_id: str
    command_id: str | None
    order_id: str
    account: str
    client_order_id: str
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    price: str | None
    quantity: str
    status: str
    leaves: str
    cumulative: str
    cumulative_notional: str
    last_price: str | None
    last_quantity: str | None
    last_notional: str | None
    fee: str | None
    liquidity: str | None
    trade_id: str | None
    reason: str
    limit: str | None
    actual: str | None
    command_time: str
    time: str
    correlation_id: str | None
    expire_time: str | msgspec.UnsetType = msgspec.UNSET
    """Only of orders that are good till a date."""
    trigger_price: str | msgspec.UnsetType = msgspec.UNSET
    """This and the next three are only of orders that wait for a trigger, or did."""
    trigger_by: str | msgspec.UnsetType = msgspec.UNSET
    trail: str | msgspec.UnsetType = msgspec.UNSET
    trail_rate: str | msgspec.UnsetType = msgspec.UNSET
    waits: bool | msgspec.UnsetType = msgspec.UNSET
    """True of orders that wait, and left out of all others."""
    display_quantity: str | msgspec.UnsetType = msgspec.UNSET
    """Only of orders that do not show all."""
    notional: str | msgspec.UnsetType = msgspec.UNSET
    """Only of orders that spend a notional."""
    group_id: str | msgspec.UnsetType = msgspec.UNSET
    """Only of orders that were placed together."""
    reduce_only: bool | msgspec.UnsetType = msgspec.UNSET
    """True of orders that are, and left out of all others."""
    strategy: str | msgspec.UnsetType = msgspec.UNSET
    """Only of orders that name one."""


class PositionPayload(msgspec.Struct, gc=False):
    """Channel positions:ACCOUNT."""

    account: str
    symbol: str
    sequence: int
    quantity: str
    cost: str
    average_price: str
    realised: str
    unrealised: str
    fees: str
    mark_price: str
    trade_id: str | None
    time: str
    correlation_id: str | msgspec.UnsetType = msgspec.UNSET
    """Of the request whose order was filled; left out where no request was named."""


def price_level(price_e8: int, quantity_e8: int) -> PriceLevel:
    """One level as clients read it."""
    return format_e8(price_e8), format_e8(quantity_e8)


def book_payload(bids: Sequence[PriceLevel], asks: Sequence[PriceLevel]) -> bytes:
    """A change, or a snapshot with the best levels first."""
    return _encode(BookPayload(bids, asks))


def trade_payload(trade: Trade) -> bytes:
    """One match, without who traded."""
    return _encode(
        TradePayload(
            str(trade.trade_id),
            format_e8(trade.price_e8),
            format_e8(trade.quantity_e8),
            format_e8(trade.notional_e8),
            trade.aggressor_side.lower(),
            format_us(trade.ts_us),
        )
    )


def ticker_payload(ticker: Ticker) -> bytes:
    """The state of a market."""
    return _encode(
        TickerPayload(
            symbol=ticker.symbol,
            sequence=ticker.sequence,
            last=_optional_e8(ticker.last_e8),
            bid=_optional_e8(ticker.bid_e8),
            bid_quantity=_optional_e8(ticker.bid_quantity_e8),
            ask=_optional_e8(ticker.ask_e8),
            ask_quantity=_optional_e8(ticker.ask_quantity_e8),
            open_24h=_optional_e8(ticker.open_24h_e8),
            high_24h=_optional_e8(ticker.high_24h_e8),
            low_24h=_optional_e8(ticker.low_24h_e8),
            volume_24h=format_e8(ticker.volume_24h_e8),
            notional_24h=format_e8(ticker.notional_24h_e8),
            trade_count_24h=ticker.trade_count_24h,
            time=format_us(ticker.ts_us),
        )
    )


def session_payload(change: SessionChange) -> bytes:
    """A phase, and what an auction would do."""
    return _encode(
        SessionPayload(
            symbol=change.symbol,
            sequence=change.sequence,
            phase=change.phase.lower(),
            price=_optional_e8(change.price_e8),
            volume=_optional_e8(change.volume_e8),
            surplus=_optional_e8(change.surplus_e8),
            time=format_us(change.ts_us),
        )
    )


def candle_payload(candle: Candle) -> bytes:
    """An interval so far, or final."""
    return _encode(
        CandlePayload(
            symbol=candle.symbol,
            interval=INTERVAL_NAMES[candle.interval_s],
            open_time=format_us(candle.open_us),
            open=format_e8(candle.open_e8),
            high=format_e8(candle.high_e8),
            low=format_e8(candle.low_e8),
            close=format_e8(candle.close_e8),
            volume=format_e8(candle.volume_e8),
            notional=format_e8(candle.notional_e8),
            trade_count=candle.trade_count,
            final=candle.final,
            time=format_us(candle.ts_us),
        )
    )


def order_payload(execution: Execution) -> bytes:
    """A full execution report."""
    liquidity = execution.liquidity
    # By position: 28 keywords would cost as much again as encoding does. A test compares every field.
    return _encode(
        OrderPayload(
            execution.kind.lower(),
            str(execution.execution_id),
            _optional_id(execution.command_id),
            str(execution.order_id),
            execution.account,
            execution.client_order_id,
            execution.symbol,
            execution.side.lower(),
            execution.order_type.lower(),
            execution.time_in_force.lower(),
            _optional_e8(execution.price_e8),
            format_e8(execution.quantity_e8),
            execution.status.lower(),
            format_e8(execution.leaves_e8),
            format_e8(execution.cumulative_e8),
            format_e8(execution.cumulative_notional_e8),
            _optional_e8(execution.last_price_e8),
            _optional_e8(execution.last_quantity_e8),
            _optional_e8(execution.last_notional_e8),
            _optional_e8(execution.fee_e8),
            None if liquidity is None else liquidity.lower(),
            _optional_id(execution.trade_id),
            execution.reason,
            _optional_e8(execution.limit_e8),
            _optional_e8(execution.actual_e8),
            format_us(execution.command_us),
            format_us(execution.ts_us),
            execution.correlation_id,
            msgspec.UNSET if execution.expire_us is None else format_us(execution.expire_us),
            **_terms(execution),
        )
    )


def _terms(execution: Execution) -> dict[str, Any]:
    """What is said of few orders."""
    terms: dict[str, Any] = {"reduce_only": True} if execution.reduce_only else {}
    if execution.strategy is not None:
        terms["strategy"] = execution.strategy
    if execution.notional_e8 is not None:
        terms["notional"] = format_e8(execution.notional_e8)
    if execution.trigger_by is None and execution.display_quantity_e8 is None and execution.group_id is None:
        return terms
    return {
        **terms,
        "trigger_price": _set_e8(execution.trigger_price_e8),
        "trigger_by": msgspec.UNSET if execution.trigger_by is None else execution.trigger_by.lower(),
        "trail": _set_e8(execution.trail_e8),
        "trail_rate": _set_e8(execution.trail_rate_e8),
        "waits": execution.waits or msgspec.UNSET,
        "display_quantity": _set_e8(execution.display_quantity_e8),
        "group_id": msgspec.UNSET if execution.group_id is None else str(execution.group_id),
    }


def _set_e8(value_e8: int | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if value_e8 is None else format_e8(value_e8)


def position_payload(position: Position) -> bytes:
    """What an account holds in one instrument."""
    return _encode(position_of(position))


def position_of(position: Position) -> PositionPayload:
    """The same as an object."""
    return PositionPayload(
        account=position.account,
        symbol=position.symbol,
        sequence=position.sequence,
        quantity=format_e8(position.quantity_e8),
        cost=format_e8(position.cost_e8),
        average_price=format_e8(position.average_price_e8),
        realised=format_e8(position.realised_e8),
        unrealised=format_e8(position.unrealised_e8),
        fees=format_e8(position.fees_e8),
        mark_price=format_e8(position.mark_price_e8),
        trade_id=_optional_id(position.trade_id),
        time=format_us(position.ts_us),
        correlation_id=msgspec.UNSET if position.correlation_id is None else position.correlation_id,
    )


def _optional_e8(value_e8: int | None) -> str | None:
    return None if value_e8 is None else format_e8(value_e8)


def _optional_id(identity: int | None) -> str | None:
    return None if identity is None else str(identity)
