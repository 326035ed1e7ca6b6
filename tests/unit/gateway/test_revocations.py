"""Sessions that were ended: refused at every door, for as long as a token of theirs could be good."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.auth.revocations import Revocations
from gateway.errors import ApiError, Code, unavailable

US = 1_000_000
ENDED = "The session has ended, or the key was revoked; log in again."
NOW_US = 1_800_000_000 * US


async def test_before_the_first_look_nobody_is_let_in(served: Any) -> None:
    revocations = Revocations(60)
    served.database.error = unavailable("The database")
    with pytest.raises(ApiError):
        await revocations.look(served.database)
    with pytest.raises(ApiError) as refused:
        revocations.require("s")
    assert refused.value.code is Code.SERVICE_UNAVAILABLE
    served.database.error = None
    await revocations.look(served.database)
    revocations.require("s")


@pytest.mark.parametrize(("error", "is_traced"), [(unavailable("The database"), False), (RuntimeError("a bug"), True)])
async def test_whatever_goes_wrong_is_logged_once_and_looks_go_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, is_traced: bool
) -> None:
    monkeypatch.setattr("gateway.limits.REVOCATION_POLL_S", 0.001)
    monkeypatch.setattr("gateway.limits.REVOCATION_STALE_S", 0.0)
    revocations = Revocations(60)
    looks = 0

    class Database:
        async def rows(self, _statement: Any) -> list[Any]:
            nonlocal looks
            looks += 1
            if looks in {2, 3}:
                raise error
            return [SimpleNamespace(name="s", revoked_us=NOW_US)] if looks > 3 else []

    with capture_logs() as logged:
        following = asyncio.create_task(revocations.follow(Database()))  # type: ignore[arg-type] # it has what is used
        async with asyncio.timeout(60):
            while looks < 5:  # noqa: ASYNC110 - it gives no event
                await asyncio.sleep(0.001)
        following.cancel()
    assert [line["event"] for line in logged] == ["revocations_unknown", "revocations_known"]
    assert bool(logged[0].get("exc_info")) is is_traced
    with pytest.raises(ApiError, match="ended"):
        revocations.require("s")


async def test_who_cannot_look_for_long_is_not_ready(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    revocations = Revocations(60)
    assert await revocations.trouble() is None
    monkeypatch.setattr("gateway.limits.REVOCATION_STALE_S", 0.0)
    assert "have not been read for 0 s" in str(await revocations.trouble())
    monkeypatch.setattr("gateway.limits.REVOCATION_STALE_S", 10.0)
    revocations._looked_s -= 11
    assert await revocations.trouble() is not None
    await revocations.look(served.database)
    assert await revocations.trouble() is None


async def test_however_many_were_ended_each_look_reads_them_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.REVOCATION_ROWS", 2)
    revocations = Revocations(60)
    ended = [SimpleNamespace(name=f"s{number}", revoked_us=NOW_US + number // 3) for number in range(5)]
    pieces: list[Any] = [ended[:2], None, ended[:2], ended[2:4], ended[4:]]
    asked: list[Any] = []

    class Database:
        async def rows(self, statement: Any) -> list[Any]:
            asked.append(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
            piece = pieces[len(asked) - 1]
            if piece is None:
                raise unavailable("The database")
            return list(piece)

    database: Any = Database()
    with pytest.raises(ApiError):
        await revocations.look(database)
    assert set(revocations._ended) == {"s0", "s1"}
    await revocations.look(database)
    assert {"s1", NOW_US} <= set(asked[3].params.values())
    assert {"s3", NOW_US + 1} <= set(asked[4].params.values())
    assert str(asked[4]).count("LIMIT") == 3
    assert set(revocations._ended) == {each.name for each in ended}
    assert len(asked) == 5


async def test_an_outage_later_stops_nobody(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.REVOCATION_POLL_S", 0.001)
    revocations = Revocations(60)
    looks = 0

    class Database:
        async def rows(self, _statement: Any) -> list[Any]:
            nonlocal looks
            looks += 1
            if looks in {2, 3}:
                raise unavailable("The database")
            return []

    following = asyncio.create_task(revocations.follow(Database()))  # type: ignore[arg-type] # it has what is used
    async with asyncio.timeout(60):
        while looks < 5:
            await asyncio.sleep(0.001)
            if looks:
                revocations.require("s")
    following.cancel()


async def test_what_no_token_can_name_any_more_is_forgotten(served: Any) -> None:
    revocations = Revocations(60)
    await revocations.look(served.database)
    revocations.take([("old", NOW_US), ("newer", NOW_US + 100 * US)])
    revocations.take([("newest", NOW_US + 130 * US)])
    revocations.require("old")
    for ended in ("newer", "newest"):
        with pytest.raises(ApiError, match="ended"):
            revocations.require(ended)
    assert len(revocations._ended) == 2


async def test_an_ended_session_is_refused_by_rest_and_its_websocket_closed(served: Any, client: Any) -> None:
    served.database.answers = [[], []]
    alice, bob = served.bearer("alice"), served.bearer("bob")
    order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "1", "quantity": "1"}
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token("alice")}))
        assert json.loads(await ws.recv())["type"] == "auth"
        served.revocations.take([("session of alice", NOW_US)])
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "the session has ended")
    for asked in (
        client.post("/api/v1/orders", json=order, headers=alice),
        client.get("/api/v1/account", headers=alice),
        client.post("/auth/logout", headers=alice),
    ):
        answer = await asked
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, ENDED)
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token("alice")}))
        assert json.loads(await ws.recv())["error"]["code"] == "UNAUTHORIZED"
    assert (await client.post("/api/v1/orders", json=order, headers=bob)).status_code == 202
    assert [command.account for command in served.log.commands] == ["bob"]
    assert not served.revocations._watched
