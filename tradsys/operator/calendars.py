"""The sessions of an exchange, as a kept library knows them: holidays, early closes, breaks at noon."""

import warnings
from datetime import UTC, datetime
from typing import Any, Final

from schemas.messages import Phase
from schemas.units import SECOND_US
from tradsys.errors import CommandError
from tradsys.operator.typed import EXIT_USAGE

MINUTE_US: Final = 60 * SECOND_US


def exchange_changes(name: str, days: int, auction_minutes: int, now_us: int) -> list[tuple[int, Phase]]:
    """(microseconds since 1970 UTC, phase) of an exchange's next `days` sessions that have not begun.

    An auction of so many minutes leads into each open, ends with each close, and follows each break, in which the
    symbol is halted. Raises CommandError, also where the library does not know so many days ahead.
    """
    schedule = _schedule(name, now_us)
    auction_us = auction_minutes * MINUTE_US
    steps: list[tuple[int, Phase]] = []
    planned = 0
    if days < 1 or auction_minutes < 1:
        raise CommandError("--days and --auction are at least 1.", exit_code=EXIT_USAGE)
    for opens, break_begins, break_ends, closes in schedule:
        if planned == days or opens - auction_us <= now_us:
            continue
        planned += 1
        if not auction_us < closes - opens:
            raise CommandError("--auction is longer than the exchange's session.", exit_code=EXIT_USAGE)
        steps += [(opens - auction_us, Phase.AUCTION), (opens, Phase.CONTINUOUS)]
        if break_begins is not None and break_ends is not None:
            begins = max(break_ends - auction_us, break_begins + 1)
            steps += [(break_begins, Phase.HALTED), (begins, Phase.AUCTION), (break_ends, Phase.CONTINUOUS)]
        steps += [(closes - auction_us, Phase.AUCTION), (closes, Phase.CLOSED)]
    if planned < days:
        raise CommandError(f"The calendar {name} knows {planned} days ahead, not {days}.", exit_code=EXIT_USAGE)
    return steps


def _schedule(name: str, now_us: int) -> list[tuple[int, int | None, int | None, int]]:
    """Open, break and close of each session that the library knows, microseconds since 1970 UTC."""
    try:
        import exchange_calendars  # noqa: PLC0415 - an extra: it brings pandas
    except ImportError as error:
        raise CommandError("--calendar needs the extra: pip install 'tradsys[calendars]'.") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about what the library does inside
        try:
            calendar = exchange_calendars.get_calendar(
                name, start=datetime.fromtimestamp(now_us // SECOND_US, UTC).date().isoformat()
            )
        except (exchange_calendars.errors.InvalidCalendarName, ValueError) as error:
            raise CommandError(f"--calendar: {str(error)[:200]}", exit_code=EXIT_USAGE) from error
        columns = ("open", "break_start", "break_end", "close")
        return [tuple(map(_us, row)) for row in calendar.schedule[list(columns)].itertuples(index=False)]  # type: ignore[misc]


def _us(moment: Any) -> int | None:
    """A timestamp of pandas; NaT is None."""
    return None if moment != moment else moment.value // 1_000  # noqa: PLR0124 - as pandas says that there is none
