"""Numbers and choices as the operator types and reads them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, TypeVar

from rich.table import Table

from schemas.decided import ChangeError
from schemas.units import UnitError, format_e8, parse_e8
from tradsys.errors import CommandError

EXIT_USAGE: Final = 2

C = TypeVar("C", bound=StrEnum)


def typed_e8(option: str, text: str | None) -> int | None:
    """A decimal of the command line in 10^-8; None stays None. Raises CommandError."""
    if text is None:
        return None
    try:
        return parse_e8(text)
    except UnitError as error:
        raise CommandError(f"{option}: {error}.", exit_code=EXIT_USAGE) from error


def typed_choice(option: str, text: str | None, choices: type[C]) -> C | None:
    """One of an enum, in any case; None stays None. Raises CommandError."""
    if text is None:
        return None
    known = {choice.lower(): choice for choice in choices if choice != "UNKNOWN"}
    if text.lower() not in known:
        raise CommandError(f"{option} is {text[:40]!r}; it must be one of {', '.join(known)}.", exit_code=EXIT_USAGE)
    return known[text.lower()]


def typed_count(option: str, text: str) -> int:
    """A whole number of the command line, below a billion. Raises CommandError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - fits 32 bits
        raise CommandError(f"{option} is {text[:40]!r}; it must be a whole number, or none.", exit_code=EXIT_USAGE)
    return int(text)


@contextmanager
def decidable() -> Iterator[None]:
    """What cannot be decided as things stand ends the command with its sentence: raises CommandError."""
    try:
        yield
    except ChangeError as error:
        raise CommandError(f"{error}.") from error


def made_before(decision_id: str | None) -> str:
    """What is said when an --id is given a second time."""
    return f"The decision {decision_id} was made before; nothing was done."


def shown_e8(value_e8: int | None) -> str:
    """A number of 10^-8 for people; empty where there is none."""
    return "" if value_e8 is None else format_e8(value_e8)


def facts_table(name: str, facts: Mapping[str, Any]) -> Table:
    """Everything about one thing, a line a fact; a dash where there is none."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(name)
    for fact, value in facts.items():
        table.add_row(fact.replace("_", " "), "-" if value is None else str(value))
    return table
