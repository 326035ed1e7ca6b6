"""Strategies of an account that may not place orders, or only such as reduce: the operator stops one alone."""

from typing import Final

from schemas.controls import STRATEGY_CHARACTERS_MAX
from schemas.messages import AccountStatus, Reason
from schemas.units import E8
from workers.risk.accounts import Account
from workers.risk.limits import Venue, reducing_refusal
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules

_REDUCING: Final = AccountStatus.REDUCING


def tag_refusal(strategy: str) -> Refusal | None:
    """Whether what an order names as its strategy can be a name: 1 to 64 printable ASCII characters."""
    if 1 <= len(strategy) <= STRATEGY_CHARACTERS_MAX and strategy.isascii() and strategy.isprintable():
        return None
    return Refusal(Reason.STRATEGY_INVALID, STRATEGY_CHARACTERS_MAX * E8, len(strategy) * E8)


def strategy_refusal(
    order: RiskOrder, before: RiskOrder | None, account: Account, rules: SymbolRules, venue: Venue
) -> Refusal | None:
    """Why the order's strategy may not place it; `before` is the open order that it is an amendment of."""
    status = account.strategies.get(order.strategy or "")
    if status is None:
        return None
    if status is not _REDUCING:
        return Refusal(Reason.STRATEGY_SUSPENDED)
    refusal = reducing_refusal(_REDUCING, order, before, account, rules, venue)
    return None if refusal is None else refusal._replace(reason=Reason.STRATEGY_REDUCING)
