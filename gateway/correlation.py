"""Correlation ids: accepted from the client if well-formed, else made; in every line that is logged on the way."""

import os
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

from schemas.correlation import parse_correlation

CORRELATION: Final[ContextVar[str | None]] = ContextVar("correlation", default=None)
"""Of the request or the connection that this task serves."""


def make() -> str:
    """A new id."""
    return os.urandom(16).hex()


def begin(given: bytes | None) -> str:
    """The client's id, or a new one; from now on it is this task's."""
    correlation = (None if given is None else parse_correlation(given)) or make()
    CORRELATION.set(correlation)
    return correlation


def add_correlation(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: the id in every line that has none of its own."""
    correlation = CORRELATION.get()
    if correlation is not None:
        event.setdefault("correlation_id", correlation)
    return event
