"""Liquidation: what a margin account holds is reduced in steps when its equity is far below the maintenance margin.

With each tick of the log's clock, of each account whose margin is called. First all its open orders are taken out; once
they have ended, each tick places an immediate order for a part of each holding, in the currency whose margin is not
maintained, and no other while one of the last tick is open. So none can do more than reduce. It is over when the margin
is maintained again, or nothing is left of which a lot could be traded.
"""

from typing import Final

from schemas.messages import (
    AccountKind,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from schemas.units import RISK_BIT, SECOND_US, make_id
from workers.kernel.stage import Output
from workers.risk.accounts import Account
from workers.risk.answers import removal, to_book
from workers.risk.holding import hold
from workers.risk.limits import Venue
from workers.risk.losses import LossWatch, account_state
from workers.risk.margin import maintenance
from workers.risk.orders import RiskOrder
from workers.risk.prices import UNBANDED_E8, band_around
from workers.risk.rules import SymbolRules

LEVEL_PARTS: Final = 2
"""It begins below this part of the maintenance margin: a half."""

STEP_PARTS: Final = 4
"""One step is this part of what is held: a quarter, in whole lots, and one lot at least."""

AGAIN_US: Final = 60 * SECOND_US
"""After the book has refused a step, because its symbol does not trade, the next one in that symbol waits so long."""

OUTPUTS_MAX: Final = 10_000
"""Removals and orders of one tick; the next one goes on, in the order of the accounts' names."""


class Liquidations:
    """The liquidations of one shard, and the ids of their orders."""

    def __init__(self, shard: int, losses: LossWatch, venue: Venue, sequence: int = 0) -> None:
        self._base_id = make_id(shard, RISK_BIT)
        self._losses = losses
        self._venue = venue
        self.sequence = sequence
        """Of the last order."""

    def tick(self, now_us: int) -> list[Output]:
        """What becomes of each account whose margin is called."""
        outputs: list[Output] = []
        for account in self._losses.called_accounts():
            if len(outputs) >= OUTPUTS_MAX:
                break
            outputs += self._losses.assess(account, now_us)
            outputs += self._step(account, now_us, OUTPUTS_MAX - len(outputs))
        return outputs

    def _step(self, account: Account, now_us: int, room: int) -> list[Output]:
        holdings = [held for quote in self._losses.quotes for held in self._holdings(account, quote)]
        if bool(holdings) is not account.liquidating:
            account.liquidate(going_on=bool(holdings))
            removals = account.take_out(most=max(room, 0)) if holdings else []
            state = account_state(account, now_us)
            return [state, *(removal(account.name, order, Reason.LIQUIDATION, now_us) for order in removals)]
        if account.removable and holdings:
            removals = account.take_out(most=max(room, 0))
            return [removal(account.name, order, Reason.LIQUIDATION, now_us) for order in removals]
        if account.open_count():
            return []
        steps: dict[str, tuple[SymbolRules, int]] = {}
        refused = _refused_lately(account, now_us) if holdings else ()
        for rules, held_e8 in holdings:
            if rules.trading and rules.symbol not in refused:
                steps.setdefault(rules.base, (rules, held_e8))  # in one symbol at a time: two could turn it round
        return [self._order(account, rules, held_e8, now_us) for rules, held_e8 in steps.values()]

    def _holdings(self, account: Account, quote: str) -> list[tuple[SymbolRules, int]]:
        """What is to be reduced, with the symbol to do it in; nothing where the margin is good enough."""
        margin = maintenance(account, quote, self._venue.pairs) if account.kind is AccountKind.MARGIN else None
        if margin is None or margin[0] * (1 if account.liquidating else LEVEL_PARTS) >= margin[1]:
            return []
        found = []
        for currency in sorted(account.balances):
            rules, held_e8 = self._venue.pairs.get((currency, quote)), account.held_e8(currency)
            if rules is not None and abs(held_e8) >= rules.lot_e8:
                found.append((rules, held_e8))
        return found

    def _order(self, account: Account, rules: SymbolRules, held_e8: int, now_us: int) -> Output:
        self.sequence += 1
        order_id = self._base_id | self.sequence
        lot_e8, side = rules.lot_e8, Side.SELL if held_e8 > 0 else Side.BUY
        low_e8, high_e8 = rules.low_e8, rules.high_e8
        if rules.band_e8 is None:
            low_e8, high_e8 = band_around(rules.mark_e8 or 0, UNBANDED_E8, rules.tick_e8)
        order = RiskOrder(
            order_id,
            f"liquidation \N{MIDDLE DOT} {order_id}",  # no client can choose it: theirs are ASCII
            rules.symbol,
            side,
            OrderType.LIQUIDATION,
            TimeInForce.IOC,
            None,
            max(min(abs(held_e8) // lot_e8 // STEP_PARTS * lot_e8, rules.quantity_max_e8), lot_e8),
            post_only=False,
            self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST,
            command_us=now_us,
            worst_price_e8=max(low_e8 if side is Side.SELL else high_e8, rules.tick_e8),
            fee_rate_e8=rules.fee_rate_e8,
            removing=True,  # it ends by itself
            reduce_only=True,
        )
        hold(account, order, rules, order.quantity_e8)
        account.remember(order)
        account.await_end(order)
        return to_book(OrderKind.NEW, order_id, account.name, order, None, now_us)


def _refused_lately(account: Account, now_us: int) -> set[str]:
    """The symbols of the steps that the book did not take; while an account is liquidated nothing else of it ends."""
    symbols = set()
    for order_id in reversed(account.finals):
        order = account.orders[order_id]
        if not order_id & RISK_BIT or now_us - order.command_us >= AGAIN_US:
            break
        if order.status is OrderStatus.REJECTED:
            symbols.add(order.symbol)
    return symbols
