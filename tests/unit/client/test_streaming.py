"""Both shells of the stream, for threads and for asyncio, over connections that are played."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from threading import Event, Thread, current_thread, main_thread
from typing import Any, Self, cast

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.unit.client.test_stream_rules import heard
from tradsys.client import (
    ClientError,
    CommandRefused,
    Connected,
    Disconnected,
    NewOrder,
    OutcomeUnknownError,
    ProtocolError,
    UnreachableError,
)
from tradsys.client.async_streaming import AsyncOpenStream
from tradsys.client.rules import Means
from tradsys.client.stream import Stream
from tradsys.client.streaming import OpenStream
from tradsys.client.transport import transport

ORDER = NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=1, price=2, client_order_id="mine")


class Connection:
    """Says its messages, and is lost after them."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = deque(messages)
        self.sent: list[str] = []
        self.is_closed = False
        self.on_open: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        self.on_open()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_closed = True

    def recv(self, timeout_s: float | None = None) -> str:
        if self.is_closed or not self.messages:
            raise ConnectionClosedError(None, None)
        return json.dumps(self.messages.popleft())

    def send(self, text: str) -> None:
        if self.is_closed:
            raise ConnectionClosedError(None, None)
        self.sent.append(json.loads(text)["type"])


class AsyncConnection:
    """The same for asyncio."""

    def __init__(self, played: Connection) -> None:
        self.played = played

    async def __aenter__(self) -> Self:
        opened = self.played.on_open()
        if isinstance(opened, Awaitable):
            await opened
        return self

    async def __aexit__(self, *error: object) -> None:
        self.played.__exit__()
        await asyncio.sleep(0)

    async def recv(self) -> str:
        return self.played.recv()

    async def send(self, text: str) -> None:
        self.played.send(text)


class Tasks:
    """The shell for asyncio, used as the other one is."""

    def __init__(self, stream: AsyncOpenStream) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given: asyncio.run(getattr(self.stream, name)(*given))


Shell = Callable[..., OpenStream]


THREADS = pytest.mark.parametrize("shell", ["threads"], indirect=True)
ASYNCIO = pytest.mark.parametrize("shell", ["asyncio"], indirect=True)


@pytest.fixture(params=["threads", "asyncio"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Makes a stream over these connections, one after the other."""
    connections: deque[Connection] = deque()
    monkeypatch.setattr("tradsys.client.streaming.connect", lambda **_: connections.popleft())
    monkeypatch.setattr("tradsys.client.async_streaming.connect", lambda **_: AsyncConnection(connections.popleft()))

    def make(*played: Connection, make_id: Callable[[], str] = lambda: "name") -> OpenStream:
        connections.extend(played)
        rules = Stream(None, Means(clock_s=lambda: 0.0, make_id=make_id), with_ticket=False)
        reached = transport("http://venue.example", None, uses_proxies=False)
        given: Any = (rules, reached, None, None)
        return OpenStream(*given) if request.param == "threads" else cast("OpenStream", Tasks(AsyncOpenStream(*given)))

    yield make
    assert not connections


def test_a_stream_that_was_closed_sends_nothing_and_hears_nothing(shell: Shell) -> None:
    connection = Connection(heard("ticker:B", None, None))
    stream = shell(connection)
    assert isinstance(stream.receive(), Connected)
    stream.close()
    assert connection.is_closed
    for command in (lambda: stream.submit(ORDER), lambda: stream.cancel("5")):
        with pytest.raises(UnreachableError, match="nothing was sent"):
            command()
    for _ in range(2):
        with pytest.raises(ClientError, match="has ended"):
            stream.receive()
    stream.close()


def test_a_stream_that_cannot_go_on_hangs_up_and_tells_what_waits(shell: Shell) -> None:
    connection = Connection(heard("ticker:B", 1, {"last": 5}, "snapshot"))
    stream = shell(connection)
    stream.subscribe("ticker:B")
    assert isinstance(stream.receive(), Connected)
    request_id = stream.submit(ORDER)
    refused = stream.receive()
    assert isinstance(refused, CommandRefused)
    assert (refused.request_id, type(refused.error)) == (request_id, OutcomeUnknownError)
    assert connection.is_closed
    with pytest.raises(ProtocolError):
        stream.receive()
    with pytest.raises(UnreachableError):
        stream.submit(ORDER)
    with pytest.raises(ClientError, match="has ended"):
        stream.receive()
    assert connection.sent == ["marketdata.subscribe", "order.submit"]


@THREADS
def test_a_command_of_another_thread_is_answered_or_told_when_the_connection_is_lost_meanwhile(shell: Shell) -> None:
    begun, is_told = Event(), Event()

    def make_id() -> str:
        if current_thread() is not main_thread():
            begun.set()
            is_told.wait(0.2)
        return "name"

    first, second = Connection(), Connection(heard("ticker:B", None, None))
    stream = shell(first, second, make_id=make_id)
    assert isinstance(stream.receive(), Connected)
    given: list[str] = []
    other = Thread(target=lambda: given.append(stream.submit(ORDER)))
    other.start()
    assert begun.wait(60.0)
    told = [stream.receive()]
    while not isinstance(told[-1], Disconnected):
        told.append(stream.receive())
    is_told.set()
    assert isinstance(stream.receive(), Connected)
    other.join(60.0)
    assert [event.request_id for event in told if isinstance(event, CommandRefused)] == given
    assert second.sent == []


@THREADS
def test_a_stream_that_another_thread_closes_while_it_opens_does_not_stay_open(shell: Shell) -> None:
    connection = Connection()
    stream = shell(connection)
    connection.on_open = stream.close
    with pytest.raises(ClientError, match="has ended"):
        stream.receive()
    assert connection.is_closed


@ASYNCIO
def test_a_stream_that_another_task_closes_while_it_opens_does_not_stay_open(shell: Shell) -> None:
    connection = Connection()
    stream = cast("Tasks", shell(connection))
    connection.on_open = stream.stream.close
    with pytest.raises(ClientError, match="has ended"):
        stream.receive()
    assert connection.is_closed


@ASYNCIO
def test_a_command_of_another_task_is_told_when_the_connection_is_being_lost(shell: Shell) -> None:
    first, second = Connection(), Connection()
    stream = cast("Tasks", shell(first, second)).stream

    async def both() -> tuple[Any, str]:
        assert isinstance(await stream.receive(), Connected)
        return tuple(await asyncio.gather(stream.receive(), stream.submit(ORDER)))

    refused, request_id = asyncio.run(both())
    assert isinstance(refused, CommandRefused)
    assert refused.request_id == request_id
    assert asyncio.run(stream.receive()) is not None
    assert isinstance(asyncio.run(stream.receive()), Connected)
    assert second.sent == []


def test_a_channel_may_be_asked_for_while_the_others_are(shell: Shell) -> None:
    connection = Connection(heard("ticker:B", None, None))
    stream = shell(connection)
    stream.subscribe("ticker:B")
    stream.cancel_on_disconnect()
    assert isinstance(stream.receive(), Connected)
    stream.subscribe("ticker:C", "ticker:D")
    stream.unsubscribe("ticker:D")
    assert connection.sent == [
        "session.cancel_on_disconnect",
        *["marketdata.subscribe"] * 3,
        "marketdata.unsubscribe",
    ]
