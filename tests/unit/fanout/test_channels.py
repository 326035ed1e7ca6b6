"""Channels and their sequences: who hears of what, in how many frames, and when a book is told whole."""

import json

import msgspec
import pytest

from schemas.levels import BookError
from schemas.messages import (
    AccountKind,
    Candle,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Frame,
    FrameKind,
    Message,
    OrderStatus,
    OrderType,
    Phase,
    Position,
    Reason,
    SessionChange,
    Side,
    Ticker,
    TimeInForce,
)
from stream_topology.sharding import partition_of
from tests.oracle.market_inputs import START_US, BookFlow, at, tick, trade
from tests.oracle.naive_client import NaiveClient
from workers.fanout import book_channel
from workers.fanout import core as fanout_core
from workers.fanout.core import ChannelLimitError, FanoutCore
from workers.fanout.frames import book_payload, price_level

BUY, SELL = Side.BUY, Side.SELL


def frames(core: FanoutCore, *messages: Message) -> list[Frame]:
    made = []
    for message in messages:
        for output in core.apply(at(message)):
            assert isinstance(output.message, Frame)
            assert (output.topic, output.key) == ("stream", output.message.channel)
            made.append(output.message)
    return made


def execution(account: str = "alice", reason: Reason = Reason.NONE) -> Execution:
    return Execution(
        kind=ExecutionKind.NEW if reason is Reason.NONE else ExecutionKind.REJECTED,
        execution_id=1,
        order_id=1,
        account=account,
        client_order_id="mine",
        symbol="BTC-USD",
        side=BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity_e8=1,
        status=OrderStatus.NEW,
        leaves_e8=1,
        cumulative_e8=0,
        cumulative_notional_e8=0,
        reason=reason,
        command_us=0,
        ts_us=5,
    )


def position(account: str = "alice") -> Position:
    return Position(
        account=account,
        symbol="BTC-USD",
        sequence=1,
        quantity_e8=1,
        cost_e8=1,
        average_price_e8=1,
        realised_e8=0,
        unrealised_e8=0,
        fees_e8=0,
        mark_price_e8=0,
        ts_us=6,
    )


def candle(interval_s: int) -> Candle:
    return Candle(
        symbol="BTC-USD",
        interval_s=interval_s,
        open_us=0,
        open_e8=1,
        high_e8=1,
        low_e8=1,
        close_e8=1,
        volume_e8=0,
        notional_e8=0,
        trade_count=0,
        final=False,
        ts_us=7,
    )


def ticker() -> Ticker:
    return Ticker(symbol="BTC-USD", sequence=9, volume_24h_e8=0, notional_24h_e8=0, trade_count_24h=0, ts_us=8)


def account_made(name: str) -> Control:
    return Control(kind=ControlKind.ACCOUNT, control_id=name, account=name, account_kind=AccountKind.CASH)


def kinds(made: list[Frame]) -> list[tuple[FrameKind, int]]:
    return [(frame.kind, frame.sequence) for frame in made]


def test_a_session_has_a_channel_of_its_own() -> None:
    change = SessionChange(
        symbol="BTC-USD", sequence=3, phase=Phase.AUCTION, price_e8=1, volume_e8=2, surplus_e8=-3, ts_us=START_US
    )
    (frame,) = frames(FanoutCore(0, 1), change)
    assert (frame.channel, frame.kind) == ("session:BTC-USD", FrameKind.UPDATE)
    assert json.loads(frame.payload) == {
        "symbol": "BTC-USD",
        "sequence": 3,
        "phase": "auction",
        "price": "0.00000001",
        "volume": "0.00000002",
        "surplus": "-0.00000003",
        "time": "2023-11-14T22:13:20.000000Z",
    }


def test_every_channel_counts_for_itself_without_a_gap() -> None:
    core = FanoutCore(0, 1)
    messages: list[Message] = [
        trade(100),
        ticker(),
        *(candle(interval_s) for interval_s in (1, 60, 300, 3_600, 86_400)),
        execution(),
        position(),
    ]
    made = frames(core, *messages, *messages)
    channels = [
        "trades:BTC-USD",
        "ticker:BTC-USD",
        *(f"candles:BTC-USD:{interval}" for interval in ("1s", "1m", "5m", "1h", "1d")),
        "orders:alice",
        "positions:alice",
    ]
    assert [(frame.channel, frame.sequence) for frame in made] == [
        (channel, sequence) for sequence in (1, 2) for channel in channels
    ]
    assert all(frame.kind is FrameKind.UPDATE and frame.checksum is None for frame in made)
    assert [frame.ts_us for frame in made[7:9]] == [5, 6]


def test_an_orders_whole_effect_is_one_frame() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((SELL, 101, 1), (SELL, 102, 2), (BUY, 99, 3)))
    effect = flow.effect((SELL, 101, 0), (SELL, 102, 1.5), (BUY, 100, 4))
    assert frames(core, *effect[:-1]) == []
    (frame,) = frames(core, effect[-1])
    assert frame.kind is FrameKind.UPDATE
    assert json.loads(frame.payload) == {"bids": [["100", "4"]], "asks": [["101", "0"], ["102", "1.5"]]}
    assert (frame.channel, frame.sequence, frame.ts_us) == ("book:BTC-USD", 2, effect[-1].ts_us)


def test_the_first_change_of_a_book_is_followed_by_a_snapshot() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    update, snapshot = frames(core, *flow.effect((BUY, 99, 3), (BUY, 100, 1)))
    assert kinds([update, snapshot]) == [(FrameKind.UPDATE, 1), (FrameKind.SNAPSHOT, 1)]
    assert json.loads(snapshot.payload) == {"bids": [["100", "1"], ["99", "3"]], "asks": []}
    assert snapshot.checksum == update.checksum


def test_a_book_that_changes_is_told_whole_every_30_seconds() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((BUY, 99, 3)))
    frames(core, *flow.effect((BUY, 98, 3), seconds=1))
    assert frames(core, tick(29.9)) == []
    (snapshot,) = frames(core, tick(30))
    assert kinds([snapshot]) == [(FrameKind.SNAPSHOT, 2)]
    assert json.loads(snapshot.payload)["bids"] == [["99", "3"], ["98", "3"]]
    assert frames(core, *(tick(seconds) for seconds in range(31, 100))) == []
    assert kinds(frames(core, *flow.effect((BUY, 97, 1), seconds=100), tick(101))) == [
        (FrameKind.UPDATE, 3),
        (FrameKind.SNAPSHOT, 3),
    ]


def test_a_book_that_rests_is_told_again_before_the_stream_forgets_it() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((BUY, 99, 3)))
    made = frames(core, *(tick(hour * 3_600) for hour in range(1, 25)))
    assert kinds(made) == [(FrameKind.SNAPSHOT, 1)] * 4


def test_a_snapshot_waits_for_the_end_of_an_effect() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((BUY, 99, 3)), *flow.effect((BUY, 100, 3), seconds=1))
    first, second = flow.effect((SELL, 100, 3), (BUY, 100, 0), seconds=40)
    assert frames(core, first, tick(41)) == []
    assert kinds(frames(core, second, tick(42))) == [(FrameKind.UPDATE, 3), (FrameKind.SNAPSHOT, 3)]


def test_books_are_told_whole_in_name_order_whoever_came_first() -> None:
    core = FanoutCore(0, 1)
    for symbol in ("ZEC-USD", "ADA-USD"):
        flow = BookFlow(symbol)
        frames(core, *flow.effect((BUY, 1, 1)), *flow.effect((BUY, 2, 1)))
    assert [frame.channel for frame in frames(core, tick(60))] == ["book:ADA-USD", "book:ZEC-USD"]


def test_a_snapshot_has_the_best_levels_of_a_deep_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_channel, "SNAPSHOT_LEVELS_MAX", 3)
    core, flow = FanoutCore(0, 1), BookFlow()
    bids = [(BUY, 100 - n, 1.0) for n in range(5)]
    asks = [(SELL, 101 + n, 1.0) for n in range(5)]
    snapshot = frames(core, *flow.effect(*bids, *asks))[-1]
    told = json.loads(snapshot.payload)
    assert [price for price, _ in told["bids"]] == ["100", "99", "98"]
    assert [price for price, _ in told["asks"]] == ["101", "102", "103"]


def test_the_largest_book_frame_is_below_the_largest_record() -> None:
    level = price_level(92_233_720_368 * 10**8 + 54_775_807, 92_233_720_368 * 10**8 + 54_775_807)
    side = [level] * book_channel.SNAPSHOT_LEVELS_MAX
    assert len(book_payload(side, side)) < 524_288
    assert book_channel.UPDATE_LEVELS_MAX <= 2 * book_channel.SNAPSHOT_LEVELS_MAX


def test_an_effect_on_very_many_levels_is_told_in_several_frames() -> None:
    core, flow, client = FanoutCore(0, 1), BookFlow(), NaiveClient()
    count = book_channel.UPDATE_LEVELS_MAX
    made = frames(core, *flow.effect(*((SELL, 100 + n, 1.0) for n in range(count + 10))))
    assert kinds(made) == [
        (FrameKind.UPDATE, 1),
        (FrameKind.SNAPSHOT, 1),
        (FrameKind.UPDATE, 2),
    ]
    made += frames(core, *flow.effect(*((SELL, 100 + n, 0.0) for n in range(count + 10))))
    assert [len(json.loads(frame.payload)["asks"]) for frame in made[2:]] == [10, count, 10]
    for frame in made:
        client.receive(frame)
    assert client.books["BTC-USD"].asks == {}


def test_a_book_with_a_missing_change_ends_the_process() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((BUY, 100, 1)))
    flow.effect((BUY, 99, 1))
    with pytest.raises(BookError, match="changes are missing"):
        frames(core, *flow.effect((BUY, 98, 1)))


def test_a_crossed_book_ends_the_process() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    frames(core, *flow.effect((BUY, 100, 1)))
    with pytest.raises(BookError, match="crossed"):
        frames(core, *flow.effect((SELL, 100, 1)))


def test_whoever_invents_accounts_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_core, "STRANGER_CHANNELS_MAX", 3)
    core = FanoutCore(0, 1)
    made = frames(core, *(execution(f"made-up-{n}", Reason.ACCOUNT_UNKNOWN) for n in range(10)))
    assert len(made) == 3
    assert frames(core, execution("x" * 65, Reason.SEAL_MISSING)) == []
    # Those who exist go on: by what the operator said, or by an answer that only an account can get.
    frames(core, account_made("alice"))
    assert kinds(frames(core, execution("alice", Reason.SEAL_INVALID))) == [(FrameKind.UPDATE, 1)]
    assert kinds(frames(core, execution("bob"), execution("bob", Reason.SEAL_INVALID))) == [
        (FrameKind.UPDATE, 1),
        (FrameKind.UPDATE, 2),
    ]


def test_accounts_of_other_shards_are_not_kept() -> None:
    core = FanoutCore(1, 4)
    empty = core.dump()
    frames(core, *(account_made(f"a{n}") for n in range(40) if partition_of(f"a{n}", 4) != 1))
    frames(core, Control(kind=ControlKind.SYMBOL, control_id="s", symbol="BTC-USD"))
    assert core.dump() == empty
    frames(core, *(account_made(f"a{n}") for n in range(40) if partition_of(f"a{n}", 4) == 1))
    assert core.dump() != empty


def test_an_account_made_twice_counts_on() -> None:
    core = FanoutCore(0, 1)
    made = frames(core, account_made("alice"), execution(), account_made("alice"), execution())
    assert [frame.sequence for frame in made] == [1, 2]


def test_more_channels_than_a_shard_may_have_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_core, "CHANNELS_MAX", 2)
    core = FanoutCore(0, 1)
    frames(core, execution("a"), execution("b"), execution("a"))
    with pytest.raises(ChannelLimitError, match="orders:c would be one more than 2 channels"):
        frames(core, execution("c"))


def test_a_record_that_is_not_the_topics_is_a_bug() -> None:
    record = msgspec.structs.replace(at(tick(1)), topic="trades")
    with pytest.raises(TypeError, match="fanout reads no Tick from trades"):
        FanoutCore(0, 1).apply(record)


def test_a_state_of_another_behaviour_version_is_refused() -> None:
    core = FanoutCore(0, 1)
    with pytest.raises(ValueError, match="behaviour version 2, this is version 1"):
        core.load(core.dump(), 2)
