"""The whole pipeline in memory under crashes, repeated deliveries and reorderings between topics, seed by seed."""

import random
from itertools import islice

import msgspec
import pytest

from schemas.codec import local_codec
from schemas.messages import Command, CommandKind, Control, ControlKind, JournalEntry, Phase, TimeInForce
from stream_topology.sharding import partition_of
from stream_topology.topics import journal
from tradsys.demo.flow import ACCOUNTS, FlowEvent, synthetic
from tradsys.demo.memory import START_US, TICK_US, MemoryVenue, command_of
from tradsys.demo.venue import FUNDS_E8
from workers.kernel.memory import MemoryShard
from workers.kernel.shard import Produced, Shard

SEEDS = 2_000
SEEDS_A_TEST = 100
EVENTS = 60
SHARDS = 2
TICK_E8 = 1_000_000
CODEC = local_codec()
PHASES = tuple(phase for phase in Phase if phase is not Phase.UNKNOWN)


class Chaos:
    """Runs a venue's shards in an order, with batches and faults, that a seed decides."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.venue = MemoryVenue(shards=SHARDS, codec=CODEC)
        self.crashes = 0
        self.has_sessions = seed % 3 == 0

    def limit(self, _topic: str) -> int:
        return self.chance.choice((0, 1, 2, 5, 50))

    def step(self) -> None:
        shard = self.chance.choice(self.venue.pipeline.shards)
        fate = self.chance.random()
        if fate < 0.08:  # the process dies before its transaction commits: the work is lost
            shard.prepare(self.limit)
            shard.open()
            self.crashes += 1
            return
        transaction = shard.prepare(self.limit, again=self.chance.choice((0, 0, 1, 7)))
        if transaction is not None:
            shard.publish(transaction)
        if fate < 0.14:  # it dies just after
            shard.open()
            self.crashes += 1
        elif fate < 0.18:
            shard.snapshot()

    def amend(self, event: FlowEvent) -> None:
        """Somebody wants another price, another quantity, or both."""
        command = command_of(event, "run")
        price_e8 = self.chance.choice((None, event.price_e8 + self.chance.randrange(-20, 20) * TICK_E8))
        factor = self.chance.choice((None, 0.25, 0.5, 2))
        quantity_e8 = None if factor is None else int(event.quantity_e8 * factor)
        self.venue.send(
            Command(
                kind=CommandKind.AMEND,
                account=command.account,
                client_order_id=command.client_order_id,
                price_e8=price_e8,
                quantity_e8=quantity_e8,
            )
        )

    def session(self) -> None:
        """In some runs the operator changes the phase now and then, at once or in some seconds."""
        if not self.has_sessions or self.chance.random() > 0.1:
            return
        phase = self.chance.choice((*PHASES, *[Phase.CONTINUOUS] * 5))
        later = self.chance.choice((None, self.venue.pipeline.log.now_us + self.chance.randrange(4 * TICK_US)))
        control_id = f"session-{self.chance.random()}"
        self.venue.control(Control(ControlKind.SESSION, control_id, symbol="BTC-USD", phase=phase, effective_us=later))

    def transfer(self) -> None:
        """Now and then money goes to another account, often of another shard; sometimes more than there is."""
        if self.chance.random() > 0.1:
            return
        giver, taker = self.chance.sample(ACCOUNTS, 2)
        control_id, amount_e8 = f"transfer-{self.chance.random()}", self.chance.randrange(1, 2 * FUNDS_E8["USD"])
        control = Control(
            ControlKind.TRANSFER,
            control_id,
            account=giver,
            to_account=taker,
            currency="USD",
            amount_e8=amount_e8,
        )
        for _ in range(self.chance.choice((1, 2))):
            self.venue.control(control)

    def command(self, event: FlowEvent) -> Command:
        """As the participant wants it; some orders are good for a few seconds."""
        command = command_of(event, "run")
        if event.cancel or self.chance.random() < 0.8:
            return command
        if self.chance.random() < 0.3:
            return msgspec.structs.replace(command, time_in_force=TimeInForce.DAY)
        end_us = self.venue.pipeline.log.now_us + self.chance.randrange(5 * TICK_US)
        return msgspec.structs.replace(command, time_in_force=TimeInForce.GTD, expire_us=end_us)

    def run(self, seed: int) -> None:
        log = self.venue.pipeline.log
        placed: list[FlowEvent] = []
        for event in islice(synthetic(seed), EVENTS):
            if log.now_us == START_US:
                self.venue.open("run", event.price_e8)
            log.now_us += self.chance.randrange(TICK_US // 2)
            command = self.command(event)
            self.venue.send(command)
            if self.chance.random() < 0.1:
                self.venue.send(command)  # the client sends it again
            if not event.cancel:
                placed.append(event)
            if self.chance.random() < 0.2:
                self.amend(self.chance.choice(placed))
            if self.chance.random() < 0.02:
                self.venue.send(Command(kind=CommandKind.CANCEL_ALL, account=event.account))
            self.session()
            self.transfer()
            if self.chance.random() < 0.1:
                self.venue.tick()
            for _ in range(self.chance.randrange(8)):
                self.step()
        for _ in range(3):
            self.venue.tick()
            self.venue.pipeline.run()


def rebuilt(shard: MemoryShard) -> list[Produced]:
    """Everything the shard published, made again from its journal alone, from the first entry on."""
    fresh = Shard(shard.stage, shard.make_core(shard.number, shard.shards), shard.number, shard.shards, CODEC)
    outputs: list[Produced] = []
    for record in shard.log.read(journal(shard.stage.name).name, shard.number):
        entry = CODEC.decode(record.value or b"", "JournalEntry")
        assert isinstance(entry, JournalEntry)
        outputs += fresh.replay(
            entry, lambda span: shard.log.read(span.topic, shard.number, span.first, span.last + 1 - span.first)
        )
    shard.shard.flush()
    assert fresh.core.dump() == shard.shard.core.dump() or shard.lag() == 0
    return outputs


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_nothing_is_lost_and_nothing_happens_twice(first: int) -> None:
    crashes = trades = amended = expired = transfers = 0
    for seed in range(first, first + SEEDS_A_TEST):
        chaos = Chaos(seed)
        chaos.run(seed)
        result = chaos.venue.reconcile()
        assert result.agrees, (seed, [found for rule in result.results for found in rule.findings][:5])
        assert result.figures["commands"] >= EVENTS
        crashes += chaos.crashes
        trades += result.figures["trades"]
        amended += result.figures["amended"]
        expired += result.figures["expired"]
        transfers += result.figures["transfers"]
    assert crashes > SEEDS_A_TEST
    assert trades > SEEDS_A_TEST
    assert amended > SEEDS_A_TEST
    assert expired > SEEDS_A_TEST
    assert transfers > SEEDS_A_TEST


def test_a_journal_alone_gives_the_same_bytes_again() -> None:
    made: set[str] = set()
    for seed in range(20):
        chaos = Chaos(seed)
        chaos.run(seed)
        published: dict[str, list[tuple[str, int, bytes, bytes]]] = {}
        again: dict[str, list[tuple[str, int, bytes, bytes]]] = {}
        for shard in chaos.venue.pipeline.shards:
            for output in rebuilt(shard):
                again.setdefault(output.topic, []).append(msgspec.structs.astuple(output))
        for topic, outputs in again.items():
            records = [r for r in chaos.venue.records(topic) if topic not in {"clock", "control"}]
            published[topic] = [(topic, r.partition, r.key or b"", r.value or b"") for r in records]
            assert sorted(outputs) == sorted(published[topic]), (seed, topic)
        made |= again.keys()
    assert {"orders", "executions", "book", "sessions", "stream"} <= made


def test_accounts_live_on_both_shards() -> None:
    assert {partition_of(account, SHARDS) for account in ACCOUNTS} == {0, 1}
