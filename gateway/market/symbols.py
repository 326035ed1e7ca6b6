"""The instruments, folded from the control topic."""

from collections.abc import Iterable
from typing import Any, Final

from gateway.errors import ApiError, Code
from schemas.controls import FeeTier, control_error, fee_tiers
from schemas.messages import Control, ControlKind
from schemas.units import format_e8

_NUMBERS: Final = (
    "tick_e8",
    "lot_e8",
    "quantity_min_e8",
    "quantity_max_e8",
    "notional_min_e8",
    "notional_max_e8",
    "price_band_e8",
    "maker_fee_e8",
    "taker_fee_e8",
    "initial_margin_e8",
    "maintenance_margin_e8",
)
_LISTS: Final = ("order_types", "times_in_force")


class Symbols:
    """Every instrument as it is now."""

    def __init__(self) -> None:
        self._controls: dict[str, Control] = {}

    def apply(self, control: Control) -> None:
        """Fold one decision of the operator; the stages ignore what cannot be, and so does this."""
        if control.kind is ControlKind.SYMBOL and control.symbol is not None and control_error(control) is None:
            self._controls[control.symbol] = control

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Fold decisions in their order."""
        for control in controls:
            self.apply(control)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._controls

    def require(self, symbol: str) -> None:
        """Raises ApiError for what is no instrument."""
        if symbol not in self._controls:
            raise ApiError(Code.NOT_FOUND, f"There is no symbol {symbol}; GET /api/v1/symbols lists them.")

    def quotes(self) -> dict[str, str]:
        """The currency that each is traded for, in name order."""
        return {name: self._controls[name].quote or "" for name in self.names()}

    def fees(self, symbol: str, volume_e8: int) -> FeeTier:
        """What is paid in a symbol by who has traded so much, and the volume from which on."""
        control = self._controls[symbol]
        own = FeeTier(0, control.maker_fee_e8 or 0, control.taker_fee_e8 or 0)
        return [own, *(tier for tier in fee_tiers(control.fee_tiers) if tier.volume_e8 <= volume_e8)][-1]

    def names(self) -> list[str]:
        """In name order."""
        return sorted(self._controls)

    def all(self) -> list[dict[str, Any]]:
        """As clients see them, in name order."""
        return [shown_symbol(self._controls[name]) for name in self.names()]


def shown_symbol(control: Control) -> dict[str, Any]:
    """A symbol as clients see it."""
    status = control.symbol_status
    rendered: dict[str, Any] = {
        "symbol": control.symbol,
        "status": None if status is None else status.lower(),
        "base": control.base,
        "quote": control.quote,
    }
    for name in _NUMBERS:
        value_e8 = getattr(control, name)
        rendered[name.removesuffix("_e8")] = None if value_e8 is None else format_e8(value_e8)
    for name in _LISTS:
        text = getattr(control, name)
        rendered[name] = None if text is None else text.lower().split(",")
    rendered["fee_tiers"] = [
        {field.removesuffix("_e8"): format_e8(value_e8) for field, value_e8 in tier._asdict().items()}
        for tier in fee_tiers(control.fee_tiers)
    ]
    rendered["max_open_orders"] = control.open_orders_max
    return rendered
