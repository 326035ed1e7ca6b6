"""A timetable as the operator types it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from schemas.decided import ChangeError
from schemas.messages import Phase
from schemas.timetable import Timetable, changes, clock_of, require_order, weekdays_of, zone_of
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE, typed_choice


def typed_timetable(text: str) -> Timetable:
    """Such as "08:50 auction, 09:00 continuous, 17:30 auction, 17:35 closed". Raises CommandError."""
    found: Timetable = []
    for entry in text.split(","):
        clock, _, name = entry.strip().partition(" ")
        phase = typed_choice("--timetable", name.strip(), Phase)
        with _typed():
            found.append((clock_of(clock), phase or Phase.UNKNOWN))
    with _typed():
        require_order(found)
    return found


def typed_days(
    timetable: Timetable, zone: str, days: int, weekdays: str, holidays: str | None, now_us: int
) -> list[tuple[int, Phase]]:
    """The changes of phase of a timetable: `weekdays` such as "mon,tue", `holidays` such as "2030-12-25,2030-12-26".

    (microseconds since 1970 UTC, phase). Raises CommandError.
    """
    names = [name.strip().lower() for name in weekdays.split(",")]
    left_out = _typed_dates(holidays)
    with _typed():
        return changes(timetable, zone_of(zone), days, weekdays_of(names), left_out, now_us)


def _typed_dates(text: str | None) -> frozenset[date]:
    try:
        return frozenset(date.fromisoformat(each.strip()) for each in text.split(",")) if text else frozenset()
    except ValueError as error:
        sentence = f"--holidays: {str(error)[:60]}; 2030-12-25 is a day."
        raise CommandError(sentence, exit_code=EXIT_USAGE) from error


@contextmanager
def _typed() -> Iterator[None]:
    """What cannot be is named as the option that it is."""
    try:
        yield
    except ChangeError as error:
        raise CommandError(f"--{error}.", exit_code=EXIT_USAGE) from error
