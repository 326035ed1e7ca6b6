"""Every metric of a worker, by name: what Prometheus reads and the dashboards show."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, start_http_server

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
LAG_RECORDS: Final = Gauge(
    "tradsys_worker_lag_records", "Offsets of the input that are not applied yet", (*_SHARD, "topic")
)
CLOCK_SEQUENCE: Final = Gauge("tradsys_clock_sequence", "The newest tick that this process wrote")
SHARDS_OWNED: Final = Gauge("tradsys_worker_shards", "Shards that this process runs", ("stage",))

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
