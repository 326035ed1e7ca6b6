"""What a worker reads from its environment, and every limit of the shell."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stream_topology.topics import DEFAULT_PREFIX, DEFAULT_SHARDS, SHARDS_MAX
from workers.shell.endings import Exit, WorkerError

BATCH_RECORDS_MAX: Final = 8_000
"""Records of one fetch, so at most of one transaction."""

TRANSACTIONS_AT_ONCE_MAX: Final = 4
"""Shards of a process that are worked for at the same time."""

SNAPSHOT_RECORDS: Final = 20_000
"""After so many records a shard takes a snapshot, unless the environment says otherwise."""

PREFETCH_KIB_MAX: Final = 16_384
"""Records that are read ahead per process, in KiB."""

OUTPUTS_QUEUED_MAX: Final = 200_000
"""Outputs of a shard that wait for the broker; beyond it the shard waits."""

SESSION_TIMEOUT_S: Final = 10
"""After so long without a heartbeat the others take over a worker's shards."""

HEARTBEAT_S: Final = 1
REBALANCE_TIMEOUT_S: Final = 15

TRANSACTION_TIMEOUT_S: Final = 10
"""A dead owner's open transaction holds back readers for at most so long; a successor ends it sooner."""

PUBLISH_TIMEOUT_S: Final = 60
"""How long a transaction is retried while the broker does not answer or is restarting."""

CONNECT_TIMEOUT_S: Final = 10
"""How long a shard waits for the broker's first answer."""

RESTORE_READ_TIMEOUT_S: Final = 30
"""How long a restore waits for the next record that it knows to be in the log."""

JOIN_TIMEOUT_S: Final = 60
"""How long Faust may take to begin with the group."""

LEAVE_TIMEOUT_S: Final = 5

STOP_TIMEOUT_S: Final = 20
"""How long a graceful stop waits for transactions and snapshots."""

ABANDON_TIMEOUT_S: Final = 3
"""How long a failed process may finish the transaction it is in."""

PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one worker process."""

    bootstrap: str = "127.0.0.1:9092"
    prefix: str = DEFAULT_PREFIX
    shards: int = DEFAULT_SHARDS
    registry_url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    metrics_port: int = 0
    """0: any free one; the log names it."""
    log_level: str = "INFO"
    snapshot_records: int = SNAPSHOT_RECORDS
    """A snapshot is taken after so many applied records: a restart replays at most about as many."""
    stall_timeout_s: int = 30
    accept_behaviour_change: bool = False


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the environment gives. Raises WorkerError where it says something that cannot be."""
    default = Settings()
    return Settings(
        bootstrap=environ.get("KAFKA_BOOTSTRAP", default.bootstrap),
        prefix=environ.get("TRADSYS_PREFIX", default.prefix),
        shards=_whole(environ, "TRADSYS_SHARDS", default.shards, 1, SHARDS_MAX),
        registry_url=environ.get("SCHEMA_REGISTRY_URL", default.registry_url),
        metrics_port=_whole(environ, "METRICS_PORT", default.metrics_port, 0, PORT_MAX),
        log_level=_level(environ),
        snapshot_records=_whole(environ, "SNAPSHOT_RECORDS", default.snapshot_records, 1, 10_000_000),
        stall_timeout_s=_whole(environ, "STALL_TIMEOUT_S", default.stall_timeout_s, 1, 3_600),
        accept_behaviour_change=bool(_whole(environ, "ACCEPT_BEHAVIOUR_CHANGE", 0, 0, 1)),
    )


def _whole(environ: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
        message = f"{name} is {text[:40]!r}; it must be a whole number from {lowest} to {highest}."
        raise WorkerError(Exit.UNUSABLE, message)
    return int(text)


def _level(environ: Mapping[str, str]) -> str:
    level = environ.get("LOG_LEVEL", "INFO").upper()
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    if level not in levels:
        raise WorkerError(Exit.UNUSABLE, f"LOG_LEVEL is {level[:40]!r}; it must be one of {', '.join(levels)}.")
    return level
