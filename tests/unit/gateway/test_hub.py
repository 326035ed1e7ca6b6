"""The hub as a plain object: what a subscriber gets, whatever the order of frames and subscriptions."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway import limits
from gateway.errors import ApiError
from gateway.stream.channel import Place
from gateway.stream.hub import Hub
from gateway.stream.wire import Message
from schemas.levels import Levels
from schemas.messages import Frame
from schemas.units import parse_e8

MakeFrame = Callable[..., Frame]
BOOK = "book:BTC-USD"


class Client:
    """Folds what it is told, as a client of the venue would."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def deliver(self, message: Message) -> None:
        self.heard.append(json.loads(message.data[message.data.index(b"{") :]))

    async def deliver_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.deliver(message)

    def forget(self, channel: str) -> None:
        """Nothing waits here."""

    @property
    def sequences(self) -> list[int]:
        return [message["sequence"] for message in self.heard]

    @property
    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.heard]

    def book(self) -> dict[str, dict[str, str]]:
        sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        for message in self.heard:
            if message["kind"] == "snapshot":
                sides = {"bids": {}, "asks": {}}
            for side, levels in sides.items():
                for price, quantity in message["data"][side]:
                    levels.pop(price, None)
                    if quantity != "0":
                        levels[price] = quantity
        return sides


def payload(bids: list[tuple[str, str]] = [], asks: list[tuple[str, str]] = []) -> bytes:  # noqa: B006 - not changed
    return json.dumps({"bids": bids, "asks": asks}).encode()


@pytest.fixture
def hub() -> Hub:
    return Hub(lambda _: None)


def test_a_snapshot_then_changes_give_the_servers_book(hub: Hub, frame: MakeFrame) -> None:
    hub.apply(
        [
            frame(BOOK, 1, payload(bids=[("100", "1")])),
            frame(BOOK, 2, payload(bids=[("99.5", "2")], asks=[("101", "3")])),
        ]
    )
    client = Client()
    hub.subscribe(BOOK, client)
    hub.apply([frame(BOOK, 3, payload(bids=[("100", "0")])), frame(BOOK, 4, payload(asks=[("102", "1")]))])
    assert client.kinds == ["snapshot", "update", "update"]
    assert client.sequences == [2, 3, 4]
    assert client.book() == {"bids": {"99.5": "2"}, "asks": {"101": "3", "102": "1"}}
    book = hub.book("BTC-USD", 1)
    assert (book["bids"], book["asks"], book["sequence"]) == ([["99.5", "2"]], [["101", "3"]], 4)


def test_a_snapshot_carries_the_checksum_of_its_levels(hub: Hub, frame: MakeFrame) -> None:
    hub.apply([frame(BOOK, 1, payload(bids=[("100", "1")], asks=[("101", "3")]))])
    client = Client()
    hub.subscribe(BOOK, client)
    levels = Levels()
    levels.bids.put(parse_e8("100"), parse_e8("1"))
    levels.asks.put(parse_e8("101"), parse_e8("3"))
    assert client.heard[0]["checksum"] == levels.checksum()


def test_resuming_continues_without_a_gap_or_starts_over(
    hub: Hub, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RING_FRAMES_PER_CHANNEL", 3)
    hub.apply([frame("trades:BTC-USD", sequence, b'{"trade_id":"%d"}' % sequence) for sequence in range(1, 8)])
    for from_sequence, sequences, kinds in (
        (7, [], []),
        (5, [6, 7], ["update", "update"]),
        (4, [5, 6, 7], ["update"] * 3),
        (3, [7], ["snapshot"]),
        (8, [7], ["snapshot"]),
        (None, [7], ["snapshot"]),
    ):
        client = Client()
        if not hub.resume("trades:BTC-USD", client, Place(from_sequence)):
            hub.subscribe("trades:BTC-USD", client)
        assert (client.sequences, client.kinds) == (sequences, kinds)
        hub.unsubscribe("trades:BTC-USD", client)


def test_resuming_at_an_offset_gives_what_stands_after_it(
    hub: Hub, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RING_FRAMES_PER_CHANNEL", 3)
    frames = [frame("trades:BTC-USD", sequence, b"{}") for sequence in range(1, 8)]
    hub.apply(frames[:2], [10, 20])
    assert [message.sequence for message in hub.missed("trades:BTC-USD", Place(offset=5)) or ()] == [1, 2]
    hub.apply(frames[2:], range(30, 80, 10))
    for offset, sequences in ((49, None), (50, [6, 7]), (55, [6, 7]), (69, [7]), (70, []), (99, [])):
        missed = hub.missed("trades:BTC-USD", Place(offset=offset))
        assert (missed if missed is None else [message.sequence for message in missed]) == sequences
    assert [message.offset for message in hub.missed("trades:BTC-USD", Place(5, 10)) or ()] == [60, 70]


def test_a_book_that_is_not_known_is_told_as_soon_as_it_is(hub: Hub, frame: MakeFrame) -> None:
    hub.apply([frame(BOOK, 7, payload(bids=[("99", "5")]))])
    client = Client()
    hub.subscribe(BOOK, client)
    with pytest.raises(ApiError):
        hub.book("BTC-USD", 5)
    hub.apply([frame(BOOK, 8, payload(bids=[("98", "1")]))])
    assert client.heard == []
    hub.apply([frame(BOOK, 8, payload(bids=[("100", "1"), ("99", "5"), ("98", "1")]), snapshot=True, checksum=1)])
    hub.apply([frame(BOOK, 9, payload(bids=[("100", "0")]))])
    assert client.sequences == [8, 9]
    assert client.book()["bids"] == {"99": "5", "98": "1"}


def test_a_quiet_book_is_found_further_back_and_joined_with_what_came_since(hub: Hub, frame: MakeFrame) -> None:
    hub.apply([frame(BOOK, 7, payload(bids=[("100", "0")]))])
    client = Client()
    hub.subscribe(BOOK, client)
    assert BOOK in hub.unknown(["BTC-USD"])
    hub.found(
        [
            frame(BOOK, 5, payload(bids=[("100", "1"), ("99", "5")]), snapshot=True),
            frame(BOOK, 6, payload(bids=[("98", "1")])),
        ]
    )
    hub.searched()
    assert client.sequences == [7]
    assert client.book()["bids"] == {"99": "5", "98": "1"}
    assert BOOK not in hub.unknown(["BTC-USD"])


def test_after_a_gap_the_book_waits_for_a_snapshot(hub: Hub, frame: MakeFrame) -> None:
    client = Client()
    hub.apply([frame(BOOK, 1, payload(bids=[("100", "1")]))])
    hub.subscribe(BOOK, client)
    hub.apply([frame(BOOK, 3, payload(bids=[("98", "1")])), frame(BOOK, 4, payload(bids=[("97", "1")]))])
    assert client.sequences == [1]
    hub.apply([frame(BOOK, 4, payload(bids=[("98", "1"), ("97", "1")]), snapshot=True)])
    assert (client.sequences, client.kinds) == ([1, 4], ["snapshot", "snapshot"])
    assert client.book()["bids"] == {"98": "1", "97": "1"}


def test_a_snapshot_that_differs_replaces_the_book(hub: Hub, frame: MakeFrame) -> None:
    client = Client()
    hub.apply([frame(BOOK, 1, payload(bids=[("100", "1")]))])
    hub.subscribe(BOOK, client)
    hub.apply([frame(BOOK, 1, payload(bids=[("99", "1")]), snapshot=True, checksum=12345)])
    assert client.kinds == ["snapshot", "snapshot"]
    assert client.book()["bids"] == {"99": "1"}


def test_frames_that_were_seen_change_nothing(hub: Hub, frame: MakeFrame) -> None:
    client = Client()
    hub.subscribe("trades:BTC-USD", client)
    again = frame("trades:BTC-USD", 1, b'{"trade_id":"1"}')
    hub.apply([again, again])
    assert client.sequences == [None, 1]


def test_a_message_is_made_once_and_shared(hub: Hub, frame: MakeFrame) -> None:
    heard: list[Message] = []

    class Keeper(Client):
        def deliver(self, message: Message) -> None:
            heard.append(message)

    for _ in range(3):
        hub.subscribe("ticker:BTC-USD", Keeper())
    heard.clear()
    hub.apply([frame("ticker:BTC-USD", 1, b'{"last":"1"}')])
    assert len(heard) == 3
    assert heard[0] is heard[1] is heard[2]


def test_kept_frames_are_bounded_over_all_channels(hub: Hub, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RING_BYTES_MAX", 20_000)
    for number in range(200):
        hub.apply([frame(f"orders:a{number % 50}", number // 50 + 1, b'{"x":"%b"}' % (b"y" * 200))])
    kept = [channel for channel in hub._channels.values() if channel.ring]
    size = sum(len(entry.message.data) + len(entry.payload) for channel in kept for entry in channel.ring)
    assert size == hub._kept_bytes <= 20_000
    assert kept


def test_executions_are_told_to_who_waits(frame: MakeFrame) -> None:
    seen: list[bytes] = []
    hub = Hub(seen.append)
    hub.apply([frame("orders:alice", 1, b'{"command_id":"5"}'), frame("trades:BTC-USD", 1, b"{}")])
    assert seen == [b'{"command_id":"5"}']
