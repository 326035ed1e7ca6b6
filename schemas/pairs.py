"""What a Control record must say of a pair of symbols. Pure, as `schemas.controls`, which asks it."""

from typing import Final

from schemas.messages import Control, PairStatus

PAIR_ID_CHARACTERS_MAX: Final = 64

LOOKBACK_PERIOD_MIN: Final = 2
"""Fewer observations have no deviation."""

LOOKBACK_PERIOD_MAX: Final = 10_000

NOTES_CHARACTERS_MAX: Final = 256
"""Longest notes of a pair; rows take no longer text."""


def pair_error(control: Control) -> str | None:
    """What is wrong with it beside the names of its symbols; None when it can be applied."""
    if not 1 <= len(control.pair_id or "") <= PAIR_ID_CHARACTERS_MAX:
        return f"pair_id {control.pair_id!r} must have 1 to {PAIR_ID_CHARACTERS_MAX} characters"
    if (control.pair_version or 0) < 1:
        return f"pair_version is {control.pair_version}: it must be at least 1"
    if control.symbol1 == control.symbol2:
        return f"symbol1 and symbol2 are both {control.symbol1!r}: a pair has two"
    if control.pair_status in {None, PairStatus.UNKNOWN}:
        return "pair_status is missing: ACTIVE, INACTIVE, MONITORING or DELETED"
    return _pair_numbers(control)


def _pair_numbers(control: Control) -> str | None:
    if (control.ratio_e8 or 0) <= 0:
        return f"ratio_e8 is {control.ratio_e8}: it must be positive"
    entry_e8, exit_e8 = control.z_score_threshold_entry_e8, control.z_score_threshold_exit_e8
    if entry_e8 is None or exit_e8 is None or not 0 <= exit_e8 < entry_e8:
        return (
            f"z_score_threshold_exit_e8 is {exit_e8} and z_score_threshold_entry_e8 {entry_e8}: "
            "the exit must not be negative, and below the entry"
        )
    if not LOOKBACK_PERIOD_MIN <= (control.lookback_period or 0) <= LOOKBACK_PERIOD_MAX:
        return (
            f"lookback_period is {control.lookback_period}: "
            f"it must be from {LOOKBACK_PERIOD_MIN} to {LOOKBACK_PERIOD_MAX}"
        )
    if len(control.notes or "") > NOTES_CHARACTERS_MAX or "\0" in (control.notes or ""):
        return f"notes have at most {NOTES_CHARACTERS_MAX} characters, and no NUL"
    return None
