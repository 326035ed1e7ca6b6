"""What can be asked of orders, typed. Numbers are Decimal or int, times are datetime with a time zone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

Number = Decimal | int
Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop", "stop_limit", "take_profit", "trailing_stop"]
TimeInForce = Literal["gtc", "ioc", "fok", "gtd", "day"]
TriggerBy = Literal["last", "mark"]
SelfTradePrevention = Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement_and_cancel", "none"]
OrderStatus = Literal["open", "new", "partially_filled", "filled", "cancelled", "rejected", "expired"]
Interval = Literal["1s", "1m", "5m", "1h", "1d"]
Scope = Literal["read", "trade", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    """The stop order beside a limit order, of which one cancels the other; or what stops the loss of a bracket."""

    trigger_price: Number
    price: Number | None = None
    """Its limit once it is triggered; at market if left out."""
    trigger_by: TriggerBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """What comes when an order has ended, of what was filled of it: the first that trades cancels the other."""

    take_profit_price: Number
    stop_loss: StopOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to place; docs/trading.md says what each field means. Quantities are base currency, prices quote."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Number | None = None
    price: Number | None = None
    time_in_force: TimeInForce | None = None
    expire_time: datetime | None = None
    client_order_id: str | None = None
    """Made for you if left out. It is what makes an order safe to send again."""
    post_only: bool = False
    self_trade_prevention: SelfTradePrevention | None = None
    trigger_price: Number | None = None
    trigger_by: TriggerBy | None = None
    trail: Number | None = None
    reduce_only: bool = False
    strategy: str | None = None
    slide: bool = False
    display_quantity: Number | None = None
    trail_rate: Number | None = None
    notional: Number | None = None
    """Instead of a quantity: a market order to buy spends so much."""
    oco: StopOrder | None = None
    bracket: Bracket | None = None

    def named(self, client_order_id: str) -> "NewOrder":
        """The same order under that id, unless it has one."""
        return self if self.client_order_id is not None else replace(self, client_order_id=client_order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an open order shall become; what is left out stays."""

    price: Number | None = None
    quantity: Number | None = None
    """What has been filled is part of it."""
    expire_time: datetime | None = None
    trigger_price: Number | None = None
    display_quantity: Number | None = None


def as_json(request: StopOrder | Bracket | NewOrder | Changes) -> dict[str, Any]:
    """The object in JSON: what has its default is left out. Raises TypeError for floats, ValueError as `text` does."""
    return {
        field.name: as_json(value)
        if isinstance(value, StopOrder | Bracket)
        else value
        if value is True
        else text(value)
        for field in fields(request)
        if (value := getattr(request, field.name)) is not None and value is not False
    }


def as_query(values: Mapping[str, Number | datetime | str | None]) -> dict[str, str]:
    """The parameters of a query: what is None is left out."""
    return {name: text(value) for name, value in values.items() if value is not None}


def text(value: Number | datetime | str) -> str:
    """A value as the gateway reads it. Raises TypeError for a float, ValueError for a time without a zone, NaN..."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; datetime.now(UTC) has one.")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is a {type(value).__name__}; money and quantities are Decimal or int.")
    if not value.is_finite():
        raise ValueError(f"{value} is no number.")
    return format(value, "f")
