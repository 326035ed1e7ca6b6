"""Three hops of an identity stage, exactly once: the shell, a bare loop of confluent-kafka, Kafka Streams.

usage: python -m bench.shell [--bootstrap ADDRESS] [--kinds KIND,...] [--repeat N] [--record]

All read committed records of 70 bytes from 4 partitions, publish each to the next topic, and commit outputs and offsets
in one transaction; there is no Avro. Each hop is a process.

- `bare` has one consumer and one transactional producer a process and does nothing else: the floor.
- `shell` has its journal, its shards and its kernel.
- `streams` is Kafka Streams with exactly_once_v2 and a commit interval of 10 ms.

Reported: records drained per second over all three hops, the time from the first producer to the last topic at 100 and
1,000 records a second, and the CPU seconds a second of the three processes.

The broker's code is compiled while it runs: a cold one made the same shell answer after 96 ms that answered after 12 ms
three turns later. So every kind first has two whole turns that do not count, and every pipeline as many records as are
measured and --warm-seconds of a stream. The kinds take turns at being first.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.kafka_streams import peer
from bench.matching import machine
from bench.shell.hops import BARE_READY
from bench.shell.pipeline import Kind, Pipeline
from bench.shell.records import HOPS, SHARDS
from tradsys import platform
from tradsys.errors import CommandError
from tradsys.settings import free_ports, load

RESULTS: Final = Path(__file__).parent.parent / "results" / "shell.json"
KINDS: Final = ("bare", "shell", "streams")
WARM_TURNS: Final = 2
"""Of all kinds, before what counts."""


def python_kind(name: str, ready: str, ready_count: int = 1) -> Kind:
    """A kind of `bench.shell.hops`."""
    return Kind(name, lambda *of: [sys.executable, "-m", "bench.shell.hops", name, str(of[2])], ready, ready_count)


def streams_kind(program: peer.StreamsPeer) -> Kind:
    """The Java program; its application ids are unique as the topics are."""

    def command(bootstrap: str, prefix: str, hop: int) -> list[str]:
        return program.command(bootstrap, f"{prefix}{hop}", prefix + HOPS[hop], prefix + HOPS[hop + 1])

    return Kind("streams", command, peer.READY)


def measure(kind: Kind, bootstrap: str, options: argparse.Namespace) -> dict[str, float]:
    """All figures of one pipeline."""
    with Pipeline(kind, bootstrap) as pipeline:
        pipeline.drained(options.records)
        pipeline.latency(1_000, options.warm_seconds)
        figures: dict[str, float] = {"drained_per_s": round(pipeline.drained(options.records))}
        for rate in (100, 1_000):
            p50_ms, p99_ms, cpu = pipeline.latency(rate, options.seconds)
            figures |= {
                f"p50_ms_at_{rate}": round(p50_ms, 1),
                f"p99_ms_at_{rate}": round(p99_ms, 1),
                f"cpu_at_{rate}": round(cpu, 3),
            }
    return figures


def compare(kinds: list[Kind], bootstrap: str, options: argparse.Namespace) -> dict[str, Any]:
    """Every kind in turn, `--repeat` times; medians and their ratios."""
    runs: dict[str, list[dict[str, float]]] = {kind.name: [] for kind in kinds}
    for turn in range(WARM_TURNS + options.repeat):
        first = turn % len(kinds)
        for kind in kinds[first:] + kinds[:first]:
            figures = measure(kind, bootstrap, options)
            counts = turn >= WARM_TURNS
            print(kind.name, json.dumps(figures), "" if counts else "(does not count)", flush=True)
            if counts:
                runs[kind.name].append(figures)
    medians = {name: {key: statistics.median(run[key] for run in of) for key in of[0]} for name, of in runs.items()}
    floor = medians.get("bare", {})
    ratios = {
        name: {key: round(figures[key] / value, 2) for key, value in floor.items() if value}
        for name, figures in medians.items()
        if name != "bare" and floor
    }
    return {"medians": medians, "ratios_to_bare": ratios, "runs": runs}


def print_table(result: dict[str, Any]) -> None:
    """A line a figure, a column a kind."""
    medians, ratios = result["medians"], result["ratios_to_bare"]
    for key in next(iter(medians.values())):
        cells = [f"{name} {figures[key]:10}" for name, figures in medians.items()]
        cells += [f"{name}/bare {of[key]:6.2f}" for name, of in ratios.items() if key in of]
        print(f"{key:16}", "  ".join(cells))


@contextmanager
def broker(bootstrap: str | None) -> Iterator[str]:
    """The address that was given, or that of a stack of our own."""
    if bootstrap:
        yield bootstrap
        return
    with tempfile.TemporaryDirectory(prefix="tradsys-bench-") as home:
        settings = load(Path(home), {}, flags=free_ports())
        try:
            platform.up(settings, report=lambda _: None, only_stack=True)
            yield settings.kafka_bootstrap
        finally:
            platform.down(settings.home)


def main() -> int:
    """Measure, print a table, record it where asked to."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no stack is left behind
    ready = {"bare": python_kind("bare", BARE_READY), "shell": python_kind("shell", '"shard restored"', SHARDS)}
    about = machine()
    with tempfile.TemporaryDirectory(prefix="tradsys-bench-") as scratch:
        if "streams" in options.kinds:
            try:
                program = peer.StreamsPeer.prepare(Path(scratch), options.threads)
            except CommandError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            ready["streams"] = streams_kind(program)
            about["java"] = program.version
        with broker(options.bootstrap) as bootstrap:
            result = compare([ready[name] for name in options.kinds], bootstrap, options)
    print_table(result)
    if options.record:
        asked = {name: getattr(options, name) for name in ("records", "seconds", "warm_seconds", "repeat", "threads")}
        RESULTS.write_text(json.dumps({"machine": about, "options": asked} | result, indent=2) + "\n", "utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.shell", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", help="a broker that runs; without it, an embedded stack for this run")
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), help=f"of {','.join(KINDS)}")
    parser.add_argument("--records", type=int, default=200_000, help="to drain")
    parser.add_argument("--seconds", type=int, default=15, help="of each rate")
    parser.add_argument("--warm-seconds", type=int, default=30, help="of 1,000 records a second, unmeasured")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each process of Kafka Streams")
    parser.add_argument("--record", action="store_true", help="write bench/results/shell.json")
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := sorted(set(chosen) - set(KINDS)):
        raise argparse.ArgumentTypeError(f"there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}")
    return list(dict.fromkeys(chosen))


if __name__ == "__main__":
    sys.exit(main())
