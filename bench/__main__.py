"""Every benchmark in turn: `python -m bench [NAME...]`, or one by its own module with its own options.

Each measures speed against a peer in the same run. Those that need Kafka start an embedded stack of their own, or are
given the addresses of the one that is started here.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from schemas import migrations
from stream_topology.provision import provision
from tradsys import platform
from tradsys.settings import free_ports, load

BENCHMARKS = ("matching", "rules", "shell", "gateway", "streams", "pipeline", "restore")
WITH_STACK = {"gateway", "streams"}
"""They read addresses from the environment."""


def main(names: list[str]) -> int:
    """Run the named ones, all without a name; the number of those that failed."""
    chosen = names or list(BENCHMARKS)
    unknown = sorted(set(chosen) - set(BENCHMARKS))
    if unknown:
        sys.stderr.write(f"There is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="tradsys-bench-") as home:
        settings = load(Path(home), {}, flags=free_ports())
        environment = dict(os.environ)
        try:
            if WITH_STACK & set(chosen):
                platform.up(settings, report=lambda _: None, only_stack=True)
                at = settings.kafka_bootstrap, settings.schema_registry_url
                provision(*at, settings.topic_prefix, settings.shards)
                migrations.upgrade(settings.db_dsn)
                environment |= settings.environment()
            return sum(_run(name, environment) for name in chosen)
        finally:
            platform.down(settings.home)


def _run(name: str, environment: dict[str, str]) -> bool:
    print(f"--- {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"bench.{name}"], env=environment, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
