"""Rows of the read models in the words of clients, as the frames of the stream say them too.

`price_e8` becomes `price`, a decimal string; `ts_us` becomes `time`, RFC 3339; ids are strings; enum values lower case;
reasons stay codes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Column, Table

from schemas.units import format_e8, format_us

_NAMES: Final = frozenset(
    {"kind", "side", "order_type", "time_in_force", "status", "aggressor_side", "liquidity", "trigger_by"}
)
_CODES: Final = frozenset({"control_id", "client_order_id", "correlation_id"})


class Renderer:
    """Makes the objects that clients see of rows of one table."""

    def __init__(self, table: Table, *, without: Sequence[str] = ()) -> None:
        """All columns of the table but these."""
        self.columns: tuple[Column[Any], ...] = tuple(column for column in table.c if column.name not in without)
        self._plan = [_plan(column.name) for column in self.columns]
        self.names = tuple(name for name, _ in self._plan)
        """The fields of the objects."""

    def __call__(self, row: Sequence[Any]) -> dict[str, Any]:
        """The object in a row of `columns`."""
        return {
            name: value if convert is None or value is None else convert(value)
            for (name, convert), value in zip(self._plan, row, strict=True)
        }


def _plan(column: str) -> tuple[str, Callable[[Any], Any] | None]:
    if column.endswith("_e8"):
        return column.removesuffix("_e8"), format_e8
    if column == "ts_us":
        return "time", format_us
    if column.endswith("_us"):
        return column.removesuffix("_us") + "_time", format_us
    if column.endswith("_id") and column not in _CODES:
        return column, str
    if column in _NAMES:
        return column, str.lower
    return column, None
