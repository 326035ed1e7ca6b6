"""What a margin account's equity covers.

In a quote currency, over all pairs that are traded for it, each valued by its pair's mark. The exposure is what would
be held at worst, long or short, were all open orders of one side filled; it may be at most equity times leverage. The
initial margin is a part of it: that which the symbol asks for, or one by the leverage where that is more.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from schemas.messages import Reason, Side
from schemas.units import E8
from workers.kernel.controls import Pair
from workers.kernel.wide import int64
from workers.risk.refusal import Refusal
from workers.risk.rules import SymbolRules

if TYPE_CHECKING:
    from workers.risk.accounts import Account

_BUY = Side.BUY


def order_refusal(
    account: "Account", side: Side, more_e8: int, rules: SymbolRules, pairs: Mapping[Pair, SymbolRules]
) -> Refusal | None:
    """Why `more_e8` more may not be open than now.

    An order that does not raise the exposure of its pair passes: the way out of a bad position stays open.
    """
    quote = rules.quote
    bought_e8, sold_e8 = (more_e8, 0) if side is _BUY else (0, more_e8)
    after_e8 = worst_e8(account, (rules.base, quote), bought_e8, sold_e8)
    if after_e8 <= worst_e8(account, (rules.base, quote)):
        return None
    equity_e16 = account.held_e8(quote) * E8
    exposure_e16 = more_e32 = 0
    for currency in account.balances if rules.base in account.balances else (*account.balances, rules.base):
        valued = pairs.get((currency, quote))
        if valued is None:
            continue
        held_e8 = after_e8 if currency == rules.base else worst_e8(account, (currency, quote))
        if held_e8:
            if valued.mark_e8 is None:
                return Refusal(Reason.NO_MARK)
            exposure_e16 += held_e8 * valued.mark_e8
            equity_e16 += account.held_e8(currency) * valued.mark_e8
            if valued.initial_e8:
                more_e32 += _more_e32(account, valued, held_e8 * valued.mark_e8)
    return _beyond(account, equity_e16, exposure_e16, more_e32)


def transfer_refusal(
    account: "Account", currency: str, amount_e8: int, pairs: Mapping[Pair, SymbolRules]
) -> Refusal | None:
    """Why what is left after a transfer would not cover the exposure in each quote currency that it touches."""
    for quote in _quotes(currency, pairs):
        equity_e16 = (account.held_e8(quote) - (amount_e8 if currency == quote else 0)) * E8
        exposure_e16 = more_e32 = 0
        for base in sorted(account.balances):
            valued = pairs.get((base, quote))
            if valued is None:
                continue
            gone_e8 = amount_e8 if base == currency else 0
            held_e8, exposed_e8 = account.held_e8(base) - gone_e8, worst_e8(account, (base, quote), -gone_e8, gone_e8)
            if held_e8 or exposed_e8:
                if valued.mark_e8 is None:
                    return Refusal(Reason.NO_MARK)
                equity_e16 += held_e8 * valued.mark_e8
                exposure_e16 += exposed_e8 * valued.mark_e8
                more_e32 += _more_e32(account, valued, exposed_e8 * valued.mark_e8)
        refusal = _beyond(account, equity_e16, exposure_e16, more_e32)
        if refusal is not None:
            return refusal
    return None


def maintenance(account: "Account", quote: str, pairs: Mapping[Pair, SymbolRules]) -> tuple[int, int] | None:
    """Equity, rounded down, and what of it must be maintained, rounded up: 10^-8 of the quote currency.

    Each holding asks for its symbol's part of its value, long or short. None while something held has no mark: nobody
    knows what it is worth.
    """
    equity_e16, required_e24 = account.held_e8(quote) * E8, 0
    for currency, balance in account.balances.items():
        valued = pairs.get((currency, quote))
        if valued is None or not balance.total_e8:
            continue
        if valued.mark_e8 is None:
            return None
        value_e16 = balance.total_e8 * valued.mark_e8
        equity_e16 += value_e16
        required_e24 += abs(value_e16) * valued.maintenance_e8
    return equity_e16 // E8, -(-required_e24 // (E8 * E8))


def worst_e8(account: "Account", pair: Pair, bought_e8: int = 0, sold_e8: int = 0) -> int:
    """The larger holding, long or short, were all open orders of one side filled, and these quantities too."""
    position_e8 = account.held_e8(pair[0])
    quantity = account.open_quantities.get(pair)
    if quantity is not None:
        bought_e8 += quantity.buy_e8
        sold_e8 += quantity.sell_e8
    return max(abs(position_e8 + bought_e8), abs(position_e8 - sold_e8))


def _quotes(currency: str, pairs: Iterable[Pair]) -> list[str]:
    """The currencies in which a holding of this one counts."""
    return sorted({quote for base, quote in pairs if currency in {base, quote}})


def _more_e32(account: "Account", rules: SymbolRules, exposure_e16: int) -> int:
    """How much more of an exposure a symbol asks for than the leverage does, times the leverage."""
    return exposure_e16 * max(rules.initial_e8 * account.leverage_e8 - E8 * E8, 0)


def _beyond(account: "Account", equity_e16: int, exposure_e16: int, more_e32: int) -> Refusal | None:
    """Why an equity does not cover an exposure, or the initial margin: `more_e32` more than by leverage, times that."""
    if exposure_e16 * E8 > equity_e16 * account.leverage_e8:
        limit_e8, actual_e8 = equity_e16 * account.leverage_e8 // (E8 * E8), -(-exposure_e16 // E8)
        return Refusal(Reason.MARGIN_INSUFFICIENT, int64(limit_e8), int64(actual_e8))
    required_e32 = exposure_e16 * E8 * E8 + more_e32
    if not more_e32 or required_e32 <= equity_e16 * E8 * account.leverage_e8:
        return None
    required_e8 = -(-required_e32 // (E8 * E8 * account.leverage_e8))
    return Refusal(Reason.INITIAL_MARGIN_INSUFFICIENT, int64(equity_e16 // E8), int64(required_e8))
