"""Control records, admitted once: all stages that keep what the operator decides must decide alike what counts."""

from collections.abc import Sequence
from typing import Final

from schemas.controls import control_error
from schemas.messages import Control, ControlKind, DeadLetter, DeadLetterReason
from schemas.units import INT64_MAX
from workers.kernel.stage import Input, Output

CONTROL_IDS_MAX: Final = 100_000
"""Decisions remembered, so that one seen twice does nothing; the oldest is forgotten first."""

Pair = tuple[str, str]
"""Base and quote currency."""


def whole_lots(control: Control) -> tuple[int, int]:
    """The smallest and the largest quantity that a SYMBOL record allows, in whole lots; 10^-8 base."""
    lot_e8 = control.lot_e8 or 1
    largest_e8 = INT64_MAX if control.quantity_max_e8 is None else control.quantity_max_e8
    smallest_e8 = min(-(-(control.quantity_min_e8 or 0) // lot_e8), INT64_MAX // lot_e8) * lot_e8
    return smallest_e8, largest_e8 // lot_e8 * lot_e8


class ControlGate:
    """Lets each decision through once. What cannot be applied becomes a dead letter that says why."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._seen: dict[str, None] = {}
        self.pairs: dict[str, Pair] = {}
        """Per symbol: its currencies. They never change: balances and open orders were counted in them."""

    def admit(self, record: Input) -> Control | Sequence[Output]:
        """The decision to apply; or what to write instead, if anything."""
        control = record.message
        if not isinstance(control, Control):
            message = f"control carries Control records, not {type(control).__name__}"
            raise TypeError(message)
        if self.knows(control.control_id):
            return ()
        error = self.error(control)
        if error is not None:
            return (self.dead_letter(record, error),)
        if len(self._seen) >= CONTROL_IDS_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[control.control_id] = None
        if control.kind is ControlKind.SYMBOL and control.symbol and control.base and control.quote:
            self.pairs[control.symbol] = (control.base, control.quote)
        return control

    def knows(self, control_id: str) -> bool:
        """Whether a decision of this id was let through: another one does nothing."""
        return control_id in self._seen

    def error(self, control: Control) -> str | None:
        """A sentence that says why a decision cannot be applied; None when it can."""
        return control_error(control) or self._pair_error(control)

    def dump(self) -> tuple[list[str], list[tuple[str, Pair]]]:
        """The gate's state; both lists are in the order in which things were first seen."""
        return list(self._seen), list(self.pairs.items())

    def load(self, state: tuple[list[str], list[tuple[str, Pair]]]) -> None:
        """Replace the state by what `dump` gave."""
        seen, pairs = state
        self._seen = dict.fromkeys(seen)
        self.pairs = dict(pairs)

    def _pair_error(self, control: Control) -> str | None:
        if control.kind is ControlKind.SESSION and control.symbol not in self.pairs:
            return f"control {control.control_id!r} (SESSION): there is no symbol {control.symbol}; make it first"
        if control.kind is not ControlKind.SYMBOL or control.symbol is None:
            return None
        known = self.pairs.get(control.symbol)
        if known is None or known == (control.base, control.quote):
            return None
        return (
            f"control {control.control_id!r} (SYMBOL): {control.symbol} trades {known[0]} for {known[1]}, it cannot "
            f"become {control.base} for {control.quote}; give the other pair another symbol"
        )

    def dead_letter(self, record: Input, detail: str) -> Output:
        """What to write for a decision that cannot be applied."""
        letter = DeadLetter(
            stage=self._stage,
            source_topic=record.topic,
            source_partition=record.shard,
            source_offset=record.offset,
            reason=DeadLetterReason.WRONG_RECORD,
            detail=detail,
            key=record.key.encode(),
            value=record.value,
            ts_us=record.ts_us,
        )
        return Output("dead_letters", record.topic, letter)
