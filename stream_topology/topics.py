"""Every topic as data: what travels there, by which key, for how long, who writes and who reads.

Names here are without the prefix (`tradsys.` by default). All sharded topics have the same number of partitions.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_PREFIX: Final = "tradsys."
DEFAULT_SHARDS: Final = 4
SHARDS_MAX: Final = 1024

RECORD_BYTES_MAX: Final = 1_048_576
"""Largest record on any topic, in bytes. Snapshots are cut into chunks below it."""

SEGMENT_BYTES_COMPACTED: Final = 33_554_432
"""Compacted topics are cut into files of so many bytes; only what is older than the newest file is compacted."""

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
FOREVER_MS: Final = -1


class Key(StrEnum):
    """What a topic's key is, and with it how a record finds its partition."""

    ACCOUNT = "account"
    SYMBOL = "symbol"
    CHANNEL = "channel"
    TOPIC = "source topic"
    SHARD = "shard"
    """The partition is the shard's number; the key says what the record is for compaction."""
    EVERY = "every partition"
    """The record is written to all partitions, so that every shard sees it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    record: str
    """Name of its only record type."""
    key: Key
    purpose: str
    retention_ms: int = FOREVER_MS
    compacted: bool = False
    """Keep the newest record of each key instead of a span of time."""
    broker_time: bool = False
    """The record's timestamp is the broker's, because whoever writes here may have any clock."""
    writers: tuple[str, ...] = ()
    """Who may write, beside the stages whose outputs name it."""
    readers: tuple[str, ...] = ()
    """Who reads, beside the stages whose inputs name it."""


_TOPICS: Final = (
    Topic("commands", "Command", Key.ACCOUNT, "What accounts ask", broker_time=True, writers=("gateway", "bots")),
    Topic(
        "control",
        "Control",
        Key.EVERY,
        "What the operator decides",
        broker_time=True,
        writers=("operator", "gateway"),
        readers=("gateway",),
    ),
    Topic("clock", "Tick", Key.EVERY, "The venue's time"),  # for ever: the books' state follows from it too
    Topic("orders", "Order", Key.SYMBOL, "Commands that passed pre-trade risk"),
    Topic("executions", "Execution", Key.ACCOUNT, "What happened to every order", readers=("sinks",)),
    Topic("trades", "Trade", Key.SYMBOL, "Matches", readers=("sinks",)),
    Topic("book", "BookChange", Key.SYMBOL, "Price levels as they change", retention_ms=7 * _DAY_MS),
    Topic("sessions", "SessionChange", Key.SYMBOL, "Phases, and what an auction would do", readers=("operator",)),
    Topic("marks", "Mark", Key.EVERY, "The prices at which positions are valued"),  # for ever: triggers look at them
    Topic("positions", "Position", Key.ACCOUNT, "Holdings after each fill", readers=("sinks",)),
    Topic("ledger", "LedgerEntry", Key.ACCOUNT, "Double-entry postings", readers=("sinks",)),
    Topic("transfers", "Transfer", Key.ACCOUNT, "Halves of transfers between accounts", readers=("operator",)),
    Topic("accounts", "AccountState", Key.ACCOUNT, "Whether each account may trade", readers=("operator", "sinks")),
    Topic("candles", "Candle", Key.SYMBOL, "Open, high, low, close, volume", readers=("sinks",)),
    Topic("tickers", "Ticker", Key.SYMBOL, "The state of each market", retention_ms=7 * _DAY_MS, readers=("sinks",)),
    Topic("stream", "Frame", Key.CHANNEL, "Messages to clients", retention_ms=_DAY_MS, readers=("gateway",)),
    Topic("dead_letters", "DeadLetter", Key.TOPIC, "Inputs that no stage could use", readers=("operator",)),
)

TOPICS: Final[dict[str, Topic]] = {topic.name: topic for topic in _TOPICS}
"""Every topic but the journals and snapshots of the stages, which `journal` and `snapshots` describe."""


def journal(stage: str) -> Topic:
    """The journal of a stage."""
    return Topic(
        f"{stage}.journal", "JournalEntry", Key.SHARD, f"What each transaction of {stage} did", readers=("audit",)
    )


def snapshots(stage: str) -> Topic:
    """The snapshots of a stage."""
    return Topic(f"{stage}.snapshots", "SnapshotChunk", Key.SHARD, f"States of {stage} to restart from", compacted=True)
