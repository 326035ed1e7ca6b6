"""What the supervisor runs: a part is one process with a way to tell that it is ready."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class NotReadyError(Exception):
    """The part does not do its work yet; the message says what it still lacks."""


def always_ready() -> None:
    """A part that is ready as soon as it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One supervised process."""

    name: str
    layer: str
    """Parts of one layer start and stop together."""
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    """Loopback ports it listens on: they must be free before it starts."""
    port_flag: str = ""
    """The option of `tradsys up` that chooses its port."""
    stop_signal: str = "TERM"
    stop_timeout_s: int = 15
    prepare: Callable[[], None] = always_ready
    """Makes what the process needs before its first start; harmless when repeated."""
    ready: Callable[[], None] = always_ready
    """Returns when the part does its work; raises NotReadyError until then."""


def write_if_changed(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a configuration file that only its owner may read; leave an equal one alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
