"""The demo's live view: per stage events, lag and transaction latency; the market; what the clients saw."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.messages import Side
from schemas.units import format_e8
from tradsys.demo.bots import Bots
from tradsys.demo.clients import Clients
from tradsys.demo.observer import Observer

SCRAPE_TIMEOUT_S: Final = 1.0

EVENTS: Final = "tradsys_worker_events_total"
LAG: Final = "tradsys_worker_lag_records"
NEXT_OFFSET: Final = "tradsys_worker_next_offset"
COMMIT_SUM: Final = "tradsys_worker_transaction_seconds_sum"
COMMIT_COUNT: Final = "tradsys_worker_transaction_seconds_count"


@dataclass(slots=True)
class StageFigures:
    """One stage's metrics between two looks."""

    events_per_s: float = 0.0
    lag: int = 0
    transaction_ms: float = 0.0
    """Mean over the interval."""
    done: dict[tuple[str, int], int] = field(default_factory=dict)
    """By topic and shard: the next offset of each input that is read now."""


@dataclass(slots=True)
class StageMetrics:
    """Asks each worker for its metrics and makes rates of them."""

    ports: Mapping[str, int]
    """Metrics port by stage."""
    figures: dict[str, StageFigures] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Stages whose worker did not answer the last time."""
    _before: dict[str, Counter[str]] = field(default_factory=dict)
    _looked_s: float = 0.0

    def look(self) -> None:
        """Take a new reading; a worker that does not answer keeps its last."""
        now_s = time.monotonic()
        interval_s = max(now_s - self._looked_s, 0.001)
        self._looked_s = now_s
        for stage, port in self.ports.items():
            try:
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=SCRAPE_TIMEOUT_S).text
            except httpx.HTTPError:
                self.silent.add(stage)
                continue
            self.silent.discard(stage)
            seen, done = totals(text)
            before = self._before.get(stage, seen)
            self._before[stage] = seen
            commits = seen[COMMIT_COUNT] - before[COMMIT_COUNT]
            self.figures[stage] = StageFigures(
                events_per_s=(seen[EVENTS] - before[EVENTS]) / interval_s,
                lag=int(seen[LAG]),
                transaction_ms=(seen[COMMIT_SUM] - before[COMMIT_SUM]) / commits * 1000 if commits else 0.0,
                done=done,
            )

    def newest(self, stage: str) -> StageFigures | None:
        """The figures of a worker that answered the last time."""
        return None if stage in self.silent else self.figures.get(stage)


def totals(text: str) -> tuple[Counter[str], dict[tuple[str, int], int]]:
    """Each sample's sum over its labels, and the next offsets by topic and shard."""
    sums: Counter[str] = Counter()
    done: dict[tuple[str, int], int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in {EVENTS, LAG, COMMIT_SUM, COMMIT_COUNT}:
                sums[sample.name] += sample.value  # type: ignore[assignment]  # seconds are floats
            if sample.name == NEXT_OFFSET:
                done[sample.labels["topic"], int(sample.labels["shard"])] = int(sample.value)
    return sums, done


def render(metrics: StageMetrics, observer: Observer, bots: Bots, clients: Clients) -> RenderableType:
    """The whole view."""
    stages = Table(title="stages", title_justify="left", expand=False)
    for column in ("stage", "events/s", "lag", "transaction ms"):
        stages.add_column(column, justify="left" if column == "stage" else "right")
    for stage in metrics.ports:
        figures = metrics.figures.get(stage, StageFigures())
        stages.add_row(stage, f"{figures.events_per_s:,.0f}", f"{figures.lag:,}", f"{figures.transaction_ms:.1f}")
    return Group(stages, _market(observer), _participants(observer, bots, clients))


def _market(observer: Observer) -> RenderableType:
    ticker = observer.ticker
    trades = Table(title="last trades", title_justify="left")
    for column in ("price", "quantity", "aggressor"):
        trades.add_column(column, justify="right")
    for trade in reversed(observer.last_trades):
        colour = "green" if trade.aggressor_side is Side.BUY else "red"
        trades.add_row(
            format_e8(trade.price_e8),
            format_e8(trade.quantity_e8),
            Text(trade.aggressor_side.lower(), style=colour),
        )
    if ticker is None:
        return trades
    top = Text(
        f"{ticker.symbol}  bid {_number(ticker.bid_quantity_e8)} @ {_number(ticker.bid_e8)}"
        f"   ask {_number(ticker.ask_quantity_e8)} @ {_number(ticker.ask_e8)}   last {_number(ticker.last_e8)}",
        style="bold",
    )
    return Group(top, trades)


def _participants(observer: Observer, bots: Bots, clients: Clients) -> RenderableType:
    median_ms, worst_ms = observer.latency_ms()
    outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(clients.outcomes.items()))
    return Text(
        f"bots sent {bots.sent:,}, acknowledged {bots.acknowledged:,}   executions {observer.executions:,}   "
        f"trades {observer.trades:,}\n"
        f"order to execution: median {median_ms:.0f} ms, 99 % below {worst_ms:.0f} ms\n"
        f"clients: {outcomes or 'logging in'}"
    )


def _number(value_e8: int | None) -> str:
    return "-" if value_e8 is None else format_e8(value_e8)
