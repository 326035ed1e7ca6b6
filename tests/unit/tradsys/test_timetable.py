"""A timetable in local time: which days, which moments, and what cannot be one."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.messages import Phase
from schemas.timetable import changes, weekdays_of
from tradsys.errors import CommandError
from tradsys.operator.timetable import typed_days, typed_timetable

DAY = typed_timetable("09:00 auction, 09:05:30 Continuous, 17:30 closed")
BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = weekdays_of(["mon", "tue", "wed", "thu", "fri"])


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def starts(now: str, days: int, holidays: str | None = None) -> list[str]:
    """When the auctions begin, in UTC."""
    steps = typed_days(DAY, "Europe/Berlin", days, "mon,tue, Wed,thu,fri", holidays, us(now))
    assert len(steps) == 3 * days
    return [
        datetime.fromtimestamp(at // 1_000_000, ZoneInfo("UTC")).isoformat()[:16]
        for at, phase in steps
        if phase is Phase.AUCTION
    ]


def test_a_day_is_as_it_was_typed() -> None:
    steps = changes(DAY, BERLIN, 1, WORKDAYS, frozenset(), us("2030-07-01T00:00:00+00:00"))
    assert steps == [
        (us("2030-07-01T07:00:00+00:00"), Phase.AUCTION),
        (us("2030-07-01T07:05:30+00:00"), Phase.CONTINUOUS),
        (us("2030-07-01T15:30:00+00:00"), Phase.CLOSED),
    ]


def test_a_day_that_has_begun_weekends_and_holidays_are_left_out() -> None:
    friday_noon = "2030-07-05T12:00:00+00:00"
    assert starts(friday_noon, 2) == ["2030-07-08T07:00", "2030-07-09T07:00"]
    assert starts(friday_noon, 2, "2030-07-08, 2030-07-10") == ["2030-07-09T07:00", "2030-07-11T07:00"]


def test_local_time_goes_with_the_clocks() -> None:
    assert starts("2030-03-29T00:00:00+00:00", 2) == ["2030-03-29T08:00", "2030-04-01T07:00"]


def test_today_is_that_of_the_zone() -> None:
    steps = changes(DAY, ZoneInfo("Asia/Tokyo"), 1, WORKDAYS, frozenset(), us("2030-06-30T20:00:00+00:00"))
    assert steps[0][0] == us("2030-07-01T00:00:00+00:00")


def test_a_change_of_clocks_that_swaps_times_is_said() -> None:
    night = typed_timetable("02:30 auction, 03:00 continuous")
    with pytest.raises(CommandError, match="on 2030-03-31 a change of clocks puts its times out of order"):
        typed_days(night, "Europe/Berlin", 1, "sun", None, us("2030-03-30T12:00:00+00:00"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9:00 auction", "'9:00' is not a time of day"),
        ("25:00 auction", "'25:00' is not a time of day"),
        ("09:00+01:00 auction", "is not a time of day"),
        ("09:00 trading", "--timetable is 'trading'; it must be one of pre_open"),
        ("09:00 auction, 09:00 closed", "each time must be after the one before it"),
        ("", "--timetable is ''"),
    ],
)
def test_what_is_no_timetable_is_said(text: str, said: str) -> None:
    with pytest.raises(CommandError) as error:
        typed_timetable(text)
    assert said in error.value.sentence


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zone": "Mars/Olympus"}, "--zone: there is no time zone 'Mars/Olympus'"),
        ({"zone": "../etc/passwd"}, "--zone: there is no time zone"),
        ({"weekdays": "mon,someday"}, "--weekdays: 'someday' is none of mon"),
        ({"holidays": "tomorrow"}, "2030-12-25 is a day"),
        ({"days": 0}, "--days is 0"),
        ({"days": 1_001}, "--days is 1001; it must be from 1 to 1000"),
    ],
)
def test_other_options_that_cannot_be_are_said(options: Any, said: str) -> None:
    given: dict[str, Any] = {"zone": "UTC", "days": 1, "weekdays": "mon", "holidays": None} | options
    with pytest.raises(CommandError) as error:
        typed_days(DAY, **given, now_us=0)
    assert said in error.value.sentence
