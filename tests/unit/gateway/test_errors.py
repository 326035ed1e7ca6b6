"""Errors: one shape over REST, on the lean path and over the WebSocket; every wrong field with its value and rule."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.asgi import WHOLE, Reply, respond
from gateway.errors import CATALOGUE, ApiError, Code

PROBLEM = "application/problem+json"
JSON = {"content-type": "application/json"}


def wrong(body: Any) -> list[tuple[str, Any]]:
    """Path and value of all that is wrong."""
    return [(one["path"], one.get("value")) for one in body["error"]["details"]]


async def test_every_wrong_field_of_an_order_is_told(served: Any, client: Any) -> None:
    order = {"symbol": "BTC USD", "side": "hold", "price": 5, "color": "x" * 500, "post_only": "yes"}
    answer = await client.post("/api/v1/orders", json=order, headers=served.bearer())
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert wrong(answer.json()) == [
        ("symbol", "BTC USD"),
        ("side", "hold"),
        ("type", None),
        ("price", 5),
        ("post_only", "yes"),
        ("color", "x" * 100 + "..."),
    ]
    rules = {one["path"]: one["rule"] for one in error["details"]}
    assert rules["side"] == "must be one of buy, sell"
    assert rules["type"] == "is missing"
    assert rules["color"] == "is not a field of this"
    assert "decimal number in a string" in rules["price"]
    assert error["field"] == "symbol"
    assert error["message"].startswith("symbol: ")
    assert served.log.commands == []


async def test_a_number_that_cannot_be_is_told_with_its_value(served: Any, client: Any) -> None:
    order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "-5", "quantity": "1"}
    answer = await client.post("/api/v1/orders", json=order, headers=served.bearer())
    assert answer.json()["error"]["details"] == [
        {"path": "price", "rule": "price is -5; it must be more than 0", "value": "-5"}
    ]
    answer = await client.delete("/api/v1/orders?symbl=BTC-USD&side=buy&side=sell", headers=served.bearer())
    assert wrong(answer.json()) == [("symbl", "BTC-USD"), ("side", '["buy", "sell"]')]


async def test_the_framework_tells_all_too_and_no_password(served: Any, client: Any) -> None:
    answer = await client.get("/api/v1/orders?page=0&page_size=x&status=odd", headers=served.bearer())
    assert wrong(answer.json()) == [("status", "odd"), ("page", "0"), ("page_size", "x")]
    answer = await client.post("/auth/login", json={"username": 5, "password": ["hunter2"], "admin": True})
    assert wrong(answer.json()) == [("username", 5), ("password", None), ("admin", None)]
    assert "hunter2" not in answer.text
    root = served.bearer("root", "admin")
    for method, path in (
        ("POST", "/auth/login"),
        ("POST", "/api/v1/admin/users"),
        ("PATCH", "/api/v1/admin/users/bob"),
    ):
        for body in ("hunter2", ["hunter2"], {"pasword": "hunter2"}, {"username": "a", "passwort": {"new": "hunter2"}}):
            answer = await client.request(method, path, json=body, headers=root)
            assert (answer.status_code, "hunter2" in answer.text) == (422, False), (path, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"username":"a","username":"b","password":"c"}',
        b'{"username":"a","password":"c","deep":{"x":1,"x":1}}',
        b'{"username":"a","password":NaN}',
        b'{"username":"a","password":"\xff"}',
        b"[" * 10_000 + b"]" * 10_000,
    ],
)
async def test_the_framework_takes_strict_json_only(client: Any, body: bytes) -> None:
    answer = await client.post("/auth/login", content=body, headers=JSON)
    expected = (413, "PAYLOAD_TOO_LARGE") if len(body) > 16_384 else (400, "INVALID_JSON")
    assert (answer.status_code, answer.json()["error"]["code"]) == expected


@pytest.mark.parametrize(
    "value",
    [
        "1" * 5_000,
        "9" * 20,
        "-" + "9" * 4_000,
        "[" * 5_000 + "]" * 5_000,
        '"\\ud800"',
        "1e999",
        '{"a":1,"a":2}',
        "-" + "9" * 400 + ".5",
    ],
)
async def test_odd_values_are_refused_and_never_a_mistake_of_ours(served: Any, client: Any, value: str) -> None:
    order = '{"symbol":"BTC-USD","side":"buy","type":"limit","price":"1","quantity":' + value + "}"
    headers = served.bearer() | JSON
    assert (await client.post("/api/v1/orders", content=order, headers=headers)).status_code in {400, 422}
    login = '{"username":"a","password":' + value + "}"
    assert (await client.post("/auth/login", content=login, headers=JSON)).status_code in {400, 422}
    async with connect(served.ws) as ws:
        await ws.send('{"type":"order.submit","order":' + order + "}")
        assert json.loads(await ws.recv())["error"]["code"] != "INTERNAL_ERROR"
        await ws.send('{"type":"ping","request_id":' + value + "}")
        assert json.loads(await ws.recv())["error"]["code"] in {"INVALID_JSON", "VALIDATION_FAILED"}
        await ws.send(r'{"type":"ping","\ud800":1,"b":' + value + "}")
        assert json.loads(await ws.recv())["error"]["code"] in {"INVALID_JSON", "VALIDATION_FAILED"}


async def test_the_websocket_tells_what_rest_tells(served: Any, client: Any) -> None:
    order = {"symbol": "BTC-USD", "side": "hold", "type": "limit", "quantity": 1}
    rest = await client.post("/api/v1/orders", json=order, headers=served.bearer())
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token()}))
        await ws.recv()
        await ws.send(json.dumps({"type": "order.submit", "order": order}))
        told = json.loads(await ws.recv())
        assert wrong(told) == [(f"order.{path}", value) for path, value in wrong(rest.json())]
        rules = [[one["rule"] for one in body["error"]["details"]] for body in (told, rest.json())]
        assert rules[0] == rules[1]
        await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": 5, "depth": 2}))
        assert wrong(json.loads(await ws.recv())) == [("channel", 5), ("depth", 2)]
        await ws.send(json.dumps({"type": "nonsense"}))
        assert wrong(json.loads(await ws.recv())) == [("type", "nonsense")]
        await ws.send('{"type":"ping","type":"ping"}')
        assert json.loads(await ws.recv())["error"]["code"] == "INVALID_JSON"


async def test_all_that_is_wrong_at_every_depth_is_told_at_once(served: Any, client: Any) -> None:
    order = {
        "symbol": "BTC-USD\n",
        "side": "sell",
        "type": "market",
        "price": "-5",
        "quantity": "0",
        "notional": "1e3",
        "expire_time": "soon",
        "oco": {"trigger_price": "-1", "price": "x"},
    }
    paths = ["symbol", "notional", "price", "quantity", "price", "notional", "expire_time"]
    paths += ["oco.trigger_price", "oco.price"]
    rest = await client.post("/api/v1/orders", json=order, headers=served.bearer())
    assert [path for path, _ in wrong(rest.json())] == paths
    typed = order | {"oco": {"price": 5, "color": "red"}}
    rest = await client.post("/api/v1/orders", json=typed, headers=served.bearer())
    assert wrong(rest.json()) == [("oco.trigger_price", None), ("oco.price", 5), ("oco.color", "red")]
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token()}))
        await ws.recv()
        await ws.send(json.dumps({"type": "order.submit", "request_id": "a", "order": order}))
        told = json.loads(await ws.recv())
        assert told["request_id"] == "a"
        assert [path for path, _ in wrong(told)] == [f"order.{path}" for path in paths]
        await ws.send(json.dumps({"type": "order.submit", "request_id": "b", "speed": 9, "order": {"side": "hold"}}))
        told = json.loads(await ws.recv())
        assert told["request_id"] == "b"
        missing = [(f"order.{name}", None) for name in ("symbol", "type")]
        assert sorted(wrong(told)) == sorted([*missing, ("order.side", "hold"), ("speed", 9)])
        changes = {"price": "-1", "quantity": "x", "expire_time": "soon"}
        await ws.send(json.dumps({"type": "order.amend", "order_id": "1", "changes": changes}))
        assert wrong(json.loads(await ws.recv())) == [(f"changes.{path}", value) for path, value in changes.items()]
    assert served.log.commands == []


async def test_half_a_character_is_told_as_what_is_wrong_beside_other_things(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders", content=rb'{"x":1,"type":"\ud800"}', headers=served.bearer() | JSON)
    assert answer.status_code == 422
    assert wrong(answer.json()) == [("symbol", None), ("side", None), ("type", "?"), ("x", 1)]


async def test_a_batch_that_cannot_be_names_only_what_is_wrong(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders/batch", json={"orders": [{}], "x": 1}, headers=served.bearer())
    assert wrong(answer.json()) == [("x", 1)]


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        (PROBLEM, True),
        ("Application/Problem+JSON", True),
        (f"application/json, {PROBLEM}", True),
        (f"application/json;q=0.5, {PROBLEM};q=0.9, */*", True),
        (f"application/json, {PROBLEM};q=0.1", False),
        (f"{PROBLEM};q=0", False),
        (f"{PROBLEM};q=much", False),
        ("*/*", False),
        ("application/json", False),
    ],
)
async def test_problem_details_for_those_who_ask(served: Any, client: Any, accept: str, *, is_problem: bool) -> None:
    asked = [
        client.get("/no/such/route", headers={"accept": accept}),
        client.post("/api/v1/orders", json={"symbol": "BTC-USD"}, headers=served.bearer() | {"accept": accept}),
    ]
    for asking in asked:
        answer = await asking
        assert answer.headers["content-type"] == (PROBLEM if is_problem else "application/json")
        assert answer.headers["vary"] == "accept"
        body = answer.json()
        assert body["correlation_id"] == answer.headers["x-correlation-id"]
        assert ("type" in body) is is_problem
        if is_problem:
            assert body["status"] == answer.status_code
            assert body["title"] == CATALOGUE[Code(body["code"])].title
            explained = (await client.get(body["type"])).json()["data"]
            assert (explained["code"], explained["status"]) == (body["code"], answer.status_code)
    assert (await client.get("/health/live", headers={"accept": accept})).headers["content-type"] == "application/json"


async def test_a_refused_handshake_is_a_problem_too(served: Any) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(served.ws + "/elsewhere", additional_headers={"accept": PROBLEM})
    assert caught.value.response.headers["content-type"] == PROBLEM
    assert json.loads(caught.value.response.body)["code"] == "NOT_FOUND"


async def test_a_path_of_the_lean_path_alone_names_its_method(served: Any, client: Any) -> None:
    for path in ("/api/v1/orders/batch", "/api/v1/orders/check", "/api/v1/orders/cancel-after"):
        for method in ("GET", "PUT"):
            answer = await client.request(method, path, headers=served.bearer())
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_the_catalogue_explains_every_code(client: Any) -> None:
    assert CATALOGUE.keys() == set(Code)
    assert [entry["code"] for entry in (await client.get("/errors")).json()["data"]] == list(CATALOGUE)
    for code, entry in CATALOGUE.items():
        assert ApiError(code, "x").status == entry.status
        assert (await client.get(f"/errors/{code}")).json()["data"]["meaning"] == entry.meaning
    assert (await client.get("/errors/NONSENSE")).status_code == 404


async def test_no_header_of_an_answer_can_begin_another() -> None:
    sent: list[tuple[int, bytes, bytes]] = []

    async def write(*whole: Any) -> None:
        sent.append(whole)

    scope = {"extensions": {WHOLE: write}}
    await respond(scope, write, Reply(200, b"{}", [(b"a", b"b")]), "c", [])  # type: ignore[arg-type]
    assert b"\r\na: b\r\n" in sent[0][1]
    for value in (b"b\r\nx: y", b"b\nx: y", b"b\r"):
        with pytest.raises(ValueError, match="line break"):
            await respond(scope, write, Reply(200, b"{}", [(b"a", value)]), "c", [])  # type: ignore[arg-type]
    assert len(sent) == 1


async def test_a_message_of_an_unknown_type_is_told_those_that_there_are(served: Any) -> None:
    async with connect(served.ws) as ws:
        told = []
        for message in ({"type": "subscribe", "channel": "book:BTC-USD"}, {"channel": "book:BTC-USD"}, []):
            await ws.send(json.dumps(message))
            told.append(json.loads(await ws.recv())["error"])
    assert told[0]["message"].startswith("type: must be one of auth, marketdata.subscribe, marketdata.unsubscribe, ")
    assert (told[0]["field"], told[1]["message"], told[1]["field"]) == ("type", "type: is missing.", "type")
    assert told[2]["code"] == "VALIDATION_FAILED"
