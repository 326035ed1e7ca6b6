"""The operator's limits by whom and what they are for, and which of them hold for an account in a symbol.

A limit is set for an account and a symbol, for an account, for a symbol, or for all; of each kind of limit the most
specific holds, in that order.
"""

from typing import Any, Final

import msgspec

from schemas.messages import Control

RESOLVED_MAX: Final = 100_000
"""Pairs of an account and a symbol whose limits are remembered; then all are looked up anew."""


class Limits(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One LIMITS record, or what several make together. None: no limit. Units are those of the record."""

    max_order_size_e8: int | None = None
    max_position_size_e8: int | None = None
    max_daily_volume_e8: int | None = None
    max_open_orders: int | None = None
    trade_frequency: int | None = None
    trade_frequency_s: int | None = None
    fat_finger_limit_e8: int | None = None
    concentration_limit_e8: int | None = None
    max_leverage_e8: int | None = None
    max_daily_loss_e8: int | None = None
    max_drawdown_e8: int | None = None
    volume_of: str = ""
    """The symbol whose volume counts; empty: all of the same quote currency."""
    frequency_of: str = ""
    """The symbol whose orders the frequency counts; empty: all."""
    var_limit_e8: int | None = None

    def of_losses(self) -> bool:
        """Whether a loss is limited."""
        return self.max_daily_loss_e8 is not None or self.max_drawdown_e8 is not None


SET: Final = tuple(name for name in Limits.__struct_fields__ if not name.endswith("_of"))
"""What a record sets."""


class LimitTable:
    """All LIMITS records of a shard, the newest of each scope."""

    def __init__(self) -> None:
        self.scopes: dict[tuple[str, str], Limits] = {}
        """By account and symbol, each empty where the record names none; empty where there are no limits at all."""
        self.losses = False
        """Whether there is a limit of losses."""
        self._resolved: dict[tuple[str, str], Limits] = {}

    def set(self, control: Control) -> None:
        """Take a LIMITS record; one that sets nothing takes its scope away."""
        scope = control.account or "", control.symbol or ""
        limits = Limits(**{name: getattr(control, name) for name in SET})
        self._resolved.clear()
        if limits == Limits():
            self.scopes.pop(scope, None)
        else:
            self.scopes[scope] = limits
        self.losses = any(limits.of_losses() for limits in self.scopes.values())

    def of(self, account: str, symbol: str) -> Limits:
        """What holds for an account in a symbol; without a symbol, for all that it does."""
        limits = self._resolved.get((account, symbol))
        if limits is None:
            if len(self._resolved) >= RESOLVED_MAX:
                self._resolved.clear()
            limits = self._resolved[account, symbol] = self._resolve(account, symbol)
        return limits

    def dump(self) -> list[tuple[str, str, Limits]]:
        """Every scope, sorted."""
        return [(*scope, self.scopes[scope]) for scope in sorted(self.scopes)]

    def load(self, scopes: list[tuple[str, str, Limits]]) -> None:
        """Replace all by what `dump` gave."""
        self.scopes = {(account, symbol): limits for account, symbol, limits in scopes}
        self.losses = any(limits.of_losses() for limits in self.scopes.values())
        self._resolved.clear()

    def _resolve(self, account: str, symbol: str) -> Limits:
        found: dict[str, Any] = {}
        for account_of, symbol_of in ((account, symbol), (account, ""), ("", symbol), ("", "")):
            limits = self.scopes.get((account_of, symbol_of))
            if limits is None:
                continue
            mine: dict[str, Any] = {name: value for name in SET if (value := getattr(limits, name)) is not None}
            if limits.max_daily_volume_e8 is not None:
                mine["volume_of"] = symbol_of
            if limits.trade_frequency is not None:
                mine["frequency_of"] = symbol_of
            found = mine | found
        return Limits(**found)
