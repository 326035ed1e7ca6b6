"""The naive client is a checker: each thing that frames may get wrong must be found."""

import json

import msgspec
import pytest

from schemas.messages import Frame, Side
from tests.oracle.market_inputs import BookFlow, at, tick, trade
from tests.oracle.naive_client import ClientError, NaiveClient
from workers.fanout.core import FanoutCore
from workers.statistics.core import StatisticsCore

BUY, SELL = Side.BUY, Side.SELL


def book_frames() -> list[Frame]:
    """Update and snapshot 1, updates 2 and 3, snapshot 3."""
    core, flow = FanoutCore(0, 1), BookFlow()
    changes = [
        *flow.effect((SELL, 101, 1), (BUY, 99, 3)),
        *flow.effect((BUY, 100, 2)),
        *flow.effect((BUY, 100, 0)),
    ]
    made = [output for change in changes for output in core.apply(at(change))]
    made += core.apply(at(tick(60)))
    return [output.message for output in made if isinstance(output.message, Frame)]


def heard(frames: list[Frame]) -> NaiveClient:
    client = NaiveClient()
    for frame in frames:
        client.receive(frame)
    return client


def changed(frame: Frame, **data: object) -> Frame:
    return msgspec.structs.replace(frame, payload=json.dumps(json.loads(frame.payload) | data).encode())


def test_right_frames_pass() -> None:
    assert [price for price, _ in heard(book_frames()).books["BTC-USD"].best_bids()] == [99]


def test_a_late_joiner_waits_for_a_snapshot() -> None:
    client = heard(book_frames()[2:4])
    assert client.books == {}
    client.receive(book_frames()[4])
    assert client.sequences == {"book:BTC-USD": 3}


def test_a_lost_frame_is_found() -> None:
    frames = book_frames()
    with pytest.raises(ClientError, match="frame 3 follows 1"):
        heard([*frames[:2], frames[3]])


def test_a_repeated_frame_is_found() -> None:
    frames = book_frames()
    with pytest.raises(ClientError, match="frame 2 follows 2"):
        heard([*frames[:3], frames[2]])


def test_a_wrong_level_is_found_by_the_checksum() -> None:
    frames = book_frames()
    with pytest.raises(ClientError, match="checksum of frame 2"):
        heard([*frames[:2], changed(frames[2], bids=[["100", "2.1"]])])


def test_a_snapshot_that_differs_below_the_top_is_found() -> None:
    core, flow = FanoutCore(0, 1), BookFlow()
    outputs = [
        output for change in flow.effect(*((BUY, 100 - n, 1.0) for n in range(11))) for output in core.apply(at(change))
    ]
    update, snapshot = (output.message for output in outputs)
    assert isinstance(update, Frame)
    assert isinstance(snapshot, Frame)
    bids = json.loads(snapshot.payload)["bids"]
    with pytest.raises(ClientError, match="the snapshot 1 is not the book"):
        heard([update, changed(snapshot, bids=[*bids[:10], ["90", "2"]])])


def test_an_old_snapshot_is_found() -> None:
    frames = book_frames()
    with pytest.raises(ClientError, match="the snapshot 1 came after update 2"):
        heard([*frames[:3], frames[1]])


def test_a_candle_that_is_final_twice_is_found() -> None:
    statistics, core = StatisticsCore(0, 1), FanoutCore(0, 1)
    candles = [
        output.message
        for message in (trade(100), trade(101, seconds=1))
        for output in statistics.apply(at(message))
        if output.topic == "candles"
    ]
    frames = [output.message for candle in [*candles, *candles] for output in core.apply(at(candle))]
    with pytest.raises(ClientError, match="was final and came again"):
        heard([frame for frame in frames if isinstance(frame, Frame)])


def test_an_unknown_channel_is_found() -> None:
    frame = msgspec.structs.replace(book_frames()[0], channel="weather:BTC-USD")
    with pytest.raises(ClientError, match="no such channel"):
        heard([frame])


def test_the_gateways_envelope_is_understood() -> None:
    client = NaiveClient()
    for frame in book_frames():
        envelope = {
            "type": "marketdata.book",
            "channel": frame.channel,
            "sequence": frame.sequence,
            "kind": frame.kind.lower(),
            "checksum": frame.checksum,
            "data": json.loads(frame.payload),
        }
        client.receive_text(json.dumps(envelope))
    client.receive_text('{"type": "pong"}')
    assert client.books == heard(book_frames()).books
