"""What a refusal says to people: a sentence for each reason, with the numbers of this very order."""

from typing import Final

import msgspec

from gateway.orders.answers import Report
from schemas.messages import Reason
from schemas.units import INT64_MAX, format_e8, parse_e8

_SENTENCES: Final[dict[str, str]] = {
    Reason.SEAL_MISSING: "The command carries no seal",
    Reason.KEY_UNKNOWN: "The command is sealed with a key that is not registered for {account}",
    Reason.SEAL_INVALID: "The seal is not one of the bytes that were sent",
    Reason.ACCOUNT_UNKNOWN: "There is no account {account}",
    Reason.ACCOUNT_SUSPENDED: "Account {account} is suspended: it may only cancel",
    Reason.ACCOUNT_REDUCING: (
        "Account {account} may only reduce: {actual} is more than the {limit} that it may still place on this side"
    ),
    Reason.KIND_UNKNOWN: "A command is NEW, CHECK, AMEND, CANCEL, CANCEL_ALL or CANCEL_AFTER",
    Reason.MALFORMED: "The command lacks a field, or has a value that is not known",
    Reason.CLIENT_ORDER_ID_INVALID: "client_order_id has {actual} characters, not 1 to {limit} of printable ASCII",
    Reason.CLIENT_ORDER_ID_REUSED: "client_order_id {client_order_id} stands for another order of this account",
    Reason.REPEATED_COMMAND: "The same order was sent before under client_order_id {client_order_id}: it is one order",
    Reason.ORDER_UNKNOWN: "There is no such order",
    Reason.ORDER_FINAL: "The order is no longer open",
    Reason.SYMBOL_UNKNOWN: "There is no symbol {symbol}; the list is at /api/v1/symbols",
    Reason.SYMBOL_HALTED: "{symbol} is halted: it takes cancels only",
    Reason.SIDE_INVALID: "The side is buy or sell",
    Reason.TYPE_INVALID: "The type is limit, market, stop, stop_limit, take_profit or trailing_stop",
    Reason.TIME_IN_FORCE_INVALID: (
        "A limit or stop_limit order is gtc, gtd, day, ioc or fok, a market order ioc or fok, any other gtc, gtd or "
        "day, and a post-only order a limit order that may rest"
    ),
    Reason.ORDER_TYPE_NOT_TAKEN: "{symbol} takes no orders of this type",
    Reason.TIME_IN_FORCE_NOT_TAKEN: "{symbol} takes no orders of this time in force",
    Reason.EXPIRY_INVALID: "A gtd order ends at a time that is still to come: {actual} is not after {limit} (seconds)",
    Reason.EXPIRY_REACHED: "Its time was over",
    Reason.NOT_CONTINUOUS: "{symbol} collects orders for an auction: it takes limit orders that may rest",
    Reason.SYMBOL_CLOSED: "{symbol} is closed: it takes cancels only",
    Reason.SESSION_CLOSED: "The day that it was good for is over",
    Reason.KILLED: "The operator took it out of the book",
    Reason.PRICE_MISSING: "A limit or stop_limit order has a price",
    Reason.PRICE_NOT_ALLOWED: "Only limit and stop_limit orders have a price; this one has {actual}",
    Reason.TRIGGER_INVALID: (
        "Trigger price {actual} is not a positive multiple of the tick {limit}; nearest valid: {nearest}"
    ),
    Reason.DISPLAY_INVALID: (
        "Display quantity {actual} does not fit {limit}: it is a multiple of the lot, at most the quantity and at "
        "least a hundredth of it"
    ),
    Reason.REDUCE_ONLY: "A reduce-only order of {actual} would do more than reduce the position: {limit} would not",
    Reason.REDUCE_ONLY_OPEN: (
        "{actual} could use up the position before the reduce-only orders on this side: {limit} could not"
    ),
    Reason.STRATEGY_INVALID: "A strategy is named by 1 to {limit} printable ASCII characters; this name has {actual}",
    Reason.STRATEGY_SUSPENDED: "The operator has stopped this strategy of account {account}: it may cancel only",
    Reason.STRATEGY_REDUCING: (
        "This strategy may only reduce: {actual} would do more than reduce the position, {limit} would not"
    ),
    Reason.SLIDE_INVALID: "Only a post-only order may slide",
    Reason.GROUP_INVALID: (
        "{actual} lies on the wrong side of {limit}: a pair's sell lies above its stop's trigger and a buy below, and "
        "a bracket's entry between what takes its profit and what stops its loss"
    ),
    Reason.GROUP_POSITION: (
        "Filled whole, a bracket's entry of {actual} would leave nothing to reduce: it must be more than the {limit} "
        "that is held on the other side"
    ),
    Reason.GROUP_QUANTITY: "Orders that were placed together keep their quantity; {actual} needs new ones",
    Reason.ONE_CANCELS_OTHER: "The other order of its pair was filled, triggered or has ended",
    Reason.TRIGGER_MET: "The order has met its trigger already, which cannot be moved to {actual}",
    Reason.TRAIL_INVALID: (
        "Trail {actual} does not fit {limit}: an amount is a multiple of the tick and below the mark, a rate is below 1"
    ),
    Reason.PRICE_NOT_POSITIVE: "Price {actual} is not above zero",
    Reason.PRICE_OFF_TICK: "Price {actual} is not a multiple of the tick {limit}; nearest valid: {nearest}",
    Reason.PRICE_OUTSIDE_BAND: "Price {actual} is outside the price band of {symbol}; nearest valid: {limit}",
    Reason.NO_MARK: "There is no mark yet that the order could be valued at",
    Reason.QUANTITY_NOT_POSITIVE: "Quantity {actual} is not above zero",
    Reason.QUANTITY_OFF_LOT: "Quantity {actual} is not a multiple of the lot {limit}; nearest valid: {nearest}",
    Reason.QUANTITY_TOO_SMALL: "Quantity {actual} is below the smallest of {symbol}; nearest valid: {limit}",
    Reason.QUANTITY_TOO_LARGE: "Quantity {actual} is above the largest of {symbol}; nearest valid: {limit}",
    Reason.NOTIONAL_INVALID: "Only a market order to buy has a notional, above zero and instead of a quantity",
    Reason.NOTIONAL_TOO_SMALL: "Price times quantity is {actual}, below {limit}, the smallest of {symbol}",
    Reason.NOTIONAL_TOO_LARGE: "Price times quantity is {actual}, above {limit}, the largest of {symbol}",
    Reason.OPEN_ORDERS_LIMIT: "This would be open order number {actual}; account {account} may have {limit}",
    Reason.ORDER_SIZE_LIMIT: (
        "Quantity {actual} is above {limit}, the most that account {account} may order of {symbol} at once"
    ),
    Reason.FAT_FINGER: (
        "Price {actual} is further from the mark than account {account} may go in {symbol}; nearest valid: {limit}"
    ),
    Reason.SYMBOL_OPEN_ORDERS_LIMIT: (
        "This would be open order number {actual} in {symbol}; account {account} may have {limit} there"
    ),
    Reason.SYMBOL_ORDERS_MAX: (
        "This would be open order number {actual} in {symbol}, where any account may have {limit}"
    ),
    Reason.TRADE_FREQUENCY_LIMIT: (
        "Account {account} may send {limit} orders at once and this would make it {actual}; wait, and send it again"
    ),
    Reason.DAILY_VOLUME_LIMIT: (
        "The day's volume could become {actual}, all open orders filled; account {account} may trade {limit}"
    ),
    Reason.POSITION_LIMIT: (
        "The position in {symbol} could become {actual}, all open orders filled; account {account} may have {limit}"
    ),
    Reason.CONCENTRATION_LIMIT: (
        "The position in {symbol} could be worth {actual}, all open orders filled; "
        "of its equity account {account} may have {limit} there"
    ),
    Reason.LEVERAGE_LIMIT: "The exposure would be {actual}, and equity times the largest leverage is {limit}",
    Reason.VAR_LIMIT: (
        "The value at risk of a day could become {actual}, all open orders filled; account {account} may have {limit}"
    ),
    Reason.FUNDS_INSUFFICIENT: "The order may cost {actual}, and {limit} is available",
    Reason.MARGIN_INSUFFICIENT: "The exposure would be {actual}, and equity times leverage is {limit}",
    Reason.INITIAL_MARGIN_INSUFFICIENT: "The initial margin would be {actual}, and the equity is {limit}",
    Reason.POST_ONLY_WOULD_TRADE: "At {actual} the post-only order would trade with {limit}, the best opposite price",
    Reason.TRADES_LIMIT: "The order has traded as often as one may at once",
    Reason.BOOK_FULL: "The book of {symbol} cannot hold this: {actual} where {limit} is the most",
    Reason.FILL_OR_KILL_UNFILLABLE: "The fill-or-kill order could not be filled whole at once",
    Reason.IMMEDIATE_REMAINDER: "What could not be traded at once has ended",
    Reason.NO_LIQUIDITY: "There was nothing to trade with",
    Reason.SELF_TRADE: "It would have traded with another order of account {account}",
    Reason.DAILY_LOSS_LIMIT: "Account {account} has lost more today than it may: it may only reduce",
    Reason.MARGIN_CALL: "Account {account} has less equity than its maintenance margin: it may only reduce",
    Reason.LIQUIDATION: "The positions of account {account} are being reduced: until that is over it may only cancel",
    Reason.DRAWDOWN_LIMIT: "Account {account} has fallen too far below its highest equity: it may only reduce",
    Reason.CANCELLED_BY_CLIENT: "The account cancelled it",
    Reason.TIMEOUT_INVALID: "A timer runs for 0 to {limit} seconds, not for {actual}",
    Reason.TIMER_EXPIRED: "The timer of account {account} ran out before it asked again",
    Reason.AMEND_PENDING: "An earlier amendment of this order is still on its way to the book",
    Reason.AMENDED_BELOW_FILLED: "The amended quantity had been filled already, so the rest was cancelled",
}
_WITHOUT_NUMBERS: Final[dict[str, str]] = {
    Reason.EXPIRY_INVALID: "A gtd order names when it ends, and no other order does",
    Reason.TRIGGER_INVALID: "A stop, stop_limit or take_profit order has a trigger price, and no other",
    Reason.DISPLAY_INVALID: "Only a limit or stop_limit order that may rest has a display quantity",
    Reason.TRAIL_INVALID: "A trailing_stop order has a trail or a trail rate, and no other order has",
    Reason.GROUP_INVALID: (
        "A pair is a limit order that may rest, shows all, is not post-only and waits for no trigger, and a stop "
        "order; a bracket's entry is a limit or market order that waits for no trigger, does not slide and is not "
        "reduce-only"
    ),
    Reason.PRICE_OUTSIDE_BAND: "{symbol} has no price band with a tick in it: it takes no orders without a limit",
}
_OF_MULTIPLES: Final[frozenset[str]] = frozenset(
    {Reason.PRICE_OFF_TICK, Reason.QUANTITY_OFF_LOT, Reason.TRIGGER_INVALID}
)


def sentence(report: Report) -> str | None:
    """Why a report is not what was hoped for; None if there is no reason, or one that a newer release gave."""
    reason = report.reason
    template = _SENTENCES.get(reason)
    if report.limit is None:
        template = _WITHOUT_NUMBERS.get(reason, template)
    if template is None:
        return None
    nearest = ""
    if reason in _OF_MULTIPLES and report.limit is not None and report.actual is not None:
        nearest = _nearest(parse_e8(report.actual), parse_e8(report.limit))
    return f"{template.format(nearest=nearest, **msgspec.structs.asdict(report))}."


def _nearest(actual_e8: int, unit_e8: int) -> str:
    """The multiples of a unit on either side, as far as an order could have them."""
    below_e8 = actual_e8 // unit_e8 * unit_e8
    return ", ".join(format_e8(value_e8) for value_e8 in (below_e8, below_e8 + unit_e8) if 0 < value_e8 <= INT64_MAX)
