"""A dependency that fails is left alone for a moment; who asks is told soon, and all goes on when it is back."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest
from prometheus_client import generate_latest
from sqlalchemy import URL, literal, select
from sqlalchemy.exc import OperationalError, ProgrammingError
from valkey.exceptions import ResponseError, ValkeyError

from gateway import limits
from gateway.breakers import Breaker, OpenError, State
from gateway.database import Database, database_is_away
from gateway.errors import ApiError, Code
from gateway.metrics import Metrics
from gateway.stores import open_valkey, valkey_is_away
from gateway.wiring import make_breakers


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("something", lambda error: isinstance(error, OSError), clock)


def ask(breaker: Breaker, error: BaseException | None = None) -> str:
    """What becomes of an attempt that ends with this."""
    try:
        with breaker.attempt():
            if error is not None:
                raise error  # noqa: TRY301 - the attempt fails
    except OpenError:
        return "not asked"
    except BaseException:  # noqa: BLE001 - the one above
        return "failed"
    return "asked"


def test_it_opens_after_failures_in_a_row_and_not_for_other_errors(breaker: Breaker) -> None:
    for _ in range(5):
        for _ in range(limits.BREAKER_FAILURES - 1):
            assert ask(breaker, TimeoutError()) == "failed"
        assert ask(breaker, ValueError("the dependency answered that")) == "failed"
    for _ in range(limits.BREAKER_FAILURES - 1):
        ask(breaker, OSError())
    assert ask(breaker) == "asked"
    assert (breaker.state, breaker.openings) == (State.CLOSED, 0)
    for _ in range(limits.BREAKER_FAILURES):
        assert ask(breaker, OSError()) == "failed"
    assert (breaker.state, breaker.openings) == (State.OPEN, 1)
    assert ask(breaker) == "not asked"


def opened(breaker: Breaker, clock: Clock) -> None:
    """Open, and the time is over for which nobody asks."""
    for _ in range(limits.BREAKER_FAILURES):
        ask(breaker, OSError())
    clock.now_s += limits.BREAKER_OPEN_S - 0.01
    assert ask(breaker) == "not asked"
    clock.now_s += 0.01


def test_half_open_one_asks_and_what_it_finds_holds_for_all(breaker: Breaker, clock: Clock) -> None:
    opened(breaker, clock)
    with breaker.attempt():
        assert breaker.state is State.HALF_OPEN
        assert ask(breaker) == "not asked"
    assert breaker.state is State.CLOSED
    assert ask(breaker, OSError()) == "failed"
    assert ask(breaker) == "asked"  # it counts from none again
    opened(breaker, clock)
    assert ask(breaker, OSError()) == "failed"
    assert ask(breaker) == "not asked"
    clock.now_s += limits.BREAKER_OPEN_S
    assert ask(breaker) == "asked"
    assert breaker.openings == 2


def test_a_cancelled_attempt_says_nothing(breaker: Breaker, clock: Clock) -> None:
    for _ in range(10):
        ask(breaker, asyncio.CancelledError())
    assert breaker.state is State.CLOSED
    opened(breaker, clock)
    ask(breaker, asyncio.CancelledError())
    assert breaker.state is State.OPEN
    assert ask(breaker) == "asked"  # the next one shows how things are


def test_the_metrics_say_how_it_stands(breaker: Breaker) -> None:
    metrics = Metrics()
    metrics.watch(breaker)

    def said() -> str:
        return generate_latest(metrics.registry).decode()

    assert 'tradsys_gateway_breaker_state{dependency="something"} 0.0' in said()
    for _ in range(limits.BREAKER_FAILURES):
        ask(breaker, OSError())
    assert 'tradsys_gateway_breaker_state{dependency="something"} 2.0' in said()
    assert 'tradsys_gateway_breaker_openings{dependency="something"} 1.0' in said()


def test_what_counts_as_a_database_or_a_valkey_that_is_away() -> None:
    def refused(of: type[psycopg.Error]) -> OperationalError:
        return OperationalError("SELECT 1", {}, of("said so"))

    away = (
        TimeoutError(),
        ConnectionRefusedError(),
        refused(psycopg.OperationalError),
        refused(psycopg.errors.AdminShutdown),
        refused(psycopg.errors.CannotConnectNow),
        refused(psycopg.errors.TooManyConnections),
    )
    assert all(map(database_is_away, away))
    there = (
        refused(psycopg.errors.QueryCanceled),
        refused(psycopg.errors.LockNotAvailable),
        ProgrammingError("SELECT 1", {}, psycopg.errors.UndefinedTable("said so")),
        ValueError(),
    )
    assert not any(map(database_is_away, there))
    assert valkey_is_away(TimeoutError())
    assert not valkey_is_away(ResponseError("NOSCRIPT"))


def test_what_a_query_was_given_stands_in_no_error() -> None:
    database = Database(URL.create("postgresql+psycopg"), answer_ms=limits.ANSWER_MS)
    hidden = database._engine.hide_parameters
    lost = OperationalError("UPDATE users", {"hash": "$argon2id$"}, psycopg.OperationalError("lost"), hidden)
    assert "$argon2id$" not in str(lost)
    database.close()


def test_each_pool_has_a_breaker_of_its_own() -> None:
    metrics = Metrics()
    breakers = make_breakers(metrics)
    for _ in range(limits.BREAKER_FAILURES):
        ask(breakers.lists, OSError())
        ask(breakers.valkey, OSError())
    assert [breaker.state for breaker in (breakers.lists, breakers.valkey)] == [State.OPEN] * 2
    assert [ask(breaker) for breaker in (breakers.upkeep, breakers.identity, breakers.probed)] == ["asked"] * 3
    said = generate_latest(metrics.registry).decode()
    assert 'tradsys_gateway_breaker_state{dependency="postgresql_upkeep"} 0.0' in said


async def test_a_wait_for_our_own_connections_says_nothing_of_the_database() -> None:
    breaker = Breaker("postgresql", database_is_away)
    database = Database(URL.create("postgresql+psycopg"), breaker, connections=1, answer_ms=limits.ANSWER_MS)
    goes_on = threading.Event()
    slow = asyncio.create_task(database._answered(lambda: goes_on.wait(10), 10))
    await asyncio.sleep(0)
    for _ in range(2 * limits.BREAKER_FAILURES):
        with pytest.raises(ApiError, match="Too many queries at once"):
            await database._answered(lambda: True, 0.01)
    assert breaker.state is State.CLOSED
    goes_on.set()
    assert await slow
    for _ in range(limits.BREAKER_FAILURES):
        with pytest.raises(ApiError, match="cannot be reached"):
            await database._answered(lambda: time.sleep(0.05), 0.01)
        await asyncio.sleep(0.1)
    assert breaker.state is State.OPEN
    database.close()


@asynccontextmanager
async def server(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Takes every connection, and answers what it is told to, or nothing; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(answer(data))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def test_a_database_that_hangs_is_told_soon_and_then_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BREAKER_OPEN_S", 3_600)
    asked = []

    def hang(data: bytes) -> bytes:
        asked.append(data)
        return b""

    async with server(hang) as port:
        url = URL.create("postgresql+psycopg", username="a", password="b", host="127.0.0.1", port=port, database="c")
        breaker = Breaker("postgresql", database_is_away)
        database = Database(url, breaker, answer_ms=limits.ANSWER_MS)
        for _ in range(limits.BREAKER_FAILURES):
            with pytest.raises(ApiError) as refused:
                await database.rows(select(literal(1)))
            assert refused.value.code is Code.SERVICE_UNAVAILABLE
        assert breaker.state is State.OPEN
        before = len(asked)
        for _ in range(100):
            with pytest.raises(ApiError, match="The database cannot be reached"):
                await database.rows(select(literal(1)))
        assert 0 < before == len(asked)
        database.close()


async def test_valkey_that_hangs_is_told_soon_then_at_once_and_asked_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BREAKER_OPEN_S", 0.3)
    is_back = False

    def answer(data: bytes) -> bytes:
        return b"+PONG\r\n" * data.count(b"PING") + b"+OK\r\n" * data.count(b"SETINFO") if is_back else b""

    async with server(answer) as port:
        breaker = Breaker("valkey", valkey_is_away)
        valkey = open_valkey(f"valkey://127.0.0.1:{port}/0", breaker, answer_ms=150)
        for _ in range(limits.BREAKER_FAILURES):
            with pytest.raises((OSError, ValkeyError)):
                await valkey.ping()
        assert breaker.state is State.OPEN
        with pytest.raises(OpenError):
            await valkey.ping()
        is_back = True
        async with asyncio.timeout(20):
            while breaker.state is not State.CLOSED:
                try:
                    await valkey.ping()
                except (OSError, ValkeyError):
                    await asyncio.sleep(0.02)
        assert await valkey.ping()
        await valkey.aclose()
