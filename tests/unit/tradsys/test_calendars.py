"""The sessions of exchanges as changes of phase."""

from datetime import datetime

import pytest

from schemas.messages import Phase
from tradsys.errors import CommandError
from tradsys.operator.calendars import exchange_changes


def us(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 1_000_000


def test_holidays_are_left_out_and_early_closes_are_early() -> None:
    steps = exchange_changes("XNYS", 2, 10, us("2025-11-26T12:00:00"))
    early = "2025-11-28"  # the day after Thanksgiving
    assert steps[4:] == [
        (us(f"{early}T14:20:00"), Phase.AUCTION),
        (us(f"{early}T14:30:00"), Phase.CONTINUOUS),
        (us(f"{early}T17:50:00"), Phase.AUCTION),
        (us(f"{early}T18:00:00"), Phase.CLOSED),
    ]


def test_a_break_is_a_halt_that_ends_with_an_auction() -> None:
    steps = exchange_changes("XHKG", 1, 5, us("2025-11-26T00:00:00"))
    day = "2025-11-26"
    assert steps == [
        (us(f"{day}T01:25:00"), Phase.AUCTION),
        (us(f"{day}T01:30:00"), Phase.CONTINUOUS),
        (us(f"{day}T04:00:00"), Phase.HALTED),
        (us(f"{day}T04:55:00"), Phase.AUCTION),
        (us(f"{day}T05:00:00"), Phase.CONTINUOUS),
        (us(f"{day}T07:55:00"), Phase.AUCTION),
        (us(f"{day}T08:00:00"), Phase.CLOSED),
    ]


@pytest.mark.parametrize(
    ("name", "days", "auction", "said"),
    [
        ("NOPE", 1, 10, "does not exist"),
        ("XNYS", 0, 10, "at least 1"),
        ("XNYS", 1, 1_000, "longer than the exchange's session"),
        ("XNYS", 100_000, 10, "days ahead, not 100000"),
    ],
)
def test_what_cannot_be_planned_is_said(name: str, days: int, auction: int, said: str) -> None:
    with pytest.raises(CommandError) as error:
        exchange_changes(name, days, auction, us("2025-11-26T12:00:00"))
    assert said in error.value.sentence
