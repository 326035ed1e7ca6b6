"""What an account is worth at the marks: equity, exposure and margin in each quote currency, and its profit there.

Equity and maintenance margin are reckoned as pre-trade risk does it (docs/trading.md, Margin): all that is held counts,
the equity is rounded down and what must be maintained up.
"""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.messages import AccountKind, Position
from schemas.units import E8
from workers.kernel.controls import Pair


class Market(msgspec.Struct, array_like=True, gc=False):
    """What values one currency in another."""

    symbol: str
    maintenance_e8: int = 0
    """Fraction of a position's value that a margin account maintains."""
    mark_e8: int | None = None


class Worth(msgspec.Struct, frozen=True, gc=False):
    """An account in one quote currency, 10^-8 of it. None: something held has no mark, so nobody knows."""

    currency: str
    equity_e8: int | None
    exposure_e8: int | None
    maintenance_e8: int | None
    """None too for an account that maintains no margin."""
    realised_e8: int
    unrealised_e8: int
    fees_e8: int


class Markets:
    """The pairs of a venue: what is traded for what, and at which mark."""

    def __init__(self, of_base: dict[str, dict[str, Market]] | None = None) -> None:
        """By base and quote currency; of several symbols of a pair the first one made values it."""
        self.of_base = of_base or {}
        self._quotes = {quote for markets in self.of_base.values() for quote in markets}
        self._by_symbol = {market.symbol: market for markets in self.of_base.values() for market in markets.values()}

    def decide(self, symbol: str, pair: Pair, maintenance_e8: int, reference_e8: int | None) -> None:
        """The operator has made or changed a symbol. Its mark is the reference price until there is one."""
        base, quote = pair
        market = self.of_base.setdefault(base, {}).setdefault(quote, Market(symbol))
        self._quotes.add(quote)
        self._by_symbol.setdefault(market.symbol, market)
        if market.symbol == symbol:
            market.maintenance_e8 = maintenance_e8
            if market.mark_e8 is None:
                market.mark_e8 = reference_e8

    def mark(self, symbol: str, mark_e8: int) -> None:
        """A symbol's new mark. One whose SYMBOL record has not been read yet has the next one."""
        market = self._by_symbol.get(symbol)
        if market is not None:
            market.mark_e8 = mark_e8

    def worths(
        self,
        kind: AccountKind,
        balances: Mapping[str, int],
        positions: Iterable[Position],
        pairs: Mapping[str, Pair],
    ) -> list[Worth]:
        """An account in each quote currency in which it holds anything, or has profit; by name."""
        profits: dict[str, list[int]] = {}
        for position in positions:
            pair = pairs.get(position.symbol)
            if pair is None:
                continue  # topics have no common order: its SYMBOL record comes
            profit = profits.setdefault(pair[1], [0, 0, 0])
            profit[0] += position.realised_e8
            profit[1] += position.unrealised_e8
            profit[2] += position.fees_e8
        held = {currency: balance_e8 for currency, balance_e8 in balances.items() if balance_e8}
        quotes = (self._quotes & held.keys()) | profits.keys()
        for currency in held:
            quotes |= self.of_base.get(currency, {}).keys()
        return [self._worth(kind, quote, held, profits.get(quote, [0, 0, 0])) for quote in sorted(quotes)]

    def _worth(self, kind: AccountKind, quote: str, held: Mapping[str, int], profit: list[int]) -> Worth:
        equity_e16, exposure_e16, maintenance_e24 = held.get(quote, 0) * E8, 0, 0
        is_known = True
        for currency, balance_e8 in held.items():
            market = self.of_base.get(currency, {}).get(quote)
            if market is None:
                continue
            if market.mark_e8 is None:
                is_known = False
                break
            value_e16 = balance_e8 * market.mark_e8
            equity_e16 += value_e16
            exposure_e16 += abs(value_e16)
            maintenance_e24 += abs(value_e16) * market.maintenance_e8
        return Worth(
            quote,
            equity_e16 // E8 if is_known else None,
            -(-exposure_e16 // E8) if is_known else None,
            -(-maintenance_e24 // (E8 * E8)) if is_known and kind is AccountKind.MARGIN else None,
            *profit,
        )
