"""Correlation ids: what a client calls its request, from the first byte to the last row that follows from it.

A command carries it as a field, under its seal, and as a record header, which whoever reads the log can see without
decoding the record. A bot may set either; the field holds where both are there.
"""

import re
from collections.abc import Iterable
from typing import Final

CORRELATION_HEADER: Final = "correlation_id"
CORRELATION_CHARACTERS_MAX: Final = 64

CORRELATION: Final = rf"\A[A-Za-z0-9._:-]{{1,{CORRELATION_CHARACTERS_MAX}}}\Z"
"""What one can be."""

_WELL_FORMED: Final = re.compile(CORRELATION.encode())


def correlation_of(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The id in a record's headers; None where none stands, or what stands there cannot be one."""
    return next((parse_correlation(value) for name, value in headers if name == CORRELATION_HEADER), None)


def parse_correlation(given: bytes) -> str | None:
    """The id in a header, None for what none can be."""
    return given.decode() if _WELL_FORMED.match(given) else None
