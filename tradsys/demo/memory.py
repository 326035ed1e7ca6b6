"""The same cores on the in-memory log in one process: a first look without Java, with the same proof at the end."""

import importlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.codec import Codec, local_codec
from schemas.messages import Command, CommandKind, Control, OrderType, Tick, TimeInForce
from schemas.seal import SEAL_HEADER, SEAL_KEY_HEADER, seal_hmac
from stream_topology.sharding import partition_of
from stream_topology.stages import STAGES
from stream_topology.topics import DEFAULT_SHARDS
from tradsys.audit.contents import Contents
from tradsys.audit.reconcile import Reconciliation, reconcile
from tradsys.demo.flow import ACCOUNTS, FlowEvent
from tradsys.demo.venue import controls
from workers.kernel.memory import MemoryPipeline
from workers.kernel.stage import CoreFactory, Record

START_US: Final = 1_750_000_000_000_000
TICK_US: Final = 1_000_000
SLICE_US: Final = 50_000
"""How much of the flow arrives before the stages run."""

SEAL_KEY: Final = "gateway-1"


@dataclass(slots=True)
class MemoryVenue:
    """A whole venue in one process. Commands go in, time is the flow's."""

    shards: int = DEFAULT_SHARDS
    codec: Codec = field(default_factory=local_codec)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Seals the commands."""
    pipeline: MemoryPipeline = field(init=False)
    _ticks: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Open every shard of every journaled stage."""
        stages = [stage for stage in STAGES.values() if stage.journaled]
        factories = core_factories([stage.name for stage in stages], {SEAL_KEY: self.secret})
        self.pipeline = MemoryPipeline.create(stages, factories, self.shards, self.codec)
        self.pipeline.log.now_us = START_US

    def trade(self, events: Iterable[FlowEvent], run: str = "memory") -> Iterator[int]:
        """Send the flow through the venue; yields how many events were sent, after each slice of time."""
        sent, slice_end_us = 0, 0
        for event in events:
            if sent == 0:
                self.open(run, event.price_e8)
            if event.at_us >= slice_end_us:
                self._run_until(event.at_us)
                slice_end_us = event.at_us + SLICE_US
                yield sent
            self.send(command_of(event, run))
            sent += 1
        for _ in range(3):  # candles and tickers speak on the tick that follows
            self._run_until(self.pipeline.log.now_us - START_US + TICK_US)
        yield sent

    def send(self, command: Command) -> None:
        """Seal a command and append it."""
        value = self.codec.encode(command)
        headers = ((SEAL_KEY_HEADER, SEAL_KEY.encode()), (SEAL_HEADER, seal_hmac(self.secret, value)))
        partition = partition_of(command.account, self.shards)
        self.pipeline.log.append("commands", partition, command.account.encode(), value, headers)

    def reconcile(self) -> Reconciliation:
        """Prove the log."""
        return reconcile(Contents.read(self.records, self.codec))

    def records(self, topic: str) -> Iterator[Record]:
        """All records of a topic, partition by partition."""
        for partition in range(self.shards):
            yield from self.pipeline.log.read(topic, partition)

    def open(self, run: str, reference_price_e8: int) -> None:
        """Write the venue's controls and let every stage see them."""
        for control in controls(run, ACCOUNTS, reference_price_e8, {}):
            self.control(control)
        self.pipeline.run()

    def control(self, control: Control) -> None:
        """Append what the operator decides."""
        self._append_everywhere("control", self.codec.encode(control))

    def _run_until(self, at_us: int) -> None:
        """Run the stages, and the clock up to a time of the flow."""
        while (self._ticks + 1) * TICK_US <= at_us:
            self.pipeline.log.now_us = START_US + (self._ticks + 1) * TICK_US
            self.tick()
            self.pipeline.run()
        self.pipeline.log.now_us = START_US + at_us
        self.pipeline.run()

    def tick(self) -> None:
        """Write the log's time into every partition, at least a second after the last tick."""
        self._ticks += 1
        self.pipeline.log.now_us = max(self.pipeline.log.now_us, START_US + self._ticks * TICK_US)
        tick = Tick(sequence=self._ticks, ts_us=self.pipeline.log.now_us)
        self._append_everywhere("clock", self.codec.encode(tick))

    def _append_everywhere(self, topic: str, value: bytes) -> None:
        for partition in range(self.shards):
            self.pipeline.log.append(topic, partition, b"", value)


def core_factories(stages: Iterable[str], seal_secrets: Mapping[str, bytes]) -> dict[str, CoreFactory]:
    """The core of each stage by the house's naming: `workers.<stage>.core.<Stage>Core`."""
    factories: dict[str, CoreFactory] = {}
    for name in stages:
        core = getattr(importlib.import_module(f"workers.{name}.core"), f"{name.capitalize()}Core")
        factories[name] = _with_secrets(core, seal_secrets) if name == "risk" else core
    return factories


def command_of(event: FlowEvent, run: str) -> Command:
    """What the participant writes to `commands`."""
    client_order_id = f"{run}-{event.number}"
    if event.cancel:
        return Command(kind=CommandKind.CANCEL, account=event.account, client_order_id=client_order_id)
    return Command(
        kind=CommandKind.NEW,
        account=event.account,
        client_order_id=client_order_id,
        symbol="BTC-USD",
        side=event.side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_e8=event.price_e8,
        quantity_e8=event.quantity_e8,
    )


def _with_secrets(core: CoreFactory, seal_secrets: Mapping[str, bytes]) -> CoreFactory:
    def make(shard: int, shards: int) -> object:
        return core(shard, shards, seal_secrets=seal_secrets)  # type: ignore[call-arg]

    return make  # type: ignore[return-value]
