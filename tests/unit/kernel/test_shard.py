"""One shard: merging, positions, journal, dead letters, and the replay that compares."""

import zlib

import msgspec
import pytest

from schemas.codec import local_codec
from schemas.messages import DeadLetter, DeadLetterReason, InputRange, JournalEntry, Message, Tick, Trade
from stream_topology.sharding import partition_of
from stream_topology.stages import Stage
from workers.kernel.shard import PENDING_RECORDS_MAX, ReplayError, Shard, Transaction
from workers.kernel.stage import Input, Output, Record

SHARDS = 4
SHARD = 2
CODEC = local_codec()
STAGE = Stage("toy", "depends on the order of all inputs", inputs=("clock", "trades"), outputs=("tickers", "marks"))
SYMBOL = next(name for name in (f"S{n}" for n in range(100)) if partition_of(name, SHARDS) == SHARD)
FOREIGN = next(name for name in (f"S{n}" for n in range(100)) if partition_of(name, SHARDS) != SHARD)


class ToyCore:
    """Answers each trade with the number of inputs so far; ticks only count."""

    def __init__(self, behaviour: int = 1, step: int = 1) -> None:
        self.behaviour = behaviour
        self.step = step
        self.count = 0

    def apply(self, record: Input) -> list[Output]:
        self.count += self.step
        if isinstance(record.message, Tick):
            return []
        return [Output("clock", "", Tick(sequence=self.count, ts_us=record.ts_us))]

    def dump(self) -> bytes:
        return msgspec.msgpack.encode(self.count)

    def load(self, state: bytes, behaviour: int) -> None:
        self.count = msgspec.msgpack.decode(state, type=int)


def shard(core: ToyCore | None = None) -> Shard:
    return Shard(STAGE, core or ToyCore(), SHARD, SHARDS, CODEC)


def record(topic: str, offset: int, message: Message, *, key: str | None = None, partition: int = SHARD) -> Record:
    name = getattr(message, "symbol", "") if key is None else key
    return Record(topic, partition, offset, 1_000 + offset, name.encode(), CODEC.encode(message))


def tick(offset: int) -> Record:
    return record("clock", offset, Tick(sequence=offset, ts_us=offset))


def trade(offset: int, symbol: str = SYMBOL, key: str | None = None) -> Record:
    message = Trade(
        trade_id=offset,
        symbol=symbol,
        price_e8=1,
        quantity_e8=1,
        notional_e8=1,
        aggressor_side="BUY",  # type: ignore[arg-type]  # the codec takes the symbol's text
        maker_order_id=1,
        taker_order_id=2,
        maker_account="a",
        taker_account="b",
        ts_us=0,
    )
    return record("trades", offset, message, key=key)


def journal_of(transaction: Transaction | None) -> JournalEntry:
    assert transaction is not None
    entry = CODEC.decode(transaction.journal, "JournalEntry")
    assert isinstance(entry, JournalEntry)
    return entry


def replayed(entry: JournalEntry, records: list[Record], core: ToyCore | None = None) -> Shard:
    fresh = shard(core)
    fresh.replay(
        entry, lambda span: [r for r in records if r.topic == span.topic and span.first <= r.offset <= span.last]
    )
    return fresh


def test_inputs_are_merged_in_the_stages_order() -> None:
    entry = journal_of(shard().apply({"trades": [trade(5)], "clock": [tick(3), tick(4)]}))
    assert entry.ranges == (
        InputRange(topic="clock", first=3, last=4),
        InputRange(topic="trades", first=5, last=5),
    )


def test_records_below_the_positions_are_dropped() -> None:
    one = shard()
    one.apply({"trades": [trade(0), trade(1)]})
    again = one.apply({"trades": [trade(0), trade(1), trade(2)]})
    assert again is not None
    assert again.record_count == 1
    assert again.offsets == {"trades": 3}
    assert one.apply({"trades": [trade(1), trade(2)]}) is None


def test_inputs_without_outputs_wait_for_the_next_transaction() -> None:
    one = shard()
    assert one.apply({"clock": [tick(0)]}) is None
    assert one.apply({"clock": [tick(1)]}) is None
    entry = journal_of(one.apply({"trades": [trade(0)]}))
    assert entry.ranges == (InputRange(topic="clock", first=0, last=1), InputRange(topic="trades", first=0, last=0))


def test_waiting_inputs_have_a_limit() -> None:
    one = shard()
    ticks = [tick(offset) for offset in range(PENDING_RECORDS_MAX)]
    assert one.apply({"clock": ticks[:-1]}) is None
    entry = journal_of(one.apply({"clock": ticks[-1:]}))
    assert (entry.output_count, entry.ranges[0].last) == (0, PENDING_RECORDS_MAX - 1)


def test_an_output_for_every_shard_goes_to_every_partition() -> None:
    transaction = shard().apply({"trades": [trade(0)]})
    assert transaction is not None
    assert [output.partition for output in transaction.outputs] == [0, 1, 2, 3]


def test_replay_gives_the_same_state() -> None:
    one, records = shard(), [tick(0), tick(1), trade(0), trade(1)]
    entry = journal_of(one.apply({"clock": records[:2], "trades": records[2:]}))
    again = replayed(entry, records)
    assert (again.core.dump(), again.positions, again.sequence) == (one.core.dump(), one.positions, one.sequence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"output_crc": 1}, "The state cannot be trusted"),
        ({"output_count": 9}, "The state cannot be trusted"),
        ({"sequence": 2}, "a journal entry is missing"),
        ({"behaviour": 2}, "--accept-behaviour-change"),
        ({"ranges": (InputRange(topic="trades", first=0, last=1),)}, "offsets 0 to 1 are needed"),
    ],
)
def test_replay_stops_at_any_difference(change: dict[str, object], sentence: str) -> None:
    entry = journal_of(shard().apply({"trades": [trade(0)]}))
    with pytest.raises(ReplayError, match=sentence):
        replayed(msgspec.structs.replace(entry, **change), [trade(0)])


def test_replay_stops_when_the_core_does_something_else() -> None:
    entry = journal_of(shard().apply({"trades": [trade(0)]}))
    with pytest.raises(ReplayError, match="cannot be trusted"):
        replayed(entry, [trade(0)], ToyCore(step=2))


def test_an_operator_may_accept_another_behaviour() -> None:
    entry = journal_of(shard().apply({"trades": [trade(0)]}))
    fresh = shard(ToyCore(behaviour=2, step=7))
    fresh.replay(entry, lambda _: [trade(0)], accept_behaviour_change=True)
    assert fresh.sequence == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Record("trades", SHARD, 0, 7, b"x", b"not avro"), DeadLetterReason.NOT_AVRO),
        (Record("trades", SHARD, 0, 7, b"x", None), DeadLetterReason.NOT_AVRO),
        (Record("trades", SHARD, 0, 7, b"x", b"\x00\x00\x01\x00\x00\x00"), DeadLetterReason.SCHEMA_UNKNOWN),
        (trade(0, FOREIGN), DeadLetterReason.WRONG_PARTITION),
        (trade(0, SYMBOL, key=FOREIGN), DeadLetterReason.KEY_MISMATCH),
        (msgspec.structs.replace(trade(0), key=b"\xff\xfe"), DeadLetterReason.KEY_MISMATCH),
    ],
)
def test_what_cannot_be_used_becomes_a_dead_letter(bad: Record, reason: DeadLetterReason) -> None:
    one = shard()
    transaction = one.apply({"trades": [bad, trade(1)]})
    assert transaction is not None
    letter = CODEC.decode(transaction.outputs[0].value, "DeadLetter")
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.source_topic, letter.source_partition, letter.source_offset) == (
        reason,
        "trades",
        SHARD,
        0,
    )
    assert (letter.key, letter.value) == (bad.key, bad.value)
    assert transaction.outputs[1].topic == "clock"
    assert (one.dead_letter_count, one.positions) == (1, {"trades": 2})


def test_a_snapshot_with_work_pending_is_a_bug() -> None:
    one = shard()
    one.apply({"clock": [tick(0)]})
    with pytest.raises(AssertionError, match="work pending"):
        one.snapshot()


def test_the_journal_has_the_crc_of_topic_partition_key_and_value_of_each_output_in_order() -> None:
    one = shard()
    for batch in ([trade(0), trade(1)], [trade(2)]):
        transaction = one.apply({"trades": batch})
        assert transaction is not None
        entry = CODEC.decode(transaction.journal, "JournalEntry")
        assert isinstance(entry, JournalEntry)
        outputs = transaction.outputs
        assert [output.partition for output in outputs] == [0, 1, 2, 3] * len(batch)
        whole = b"".join(f"{o.topic}/{o.partition}/".encode() + o.key + b"/" + o.value for o in outputs)
        assert (entry.output_count, entry.output_crc) == (len(outputs), zlib.crc32(whole))
