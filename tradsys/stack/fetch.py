"""Fetches the broker and the registry from Maven Central into a cache that all checkouts of a user share."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tradsys.errors import CommandError

POMS: Final = Path(__file__).parent / "poms"
TAIL_LINES: Final = 15
SCRATCH: Final = "fetching-"

DOWNLOAD_BYTES: Final = 170_000_000
"""What there is to fetch where Maven has nothing yet, about."""

_ARRIVED: Final = re.compile(r"Downloaded from \S+: \S+/(?P<file>[^/ ]+) \((?P<size>[\d.]+) (?P<unit>[kMG]?B)")
_UNITS: Final = {"B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}

Report = Callable[[str, int], None]
"""Told each file that arrived, and its size in bytes as Maven rounds it."""


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """TRADSYS_CACHE, else the user's cache directory."""
    if named := environ.get("TRADSYS_CACHE"):
        return Path(named).expanduser()
    return Path(environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tradsys"


def stack_directory(cache: Path) -> Path:
    """Where what the poms of this version name is kept: `kafka/` and `registry/` of jars."""
    digest = hashlib.sha256()
    for pom in sorted(POMS.rglob("pom.xml")):
        digest.update(pom.relative_to(POMS).as_posix().encode() + b"\0" + pom.read_bytes())
    return cache / f"stack-{digest.hexdigest()[:16]}"


def is_fetched(cache: Path) -> bool:
    """Whether nothing has to be downloaded."""
    return stack_directory(cache).is_dir()


def fetch(cache: Path, report: Report) -> Path:
    """Return the stack's directory, filled. Any number of processes may call this at once; one of them downloads.

    Raises CommandError without Maven, or when a download fails.
    """
    destination = stack_directory(cache)
    if destination.is_dir():
        return destination
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "fetch.lock"):
        for cut_short in cache.glob(f"{SCRATCH}*"):
            shutil.rmtree(cut_short)
        if not destination.is_dir():  # another process may have fetched it while this one waited
            _download(cache, destination, report)
    return destination


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it ends with the process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(cache: Path, destination: Path, report: Report) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise CommandError(
            "Fetching Kafka and the schema registry needs Maven, and there is no `mvn` on the PATH. Install it "
            "(Debian, Ubuntu: `apt-get install maven`; Fedora: `dnf install maven`; macOS: `brew install maven`)."
        )
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as scratch:
        poms, filled = Path(scratch) / "poms", Path(scratch) / "stack"
        shutil.copytree(POMS, poms)  # Maven writes beside the poms, and the package may be read-only
        command = [maven, "-B", "-f", str(poms / "pom.xml"), "package", f"-Ddestination={filled}"]
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        with subprocess.Popen(  # noqa: S603 - the user's own Maven
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                tail.append(line.rstrip())
                if arrived := _ARRIVED.search(line):
                    report(arrived["file"], round(float(arrived["size"]) * _UNITS[arrived["unit"]]))
        if process.returncode:
            reasons = [line for line in tail if line.startswith("[ERROR] Failed")] or list(tail)
            raise CommandError(
                "Maven could not fetch the stack; is Maven Central, or the mirror in ~/.m2/settings.xml, reachable?\n"
                + "\n".join(reasons)
            )
        filled.rename(destination)
