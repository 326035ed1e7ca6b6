"""Fanout: a naive client that folds frames has the server's book at each sequence, and a restored shard goes on."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import local_codec
from schemas.messages import BookChange, Frame, FrameKind, Message, Trade
from schemas.units import format_e8
from stream_topology.sharding import partition_of
from stream_topology.stages import STAGES
from tests.oracle.market_inputs import SYMBOL, at, random_book, tick, trade
from tests.oracle.naive_client import NaiveBook, NaiveClient
from workers.fanout.core import FanoutCore
from workers.kernel.shard import Shard, Transaction
from workers.kernel.stage import Output, Record

CODEC = local_codec()
SHARDS = 4
SHARD = partition_of(SYMBOL, SHARDS)


def frames(outputs: Sequence[Output]) -> list[Frame]:
    return [output.message for output in outputs if isinstance(output.message, Frame)]


def fold(book: NaiveBook, effect: Sequence[BookChange]) -> None:
    """The server's book as the changes say it, without any code of the server."""
    for change in effect:
        side = book.bids if change.side == "BUY" else book.asks
        if change.quantity_e8:
            side[Decimal(change.price_e8) / 10**8] = format_e8(change.quantity_e8)
        else:
            side.pop(Decimal(change.price_e8) / 10**8, None)


@given(st.integers(0, 10**6), st.integers(1, 120), st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_a_client_has_the_servers_book_at_each_sequence(seed: int, effects: int, levels: int) -> None:
    core, early, late = FanoutCore(0, 1), NaiveClient(), NaiveClient()
    server = NaiveBook()
    for number, effect in enumerate(random_book(seed, effects, levels=levels)):
        fold(server, effect)
        made = [frame for change in effect for frame in frames(core.apply(at(change)))]
        assert [frame.kind for frame in made] == [FrameKind.UPDATE, FrameKind.SNAPSHOT][: 2 if number == 0 else 1]
        made += frames(core.apply(at(tick(number * 0.7))))
        for frame in made:
            # The client compares checksums, and snapshots with what it folded.
            early.receive(frame)
            assert early.sequences[frame.channel] == frame.sequence == number + 1
            if number > effects // 2:
                late.receive(frame)
        assert early.books[SYMBOL] == server
        if SYMBOL in late.books:
            assert late.books[SYMBOL] == server


def messages(seed: int, count: int) -> list[Message]:
    """Two books, trades and ticks, mixed; the books' effects may be cut by ticks."""
    made: list[Message] = []
    books = [random_book(seed + n, count, symbol=name) for n, name in enumerate(("ZEC-USD", "ADA-USD"))]
    for number in range(count):
        effect = next(books[number % 2])
        made += effect[: number % 3]
        made.append(tick(number * 5))
        made += effect[number % 3 :]
        made.append(trade(100 + number, seconds=number, symbol="ZEC-USD"))
    return made


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_restored_shard_goes_on_identically(seed: int, data: st.DataObject) -> None:
    inputs = messages(seed, 40)
    cut = data.draw(st.integers(0, len(inputs)))
    core, restored = FanoutCore(0, 1), FanoutCore(0, 1)
    for message in inputs[:cut]:
        core.apply(at(message))
    state = core.dump()
    restored.load(state, core.behaviour)
    assert restored.dump() == state == core.dump()
    for message in inputs[cut:]:
        assert restored.apply(at(message)) == core.apply(at(message))
    assert restored.dump() == core.dump()


def test_equal_states_give_equal_bytes_whatever_order_made_them() -> None:
    one, two = FanoutCore(0, 1), FanoutCore(0, 1)
    inputs: list[Message] = [trade(100, symbol=symbol) for symbol in ("AAA-USD", SYMBOL, "ZZZ-USD")]
    inputs += [change for name in ("B-USD", "A-USD") for change in next(random_book(3, 1, symbol=name))]
    for first, second in zip(inputs, inputs[::-1], strict=True):
        one.apply(at(first))
        two.apply(at(second))
    assert one.dump() == two.dump()


def records(seed: int) -> list[Record]:
    """Trades of one symbol as they stand in its partition."""
    trades = [trade(100 + seed % 7, seconds=number, number=number) for number in range(30)]
    return [
        Record("trades", SHARD, offset, message.ts_us, SYMBOL.encode(), CODEC.encode(message))
        for offset, message in enumerate(trades)
    ]


@given(st.integers(0, 100), st.lists(st.integers(1, 29), unique=True).map(sorted))
@settings(max_examples=30, deadline=None)
def test_what_is_published_does_not_depend_on_batches(seed: int, cuts: list[int]) -> None:
    log = records(seed)
    published, states = [], []
    for bounds in ([], cuts):
        shard = Shard(STAGES["fanout"], FanoutCore(SHARD, SHARDS), SHARD, SHARDS, CODEC)
        edges = [0, *bounds, len(log)]
        transactions: list[Transaction | None] = [
            shard.apply({"trades": log[first:last]}) for first, last in pairwise(edges)
        ]
        published.append([output for done in transactions if done is not None for output in done.outputs])
        states.append(shard.core.dump())
    assert published[0] == published[1]
    assert len(published[0]) == len(log)
    assert states[0] == states[1]


def test_frames_reach_the_partition_of_their_channel() -> None:
    shard = Shard(STAGES["fanout"], FanoutCore(SHARD, SHARDS), SHARD, SHARDS, CODEC)
    done = shard.apply({"trades": records(1)[:1]})
    assert done is not None
    (output,) = done.outputs
    assert (output.topic, output.partition) == ("stream", partition_of(f"trades:{SYMBOL}", SHARDS))
    assert isinstance(CODEC.decode(output.value, "Frame"), Frame)
    assert isinstance(CODEC.decode(records(1)[0].value or b"", "Trade"), Trade)
