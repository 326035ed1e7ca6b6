"""The demo on the whole platform: start it, trade, wait until all is done, prove it."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Final

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine

from gateway.auth.users import NewUser, seed
from schemas.codec import Codec
from schemas.messages import Control
from schemas.registry import connect
from stream_topology.stages import STAGES
from stream_topology.subjects import subjects
from tradsys.audit.kafka_log import KafkaLog
from tradsys.audit.prove import Evidence
from tradsys.audit.quiet import TIMED, Quiet
from tradsys.audit.reconcile import Reconciliation
from tradsys.client import Password
from tradsys.demo.bots import Bots
from tradsys.demo.clients import Clients
from tradsys.demo.flow import ACCOUNTS, FlowEvent
from tradsys.demo.observer import Observer
from tradsys.demo.rest import LOST, Patience, Place, left_to_do
from tradsys.demo.venue import controls
from tradsys.demo.view import StageMetrics
from tradsys.errors import CommandError
from tradsys.log_files import last_lines
from tradsys.operator.decisions import Decisions
from tradsys.settings import Settings
from tradsys.stack.supervision import Supervision
from workers.projections.verify import offsets

PEOPLE: Final = ("alice", "bob")
"""Users of the gateway; each trades an account of the same name."""

LOOK_AGAIN_S: Final = 0.5
LOG_LINES: Final = 10
"""Of a part that does not come to rest."""


@dataclass(slots=True)
class PlatformRun:
    """One demo on a platform that runs."""

    settings: Settings
    codec: Codec
    log: KafkaLog
    run: str
    bots: Bots
    clients: Clients
    observer: Observer
    metrics: StageMetrics

    @classmethod
    def create(cls, settings: Settings, metrics_ports: Mapping[str, int]) -> "PlatformRun":
        """Everything that takes part, not started yet. Makes the users and their one-time passwords."""
        codec = connect(settings.schema_registry_url, subjects(settings.topic_prefix))
        run = f"demo-{secrets.token_hex(4)}"
        passwords = {name: secrets.token_urlsafe(12) for name in PEOPLE}
        engine = create_engine(settings.db_dsn.replace("postgresql://", "postgresql+psycopg://", 1))
        seed(engine, [NewUser(name, password, name, "trader") for name, password in passwords.items()])
        engine.dispose()
        kafka = settings.kafka_bootstrap, settings.topic_prefix, settings.shards
        bots = Bots(
            settings.kafka_bootstrap,
            f"{settings.topic_prefix}commands",
            settings.shards,
            codec,
            run,
            {account: Ed25519PrivateKey.generate() for account in ACCOUNTS},
        )
        return cls(
            settings=settings,
            codec=codec,
            log=KafkaLog(*kafka),
            run=run,
            bots=bots,
            clients=Clients(settings.gateway_url, [Password(*user) for user in passwords.items()]),
            observer=Observer(*kafka, codec),
            metrics=StageMetrics(metrics_ports),
        )

    def trade(self, events: Iterable[FlowEvent], rate: float, each_second: Callable[[], None]) -> None:
        """Open the venue, send the flow, and return when the log has come to rest."""
        flow = iter(events)
        first = next(flow)
        keys = {account: key.public_key().public_bytes_raw() for account, key in self.bots.keys.items()}
        self._decide(controls(self.run, (*ACCOUNTS, *PEOPLE), first.price_e8, keys))
        sender = Thread(target=lambda: self.bots.send(_with(first, flow), rate), daemon=True)
        self.observer.start()
        try:
            self.clients.start()
            sender.start()
            while sender.is_alive():
                sender.join(1.0)
                self.metrics.look()
                each_second()
            self.clients.stop()
            self._settle(each_second)
        finally:  # what is left over would ask for a broker that is gone, for ever
            self.bots.stop()
            self.clients.stop()
            self.observer.stop()

    def prove(self) -> Reconciliation:
        """The reconciliation of the log and the database."""
        return Evidence(self.log, self.codec, self.settings.db_dsn).prove()

    def _decide(self, decisions: Iterable[Control]) -> None:
        """Write the venue's controls to every partition, and wait until risk has read them."""
        Decisions(self.log, self.codec).write(decisions, "Start the demo again.")
        patience = Patience(time.monotonic())
        self.metrics.look()
        while left := self._left(("risk",)):
            if patience.ended(left, time.monotonic()):
                raise CommandError(f"The venue's controls are not read:\n{self._explained(left)}")
            time.sleep(LOOK_AGAIN_S)
            self.metrics.look()

    def _settle(self, each_second: Callable[[], None]) -> None:
        """Wait until nothing but time is written, and the rows have come to the end of their topics."""
        patience = Patience(time.monotonic())
        quiet = Quiet(self.log)
        left = {"all": 1}
        while left or not quiet.look():
            time.sleep(LOOK_AGAIN_S)
            self.metrics.look()
            each_second()
            left = self._left(stage for stage in self.metrics.ports if STAGES[stage].journaled) | self._rows_left()
            if patience.ended(left, time.monotonic()):
                raise CommandError(f"The platform does not come to rest after the last order:\n{self._explained(left)}")

    def _left(self, stages: Iterable[str]) -> dict[str, int]:
        """How much each of these stages has left to do, where it has."""
        left = {stage: self._left_of(stage).values() for stage in stages}
        return {stage: sum(counts) for stage, counts in left.items() if counts}

    def _left_of(self, stage: str) -> dict[Place, int]:
        """What a stage has left to do, by topic and shard; its metrics were looked at before."""
        figures = self.metrics.newest(stage)
        return left_to_do(None if figures is None else figures.done, self.log.ends(STAGES[stage].inputs))

    def _explained(self, left: Iterable[str]) -> str:
        """For each part: what its supervisor says, its lag by shard, and its last log lines."""
        supervision = Supervision(self.settings.home)
        states = {state.name: state for state in supervision.states()}
        lines = [] if left else ["Nothing is behind, but records of trading are still being written."]
        for stage in left:
            state = states.get(stage)
            age_s = f", {time.time() - state.started_at_s:.0f} s old" if state and state.pid else ""
            lines.append(f"{stage}: {state.state if state else 'not supervised here'}{age_s}")
            if self.metrics.newest(stage) is None:
                lines.append("  does not answer")
            else:
                counts = sorted(self._left_of(stage).items())
                lags = [f"{topic}/{shard} {'not read' if lag >= LOST else lag}" for (topic, shard), lag in counts]
                lines.append(f"  lag: {', '.join(lags) or 'none'}")
            lines += [f"  | {line}" for line in last_lines(supervision.log_file(stage), LOG_LINES)]
        return "\n".join(lines)

    def _rows_left(self) -> dict[str, int]:
        """How many records of trading the projections have to read yet, where there are any."""
        topics = tuple(topic for topic in STAGES["projections"].inputs if topic not in TIMED)
        with psycopg.connect(self.settings.db_dsn) as connection:
            rows = offsets(connection)
        ends = self.log.ends(topics)
        count = sum(
            max(0, end - rows.get((self.settings.topic_prefix + topic, partition), 0))
            for (topic, partition), end in ends.items()
        )
        return {"projections": count} if count else {}


def _with(first: FlowEvent, rest: Iterable[FlowEvent]) -> Iterable[FlowEvent]:
    yield first
    yield from rest
