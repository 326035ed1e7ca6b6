"""What the rules of the stream ask of a connection, one step after the other."""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from tradsys.client.events import Event
from tradsys.client.rules import Authorise
from tradsys.client.wire import Call


class Open(NamedTuple):
    """Open a connection; the generator wants None, an Answer that refuses it, or Lost."""

    target: str
    headers: Mapping[str, str]


class Say(NamedTuple):
    """Send a text; a connection that is lost is told of by the next Hear."""

    text: str


class Hear(NamedTuple):
    """Wait for a message; the generator wants its text, None when the time is over, or Lost."""

    timeout_s: float | None


class Rest(NamedTuple):
    """Pause before the next attempt; the generator wants None."""

    seconds: float


class Ask(NamedTuple):
    """Do a call over HTTP; the generator wants its result, or what it raised."""

    call: Call[Any]


class Hang(NamedTuple):
    """Close the connection; the generator wants None."""


class Lost(NamedTuple):
    """Why there is no connection."""

    why: str
    code: int | None = None
    """Of the closing handshake."""


Step = Open | Say | Hear | Rest | Ask | Hang | Authorise | Event
Steps = Generator[Step, Any, Any]
