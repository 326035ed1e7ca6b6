"""A book that the stream keeps."""

from decimal import Decimal

from schemas.levels import Ladder, Levels
from schemas.units import format_e8, parse_e8
from tradsys.client.messages import Level


class Book:
    """The levels of one symbol, as of the last message."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._levels = Levels()

    @property
    def best_bid(self) -> Level | None:
        """The highest price that somebody would buy at."""
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> Level | None:
        """The lowest price that somebody would sell at."""
        return next(iter(self.asks(1)), None)

    def bids(self, depth: int = 20) -> list[Level]:
        """The best levels to sell to, best first."""
        return _top(self._levels.bids, depth)

    def asks(self, depth: int = 20) -> list[Level]:
        """The best levels to buy from, best first."""
        return _top(self._levels.asks, depth)

    def checksum(self) -> int:
        """CRC32 of the ten best levels a side, as the gateway sends it."""
        return self._levels.checksum()

    def clear(self) -> None:
        """Before a snapshot."""
        self._levels = Levels()

    def fold(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        """Put levels, best first; the quantity 0 removes one. Raises UnitError."""
        for ladder, levels in ((self._levels.bids, bids), (self._levels.asks, asks)):
            for price, quantity in reversed(levels):  # worst first: the best is then appended
                ladder.put(parse_e8(price), parse_e8(quantity))


def _top(ladder: Ladder, depth: int) -> list[Level]:
    return [Level(Decimal(format_e8(price)), Decimal(format_e8(quantity))) for price, quantity in ladder.top(depth)]
