"""Correlation ids: accepted from the client if well-formed, else made."""

import os
import re
from typing import Final

from gateway import limits

_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9._:-]{1,%d}" % limits.CORRELATION_ID_MAX)


def correlation_id(given: bytes | None) -> str:
    """The client's id, or a new one."""
    if given is not None and _WELL_FORMED.fullmatch(given):
        return given.decode()
    return os.urandom(16).hex()
