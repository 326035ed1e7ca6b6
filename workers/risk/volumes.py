"""What an account has traded lately, and the fees that follow from it.

The volume that counts on a day is that of the 30 UTC days before it, by the log's time: a tier is the same all day.
"""

import msgspec

from schemas.controls import FEE_VOLUME_DAYS
from schemas.units import DAY_US
from workers.risk.orders import RiskOrder
from workers.risk.rules import SymbolRules


class Volume(msgspec.Struct, array_like=True, gc=False):
    """Notional of an account's fills in one quote currency, day by day; 10^-8 of it."""

    currency: str
    day: int = 0
    """The newest day of a fill, counted from 1970."""
    traded_e8: int = 0
    """That day's fills."""
    days: list[tuple[int, int]] = []
    """The days before it on which there were fills, the oldest first: day and notional. FEE_VOLUME_DAYS at most, and
    one more for a command of the day before that comes after the first fill of the new day.
    """

    def trade(self, notional_e8: int, now_us: int) -> None:
        """Count a fill. One whose time lies before a newer day's counts there: days never go back."""
        day = now_us // DAY_US
        if day > self.day:
            before = [*self.days, (self.day, self.traded_e8)] if self.traded_e8 else self.days
            self.days = [each for each in before if each[0] >= day - FEE_VOLUME_DAYS - 1]
            self.day, self.traded_e8 = day, 0
        self.traded_e8 += notional_e8

    def trailing_e8(self, now_us: int) -> int:
        """What was traded in the FEE_VOLUME_DAYS before today."""
        today = now_us // DAY_US
        newest_e8 = self.traded_e8 if today - FEE_VOLUME_DAYS <= self.day < today else 0
        return newest_e8 + sum(traded_e8 for day, traded_e8 in self.days if today - FEE_VOLUME_DAYS <= day < today)


def count(volumes: dict[str, Volume], currency: str, notional_e8: int, ts_us: int) -> None:
    """A fill for a currency."""
    volume = volumes.get(currency)
    if volume is None:
        volume = volumes[currency] = Volume(currency)
    volume.trade(notional_e8, ts_us)


def take_tier(order: RiskOrder, rules: SymbolRules, volume: Volume | None) -> None:
    """An order pays the fees of the tier that its account has reached, to its end; else the symbol's."""
    volume_e8 = 0 if volume is None else volume.trailing_e8(order.command_us)
    tier = next((tier for tier in reversed(rules.fee_tiers) if tier.volume_e8 <= volume_e8), None)
    order.fee_rate_e8 = rules.fee_rate_e8
    if tier is not None:
        order.maker_fee_e8, order.taker_fee_e8 = tier.maker_e8, tier.taker_e8
        order.fee_rate_e8 = max(tier.maker_e8, tier.taker_e8)
