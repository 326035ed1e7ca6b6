"""Every metric of a worker, by name: what Prometheus reads and the dashboards show."""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from workers.shell.endings import Exit, WorkerError

LOOPBACK: Final = "127.0.0.1"

_SHARD: Final = ("stage", "shard")
_SECONDS: Final = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECORDS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000)

EVENTS: Final = Counter("tradsys_worker_events", "Input records applied", _SHARD)
OUTPUTS: Final = Counter("tradsys_worker_outputs", "Records published, dead letters included", _SHARD)
DEAD_LETTERS: Final = Counter("tradsys_worker_dead_letters", "Inputs that could not be used", _SHARD)
BATCH_RECORDS: Final = Histogram("tradsys_worker_batch_records", "Records of a batch", _SHARD, buckets=_RECORDS)
TRANSACTION_SECONDS: Final = Histogram(
    "tradsys_worker_transaction_seconds", "From the first output to the commit", _SHARD, buckets=_SECONDS
)
RESTORE_SECONDS: Final = Gauge("tradsys_worker_restore_seconds", "How long the newest restore took", _SHARD)
RESTORED_RECORDS: Final = Gauge("tradsys_worker_restored_records", "Inputs that the newest restore replayed", _SHARD)
SNAPSHOT_BYTES: Final = Gauge("tradsys_worker_snapshot_bytes", "Size of the newest snapshot's state", _SHARD)
REPLAY_RECORDS: Final = Gauge(
    "tradsys_worker_replay_records", "Inputs since the newest snapshot: what a restart replays", _SHARD
)
CLOCK_SEQUENCE: Final = Gauge("tradsys_clock_sequence", "The newest tick that this process wrote")
SHARDS_OWNED: Final = Gauge("tradsys_worker_shards", "Shards that the group has given to this process", ("stage",))

PER_SHARD: Final = (
    EVENTS,
    OUTPUTS,
    DEAD_LETTERS,
    BATCH_RECORDS,
    TRANSACTION_SECONDS,
    RESTORE_SECONDS,
    RESTORED_RECORDS,
    SNAPSHOT_BYTES,
    REPLAY_RECORDS,
)


class ShardMetrics:
    """The metrics of one shard, with their labels bound."""

    def __init__(self, stage: str, shard: int) -> None:
        """Bind the labels once: looking them up costs more than counting."""
        labels = (stage, str(shard))
        self.events = EVENTS.labels(*labels)
        self.outputs = OUTPUTS.labels(*labels)
        self.dead_letters = DEAD_LETTERS.labels(*labels)
        self.batch_records = BATCH_RECORDS.labels(*labels)
        self.transaction_seconds = TRANSACTION_SECONDS.labels(*labels)
        self.restore_seconds = RESTORE_SECONDS.labels(*labels)
        self.restored_records = RESTORED_RECORDS.labels(*labels)
        self.snapshot_bytes = SNAPSHOT_BYTES.labels(*labels)
        self.replay_records = REPLAY_RECORDS.labels(*labels)


class Watched(Protocol):
    """A loop that reads shards; others look at it from their threads."""

    @property
    def at_work(self) -> str:
        """What it works at, for a sentence."""

    @property
    def turned_at(self) -> float:
        """When it last began or ended something, by `monotonic`."""

    @property
    def seen(self) -> Mapping[int, Mapping[str, int]]:
        """By shard and topic (without the prefix): the next offset. A shard that is not read now is not in it."""


class Progress(Collector):
    """How far the running shards are, at the moment somebody asks: a shard that is restored now is not there."""

    def __init__(self, stage: str, loop: Watched) -> None:
        """Shown once it is registered."""
        self.stage = stage
        self.loop = loop
        self.ends: Mapping[tuple[str, int], int] = {}
        """By topic (without the prefix) and shard: where the log ended when the watchdog looked last."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The next offset of each input, and the lag behind the end that was known last."""
        labels = (*_SHARD, "topic")
        offset = GaugeMetricFamily("tradsys_worker_next_offset", "All before it is done with", labels=labels)
        lag = GaugeMetricFamily(
            "tradsys_worker_lag_records", "Offsets of the input that are not done with yet", labels=labels
        )
        for shard, seen in dict(self.loop.seen).items():
            for topic, next_offset in dict(seen).items():
                names = (self.stage, str(shard), topic)
                offset.add_metric(names, next_offset)
                if (topic, shard) in self.ends:
                    lag.add_metric(names, max(0, self.ends[topic, shard] - next_offset))
        yield offset
        yield lag


def serve(port: int) -> int:
    """Answer Prometheus on loopback; 0 takes any free port. Returns the port."""
    try:
        server, _ = start_http_server(port, addr=LOOPBACK)
    except OSError as error:
        message = (
            f"METRICS_PORT {port} cannot be listened on ({error.strerror}); choose another, or 0 for any free one."
        )
        raise WorkerError(Exit.UNUSABLE, message) from error
    return int(server.server_port)
