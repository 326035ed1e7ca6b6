"""The price of a call auction by trying every price there is: slow, and plain enough to believe."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.messages import Side


class Wish(NamedTuple):
    """An order of an auction."""

    side: Side
    price: int
    quantity: int


class Outcome(NamedTuple):
    price: int
    volume: int
    surplus: int
    """Positive: buyers are left over."""


def outcomes(wishes: Sequence[Wish], tick: int) -> list[Outcome]:
    """What would happen at each price that could be: those of the orders, and all on a tick between them."""
    limits = {wish.price for wish in wishes}
    if not limits:
        return []
    prices = limits | set(range(-(-min(limits) // tick) * tick, max(limits) + 1, tick))
    found = []
    for price in sorted(prices):
        bought = sum(wish.quantity for wish in wishes if wish.side is Side.BUY and wish.price >= price)
        sold = sum(wish.quantity for wish in wishes if wish.side is Side.SELL and wish.price <= price)
        found.append(Outcome(price, min(bought, sold), bought - sold))
    return [outcome for outcome in found if outcome.volume > 0]


def best_outcome(wishes: Sequence[Wish], tick: int, reference: int | None) -> Outcome | None:
    """Rule by rule, each among what the rule before it left."""
    left = outcomes(wishes, tick)
    if not left:
        return None
    most = max(outcome.volume for outcome in left)
    left = [outcome for outcome in left if outcome.volume == most]
    least = min(abs(outcome.surplus) for outcome in left)
    left = [outcome for outcome in left if abs(outcome.surplus) == least]
    if all(outcome.surplus > 0 for outcome in left):
        return left[-1]
    if all(outcome.surplus < 0 for outcome in left):
        return left[0]
    if reference is None:
        reference = (left[0].price + left[-1].price) // 2
    nearest = min(abs(outcome.price - reference) for outcome in left)
    return next(outcome for outcome in left if abs(outcome.price - reference) == nearest)
