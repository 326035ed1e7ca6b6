"""Orders that are placed together: what the second one is, and whether both go together.

Of a pair only one trades, so whatever counts the worst case counts the worse of the two.
"""

from typing import Final

from msgspec.structs import replace

from schemas.groups import STOP_MEMBER, STOP_SUFFIX, member_id, stop_name
from schemas.messages import GroupKind, OrderType, Reason, Side
from schemas.units import E8
from workers.risk.accounts import Account
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.rules import CLIENT_ORDER_ID_CHARACTERS_MAX

FIRST_ID_CHARACTERS_MAX: Final = CLIENT_ORDER_ID_CHARACTERS_MAX - len(STOP_SUFFIX)
"""Longest client_order_id of a group's first order: those of the others are made of it."""


def stop_of(order: RiskOrder) -> RiskOrder:
    """The stop order that is placed with the first of a group."""
    stop = order.stop
    assert stop is not None
    return replace(
        order,
        order_id=member_id(order.order_id, STOP_MEMBER),
        client_order_id=stop_name(order.client_order_id, attached=False),
        order_type=OrderType.STOP if stop.price_e8 is None else OrderType.STOP_LIMIT,
        price_e8=stop.price_e8,
        trigger=stop.trigger,
        waits=True,
        group_id=order.order_id,
        stop=None,
    )


def pair_refusal(order: RiskOrder, stop: RiskOrder, account: Account) -> Refusal | None:
    """Why two orders are not a pair of which one cancels the other.

    The first is a plain limit order that may rest, and its price lies on the other side of the market than the trigger.
    """
    if len(order.client_order_id) > FIRST_ID_CHARACTERS_MAX:
        limit_e8, actual_e8 = FIRST_ID_CHARACTERS_MAX * E8, len(order.client_order_id) * E8
        return Refusal(Reason.CLIENT_ORDER_ID_INVALID, limit_e8, actual_e8)
    if stop.client_order_id in account.by_client_id:
        return Refusal(Reason.CLIENT_ORDER_ID_REUSED)
    plain = order.display_quantity_e8 is None and not order.post_only and not order.slide and order.trigger is None
    asked = order.stop is not None and order.stop.group is GroupKind.OCO and order.stop.profit_price_e8 is None
    if not asked or not plain or order.order_type is not OrderType.LIMIT or not order.may_rest():
        return Refusal(Reason.GROUP_INVALID)
    price_e8, trigger_e8 = order.price_e8, None if stop.trigger is None else stop.trigger.price_e8
    if price_e8 is None or trigger_e8 is None:
        return None  # the rules of each say what is missing
    apart = price_e8 < trigger_e8 if order.side is Side.BUY else price_e8 > trigger_e8
    return None if apart else Refusal(Reason.GROUP_INVALID, trigger_e8, price_e8)
