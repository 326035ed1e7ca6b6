"""Open orders that a changed symbol makes invalid are taken out of the book, a part of them with each record.

Every order that risk let pass before the change is known here, wherever it is on its way to the book, and every later
one fits; so this is done here and not by the book, which may learn of the change before it or after it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.messages import Reason
from workers.kernel.stage import Output
from workers.risk.accounts import Account
from workers.risk.answers import removal_for
from workers.risk.brackets import attached
from workers.risk.orders import RiskOrder
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules, beyond_sizes, not_taken, notional_refusal

LOOKED_AT_MAX: Final = 20_000
"""Open orders that one record looks at, and those of the account that is looked at then; the next ticks go on."""


class Sweep(msgspec.Struct, array_like=True):
    """What is still to be done for one symbol."""

    rules: list[str]
    """Those that have become narrower."""
    accounts: list[str]
    """Those whose open orders are to be looked at, the next one last."""


class Sweeps:
    """What is still to be done, by symbol."""

    def __init__(self, accounts: Mapping[str, Account], symbols: Mapping[str, SymbolRules]) -> None:
        self._accounts = accounts
        self._symbols = symbols
        self.pending: dict[str, Sweep] = {}

    def change(self, before: SymbolRules, after: SymbolRules, ts_us: int) -> list[Output]:
        """A symbol has other rules from now on: the first removals of what they make invalid."""
        rules = narrowed(before, after)
        if not rules:
            return []
        under_way = self.pending.get(after.symbol)
        if under_way is not None:
            rules += [rule for rule in under_way.rules if rule not in rules]
        used = ((name, account.usages.get(after.symbol)) for name, account in self._accounts.items())
        names = sorted((name for name, usage in used if usage is not None and usage.orders), reverse=True)
        self.pending[after.symbol] = Sweep(rules, names)
        return self.go_on(ts_us)

    def go_on(self, ts_us: int) -> list[Output]:
        """Removals of what is invalid, of as many accounts as one record looks at."""
        outputs: list[Output] = []
        room = LOOKED_AT_MAX
        while self.pending and room > 0:
            symbol = min(self.pending)
            sweep = self.pending[symbol]
            if not sweep.accounts:
                del self.pending[symbol]
                continue
            account = self._accounts[sweep.accounts.pop()]
            room -= account.usage(symbol).orders
            for order in account.open_of(symbol):
                outputs += take_out_broken(account, order, self._symbols[symbol], ts_us, sweep.rules)
        return outputs


def narrowed(before: SymbolRules, after: SymbolRules) -> list[str]:
    """The rules by which an order may not fit that fitted before."""
    found = {
        "takes": after.takes is not None and after.takes != before.takes,
        "tick": before.tick_e8 % after.tick_e8 > 0,
        "lot": before.lot_e8 % after.lot_e8 > 0,
        "size": after.quantity_min_e8 > before.quantity_min_e8 or after.quantity_max_e8 < before.quantity_max_e8,
        "notional": after.notional_min_e8 > before.notional_min_e8 or after.notional_max_e8 < before.notional_max_e8,
    }
    return [rule for rule, narrower in found.items() if narrower]


def take_out_broken(
    account: Account, order: RiskOrder, symbol: SymbolRules, ts_us: int, rules: Iterable[str] = ("tick",)
) -> list[Output]:
    """The removal of an open order that breaks one of the rules, or would by its amendment under way, or brings one
    that would.

    Orders that do not rest have ended, or do with their first fill.
    """
    if order.removing or not (order.may_rest() or order.waits):
        return []
    variants = [order, _amended(order)] if order.amend_id else [order]
    brought = attached(order, order.quantity_e8) if order.brings() else ()
    asked = ((rule, variants if rule in _OF_QUANTITIES else (*variants, *brought)) for rule in rules)
    broken = (_CHECKS[rule](symbol, variant) for rule, each in asked for variant in each)
    why = next((refusal for refusal in broken if refusal is not None), None)
    if why is None:
        return []
    account.let_leave([order])
    return [removal_for(account.name, order, why, ts_us)]


def _amended(order: RiskOrder) -> RiskOrder:
    return replace(
        order,
        price_e8=None if order.price_e8 is None else order.amend_price_e8,
        worst_price_e8=order.amend_price_e8,
        quantity_e8=order.amend_quantity_e8 or order.quantity_e8,
        leaves_e8=order.amended_leaves_e8(order.leaves_e8),
    )


def _off_tick(symbol: SymbolRules, order: RiskOrder) -> Refusal | None:
    """Its price, and while it waits what it waits for."""
    tick_e8, trigger = symbol.tick_e8, order.trigger
    if order.price_e8 is not None and order.price_e8 % tick_e8:
        return Refusal(Reason.PRICE_OFF_TICK, tick_e8, order.price_e8)
    if trigger is None or not order.waits:
        return None
    if (trigger.price_e8 or 0) % tick_e8:
        return Refusal(Reason.TRIGGER_INVALID, tick_e8, trigger.price_e8)
    return Refusal(Reason.TRAIL_INVALID, tick_e8, trigger.trail_e8) if (trigger.trail_e8 or 0) % tick_e8 else None


def _off_lot(symbol: SymbolRules, order: RiskOrder) -> Refusal | None:
    """What is left open of it, and what it shows at a time."""
    if order.leaves_e8 % symbol.lot_e8:
        return Refusal(Reason.QUANTITY_OFF_LOT, symbol.lot_e8, order.leaves_e8)
    display_e8 = order.display_quantity_e8 or 0
    return Refusal(Reason.DISPLAY_INVALID, symbol.lot_e8, display_e8) if display_e8 % symbol.lot_e8 else None


_CHECKS: Final[Mapping[str, Callable[[SymbolRules, RiskOrder], Refusal | None]]] = {
    "takes": not_taken,
    "tick": _off_tick,
    "lot": _off_lot,
    "size": beyond_sizes,
    "notional": notional_refusal,
}
_OF_QUANTITIES: Final = frozenset({"lot", "size", "notional"})
"""Rules that ask nothing of what a bracket brings: its quantity is what will have been filled."""
