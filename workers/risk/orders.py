"""What pre-trade risk keeps of each order."""

from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.messages import (
    Command,
    Execution,
    ExecutionKind,
    GroupKind,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
)
from schemas.order_states import FINAL
from schemas.units import E8, TIME_US_MAX

ECHO_CHARACTERS_MAX: Final = 64
"""Longest text of a command that is kept or echoed (symbol, client_order_id); the rest is cut off."""

_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET
_UNKNOWN_SIDE: Final = Side.UNKNOWN
_UNKNOWN_TYPE: Final = OrderType.UNKNOWN
_UNKNOWN_TIME: Final = TimeInForce.UNKNOWN
_GTC: Final = TimeInForce.GTC
_GTD: Final = TimeInForce.GTD
_DAY: Final = TimeInForce.DAY
_IOC: Final = TimeInForce.IOC
WAITING_TYPES: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP})
"""Types that wait for a trigger."""

KNOWN_TYPES: Final = WAITING_TYPES | {_LIMIT, _MARKET}
_NO_TERMS: Final = (None, None, None)
_PENDING: Final = OrderStatus.PENDING
_NONE: Final = Reason.NONE
_NEW: Final = ExecutionKind.NEW
_AMENDED: Final = ExecutionKind.AMENDED


class Trigger(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an order waits for."""

    by: TriggerBy
    price_e8: int | None
    """Where it is met; None where it trails."""
    trail_e8: int | None = None
    """How far it follows behind the best price, 10^-8 quote."""
    trail_rate_e8: int | None = None
    """The same as a fraction of that, 10^-8."""


class Stop(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The stop order of a group, as the command describes it."""

    group: GroupKind
    trigger: Trigger
    price_e8: int | None
    """Its limit; None where it trades as MARKET once it is triggered."""
    profit_price_e8: int | None = None
    """BRACKET: the limit of the order that takes the profit."""


class RiskOrder(msgspec.Struct, array_like=True, gc=False):
    """One order, from its command to its end."""

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price_e8: int | None
    """The limit; None for MARKET."""
    quantity_e8: int
    post_only: bool
    self_trade_prevention: SelfTradePrevention
    command_us: int
    worst_price_e8: int = 0
    """The worst price at which it may trade."""
    fee_rate_e8: int = 0
    """The dearest fee when it was accepted: a later change of fees does not change what is held."""
    reserved_e8: int = 0
    """Held while it is open: of the account's balance, for margin accounts the quantity that counts as exposure."""
    status: OrderStatus = _PENDING
    leaves_e8: int = 0
    cumulative_e8: int = 0
    cumulative_notional_e8: int = 0
    reason: Reason = _NONE
    """Why it ended, NONE while it is open or when it was filled."""
    limit_e8: int | None = None
    actual_e8: int | None = None
    amend_id: int = 0
    """The amendment that the book has not answered yet, as the id of its command; 0 without one."""
    amend_price_e8: int = 0
    """What it would make of the price."""
    amend_quantity_e8: int = 0
    """What it would make of the quantity; 0 if that stays."""
    placed_as: tuple[int | None, int] | None = None
    """Price and quantity as it was placed, once it has been amended."""
    expire_us: int | None = None
    """GTD: when it ends, by the log's clock."""
    placed_until_us: int | None = None
    """The end that it was placed with, once it has been amended."""
    amend_fee_rate_e8: int = 0
    """The dearest fee when the amendment was accepted, or the order's own if that was dearer."""
    removing: bool = False
    """A command about many orders takes it out of the book."""
    open_e8: int = 0
    """What of it counts in the account's usage: what may still trade at worst, 10^-8 base."""
    open_notional_e8: int = 0
    """For how much, 10^-8 quote."""
    trigger: Trigger | None = None
    """What it waits for, or waited."""
    waits: bool = False
    """It waits still, as far as is known here."""
    placed_trigger: Trigger | None = None
    """What it was placed to wait for, once it has been amended."""
    display_quantity_e8: int | None = None
    """So much of it at most is shown in the book at a time; None shows all."""
    slide: bool = False
    """It may rest at another price rather than be refused as post-only."""
    placed_display_e8: int | None = None
    """What it was placed to show, once it has been amended."""
    reduce_only: bool = False
    """It may only make the position smaller."""
    notional_e8: int | None = None
    """What it is to spend, without fees. Its quantity is then the most that it may buy; from NEW on what it buys."""
    strategy: str | None = None
    """What of the account placed it, if it says so."""
    group_id: int | None = None
    """The first order of its group; None for one on its own."""
    stop: Stop | None = None
    """Of a group's first order: the stop order that was placed with it, or is to come of a BRACKET."""

    maker_fee_e8: int | None = None
    """The fraction of the notional that it pays where it rests, by its account's volume; None for the symbol's."""
    taker_fee_e8: int | None = None
    """The same where it is the aggressor."""

    def same_content(self, other: "RiskOrder") -> bool:
        """Whether two commands ask the same: sent_us and correlation_id do not matter, absent is as its default."""
        price_e8, quantity_e8 = self.placed_as or (self.price_e8, self.quantity_e8)
        expire_us = self.placed_until_us if self.placed_as else self.expire_us
        return (
            self.symbol == other.symbol
            and self.side is other.side
            and self.order_type is other.order_type
            and self.time_in_force is other.time_in_force
            and price_e8 == other.price_e8
            and quantity_e8 == other.quantity_e8
            and expire_us == other.expire_us
            and self.post_only is other.post_only
            and self.self_trade_prevention is other.self_trade_prevention
            and (self.placed_trigger if self.placed_as else self.trigger) == other.trigger
            and (self.placed_display_e8 if self.placed_as else self.display_quantity_e8) == other.display_quantity_e8
            and self.slide is other.slide
            and self.reduce_only is other.reduce_only
            and self.strategy == other.strategy
            and self.notional_e8 == other.notional_e8
            and self.stop == other.stop
        )

    def brings(self) -> bool:
        """Whether it is the entry of a bracket: others come when it has ended."""
        return self.stop is not None and self.stop.group is GroupKind.BRACKET

    def worst_notional_e8(self, leaves_e8: int) -> int:
        """For how much so much of it may still trade at worst, rounded up; 10^-8 quote."""
        notional_e8 = -(-self.worst_price_e8 * leaves_e8 // E8)
        if self.notional_e8 is not None:
            return min(notional_e8, self.notional_e8 - self.cumulative_notional_e8)
        return notional_e8

    def trigger_moved_to(self, price_e8: int | None) -> Trigger | None:
        """Its trigger at another price; as it is where none is named or none can be."""
        trigger = self.trigger
        if price_e8 is None or trigger is None or trigger.price_e8 is None:
            return trigger
        return replace(trigger, price_e8=price_e8)

    def may_rest(self) -> bool:
        """Whether its time in force lets it wait in the book."""
        return self.time_in_force is _GTC or self.time_in_force is _GTD or self.time_in_force is _DAY

    def amended_leaves_e8(self, leaves_e8: int) -> int:
        """What would be left of it by the amendment under way, where so much is left without."""
        return max((self.amend_quantity_e8 or self.quantity_e8) - self.quantity_e8 + leaves_e8, 0)

    def fold(self, execution: Execution) -> None:
        """What the book has made of it; all but what is held."""
        self.status = execution.status
        self.waits = execution.waits
        self.cumulative_e8 = execution.cumulative_e8
        self.cumulative_notional_e8 = execution.cumulative_notional_e8
        if execution.kind is _NEW:
            if self.slide:
                self._become(execution)
                self.worst_price_e8 = self.price_e8 or 0
            elif self.notional_e8 is not None:
                self._become(execution)
        elif execution.kind is _AMENDED:
            self._become(execution)
            if execution.command_id == self.amend_id:
                self.amend_id, self.fee_rate_e8 = 0, self.amend_fee_rate_e8
                self.worst_price_e8 = self.price_e8 or self.amend_price_e8
                self.display_quantity_e8 = execution.display_quantity_e8
        elif execution.status in FINAL:
            self.amend_id = 0
            self.reason = execution.reason
            self.limit_e8 = execution.limit_e8
            self.actual_e8 = execution.actual_e8

    def keep_as_placed(self) -> None:
        """Remember what was asked for: it is going to be something else."""
        if self.placed_as is None:
            self.placed_as, self.placed_until_us = (self.price_e8, self.quantity_e8), self.expire_us
            self.placed_trigger, self.placed_display_e8 = self.trigger, self.display_quantity_e8

    def _become(self, amended: Execution) -> None:
        self.keep_as_placed()
        self.price_e8, self.quantity_e8, self.expire_us = amended.price_e8, amended.quantity_e8, amended.expire_us
        if self.trigger is not None and self.trigger.price_e8 is not None:
            self.trigger = replace(self.trigger, price_e8=amended.trigger_price_e8)


def sayable_us(time_us: int) -> int:
    """The nearest time that can be told; the ends of that range are never accepted."""
    return min(max(time_us, 0), TIME_US_MAX)


def order_of(command: Command, order_id: int, command_us: int, prevention: SelfTradePrevention) -> RiskOrder:
    """The order that a NEW command asks for, absent fields replaced by defaults; `prevention` is the account's."""
    order_type = command.order_type or _UNKNOWN_TYPE
    time_in_force = command.time_in_force
    if time_in_force is None:
        time_in_force = _IOC if order_type is _MARKET else _GTC if order_type in KNOWN_TYPES else _UNKNOWN_TIME
    return RiskOrder(
        order_id,
        command.client_order_id or "",
        (command.symbol or "")[:ECHO_CHARACTERS_MAX],
        command.side or _UNKNOWN_SIDE,
        order_type,
        time_in_force,
        command.price_e8,
        command.quantity_e8 or 0,
        command.post_only,
        command.self_trade_prevention or prevention,
        command_us,
        expire_us=None if command.expire_us is None else sayable_us(command.expire_us),
        trigger=_trigger_of(command, order_type),
        waits=order_type in WAITING_TYPES,
        display_quantity_e8=command.display_quantity_e8,
        slide=command.slide,
        reduce_only=command.reduce_only,
        strategy=command.strategy,
        notional_e8=command.notional_e8,
        stop=_stop_of(command),
    )


def _stop_of(command: Command) -> Stop | None:
    """The stop order of a group; also where no group is asked for, when the command says something of it."""
    if (command.group, command.stop_price_e8, command.take_profit_price_e8) == _NO_TERMS:
        return None
    terms = command.trigger_price_e8, command.trail_e8, command.trail_rate_e8
    trigger = Trigger(command.trigger_by or TriggerBy.LAST, *terms)
    return Stop(command.group or GroupKind.UNKNOWN, trigger, command.stop_price_e8, command.take_profit_price_e8)


def _trigger_of(command: Command, order_type: OrderType) -> Trigger | None:
    """What the order is to wait for; also for a type that does not wait, when the command says something of it."""
    terms = command.trigger_price_e8, command.trail_e8, command.trail_rate_e8
    if command.group is not None:
        return None
    if order_type not in WAITING_TYPES and terms == _NO_TERMS and command.trigger_by is None:
        return None
    return Trigger(command.trigger_by or TriggerBy.LAST, *terms)
