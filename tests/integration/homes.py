"""Home directories of platforms that tests start: ended with the test, or by a later one when it was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradsys import platform

PREFIX = "tradsys-test-"
OWNED = ".owned"
"""Locked as long as the process lives that made the home: the kernel unlocks it, however that process ends."""


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A directory whose platform is stopped, and which is removed, at the end."""
    end_abandoned()
    home = Path(tempfile.mkdtemp(prefix=PREFIX))
    with (home / f"{OWNED}.draft").open("w") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)
        (home / f"{OWNED}.draft").rename(home / OWNED)
        try:
            yield home
        finally:
            _end(home)


def end_abandoned() -> list[Path]:
    """Stop and remove what killed tests have left; which homes those were."""
    ended = []
    for mark in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNED}"):
        try:
            owned = mark.open("r+")
        except FileNotFoundError:  # its owner removes it now
            continue
        except PermissionError:  # another user's
            continue
        with owned:
            try:
                fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if mark.exists() and os.path.samestat(mark.stat(), os.fstat(owned.fileno())):
                _end(mark.parent)
                ended.append(mark.parent)
    return ended


def _end(home: Path) -> None:
    try:
        platform.down(home)
    finally:
        shutil.rmtree(home)
