"""The Kafka Streams program: its jars from Maven, compiled once a run, started as processes.

Only this benchmark fetches the jars, into the cache that the embedded stack has.
"""

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tradsys.errors import CommandError
from tradsys.stack.fetch import SCRATCH, cache_directory, locked
from tradsys.stack.java import find_java

POM: Final = Path(__file__).with_name("pom.xml")
PROGRAM: Final = Path(__file__).with_name("Identity.java")
READY: Final = "RUNNING"
"""What the program prints once it has its partitions."""

TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class StreamsPeer:
    """The compiled program."""

    java: Path
    version: str
    jars: Path
    scratch: Path
    threads: int

    @classmethod
    def prepare(cls, scratch: Path, threads: int) -> Self:
        """Fetch and compile into `scratch`. Raises CommandError without a JDK or Maven, or when either fails."""
        java = find_java().executable
        compiler = java.with_name("javac")
        if not compiler.exists():
            raise CommandError(
                f"Kafka Streams as a peer is compiled, and there is no javac beside {java}. Install a JDK (Debian, "
                "Ubuntu: `apt-get install openjdk-17-jdk-headless`) or choose `--kinds bare,shell`."
            )
        jars = _fetched()
        compiled = subprocess.run(
            [compiler, "-cp", str(jars / "*"), "-d", scratch / "classes", PROGRAM],
            capture_output=True,
            text=True,
            check=False,
        )
        if compiled.returncode:
            raise CommandError(f"{PROGRAM.name} does not compile:\n{compiled.stderr}")
        banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
        return cls(java, banner.splitlines()[0], jars, scratch, threads)

    def command(self, bootstrap: str, application: str, source: str, target: str) -> list[str]:
        """One process from topic to topic, with the JVM's own defaults."""
        return [
            str(self.java),
            f"-Djava.io.tmpdir={self.scratch}",  # where it would keep state
            "-cp",
            f"{self.scratch / 'classes'}:{self.jars / '*'}",
            PROGRAM.stem,
            bootstrap,
            application,
            source,
            target,
            str(self.threads),
        ]


def _fetched() -> Path:
    """The directory of the jars that the pom names, filled."""
    cache = cache_directory()
    destination = cache / f"bench-streams-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "fetch.lock"):
        if not destination.is_dir():
            _download(cache, destination)
    return destination


def _download(cache: Path, destination: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise CommandError("Fetching Kafka Streams needs Maven, and there is no `mvn` on the PATH.")
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as scratch:
        pom, filled = Path(scratch) / "pom.xml", Path(scratch) / "jars"
        shutil.copy(POM, pom)  # Maven writes beside the pom
        done = subprocess.run(
            [maven, "-B", "-f", pom, "package", f"-Ddestination={filled}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
            raise CommandError(
                "Maven could not fetch Kafka Streams; is Maven Central, or the mirror in ~/.m2/settings.xml, "
                f"reachable?\n{tail}"
            )
        filled.rename(destination)
