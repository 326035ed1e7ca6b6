"""Every route and WebSocket action, as everybody and as each role; what is another account's does not exist."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import iter_route_contexts
from websockets.asyncio.client import connect

from gateway import rights
from gateway.rights import ACTIONS, CHANNELS, EVERYBODY, ROLES, ROUTES
from gateway.stream import requests

ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}
PLACES = {
    "/check": "/check?wait=0",
    "{order_id}": "5",
    "{symbol}": "BTC-USD",
    "{code}": "NOT_FOUND",
    "{key_id}": "0",
    "{pair_id}": "0",
    "{account}": "alice",
    "{username}": "bob",
    "{name}": "index.html",
}
MESSAGES: dict[str, dict[str, Any]] = {
    "auth": {"token": "nobody's"},
    "ping": {},
    "marketdata.subscribe": {"channel": "ticker:BTC-USD"},
    "marketdata.unsubscribe": {"channel": "ticker:BTC-USD"},
    "order.submit": {"order": ORDER},
    "order.check": {"order": ORDER},
    "order.amend": {"order_id": "5", "changes": {"price": "1"}},
    "order.cancel": {"order_id": "5"},
    "order.cancel_all": {},
    "order.cancel_after": {"timeout": 5},
    "session.cancel_on_disconnect": {"enabled": False},
}


def served_routes(served: Any) -> Iterator[tuple[str, str]]:
    """Method and template of all that the gateway answers to."""
    for route in iter_route_contexts(served.gateway._application.routes):
        for method in route.methods - {"HEAD"}:
            yield method, route.path
    lean = served.gateway._lean
    for template, handlers in [*lean._exact.values(), *lean._under.values()]:
        for method in handlers:
            yield method, template


def expected(right: rights.Right | None, role: str | None) -> set[int]:
    """The statuses that may not, or must, be answered."""
    if right is EVERYBODY or (role is not None and right in ROLES[role]):
        return set()
    return {401} if role is None else {403}


async def test_the_table_has_every_route_and_no_other(served: Any) -> None:
    found = list(served_routes(served))
    assert len(found) == len(set(found))
    assert set(found) == ROUTES.keys()


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_each_route_is_open_to_those_of_the_table_only(served: Any, client: Any, role: str | None) -> None:
    headers = {} if role is None else served.bearer("alice", role)
    for (method, template), right in ROUTES.items():
        path = template
        for place, value in PLACES.items():
            path = path.replace(place, value)
        answer = await client.request(method, path, headers=headers, json=ORDER if method == "POST" else None)
        if refused := expected(right, role):
            assert {answer.status_code} == refused, (method, template, answer.text)
        else:
            assert answer.status_code not in {401, 403, 405, 500}, (method, template, answer.text)
    trades = role is not None and rights.Right.TRADE in ROLES[role]
    assert bool(served.log.commands) == trades
    assert not served.decided


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_each_action_is_open_to_those_of_the_table_only(served: Any, role: str | None) -> None:
    assert {kind.__struct_config__.tag for kind in get_args(requests.Request)} == ACTIONS.keys() == MESSAGES.keys()
    for action, right in ACTIONS.items():
        async with connect(served.ws) as ws:
            if role is not None:
                await ws.send(json.dumps({"type": "auth", "token": served.token("alice", role)}))
                assert json.loads(await ws.recv())["type"] == "auth"
            await ws.send(json.dumps({"type": action, **MESSAGES[action]}))
            heard = json.loads(await ws.recv())
            code = heard.get("error", {}).get("code")
            if expected(right, role) == {401}:
                assert code == "UNAUTHORIZED", action
            elif expected(right, role) == {403}:
                assert code == "FORBIDDEN", action
            else:
                assert code is None or action == "auth", (action, heard)
    trades = role is not None and rights.Right.TRADE in ROLES[role]
    assert bool(served.log.commands) == trades


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_each_channel_is_open_to_those_of_the_table_only(served: Any, role: str | None) -> None:
    async with connect(served.ws) as ws:
        if role is not None:
            await ws.send(json.dumps({"type": "auth", "token": served.token("alice", role)}))
            await ws.recv()
        for kind, right in CHANNELS.items():
            name = kind if right is not EVERYBODY else f"{kind}:BTC-USD"
            await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": name + ":1m" * (kind == "candles")}))
            heard = json.loads(await ws.recv())
            if expected(right, role):
                assert heard["error"]["code"] == "UNAUTHORIZED", kind
            else:
                assert heard["type"] == "marketdata.subscribed", kind
                await ws.recv()


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_another_accounts_does_not_exist(served: Any, client: Any, role: str) -> None:
    answer = await client.get("/api/v1/orders/5", headers=served.bearer("alice", role))
    assert answer.status_code == 404
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token("alice", role)}))
        await ws.recv()
        told = []
        for account in ("bob", "nobody"):
            await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": f"orders:{account}"}))
            error = json.loads(await ws.recv())["error"]
            told.append((error["code"], error["message"].replace(account, "X")))
        assert told == [("NOT_FOUND", "There is no channel 'orders:X'.")] * 2


async def test_a_refusal_says_what_is_missing(served: Any, client: Any) -> None:
    answer = await client.delete("/api/v1/orders/5", headers=served.bearer("alice", "viewer"))
    assert answer.json()["error"]["message"] == "This needs the right trade; you have: read, session."


async def test_a_route_that_is_not_in_the_table_is_not_served(
    served: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ROUTES, ("GET", "/api/v1/symbols"))
    assert (await client.get("/api/v1/symbols")).status_code == 500
