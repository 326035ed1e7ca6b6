"""A day's phases as a timetable in local time, and the days on which it holds, as changes of phase to come.

Pure: for the command line and the admin routes alike. A ChangeError begins with the name of what cannot be.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.decided import ChangeError
from schemas.messages import Phase

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DAYS_MAX: Final = 1_000

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)

Timetable = list[tuple[time, Phase]]
"""Phases of a day and when they begin, in local time, each after the one before it."""


def clock_of(text: str) -> time:
    """A time of day, such as 09:00 or 09:00:30. Raises ChangeError."""
    if not _CLOCK.fullmatch(text):
        raise ChangeError(f"timetable: {text[:20]!r} is not a time of day, such as 09:00")
    return time.fromisoformat(text)


def require_order(timetable: Timetable) -> None:
    """Raises ChangeError unless each phase begins after the one before it."""
    if any(earlier >= later for (earlier, _), (later, _) in pairwise(timetable)):
        raise ChangeError("timetable: each time must be after the one before it")


def zone_of(text: str) -> ZoneInfo:
    """A time zone by its name, such as Europe/Berlin. Raises ChangeError."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ChangeError(f"zone: there is no time zone {text[:40]!r}; Europe/Berlin is one") from error


def weekdays_of(names: list[str]) -> frozenset[int]:
    """Days of the week, Monday is 0. Raises ChangeError."""
    if unknown := [name for name in names if name not in WEEKDAYS]:
        raise ChangeError(f"weekdays: {unknown[0][:20]!r} is none of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(name) for name in names)


def changes(
    timetable: Timetable, zone: ZoneInfo, days: int, weekdays: frozenset[int], holidays: frozenset[date], now_us: int
) -> list[tuple[int, Phase]]:
    """(microseconds since 1970 UTC, phase) of the next `days` days that have not begun; DAYS_MAX at most.

    A local time that a change of clocks leaves out is as it would have been before the change; of one that it repeats
    the first is meant. Raises ChangeError.
    """
    if not 1 <= days <= DAYS_MAX:
        raise ChangeError(f"days is {days}; it must be from 1 to {DAYS_MAX}")
    now = _EPOCH + timedelta(microseconds=now_us)
    planned = (
        _steps(timetable, zone, day)
        for day in _every_day(now.astimezone(zone).date())
        if day.weekday() in weekdays and day not in holidays
    )
    to_come = (steps for steps in planned if steps[0][0] > now_us)
    return [step for steps in islice(to_come, days) for step in steps]


def _steps(timetable: Timetable, zone: ZoneInfo, day: date) -> list[tuple[int, Phase]]:
    steps = [(_microseconds(datetime.combine(day, clock, zone)), phase) for clock, phase in timetable]
    if any(earlier >= later for (earlier, _), (later, _) in pairwise(steps)):
        raise ChangeError(f"timetable: on {day} a change of clocks puts its times out of order")
    return steps


def _every_day(first: date) -> Iterator[date]:
    while True:
        yield first
        first += _DAY


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
