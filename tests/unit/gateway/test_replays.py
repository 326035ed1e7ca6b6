"""Resuming from the log: what a client gets that comes back after what is in memory."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from gateway import limits
from gateway.errors import unavailable
from gateway.stream.channel import Place
from gateway.stream.replays import following
from schemas.messages import Frame
from tests.unit.gateway.test_session import ask, hear, until

MakeFrame = Callable[..., Frame]
TRADES = "trades:BTC-USD"


@pytest.fixture
def frames(frame: MakeFrame) -> list[tuple[int, Frame]]:
    """Sequences 1 to 9 at offsets 10 to 90."""
    return [(10 * sequence, frame(TRADES, sequence, b'"%d"' % sequence)) for sequence in range(1, 10)]


async def resume(ws: Any, **place: int) -> dict[str, Any]:
    return await ask(ws, type="marketdata.subscribe", request_id="r", channel=TRADES, **place)


async def test_what_is_not_in_memory_comes_from_the_log_and_then_each_frame(
    served: Any, frame: MakeFrame, frames: list[tuple[int, Frame]]
) -> None:
    served.hub.apply([frame(TRADES, 9, b'"9"')], [90])
    served.in_log = frames[4:]
    async with connect(served.ws) as ws:
        told = await resume(ws, from_sequence=4, from_offset=40)
        assert (told["type"], told["request_id"], told["resumed"]) == ("marketdata.subscribed", "r", True)
        heard = [await hear(ws) for _ in range(5)]
        assert [(one["sequence"], one["offset"], one["kind"]) for one in heard] == [
            (sequence, 10 * sequence, "update") for sequence in range(5, 10)
        ]
        served.hub.apply([frame(TRADES, 10, b'"10"')], [100])
        assert (await hear(ws))["sequence"] == 10
    assert served.log_read == [(TRADES, Place(4, 40))]


async def test_a_channel_that_was_quiet_since_the_gateway_began_goes_on_where_the_log_ends(
    served: Any, frame: MakeFrame, frames: list[tuple[int, Frame]]
) -> None:
    served.in_log = frames[7:]
    async with connect(served.ws) as ws:
        assert (await resume(ws, from_sequence=7))["resumed"] is True
        assert [(await hear(ws))["sequence"] for _ in range(2)] == [8, 9]
        served.hub.apply([frame(TRADES, 10, b'"10"')])
        assert (await hear(ws))["sequence"] == 10


async def test_nothing_is_told_twice_where_the_log_is_ahead_of_the_hub(
    served: Any, frame: MakeFrame, frames: list[tuple[int, Frame]]
) -> None:
    served.hub.apply([frame(TRADES, 7, b'"7"')], [70])
    served.in_log = frames[4:]
    async with connect(served.ws) as ws:
        asked = asyncio.create_task(resume(ws, from_sequence=4))
        while not served.log_read:  # noqa: ASYNC110 - the stand-in gives no event
            await asyncio.sleep(0.005)
        served.hub.apply([one for _, one in frames[7:]], [80, 90])
        assert (await asked)["resumed"] is True
        served.hub.apply([frame(TRADES, 10, b'"10"')])
        assert [(await hear(ws))["sequence"] for _ in range(6)] == [5, 6, 7, 8, 9, 10]


async def test_a_client_hears_nothing_again_from_a_gateway_that_has_just_begun(
    served: Any, frame: MakeFrame, frames: list[tuple[int, Frame]]
) -> None:
    served.caught_up.clear()
    served.in_log = []
    async with connect(served.ws) as ws:
        asked = asyncio.create_task(resume(ws, from_sequence=9, from_offset=90))
        while not served.log_read:  # noqa: ASYNC110 - the stand-in gives no event
            await asyncio.sleep(0.005)
        served.hub.apply([one for _, one in frames], [offset for offset, _ in frames])
        served.caught_up.set()
        assert (await asked)["resumed"] is True
        served.hub.apply([frame(TRADES, 10, b'"10"')], [100])
        assert (await hear(ws))["sequence"] == 10


async def test_what_cannot_be_had_is_said_and_begins_anew(served: Any, frame: MakeFrame) -> None:
    served.hub.apply([frame(TRADES, limits.REPLAY_FRAMES_MAX + 5, b'"x"')])
    async with connect(served.ws) as ws:
        told = await resume(ws, from_sequence=4)
        assert (told["resumed"], "begins anew" in told["message"]) == (False, True)
        snapshot = await hear(ws)
        assert (snapshot["kind"], snapshot["data"]) == ("snapshot", ["x"])
        assert served.log_read == []  # so many are not looked for
        assert (await resume(ws, from_sequence=limits.REPLAY_FRAMES_MAX))["resumed"] is False
        assert len(served.log_read) == 1


async def test_a_log_that_is_away_is_said(served: Any) -> None:
    served.log_error = KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    async with connect(served.ws) as ws:
        told = await resume(ws, from_sequence=4)
        assert (told["request_id"], told["error"]["code"]) == ("r", "SERVICE_UNAVAILABLE")
        served.log_error = None
        assert (await resume(ws, from_sequence=4))["resumed"] is False


async def test_so_many_read_the_log_at_a_time(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, frames: list[tuple[int, Frame]]
) -> None:
    monkeypatch.setattr(limits, "REPLAYS_WAITING_MAX", 1)
    may_go_on = threading.Event()
    read_back = served.gateway._door.replays._read_back

    def slowly(channel: str, place: Place) -> Any:
        may_go_on.wait(10)
        return read_back(channel, place)

    monkeypatch.setattr(served.gateway._door.replays, "_read_back", slowly)
    served.in_log = frames[8:]
    async with connect(served.ws) as first, connect(served.ws) as second:
        asked = asyncio.create_task(resume(first, from_sequence=8))
        while not served.gateway._door.replays._asked:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
        assert (await resume(second, from_sequence=8))["error"]["code"] == "SERVICE_UNAVAILABLE"
        may_go_on.set()
        assert (await asked)["resumed"] is True


@pytest.fixture
def held(served: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Each reading of the log waits until it is set."""
    may_go_on = threading.Event()
    replays = served.gateway._door.replays
    read_back = replays._read_back

    def slowly(channel: str, place: Place) -> Any:
        found = read_back(channel, place)
        may_go_on.wait(10)
        return found

    monkeypatch.setattr(replays, "_read_back", slowly)
    yield may_go_on
    may_go_on.set()


async def test_who_asks_again_and_again_has_no_more_readings_at_a_time(served: Any, held: threading.Event) -> None:
    replays = served.gateway._door.replays
    async with connect(served.ws) as ws:
        for _ in range(limits.REPLAYS_AT_ONCE + 3):
            read = len(served.log_read)
            await ws.send('{"type":"marketdata.subscribe","channel":"trades:BTC-USD","from_offset":8}')
            assert (await ask(ws, type="ping"))["type"] == "pong"
            if read < limits.REPLAYS_AT_ONCE:
                await until(lambda read=read: len(served.log_read) > read)
        assert len(served.log_read) == limits.REPLAYS_AT_ONCE
        assert replays._asked == limits.REPLAYS_AT_ONCE + 1  # the newest waits, and those before it do not any more
        served.in_log = []
        held.set()
        assert (await hear(ws))["resumed"] is True
        await until(lambda: not replays._asked)


async def test_the_readings_for_one_address_are_bounded_and_end_with_their_threads(
    served: Any, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPLAYS_PER_ADDRESS", 2)
    served.in_log = []
    replays = served.gateway._door.replays
    async with (
        connect(served.ws, additional_headers={"x-forwarded-for": "203.0.113.7"}) as greedy,
        connect(served.ws, additional_headers={"x-forwarded-for": "203.0.113.8"}) as other,
    ):
        for count in (1, 2):
            await greedy.send('{"type":"marketdata.subscribe","channel":"trades:BTC-USD","from_offset":8}')
            await until(lambda count=count: len(served.log_read) == count)
        assert (await resume(greedy, from_offset=8))["error"]["code"] == "LIMIT_EXCEEDED"
        asked = asyncio.create_task(resume(other, from_offset=8))
        await until(lambda: len(served.log_read) == 3)
        held.set()
        assert (await asked)["resumed"] is True
        await until(lambda: not replays._addresses._counts)
        assert (await resume(greedy, from_offset=8))["resumed"] is True


async def test_a_client_that_resumes_speaks_on_meanwhile_and_may_leave(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, frames: list[tuple[int, Frame]]
) -> None:
    may_go_on = threading.Event()
    read_back = served.gateway._door.replays._read_back

    def slowly(channel: str, place: Place) -> Any:
        may_go_on.wait(10)
        return read_back(channel, place)

    monkeypatch.setattr(served.gateway._door.replays, "_read_back", slowly)
    served.in_log = frames[8:]
    async with connect(served.ws) as ws:
        subscribe = '{"type":"marketdata.subscribe","channel":"trades:BTC-USD","from_sequence":8}'
        await ws.send(subscribe)
        assert (await ask(ws, type="ping"))["type"] == "pong"
        assert (await ask(ws, type="marketdata.unsubscribe", channel=TRADES))["type"] == "marketdata.unsubscribed"
        may_go_on.set()
        served.hub.apply([frame(TRADES, 10, b"{}")])
        assert (await ask(ws, type="ping"))["type"] == "pong"


async def test_a_client_takes_more_than_its_queue_holds(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_QUEUE_FRAMES_MAX", 50)
    monkeypatch.setattr(limits, "WS_CONFLATE_FRAMES", 20)
    served.in_log = [(sequence, frame(TRADES, sequence, b"{}")) for sequence in range(1, 501)]
    async with connect(served.ws) as ws:
        assert (await resume(ws, from_sequence=0))["resumed"] is True
        assert [(await hear(ws))["sequence"] for _ in range(500)] == list(range(1, 501))


async def test_a_replay_whose_rows_cannot_be_had_is_refused_and_the_channel_is_left(
    served: Any, frame: MakeFrame, frames: list[tuple[int, Frame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "orders:alice"
    served.hub.apply([frame(name, 9, b'{"command_id":null}')], [90])
    served.in_log = [(50, frame(name, 5, b'{"command_id":null}'))]
    monkeypatch.setattr(served.gateway._door.hub, "resume", lambda *_: False)  # it went on for longer meanwhile
    served.database.error = unavailable("The database")
    async with connect(served.ws, additional_headers={"x-forwarded-for": "203.0.113.7"}) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        asked = {"type": "marketdata.subscribe", "request_id": "r", "channel": "orders", "from_sequence": 4}
        assert (await ask(ws, **asked))["resumed"] is True
        assert (await hear(ws))["sequence"] == 5
        told = await hear(ws)
        assert (told["request_id"], told["error"]["code"]) == ("r", "SERVICE_UNAVAILABLE")
        assert not served.gateway._door.shares._channels._counts
        served.hub.apply([frame(name, 10, b'{"command_id":null}')])
        assert (await ask(ws, type="ping"))["type"] == "pong"


async def test_a_replay_that_fails_is_answered_and_logged(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(served.gateway._door.replays, "_read_back", fails)
    with capture_logs() as logs:
        async with connect(served.ws) as ws:
            told = await resume(ws, from_sequence=4)
            assert (told["request_id"], told["error"]["code"]) == ("r", "INTERNAL_ERROR")
            assert (await ask(ws, type="ping"))["type"] == "pong"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["replay_failed"]


async def test_alerts_are_resumed_and_the_halts_beside_them_begin(served: Any, frame: MakeFrame) -> None:
    served.in_log = [(50, frame("alerts:alice", 5, b'{"reason":"NONE"}'))]
    served.database.answers = [[("BTC-USD",)]]
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        told = await ask(ws, type="marketdata.subscribe", channel="alerts", from_sequence=4)
        assert (told["resumed"], told["channels"]) == (True, ["alerts:alice", "halts:BTC-USD"])
        heard = [await hear(ws) for _ in range(2)]
        assert [(one["channel"], one["kind"]) for one in heard] == [
            ("halts:BTC-USD", "snapshot"),
            ("alerts:alice", "update"),
        ]
        served.hub.apply([frame("halts:BTC-USD", 1, b"{}"), frame("alerts:alice", 6, b'{"reason":"NONE"}')])
        assert [(await hear(ws))["sequence"] for _ in range(2)] == [1, 6]


async def test_alerts_that_cannot_be_resumed_say_so_and_begin_anew(served: Any) -> None:
    served.database.answers = [[("BTC-USD",)]]
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        told = await ask(ws, type="marketdata.subscribe", channel="alerts", from_sequence=4)
        assert (told["resumed"], "begins anew" in told["message"]) == (False, True)
        assert [(await hear(ws))["kind"] for _ in range(2)] == ["snapshot"] * 2


async def test_one_channel_is_resumed_at_a_time(served: Any) -> None:
    async with connect(served.ws) as ws:
        asked = {"type": "marketdata.subscribe", "symbol": "BTC-USD", "channels": ["book", "trades"]}
        assert (await ask(ws, **asked, from_offset=1))["error"]["field"] == "from_offset"


def test_what_follows_a_sequence_is_whole_or_not_there(frames: list[tuple[int, Frame]]) -> None:
    def after(found: list[tuple[int, Frame]], sequence: int) -> list[int] | None:
        known = following(found, sequence)
        return None if known is None else [one.sequence for _, one in known]

    assert after(frames, 0) == list(range(1, 10))
    assert after(frames, 7) == [8, 9]
    assert after(frames, 9) == []
    assert after(frames[5:], 5) == [6, 7, 8, 9]
    assert after(frames[5:], 4) is None
    assert after(frames, 10) is None
    assert after([], 0) is None
    assert after([*frames[:3], *frames[4:]], 1) is None
