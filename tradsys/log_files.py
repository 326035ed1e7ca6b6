"""Reads log files that a supervisor rotates: FILE is renamed to FILE.1 and begun again."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

LINE_BYTES_TYPICAL: Final = 400
"""How far before the end reading starts for each line that is wanted."""


def last_lines(path: Path, count: int) -> list[str]:
    """Up to `count` lines of the end of a file, fewer where lines are very long; none when it does not exist."""
    if count == 0:
        return []
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - count * LINE_BYTES_TYPICAL)
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
        return (lines[1:] if start and len(lines) > 1 else lines)[-count:]
    return []


def follow(paths: Sequence[Path], wait: Callable[[], None]) -> Iterator[tuple[Path, str]]:
    """Yield each line that is written from now on, calling `wait` when there is none. Never ends by itself."""
    positions = {path: _Position.at_end(path) for path in paths}
    while True:
        silent = True
        for path, position in positions.items():
            for line in position.new_lines(path):
                silent = False
                yield path, line
        if silent:
            wait()


class _Position:
    """How far a file has been read; a file that became another, or shorter, is read from its start."""

    def __init__(self, inode: int, offset: int) -> None:
        self._inode = inode
        self._offset = offset
        self._unfinished = b""

    @classmethod
    def at_end(cls, path: Path) -> "_Position":
        with suppress(FileNotFoundError):
            stat = path.stat()
            return cls(stat.st_ino, stat.st_size)
        return cls(0, 0)

    def new_lines(self, path: Path) -> list[str]:
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_ino != self._inode or stat.st_size < self._offset:
                    self._inode, self._offset, self._unfinished = stat.st_ino, 0, b""
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *complete, self._unfinished = (self._unfinished + data).split(b"\n")
        return [line.decode(errors="replace") for line in complete]
