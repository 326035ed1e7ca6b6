"""A day's phases as a timetable in local time, and the days on which it holds, as changes of phase to come."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.messages import Phase
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE, typed_choice

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DAYS_MAX: Final = 1_000

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)

Timetable = list[tuple[time, Phase]]


def typed_timetable(text: str) -> Timetable:
    """Such as "08:50 auction, 09:00 continuous, 17:30 auction, 17:35 closed". Raises CommandError."""
    found: Timetable = []
    for entry in text.split(","):
        clock, _, name = entry.strip().partition(" ")
        phase = typed_choice("--timetable", name.strip(), Phase)
        if not _CLOCK.fullmatch(clock):
            raise _usage(f"--timetable: {clock[:20]!r} is not a time of day, such as 09:00")
        found.append((time.fromisoformat(clock), phase or Phase.UNKNOWN))
    if any(earlier >= later for (earlier, _), (later, _) in pairwise(found)):
        raise _usage("--timetable: each time must be after the one before it")
    return found


def typed_zone(text: str) -> ZoneInfo:
    """A time zone by its name, such as Europe/Berlin. Raises CommandError."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _usage(f"--zone: there is no time zone {text[:40]!r}; Europe/Berlin is one") from error


def typed_weekdays(text: str) -> frozenset[int]:
    """Such as "mon,tue". Raises CommandError."""
    names = [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in WEEKDAYS]:
        raise _usage(f"--weekdays: {unknown[0][:20]!r} is none of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(name) for name in names)


def typed_dates(text: str | None) -> frozenset[date]:
    """Such as "2030-12-25,2030-12-26". Raises CommandError."""
    try:
        return frozenset(date.fromisoformat(each.strip()) for each in text.split(",")) if text else frozenset()
    except ValueError as error:
        raise _usage(f"--holidays: {str(error)[:60]}; 2030-12-25 is a day") from error


def changes(
    timetable: Timetable, zone: ZoneInfo, days: int, weekdays: frozenset[int], holidays: frozenset[date], now_us: int
) -> list[tuple[int, Phase]]:
    """(microseconds since 1970 UTC, phase) of the next `days` days that have not begun; DAYS_MAX at most.

    A local time that a change of clocks leaves out is as it would have been before the change; of one that it repeats
    the first is meant. Raises CommandError.
    """
    if not 1 <= days <= DAYS_MAX:
        raise _usage(f"--days is {days}; it must be from 1 to {DAYS_MAX}")
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
        raise _usage(f"--timetable: on {day} a change of clocks puts its times out of order")
    return steps


def _every_day(first: date) -> Iterator[date]:
    while True:
        yield first
        first += _DAY


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _usage(sentence: str) -> CommandError:
    return CommandError(f"{sentence}.", exit_code=EXIT_USAGE)
