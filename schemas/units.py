"""Fixed point, timestamps and ids: how numbers travel.

Money and quantities are integers of 10^-8 (`_e8`), times are integers of microseconds since 1970 UTC (`_us`), and an id
is a position in the log: `shard << 48 | number`.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

E8: Final = 100_000_000
"""One unit in 10^-8."""

US_E8: Final = E8 // 1_000_000
"""One microsecond in 10^-8 seconds."""

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US

INT64_MAX: Final = (1 << 63) - 1
INT64_MIN: Final = -(1 << 63)

TIME_US_MAX: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999: RFC 3339 cannot say a later one."""

NUMBER_BITS: Final = 48
"""An id's low bits: an offset or a sequence. What is above is the shard."""

NUMBER_MAX: Final = (1 << NUMBER_BITS) - 1

RISK_BIT: Final = 1 << (NUMBER_BITS - 1)
"""Set in the execution ids of pre-trade risk, so that they differ from the book's of the same shard."""

TEXT_CACHE_MAX: Final = 16_384
"""Numbers, and seconds, whose text is remembered: one fill is written into several frames, all within a second."""

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,8})?", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UnitError(ValueError):
    """A number that cannot be what it should be; the text says why."""


def parse_e8(text: str) -> int:
    """Exactly the number that a plain decimal string names, in 10^-8.

    At most 8 decimals; no exponent, sign `+`, spaces, NaN or infinity. Raises UnitError.
    """
    if not _DECIMAL.fullmatch(text):
        message = f"{text[:40]!r} is not a plain decimal number with at most 8 decimals, such as 0.015"
        raise UnitError(message)
    whole, _, fraction = text.partition(".")
    value = int(whole + fraction.ljust(8, "0"))
    if not INT64_MIN <= value <= INT64_MAX:
        message = f"{text} is too large: at most {format_e8(INT64_MAX)}"
        raise UnitError(message)
    return value


@lru_cache(TEXT_CACHE_MAX)
def format_e8(value_e8: int) -> str:
    """The shortest plain decimal string: 150000000 is "1.5"."""
    sign = "-" if value_e8 < 0 else ""
    whole, fraction = divmod(abs(value_e8), E8)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:08d}".rstrip("0")


def notional_e8(price_e8: int, quantity_e8: int) -> int:
    """Price times quantity in 10^-8 quote, rounded towards zero for the positive numbers that trades have."""
    return price_e8 * quantity_e8 // E8


def fee_e8(value_e8: int, rate_e8: int) -> int:
    """A fraction of a value, both in 10^-8, rounded up: fees are never lost to rounding."""
    return -(-value_e8 * rate_e8 // E8)


def make_id(shard: int, number: int) -> int:
    """The id of a position in the log."""
    return shard << NUMBER_BITS | number


def split_id(identity: int) -> tuple[int, int]:
    """(shard, number) of an id."""
    return identity >> NUMBER_BITS, identity & NUMBER_MAX


def parse_us(text: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time, such as 2030-01-31T12:00:00Z. Raises UnitError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not _TIME.match(text):
        message = f"{text[:40]!r} is not a time with its offset, such as 2030-01-31T12:00:00Z"
        raise UnitError(message)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_us(ts_us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    second, fraction_us = divmod(ts_us, 1_000_000)
    return f"{_second_text(second)}.{fraction_us:06d}Z"


@lru_cache(TEXT_CACHE_MAX)
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat(timespec="seconds").removesuffix("+00:00")
