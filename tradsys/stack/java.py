"""The Java that runs the broker and the registry."""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradsys.errors import CommandError

VERSION_MIN: Final = 17
FLAGS: Final = ("-Xms64m", "-XX:+UseSerialGC")
"""Measured: least memory at the load of one machine."""

ADVICE: Final = (
    "Install one (Debian, Ubuntu: `apt-get install openjdk-17-jre-headless`; Fedora: `dnf install "
    "java-17-openjdk-headless`; macOS: `brew install openjdk@17`) or point JAVA_HOME at it."
)


@dataclass(frozen=True, slots=True)
class Java:
    """A usable Java."""

    executable: Path
    fingerprint: str
    """Changes with the version: class-data archives of one version are of no use to another."""


def find_java() -> Java:
    """JAVA_HOME's Java, else the one on PATH. Raises CommandError when there is none of version 17 or newer."""
    named = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(named) / "bin")) if named else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME ({named}) has no bin/java" if named else "there is no `java` on the PATH"
        raise CommandError(f"The embedded stack needs Java {VERSION_MIN} or newer, and {where}. {ADVICE}")
    banner = subprocess.run(  # noqa: S603 - the user's own Java
        [found, "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', banner)
    if version is None or int(version[1]) < VERSION_MIN:
        said = f"version {version[1]}" if version else "not a Java that tells its version"
        raise CommandError(f"The embedded stack needs Java {VERSION_MIN} or newer, and {found} is {said}. {ADVICE}")
    return Java(Path(found), hashlib.sha256(banner.encode()).hexdigest()[:12])
