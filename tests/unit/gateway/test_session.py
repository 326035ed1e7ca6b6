"""The WebSocket, over real connections."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect

from gateway import limits
from gateway.errors import outcome_unknown
from gateway.rates import Budget
from gateway.stream.session import Session
from schemas.messages import CommandKind, Frame
from schemas.units import E8

MakeFrame = Callable[..., Frame]
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}


async def ask(connection: ClientConnection, **message: Any) -> dict[str, Any]:
    await connection.send(json.dumps(message))
    return await hear(connection)


async def hear(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(60):
        heard: dict[str, Any] = json.loads(await connection.recv())
        return heard


async def hear_all(connection: ClientConnection) -> None:
    while True:
        await hear(connection)


async def test_market_data_needs_no_login_and_the_rest_does(served: Any) -> None:
    async with connect(served.ws) as ws:
        assert (await ask(ws, type="ping", request_id="1"))["type"] == "pong"
        subscribed = await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["book", "candles:1m"])
        assert subscribed["channels"] == ["book:BTC-USD", "candles:BTC-USD:1m"]
        for message in (
            {"type": "order.submit", "order": ORDER},
            {"type": "order.cancel", "order_id": "5"},
            {"type": "marketdata.subscribe", "channel": "orders"},
        ):
            await ws.send(json.dumps(message))
        heard = [await hear(ws) for _ in range(5)]
        assert [message["error"]["code"] for message in heard if message["type"] == "error"] == ["UNAUTHORIZED"] * 3
    assert served.log.commands == []


async def test_a_session_is_market_data_too(served: Any, frame: MakeFrame) -> None:
    async with connect(served.ws) as ws:
        subscribed = await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["session"])
        assert subscribed["channels"] == ["session:BTC-USD"]
        assert (await hear(ws))["kind"] == "snapshot"
        served.hub.apply([frame("session:BTC-USD", 1, b'{"phase":"auction"}')])
        update = await hear(ws)
        assert (update["type"], update["data"]) == ("marketdata.session", {"phase": "auction"})


async def test_a_portfolio_is_the_newest_and_then_each_change(served: Any, frame: MakeFrame) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        served.hub.apply([frame("portfolio:alice", 7, b'{"balances":[]}'), frame("portfolio:bob", 1, b"{}")])
        assert (await ask(ws, type="marketdata.subscribe", channel="portfolio"))["channels"] == ["portfolio:alice"]
        snapshot = await hear(ws)
        assert (snapshot["type"], snapshot["kind"], snapshot["sequence"]) == ("portfolio.update", "snapshot", 7)
        assert snapshot["data"] == {"balances": []}
        served.hub.apply([frame("portfolio:alice", 8, b'{"balances":[1]}'), frame("portfolio:bob", 2, b"{}")])
        assert (await hear(ws))["data"] == {"balances": [1]}


async def test_alerts_are_of_the_account_and_of_the_symbols_that_it_trades(served: Any, frame: MakeFrame) -> None:
    standing = ("alice", 3, "REDUCING", "MARGIN_CALL", "USD", 5 * E8, 4 * E8, 1_700_000_000_000_000)
    served.database.answers = [[("BTC-USD",)], [standing]]
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        told = await ask(ws, type="marketdata.subscribe", channel="alerts")
        assert told["channels"] == ["alerts:alice", "halts:BTC-USD"]
        stands = await hear(ws)
        assert (stands["type"], stands["channel"]) == ("alert", "alerts:alice")
        (data,) = stands["data"]
        assert (data["status"], data["reason"], data["limit"], data["actual"]) == ("reducing", "MARGIN_CALL", "5", "4")
        assert (await hear(ws))["data"] is None
        called = {"account": "alice", "sequence": 4, "status": "suspended", "reason": "LIQUIDATION"}
        served.hub.apply(
            [
                frame("alerts:alice", 1, json.dumps(called, separators=(",", ":")).encode()),
                frame("alerts:bob", 1, b'{"reason":"NONE"}'),
                frame("halts:BTC-USD", 1, b'{"halted":true}'),
                frame("halts:BTC-USD", 1, b'{"halted":true}', snapshot=True),  # said again for others
            ]
        )
        alert, halt = await hear(ws), await hear(ws)
        assert alert["data"] == called
        assert alert["message"].startswith("The positions of account alice are being reduced")
        assert (halt["type"], halt["channel"], halt["kind"]) == ("alert", "halts:BTC-USD", "update")
        assert (await ask(ws, type="ping"))["type"] == "pong"
    async with connect(served.ws) as late:
        await ask(late, type="marketdata.subscribe", channel="halts:BTC-USD")
        assert (await hear(late))["data"] == {"halted": True}


async def test_what_is_said_again_tells_a_gateway_that_was_not_there(served: Any, frame: MakeFrame) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", channel="halts:BTC-USD")
        assert (await hear(ws))["data"] is None
        served.hub.apply([frame("halts:BTC-USD", 9, b'{"halted":true}', snapshot=True)])
        heard = await hear(ws)
        assert (heard["kind"], heard["sequence"], heard["data"]) == ("snapshot", 9, {"halted": True})


async def test_frames_are_wrapped_by_the_type_of_their_channel(served: Any, frame: MakeFrame) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["ticker"])
        assert await hear(ws) == {
            "type": "price.update",
            "channel": "ticker:BTC-USD",
            "sequence": None,
            "kind": "snapshot",
            "data": None,
        }
        served.hub.apply([frame("ticker:BTC-USD", 1, b'{"last":"100"}')])
        update = await hear(ws)
        assert (update["type"], update["kind"], update["data"]) == ("price.update", "update", {"last": "100"})
        await ask(ws, type="marketdata.unsubscribe", symbol="BTC-USD", channels=["ticker"])
        served.hub.apply([frame("ticker:BTC-USD", 2, b'{"last":"101"}')])
        assert (await ask(ws, type="ping"))["type"] == "pong"


@pytest.mark.parametrize("size", [10, 125, 126, 65_535, 65_536, 300_000])
async def test_messages_of_every_length_arrive_whole(served: Any, frame: MakeFrame, size: int) -> None:
    async with connect(served.ws, max_size=None) as ws:
        await ask(ws, type="marketdata.subscribe", channel="ticker:BTC-USD")
        await hear(ws)
        served.hub.apply([frame("ticker:BTC-USD", 1, json.dumps("x" * size).encode())])
        assert len((await hear(ws))["data"]) == size


async def test_orders_are_placed_and_cancelled_as_by_rest(served: Any) -> None:
    async with connect(served.ws) as ws:
        logged_in = await ask(ws, type="auth", token=served.token("alice"))
        assert logged_in["data"] == {"account": "alice", "role": "trader"}
        placed = await ask(ws, type="order.submit", request_id="a", order=ORDER | {"client_order_id": "c1"})
        assert (placed["type"], placed["request_id"]) == ("order.status", "a")
        assert placed["data"] == {"order_id": "1000", "client_order_id": "c1", "status": "pending"}
        cancelled = await ask(ws, type="order.cancel", request_id="b", order_id="1000")
        assert cancelled["data"] == {"order_id": "1000", "command_id": "1001", "status": "pending_cancel"}
        refused = await ask(ws, type="order.submit", request_id="c", order=ORDER | {"quantity": "0"})
        assert (refused["request_id"], refused["error"]["field"]) == ("c", "order.quantity")
        served.log.error = outcome_unknown()
        unknown = await ask(ws, type="order.submit", request_id="d", order=ORDER)
        assert unknown["error"]["code"] == "OUTCOME_UNKNOWN"
    assert [command.account for command in served.log.commands] == ["alice", "alice"]


async def test_orders_are_amended_and_all_cancelled_as_by_rest(served: Any) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        changes = {"price": "99.5", "quantity": "2"}
        amended = await ask(ws, type="order.amend", request_id="a", order_id="1000", changes=changes)
        assert (amended["type"], amended["request_id"]) == ("order.status", "a")
        assert amended["data"] == {"order_id": "1000", "command_id": "1000", "status": "pending_amend"}
        cancelled = await ask(ws, type="order.cancel_all", symbol="BTC-USD", side="sell")
        assert cancelled["data"] == {"command_id": "1001", "status": "pending_cancel"}
        await ask(ws, type="order.cancel_all")
        timer = await ask(ws, type="order.cancel_after", timeout=60)
        assert timer["data"] == {"command_id": "1003", "status": "pending"}
        checked = await ask(ws, type="order.check", order=ORDER)
        assert checked["data"] == {"command_id": "1004", "status": "pending_check"}
    amend, some, every, after, check = served.log.commands
    assert (check.kind, check.symbol) == ("CHECK", "BTC-USD")
    assert (amend.kind, amend.order_id, amend.price_e8, amend.quantity_e8) == ("AMEND", 1000, 9_950_000_000, 2 * E8)
    assert (some.kind, some.symbol, some.side) == ("CANCEL_ALL", "BTC-USD", "SELL")
    assert (every.kind, every.symbol, every.side) == ("CANCEL_ALL", None, None)
    assert (after.kind, after.timeout_s) == ("CANCEL_AFTER", 60)


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ({"type": "order.amend", "order_id": "1", "changes": {}}, "VALIDATION_FAILED", "changes"),
        ({"type": "order.amend", "order_id": "1", "changes": {"price": "-1"}}, "VALIDATION_FAILED", "changes.price"),
        ({"type": "order.amend", "order_id": "1", "changes": {"side": "buy"}}, "VALIDATION_FAILED", "changes.side"),
        ({"type": "order.amend", "order_id": "x", "changes": {"price": "1"}}, "NOT_FOUND", "order_id"),
        ({"type": "order.cancel_all", "side": "hold"}, "VALIDATION_FAILED", "side"),
        ({"type": "order.cancel_all", "symbol": "BTC USD"}, "VALIDATION_FAILED", "symbol"),
        ({"type": "order.cancel_after", "timeout": -1}, "VALIDATION_FAILED", "timeout"),
        ({"type": "order.cancel_after", "timeout": 86_401}, "VALIDATION_FAILED", "timeout"),
        ({"type": "order.cancel_after"}, "VALIDATION_FAILED", "timeout"),
    ],
)
async def test_a_bad_command_is_refused_with_its_field_and_not_sent(
    served: Any, message: dict[str, Any], code: str, field: str | None
) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        refused = (await ask(ws, **message))["error"]
        assert (refused["code"], refused.get("field")) == (code, field)
    assert served.log.commands == []


async def test_a_refusal_says_in_words_what_rest_says(served: Any, frame: MakeFrame) -> None:
    report = {"command_id": "7", "kind": "rejected", "reason": "QUANTITY_OFF_LOT", "limit": "0.001", "actual": "0.0015"}
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        await ask(ws, type="marketdata.subscribe", channel="orders")
        await hear(ws)
        served.hub.apply([frame("orders:alice", 1, json.dumps(report, separators=(",", ":")).encode())])
        heard = await hear(ws)
        assert heard["data"] == report
        assert heard["message"].startswith("Quantity 0.0015 is not a multiple of the lot 0.001")
        served.hub.apply([frame("orders:alice", 2, b'{"command_id":"8","kind":"new","reason":"NONE"}')])
        assert "message" not in await hear(ws)


async def test_open_orders_end_with_the_connection_where_that_was_asked(served: Any) -> None:
    async with connect(served.ws) as ws:
        assert (await ask(ws, type="session.cancel_on_disconnect", enabled=True))["error"]["code"] == "UNAUTHORIZED"
        await ask(ws, type="auth", token=served.token("alice"))
        told = await ask(ws, type="session.cancel_on_disconnect", request_id="a", enabled=True)
        assert (told["request_id"], told["data"]) == ("a", {"enabled": True})
        assert served.log.commands == []
        ws.transport.abort()
        await until(lambda: served.log.commands)
    (command,) = served.log.commands
    assert (command.kind, command.account, command.symbol, command.side) == ("CANCEL_ALL", "alice", None, None)


async def test_open_orders_stay_where_that_was_not_asked_or_taken_back(served: Any) -> None:
    for switches in ((), (True, False)):
        async with connect(served.ws) as ws:
            await ask(ws, type="auth", token=served.token("alice"))
            for enabled in switches:
                await ask(ws, type="session.cancel_on_disconnect", enabled=enabled)
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice", "viewer"))
        refused = await ask(ws, type="session.cancel_on_disconnect", enabled=True)
        assert refused["error"]["code"] == "FORBIDDEN"
    async with connect(served.ws) as ws:
        await ask(ws, type="ping")
    assert served.log.commands == []


async def test_a_log_that_is_away_when_a_connection_ends_is_told_to_the_operator(served: Any) -> None:
    with capture_logs() as logged:
        async with connect(served.ws) as ws:
            await ask(ws, type="auth", token=served.token("alice"))
            await ask(ws, type="session.cancel_on_disconnect", enabled=True)
            served.log.error = outcome_unknown()
        await until(lambda: logged)
    assert (logged[0]["event"], logged[0]["account"]) == ("cancel_on_disconnect_failed", "alice")


async def test_private_channels_are_the_own_accounts_only(served: Any, frame: MakeFrame) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        foreign = await ask(ws, type="marketdata.subscribe", channel="orders:bob")
        assert foreign["error"]["code"] == "NOT_FOUND"
        assert (await ask(ws, type="marketdata.subscribe", channel="orders"))["channels"] == ["orders:alice"]
        assert (await hear(ws))["data"] == []
        served.hub.apply([frame("orders:bob", 1, b'{"command_id":null}'), frame("orders:alice", 1, b'{"kind":"new"}')])
        heard = await hear(ws)
        assert (heard["type"], heard["channel"], heard["data"]) == ("order.status", "orders:alice", {"kind": "new"})


async def test_resuming_gets_what_was_missed(served: Any, frame: MakeFrame) -> None:
    served.hub.apply([frame("trades:BTC-USD", sequence, b'{"trade_id":"%d"}' % sequence) for sequence in range(1, 6)])
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", channel="trades:BTC-USD", from_sequence=3)
        assert [(await hear(ws))["sequence"] for _ in range(2)] == [4, 5]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[]", "VALIDATION_FAILED"),
        ('{"type":"order.submit","order":' + "[" * 7_000 + "]" * 7_000 + "}", "INVALID_JSON"),
        ("{}", "VALIDATION_FAILED"),
        ('{"type":"order.amend"}', "VALIDATION_FAILED"),
        ('{"type":"ping","type":"ping"}', "INVALID_JSON"),
        ('{"type":"ping","extra":1}', "VALIDATION_FAILED"),
        ('{"type":"marketdata.subscribe"}', "VALIDATION_FAILED"),
        ('{"type":"marketdata.subscribe","channel":"book:NO-SUCH"}', "NOT_FOUND"),
        ('{"type":"marketdata.subscribe","channel":"candles:BTC-USD:7m"}', "NOT_FOUND"),
        ('{"type":"marketdata.subscribe","channel":"secrets"}', "NOT_FOUND"),
        ('{"type":"marketdata.subscribe","channel":"book:BTC-USD","from_sequence":-1}', "VALIDATION_FAILED"),
        ('{"type":"auth","token":"x"}', "UNAUTHORIZED"),
    ],
)
async def test_what_cannot_be_meant_is_answered_and_the_connection_stays(served: Any, text: str, code: str) -> None:
    async with connect(served.ws) as ws:
        await ws.send(text)
        heard = await hear(ws)
        assert (heard["type"], heard["error"]["code"]) == ("error", code)
        assert (await ask(ws, type="ping"))["type"] == "pong"


async def test_a_binary_message_is_refused_and_a_large_one_ends_the_connection(served: Any) -> None:
    async with connect(served.ws) as ws:
        await ws.send(b"{}")
        assert (await hear(ws))["error"]["code"] == "INVALID_REQUEST"
        await ws.send("x" * (limits.WS_MESSAGE_BYTES_MAX + 1))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(ws)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_guessing_tokens_ends_the_connection(served: Any) -> None:
    async with connect(served.ws) as ws:
        for _ in range(limits.WS_AUTH_ATTEMPTS_MAX):
            await ws.send(json.dumps({"type": "auth", "token": "x"}))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear_all(ws)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003


async def test_a_connection_ends_with_its_token(served: Any) -> None:
    served.tokens._expiry_s = 2
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token())
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(ws)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001


async def test_who_was_sent_away_and_does_not_read_it_places_nothing(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []
    run = Session.run

    async def noted(session: Session) -> None:
        sessions.append(session)
        await run(session)

    monkeypatch.setattr(Session, "run", noted)
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token())
        sessions[0]._has_ended = True  # as if what says so waited in front of a client that does not read
        await ws.send(json.dumps({"type": "order.submit", "order": ORDER}))
    assert served.log.commands == []


async def test_subscriptions_and_connections_are_limited(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WS_SUBSCRIPTIONS_MAX", 2)
    monkeypatch.setattr(limits, "WS_CONNECTIONS_PER_ACCOUNT", 1)
    async with connect(served.ws) as ws, connect(served.ws) as second:
        refused = await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["book", "trades", "ticker"])
        assert refused["error"]["code"] == "LIMIT_EXCEEDED"
        await ask(ws, type="auth", token=served.token())
        assert (await ask(second, type="auth", token=served.token()))["error"]["code"] == "LIMIT_EXCEEDED"
    monkeypatch.setattr(limits, "WS_CONNECTIONS_MAX", 0)
    with pytest.raises(websockets.InvalidStatus) as denied:
        await connect(served.ws)
    assert denied.value.response.status_code == 503
    assert json.loads(denied.value.response.body or b"")["error"]["code"] == "SERVICE_UNAVAILABLE"


async def test_connections_and_channels_of_an_address_are_limited(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WS_CONNECTIONS_PER_ADDRESS", 2)
    monkeypatch.setattr(limits, "WS_SUBSCRIPTIONS_PER_ADDRESS", 3)

    def come(address: str) -> Any:
        return connect(served.ws, additional_headers={"x-forwarded-for": address})

    channels = {"type": "marketdata.subscribe", "symbol": "BTC-USD"}
    async with come("203.0.113.7") as first, come("203.0.113.7") as second, come("203.0.113.8"), connect(served.ws):
        with pytest.raises(websockets.InvalidStatus) as denied:
            await come("203.0.113.7")
        assert (denied.value.response.status_code, denied.value.response.headers["x-content-type-options"]) == (
            429,
            "nosniff",
        )
        for _ in range(2):  # asking again is nothing new
            asked = await ask(first, **channels, channels=["trades", "ticker"])
            assert asked["type"] == "marketdata.subscribed"
            await hear(first)
            await hear(first)
        refused = await ask(second, **channels, channels=["trades", "ticker"])
        assert refused["error"]["code"] == "LIMIT_EXCEEDED"
        await ask(first, type="marketdata.unsubscribe", channel="trades:BTC-USD")
        assert (await ask(second, **channels, channels=["trades", "ticker"]))["type"] == "marketdata.subscribed"
    async with come("203.0.113.7") as again:
        assert (await ask(again, **channels, channels=["trades", "ticker", "session"]))["channels"]
    await until(lambda: not served.gateway._websockets)
    shares = served.gateway._door.shares
    assert not shares._connections._counts
    assert not shares._channels._counts


async def test_a_page_of_another_origin_may_not_connect(served: Any) -> None:
    for origin in ("https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"):
        with pytest.raises(websockets.InvalidStatus) as denied:
            await connect(served.ws, additional_headers={"origin": origin})
        assert denied.value.response.status_code == 403
        assert json.loads(denied.value.response.body or b"")["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("headers", [{}, {"origin": "https://app.example.com"}])
async def test_programs_and_pages_of_a_listed_origin_connect(served: Any, headers: dict[str, str]) -> None:
    async with connect(served.ws, additional_headers=headers) as ws:
        assert (await ask(ws, type="ping"))["type"] == "pong"


async def test_private_channels_are_charged_as_reads(served: Any) -> None:
    served.guard._budgets = served.guard._budgets._replace(reads=Budget("reads", 3, 60))
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token())
        for _ in range(3):
            assert (await ask(ws, type="marketdata.subscribe", channel="orders"))["type"] == "marketdata.subscribed"
            await hear(ws)
        refused = await ask(ws, type="marketdata.subscribe", channel="orders")
        assert refused["error"]["details"]["budget"] == "reads"


@pytest.mark.parametrize("asked", [{"channel": "alerts"}, {"channel": "orders", "from_offset": 5}])
async def test_private_channels_are_charged_before_anything_is_read(served: Any, asked: dict[str, Any]) -> None:
    served.guard._budgets = served.guard._budgets._replace(reads=Budget("reads", 1, 60))
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token())
        await ask(ws, type="marketdata.subscribe", channel="positions")
        await hear(ws)
        served.database.answers = [[("BTC-USD",)], []]
        refused = await ask(ws, type="marketdata.subscribe", **asked)
        assert refused["error"]["details"]["budget"] == "reads"
        assert (len(served.database.answers), served.log_read) == (2, [])


async def test_who_is_sent_away_and_does_not_read_is_cut_off_soon(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_SEND_BUFFER_BYTES", 16_384)
    monkeypatch.setattr(limits, "WS_LAST_WORDS_S", 0.1)
    monkeypatch.setattr(limits, "WS_ABORT_S", 0.1)
    stuck = await never_reads(
        served,
        {"type": "auth", "token": served.token()},
        {"type": "marketdata.subscribe", "channel": "ticker:BTC-USD"},
    )
    channels = served.hub._channels
    await until(lambda: "ticker:BTC-USD" in channels and channels["ticker:BTC-USD"].subscribers)
    (session,) = channels["ticker:BTC-USD"].subscribers
    await until(lambda: not session._queue)
    for sequence in range(1, 61):
        served.hub.apply([frame("ticker:BTC-USD", sequence, json.dumps("x" * 50_000).encode())])
        await asyncio.sleep(0)
    await until(lambda: session._queue)  # it waits in front of what the client does not read
    served.revocations.take([("session of alice", 1_800_000_000_000_000)])
    async with asyncio.timeout(18):  # the pings would find out after 20 to 40 s
        await until(lambda: not served.gateway._websockets)
    stuck.close()


async def never_reads(served: Any, *messages: dict[str, Any]) -> socket.socket:
    """A client that says something and reads nothing but the answer to its handshake."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stuck, ("127.0.0.1", served.port))
    handshake = (
        "GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await loop.sock_sendall(stuck, handshake.encode())
    assert b" 101 " in await loop.sock_recv(stuck, 1_024)
    for message in messages:
        text = json.dumps(message).encode()
        size = bytes((0x80 | len(text),)) if len(text) < 126 else bytes((0xFE,)) + len(text).to_bytes(2)
        await loop.sock_sendall(stuck, b"\x81" + size + bytes(4) + text)
    return stuck


async def test_another_path_is_not_found(served: Any) -> None:
    with pytest.raises(websockets.InvalidStatus) as denied:
        await connect(served.ws + "x")
    assert denied.value.response.status_code == 404


async def test_a_client_that_never_reads_is_disconnected_and_others_are_unharmed(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_QUEUE_BYTES_MAX", 400_000)
    monkeypatch.setattr(limits, "WS_SEND_BUFFER_BYTES", 16_384)
    monkeypatch.setattr(limits, "WS_ABORT_S", 0.3)
    stuck = await never_reads(served, {"type": "marketdata.subscribe", "channel": "trades:BTC-USD"})
    async with connect(served.ws, max_size=None) as well:
        await ask(well, type="marketdata.subscribe", channel="trades:BTC-USD")
        await hear(well)
        channel = served.hub._channels["trades:BTC-USD"]
        await until(lambda: len(channel.subscribers) == 2)
        for sequence in range(1, 61):
            served.hub.apply([frame("trades:BTC-USD", sequence, json.dumps("x" * 20_000).encode())])
            assert (await hear(well))["sequence"] == sequence
        await until(lambda: len(channel.subscribers) == 1)
        assert (await ask(well, type="ping"))["type"] == "pong"
    stuck.close()


async def test_a_slow_client_that_reads_late_is_told_why(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_QUEUE_FRAMES_MAX", 50)
    monkeypatch.setattr(limits, "WS_CONFLATE_FRAMES", 20)
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", channel="trades:BTC-USD")
        await hear(ws)
        served.hub.apply([frame("trades:BTC-USD", sequence, b"{}") for sequence in range(1, 100)])
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear_all(ws)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, "resume" in closed.value.rcvd.reason) == (4008, True)


async def test_a_slow_client_is_told_from_where_to_resume(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_QUEUE_FRAMES_MAX", 50)
    monkeypatch.setattr(limits, "WS_CONFLATE_FRAMES", 20)
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["trades", "session"])
        assert [(await hear(ws))["kind"] for _ in range(2)] == ["snapshot"] * 2
        served.hub.apply([frame("session:BTC-USD", 1, b"{}")], [99])
        assert (await hear(ws))["sequence"] == 1
        frames = [frame("trades:BTC-USD", sequence, b"{}") for sequence in range(1, 100)]
        served.hub.apply(frames[:10], range(100, 110))
        assert [(await hear(ws))["sequence"] for _ in range(10)] == list(range(1, 11))
        served.hub.apply(frames[10:], range(110, 200))
        last = await hear(ws)
        assert last["type"] == "session.slow"
        assert last["resume"] == [{"channel": "trades:BTC-USD", "from_sequence": 10, "from_offset": 109}]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(ws)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4008


async def test_a_book_that_waits_too_long_is_told_by_its_newest_state_and_trades_are_not(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_CONFLATE_FRAMES", 20)
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", symbol="BTC-USD", channels=["book", "trades", "ticker"])
        assert [(await hear(ws))["kind"] for _ in range(3)] == ["snapshot"] * 3
        made = []
        for sequence in range(1, 201):
            bid = json.dumps({"bids": [[str(sequence), "1"]], "asks": []}).encode()
            made += [frame("book:BTC-USD", sequence, bid), frame("trades:BTC-USD", sequence, b'"%d"' % sequence)]
            made.append(frame("ticker:BTC-USD", sequence, b'"%d"' % sequence))
        served.hub.apply(made)
        trades, levels, tickers, last = [], {}, [], None
        while len(trades) < 200 or last is None or not tickers or tickers[-1] != "200":
            message = await hear(ws)
            if message["type"] == "marketdata.trades":
                trades.append(message["sequence"])
            elif message["type"] == "price.update":
                tickers.append(message["data"])
            else:
                if message["kind"] == "snapshot":
                    levels, last = {}, message
                levels |= dict(message["data"]["bids"])
        assert trades == list(range(1, 201))
        assert len(tickers) < 50
        assert (last["sequence"], len(levels)) == (200, 200)
        served.hub.apply([frame("book:BTC-USD", 201, b'{"bids":[["900","1"]],"asks":[]}')])
        after = await hear(ws)
        assert (after["kind"], after["sequence"]) == ("update", 201)


async def test_what_was_conflated_and_unsubscribed_is_not_told(
    served: Any, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WS_CONFLATE_FRAMES", 5)
    async with connect(served.ws) as ws:
        await ask(ws, type="marketdata.subscribe", channel="ticker:BTC-USD")
        await hear(ws)
        (outbox,) = served.hub._channels["ticker:BTC-USD"].subscribers
        served.hub.apply([frame("ticker:BTC-USD", sequence, b"{}") for sequence in range(1, 30)])
        served.hub.unsubscribe("ticker:BTC-USD", outbox)
        outbox.forget("ticker:BTC-USD")
        assert [(await hear(ws))["sequence"] for _ in range(5)] == [1, 2, 3, 4, 5]
        assert (await ask(ws, type="ping"))["type"] == "pong"


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is another part's
            await asyncio.sleep(0.005)


async def test_a_message_may_name_its_own_correlation_id(served: Any) -> None:
    async with connect(served.ws, additional_headers={"x-correlation-id": "connection"}) as ws:
        await ask(ws, type="auth", token=served.token())
        submit = {"type": "order.submit", "order": ORDER}
        assert (await ask(ws, **submit, correlation_id="mine:1"))["correlation_id"] == "mine:1"
        assert (await ask(ws, **submit))["correlation_id"] == "connection"
        wrong = await ask(ws, type="order.cancel", order_id="x", correlation_id="mine:2")
        assert (wrong["error"]["code"], wrong["correlation_id"]) == ("NOT_FOUND", "mine:2")
        odd = await ask(ws, type="ping", correlation_id="not one\n")
        assert (odd["error"]["field"], odd["correlation_id"]) == ("correlation_id", "connection")
    assert [command.correlation_id for command in served.log.commands] == ["mine:1", "connection"]


async def test_an_order_is_cancelled_by_either_of_its_ids(served: Any) -> None:
    async with connect(served.ws) as ws:
        await ask(ws, type="auth", token=served.token("alice"))
        named = await ask(ws, type="order.cancel", client_order_id="bid/1")
        assert named["data"] == {"command_id": "1000", "client_order_id": "bid/1", "status": "pending_cancel"}
        (command,) = served.log.commands
        assert (command.kind, command.client_order_id, command.order_id) == (CommandKind.CANCEL, "bid/1", None)
        for wrong in (
            {},
            {"order_id": "5", "client_order_id": "a"},
            {"client_order_id": "a\n"},
            {"client_order_id": ""},
        ):
            assert (await ask(ws, type="order.cancel", **wrong))["error"]["code"] == "VALIDATION_FAILED"
    assert len(served.log.commands) == 1
