"""Both clients on a real gateway, over HTTP and WebSocket: what they send is what it takes."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway import limits
from gateway.errors import outcome_unknown, unavailable
from gateway.rates import Budget
from schemas.messages import CommandKind, ControlKind, Frame
from tradsys.client import (
    AccountChange,
    ApiKey,
    AsyncClient,
    BookChanged,
    Changes,
    Client,
    CommandAccepted,
    CommandRefused,
    Connected,
    Disconnected,
    ForbiddenError,
    NewOrder,
    NotFoundError,
    OutcomeUnknownError,
    PhaseOfDay,
    RateLimitedError,
    StopOrder,
    SymbolChange,
    TickerChanged,
    Timetable,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    ValidationError,
)
from tradsys.client.messages import Limits

ORDER = NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=Decimal("0.5"), price=Decimal(100))


def client_of(served: Any, **more: Any) -> AsyncClient:
    """One whose key is a token of the gateway: to the client a key is a text."""
    return AsyncClient(served.http, ApiKey(served.token()), uses_proxies=False, **more)


async def test_orders_are_placed_amended_and_cancelled(served: Any) -> None:
    async with client_of(served) as client:
        placed = await client.place(ORDER, wait_s=0)
        assert (placed.order_id, placed.report) == ("1000", None)
        oco = NewOrder(**{**_fields(ORDER), "side": "sell", "oco": StopOrder(trigger_price=99)})
        both = await client.place_all([ORDER, oco])
        assert [one.order_id for one in both if not isinstance(one, Exception)] == ["1001", "1002"]
        await client.amend("1000", Changes(price=Decimal("99.5")), wait_s=0)
        await client.cancel("1000", wait_s=0)
        await client.cancel_all(symbol="BTC-USD", side="sell", wait_s=0)
        await client.cancel_after(60, wait_s=0)
    kinds = [command.kind for command in served.log.commands]
    assert kinds == [
        *(CommandKind.NEW, CommandKind.NEW, CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL),
        *(CommandKind.CANCEL_ALL, CommandKind.CANCEL_AFTER),
    ]
    names = [command.client_order_id for command in served.log.commands[:3]]
    assert len(set(names)) == 3
    assert placed.client_order_id == names[0]
    assert served.log.commands[0].quantity_e8 == 50_000_000


def _fields(order: NewOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__dataclass_fields__}


async def test_an_order_that_nobody_acknowledged_is_sent_again_as_the_same(served: Any) -> None:
    served.log.error = outcome_unknown()

    async def recover() -> None:
        while served.log.error is not None:
            await asyncio.sleep(0.3)
            served.log.error = None

    async with client_of(served) as client:
        recovery = asyncio.create_task(recover())
        placed = await client.place(ORDER)
        await recovery
        assert [command.client_order_id for command in served.log.commands] == [placed.client_order_id]
        served.log.error = outcome_unknown()
        with pytest.raises(OutcomeUnknownError):
            await client.cancel_all(wait_s=0)
    async with client_of(served, patience_s=0) as client:
        with pytest.raises(OutcomeUnknownError) as told:
            await client.place(ORDER)
        assert len(told.value.client_order_ids) == 1
        served.log.error = unavailable("The log")
        with pytest.raises(UnavailableError) as away:
            await client.place(ORDER)
        assert (away.value.retry_after_s, away.value.status) == (limits.RETRY_AFTER_S, 503)


async def test_errors_are_typed(served: Any) -> None:
    async with client_of(served) as client:
        with pytest.raises(ValidationError) as told:
            await client.place(NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=Decimal(-1)))
        assert told.value.violations[0].path == "price"
        assert told.value.correlation_id
        with pytest.raises(NotFoundError):
            await client.order("5")
        with pytest.raises(NotFoundError):
            await client.book("NO-SUCH")
    async with AsyncClient(served.http, ApiKey("nonsense"), uses_proxies=False) as client:
        with pytest.raises(UnauthorizedError):
            await client.account()
        with pytest.raises(UnauthorizedError):
            await client.stream("orders").receive()
    async with AsyncClient("http://127.0.0.1:1", uses_proxies=False, patience_s=0.2) as client:
        with pytest.raises(UnreachableError):
            await client.symbols()


async def test_public_data_are_read(served: Any) -> None:
    async with AsyncClient(served.http, uses_proxies=False) as client:
        (symbol,) = await client.symbols()
        assert (symbol.symbol, symbol.tick, symbol.times_in_force) == ("BTC-USD", Decimal("0.01"), ("gtc", "ioc"))
        assert (await client.book("BTC-USD", depth=5)).bids == ()
        assert await client.candles("BTC-USD", limit=5) == []
        assert [trade async for trade in client.trades("BTC-USD")] == []
        assert "OUTCOME_UNKNOWN" in {entry.code for entry in await client.errors()}

        async def trouble() -> str:
            return "it is away"

        served.checks["kafka"] = trouble
        ready = await client.ready()
        assert (ready.status, ready.dependencies["kafka"].detail) == ("down", "it is away")
        assert (await client.health()).status == "degraded"
    with pytest.raises(ValueError, match="address"):
        AsyncClient("127.0.0.1:8080")


async def test_what_is_asked_too_often_says_when_to_ask_again(served: Any) -> None:
    served.guard._budgets = served.guard._budgets._replace(public=Budget("public", 1, 60))
    async with AsyncClient(served.http, uses_proxies=False) as client:
        await client.symbols()
        with pytest.raises(RateLimitedError) as told:
            await client.symbols()
        assert told.value.retry_after_s is not None
        assert told.value.retry_after_s >= 1


async def test_a_book_is_followed(served: Any, frame: Callable[..., Frame]) -> None:
    served.hub.apply([frame("book:BTC-USD", 1, b'{"bids":[["100","2"]],"asks":[["101","1"]]}')])
    async with client_of(served) as client, client.stream("book:BTC-USD", "ticker:BTC-USD") as stream:
        assert await stream.receive(5) == Connected(account="alice", is_again=False)
        event = await stream.receive(5)
        assert isinstance(event, BookChanged)
        assert str(event.book.best_bid) == "Level(price=Decimal('100'), quantity=Decimal('2'))"
        assert await stream.receive(0.05) is None
        served.hub.apply([frame("book:BTC-USD", 2, b'{"bids":[["100","0"]],"asks":[]}')])
        async for event in stream:
            assert isinstance(event, BookChanged)
            assert event.book.best_bid is None
            break
        await stream.unsubscribe("book:BTC-USD")
        await stream.subscribe("book:BTC-USD")
        event = await stream.receive(5)
        assert isinstance(event, BookChanged)
        assert event.is_snapshot
        with pytest.raises(ValueError, match="one channel"):
            await stream.subscribe("ticker:BTC-USD", "trades:BTC-USD", from_sequence=1)


async def test_a_client_that_was_cut_off_comes_back_and_goes_on(served: Any, frame: Callable[..., Frame]) -> None:
    ticker = (
        b'{"symbol":"BTC-USD","sequence":%d,"volume_24h":"0","notional_24h":"0","trade_count_24h":0,'
        b'"time":"2030-01-31T12:00:00Z"}'
    )
    served.hub.apply([frame("ticker:BTC-USD", 1, ticker % 1)])
    async with client_of(served) as client, client.stream("ticker:BTC-USD") as stream:
        assert isinstance(await stream.receive(5), Connected)
        assert isinstance(await stream.receive(5), TickerChanged)
        assert stream._connection is not None
        stream._connection.transport.abort()
        assert isinstance(await stream.receive(5), Disconnected)
        served.hub.apply([frame("ticker:BTC-USD", 2, ticker % 2), frame("ticker:BTC-USD", 3, ticker % 3)])
        assert await stream.receive(5) == Connected(account="alice", is_again=True)
        events = [await stream.receive(5), await stream.receive(5)]
        assert [event.ticker.sequence for event in events if isinstance(event, TickerChanged)] == [2, 3]


async def test_orders_end_with_the_connection_if_that_was_asked(served: Any) -> None:
    async with client_of(served) as client, client.stream() as stream:
        await stream.cancel_on_disconnect()
        assert isinstance(await stream.receive(5), Connected)
        await stream.receive(0.05)
    while not served.log.commands:  # noqa: ASYNC110 - the gateway has no event for it
        await asyncio.sleep(0.01)
    assert served.log.commands[0].kind is CommandKind.CANCEL_ALL


async def test_orders_are_sent_over_the_stream(served: Any) -> None:
    async with client_of(served) as client, client.stream() as stream:
        with pytest.raises(UnreachableError, match="not open"):
            await stream.submit(ORDER)
        assert isinstance(await stream.receive(5), Connected)
        sent = [
            await stream.submit(ORDER.named("mine")),
            await stream.amend("1000", Changes(price=Decimal(99))),
            await stream.cancel(client_order_id="mine"),
            await stream.submit(NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=0, price=1)),
        ]
        told = {event.request_id: event for event in [await stream.receive(5) for _ in sent]}  # type: ignore[union-attr]
        placed, amended, cancelled, refused = (told[request_id] for request_id in sent)
        assert (placed.order_id, placed.client_order_id) == ("1000", "mine")
        assert (amended.command_id, cancelled.command_id, cancelled.client_order_id) == ("1001", "1002", "mine")
        assert refused.error.violations[0].path == "order.quantity"
        served.log.error = outcome_unknown()
        await stream.submit(ORDER.named("again"))
        lost = await stream.receive(5)
        assert isinstance(lost, CommandRefused)
        assert isinstance(lost.error, OutcomeUnknownError)
    assert [command.kind for command in served.log.commands] == [
        *(CommandKind.NEW, CommandKind.AMEND),
        CommandKind.CANCEL,
    ]


async def test_a_gateway_that_cannot_be_reached_is_tried_again(served: Any) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        async with AsyncClient(url, uses_proxies=False) as client, client.stream("ticker:BTC-USD") as stream:
            events = [await stream.receive(5) for _ in range(3)]
    assert [event.wait_s for event in events if isinstance(event, Disconnected)] == [0.1, 0.2, 0.4]
    del served


async def test_the_client_of_threads_does_the_same(served: Any, frame: Callable[..., Frame]) -> None:
    served.hub.apply([frame("book:BTC-USD", 1, b'{"bids":[["100","2"]],"asks":[]}')])
    token, url = served.token(), served.http

    def follow() -> Iterator[Any]:
        with Client(url, ApiKey(token), uses_proxies=False) as client:
            yield client.place(ORDER, wait_s=0)
            yield list(client.trades("BTC-USD"))
            with client.stream("book:BTC-USD") as stream:
                for event in stream:
                    yield event
                    if isinstance(event, BookChanged):
                        break
                yield stream.receive(0.05)
                stream._connection.socket.shutdown(2)  # type: ignore[union-attr]
                yield stream.receive(5)
                yield stream.receive(5)
                stream.unsubscribe("book:BTC-USD")
                stream.cancel_on_disconnect(enabled=False)
                assert [stream.submit(ORDER), stream.cancel("5")] == ["command-1", "command-2"]
                assert [type(stream.receive(5)) for _ in range(2)] == [CommandAccepted] * 2
            with pytest.raises(NotFoundError):
                client.order("5")

    placed, trades, connected, book, nothing, lost, again = await asyncio.to_thread(lambda: list(follow()))
    assert placed.order_id == "1000"
    assert (trades, nothing) == ([], None)
    assert connected == Connected(account="alice", is_again=False)
    assert isinstance(book, BookChanged)
    assert isinstance(lost, Disconnected)
    assert again == Connected(account="alice", is_again=True)


async def test_an_order_is_cancelled_by_the_name_that_the_client_gave_it(served: Any) -> None:
    async with client_of(served) as client:
        done = await client.cancel_by_client_id("in-1:profit/2", wait_s=0)
        assert done.command_id == "1000"
        with pytest.raises(ValueError, match="is empty"):
            await client.cancel_by_client_id("")
    (command,) = served.log.commands
    assert (command.kind, command.client_order_id) == (CommandKind.CANCEL, "in-1:profit/2")


async def test_an_admin_decides(served: Any) -> None:
    async with AsyncClient(served.http, ApiKey(served.token("root", "admin")), uses_proxies=False) as client:
        admin = client.admin
        await admin.change_symbol("NEW-USD", SymbolChange(tick=Decimal("0.01"), lot=Decimal("0.0001")))
        await admin.change_symbol("NEW-USD", SymbolChange(price_band=Decimal("0.1"), order_types=("limit",)))
        for account in ("alice", "bob"):
            made = await admin.change_account(account, AccountChange(kind="margin", leverage=3))
        await admin.deposit("alice", "USD", Decimal("10.5"))
        await admin.withdraw("alice", "USD", 1)
        await admin.transfer("alice", "bob", "USD", 2)
        await admin.put_limits(Limits(account="alice", max_leverage=Decimal(2), max_open_orders=5))
        await admin.set_session("NEW-USD", "auction")
        await admin.set_session("NEW-USD", "closed", at=datetime(2090, 1, 31, 17, 30, tzinfo=UTC))
        await admin.plan_days("NEW-USD", Timetable(timetable=(PhaseOfDay(at="09:00", phase="auction"),), days=2))
        planned = await admin.planned("NEW-USD")
        assert [(step.phase, step.at.hour) for step in planned] == [("auction", 9), ("auction", 9), ("closed", 17)]
        assert [row.next async for row in admin.planned_next()] == planned[:1]
        assert (await admin.set_every_session(None)).position is not None
        assert await admin.planned("NEW-USD") == []
        await admin.set_strategy("bob", "trend", "reducing")
        assert [row.status async for row in admin.strategies("bob")] == ["reducing"]
        killed = await admin.kill("account", "bob", reducing=True)
        assert (killed.decision_id != made.decision_id, len(killed.stopped)) == (True, 1)
        accounts = [account async for account in admin.accounts()]
        assert [(one.account, one.leverage) for one in accounts] == [("alice", Decimal(3)), ("bob", Decimal(3))]
        assert [limits.max_open_orders for limits in await admin.limits()] == [5]
        with pytest.raises(ValidationError) as told:
            await admin.deposit("alice", "USD", Decimal(-1))
        assert told.value.violations[0].path == "amount"
    records = {record.kind: record for record in served.decided}
    assert (records[ControlKind.SYMBOL].tick_e8, records[ControlKind.SYMBOL].price_band_e8) == (1_000_000, 10_000_000)
    assert records[ControlKind.FUNDS].amount_e8 == -100_000_000
    async with client_of(served) as client:
        assert [limits.max_leverage for limits in await client.limits()] == [Decimal(2)]
        with pytest.raises(ForbiddenError):
            await client.admin.accounts().__anext__()
