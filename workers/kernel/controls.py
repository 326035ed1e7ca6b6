"""Control records, admitted once: all stages that keep what the operator decides must decide alike what counts."""

from collections.abc import Sequence

from schemas.gate import DecisionGate, Pair
from schemas.messages import Control, DeadLetter, DeadLetterReason
from schemas.units import INT64_MAX
from workers.kernel.stage import Input, Output

__all__ = ["ControlGate", "Pair", "whole_lots"]


def whole_lots(control: Control) -> tuple[int, int]:
    """The smallest and the largest quantity that a SYMBOL record allows, in whole lots; 10^-8 base."""
    lot_e8 = control.lot_e8 or 1
    largest_e8 = INT64_MAX if control.quantity_max_e8 is None else control.quantity_max_e8
    smallest_e8 = min(-(-(control.quantity_min_e8 or 0) // lot_e8), INT64_MAX // lot_e8) * lot_e8
    return smallest_e8, largest_e8 // lot_e8 * lot_e8


class ControlGate(DecisionGate):
    """Lets each decision through once. What cannot be applied becomes a dead letter that says why."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self._stage = stage

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
        self.let_through(control)
        return control

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
