"""Every stage as data: what it reads, in merge order, and what it writes.

A stage with a journal is a kernel stage: shard s owns partition s of each input, and what it does is exactly once and
can be replayed. `clock` writes time; `projections` keeps its positions in PostgreSQL beside its rows.
"""

from dataclasses import dataclass
from typing import Final

from stream_topology.topics import TOPICS, Topic, journal, snapshots


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage."""

    name: str
    purpose: str
    inputs: tuple[str, ...] = ()
    """Topics it reads; within a batch, earlier ones are merged first."""
    outputs: tuple[str, ...] = ()
    """Topics it may write, beside dead_letters."""
    journaled: bool = True

    def topics(self) -> tuple[Topic, ...]:
        """The stage's own topics: journal and snapshots."""
        return (journal(self.name), snapshots(self.name)) if self.journaled else ()


_STAGES: Final = (
    Stage("clock", "Writes time into the log", outputs=("clock",), journaled=False),
    Stage(
        "risk",
        "Pre-trade risk: authorises each command and holds what it may cost",
        inputs=("control", "clock", "marks", "executions", "transfers", "commands"),
        outputs=("orders", "executions", "accounts", "transfers"),
    ),
    Stage(
        "matching",
        "The order books: price-time priority, sessions and auctions",
        inputs=("control", "clock", "marks", "orders"),
        outputs=("executions", "trades", "book", "sessions"),
    ),
    Stage(
        "positions",
        "Positions, profit and the double-entry ledger",
        inputs=("control", "marks", "executions", "transfers"),
        outputs=("positions", "ledger"),
    ),
    Stage(
        "statistics",
        "Candles, tickers and marks",
        inputs=("control", "clock", "book", "trades"),
        outputs=("candles", "tickers", "marks"),
    ),
    Stage(
        "fanout",
        "Client frames, encoded once for all receivers",
        inputs=("control", "clock", "book", "trades", "sessions", "candles", "tickers", "executions", "positions"),
        outputs=("stream",),
    ),
    Stage(
        "portfolios",
        "Portfolios and alerts of accounts, for clients",
        inputs=("control", "marks", "sessions", "accounts", "ledger", "positions", "clock"),
        outputs=("stream",),
    ),
    Stage(
        "projections",
        "Read models in PostgreSQL",
        inputs=("control", "executions", "trades", "positions", "ledger", "candles", "accounts"),
        journaled=False,
    ),
)

STAGES: Final[dict[str, Stage]] = {stage.name: stage for stage in _STAGES}


def all_topics() -> tuple[Topic, ...]:
    """Every topic there is, the stages' own included."""
    return (*TOPICS.values(), *(topic for stage in STAGES.values() for topic in stage.topics()))
