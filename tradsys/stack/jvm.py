"""What the broker and the registry are started with, and where their classes come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tradsys.stack.java import FLAGS, Java

ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}
"""Java names files by the locale; in the plain C locale it could not open a home directory with an accent."""


@dataclass(frozen=True, slots=True)
class Jvm:
    """Java, the jars that were fetched, and the archives that make the second and later starts quick."""

    java: Java
    jars: Path

    def command(self, program: str, heap_mb_max: int, *rest: str) -> tuple[str, ...]:
        """Start `program` from its class-data archive, which may be missing: then the start is slower."""
        archive = self.archive(program)
        return self._command(heap_mb_max, "-Xshare:auto", f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", *rest)

    def recording_command(self, archive: Path, heap_mb_max: int, *rest: str) -> tuple[str, ...]:
        """Start a program that writes its class-data archive when it ends."""
        return self._command(heap_mb_max, f"-XX:ArchiveClassesAtExit={archive}", "-Xlog:cds=off", *rest)

    def archive(self, program: str) -> Path:
        """The archive of this program for this version of Java."""
        return self.jars / f"{program}-{self.java.fingerprint}.jsa"

    def _command(self, heap_mb_max: int, *rest: str) -> tuple[str, ...]:
        return (str(self.java.executable), *FLAGS, f"-Xmx{heap_mb_max}m", *rest)
