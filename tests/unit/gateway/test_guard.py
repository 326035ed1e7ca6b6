"""What protects the gateway, over real HTTP: budgets, headers, origins, the size of queries, compression, caches."""

import gzip
import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from valkey.exceptions import ConnectionError as ValkeyConnectionError
from websockets.asyncio.client import connect

from gateway import limits
from gateway.guard import Budgets
from gateway.rates import Budget
from tests.unit.gateway.test_app import raw

ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}
ORIGIN = "https://app.example.com"


@pytest.fixture
def few(served: Any) -> Budgets:
    """Small budgets for whoever asks from now on."""
    budgets = Budgets(
        orders=Budget("orders", 3, 60),
        cancels=Budget("cancels", 3, 60),
        reads=Budget("reads", 3, 60),
        public=Budget("public", 3, 60),
        address=Budget("address", 20, 60),
        routes=(("/auth/login", Budget("login", 2, 60)),),
    )
    served.guard._budgets, served.guard._routes = budgets, dict(budgets.routes)
    return budgets


async def test_every_answer_has_the_security_headers(served: Any, client: Any) -> None:
    asked = [
        await client.get("/health/live"),
        await client.get("/no/such/route"),
        await client.post("/api/v1/orders", json=ORDER, headers=served.bearer()),
        await client.post("/api/v1/orders", json=ORDER),
        await client.options("/api/v1/orders", headers={"origin": ORIGIN, "access-control-request-method": "POST"}),
    ]
    head = (await raw(served.port, b"\x16\x03\x01 nonsense\r\n\r\n")).partition(b"\r\n\r\n")[0].decode()
    broken = httpx.Response(400, headers=[line.split(": ", 1) for line in head.split("\r\n")[1:]])
    for answer in (*asked, broken):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert asked[0].headers["cache-control"] == asked[2].headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("few")
async def test_orders_cancels_and_reads_have_budgets_of_their_own(served: Any, client: Any) -> None:
    headers = served.bearer()
    for remaining in (2, 1, 0):
        placed = await client.post("/api/v1/orders", json=ORDER, headers=headers)
        assert placed.status_code == 202
        assert placed.headers["ratelimit-policy"] == '"orders";q=3;w=60'
        assert placed.headers["ratelimit"] == f'"orders";r={remaining};t=60'
    refused = await client.post("/api/v1/orders", json=ORDER, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert refused.json()["error"]["details"] == {"budget": "orders", "limit": 3, "window_s": 60}
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert refused.headers["ratelimit"].startswith('"orders";r=0;t=')
    assert len(served.log.commands) == 3
    assert (await client.delete("/api/v1/orders/5", headers=headers)).status_code == 202
    assert (await client.get("/api/v1/orders/5x", headers=headers)).status_code == 404
    assert (await client.post("/api/v1/orders", json=ORDER, headers=served.bearer("bob"))).status_code == 202
    async with connect(served.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": served.token()}))
        await ws.recv()
        await ws.send(json.dumps({"type": "order.submit", "order": ORDER}))
        assert json.loads(await ws.recv())["error"]["code"] == "RATE_LIMITED"
        await ws.send(json.dumps({"type": "order.cancel", "order_id": "5"}))
        assert json.loads(await ws.recv())["data"]["status"] == "pending_cancel"


@pytest.mark.usefixtures("few")
async def test_who_may_only_read_uses_up_no_orders_and_no_cancels(served: Any, client: Any) -> None:
    viewer = served.bearer(role="viewer")
    codes = [(await client.delete("/api/v1/orders/5", headers=viewer)).status_code for _ in range(4)]
    codes += [(await client.post("/api/v1/orders", json=ORDER, headers=viewer)).status_code for _ in range(4)]
    assert codes == [403] * 3 + [429] * 5
    assert (await client.delete("/api/v1/orders/5", headers=served.bearer())).status_code == 202
    assert (await client.post("/api/v1/orders", json=ORDER, headers=served.bearer())).status_code == 202


@pytest.mark.parametrize("path", ["/auth/login%0A", "/api/v1/trades%0A", "/%00"])
async def test_a_path_with_a_control_character_is_none(client: Any, path: str) -> None:
    answer = await client.post(path, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.usefixtures("few")
async def test_who_shows_no_token_is_limited_by_address_and_probes_are_not(client: Any) -> None:
    codes = [(await client.get("/api/v1/symbols")).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    forged = {"authorization": "Bearer nonsense"}
    assert (await client.get("/api/v1/symbols", headers=forged)).status_code == 429
    for _ in range(30):
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.usefixtures("few")
async def test_a_route_may_have_less_and_an_address_has_so_much_for_all(served: Any, client: Any) -> None:
    codes = [(await client.post("/auth/login", json={})).status_code for _ in range(3)]
    assert codes == [422, 422, 429]
    codes = []
    for number in range(30):
        answer = await client.get("/api/v1/symbols", headers=served.bearer(f"user-{number}"))
        codes.append(answer.status_code)
    assert codes == [200] * 18 + [429] * 12


async def test_without_the_store_a_part_is_given(served: Any, client: Any) -> None:
    served.guard._budgets = served.guard._budgets._replace(reads=Budget("reads", 20, 60))
    served.store_error = ValkeyConnectionError("away")
    with capture_logs() as logs:
        codes = [(await client.get("/api/v1/symbols", headers=served.bearer())).status_code for _ in range(10)]
    assert codes == [200] * 5 + [429] * 5
    assert [line["event"] for line in logs] == ["rates_local"]


async def test_pages_of_allowed_origins_may_ask_and_others_may_not(served: Any, client: Any) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    may = await client.options("/api/v1/orders", headers=asks | {"origin": ORIGIN})
    assert (may.status_code, may.content) == (204, b"")
    assert may.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in may.headers["access-control-allow-headers"]
    assert {"POST", "PATCH", "DELETE"} <= set(may.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in may.headers
    for origin in ("https://evil.example", ORIGIN + ".evil.example", "http://app.example.com", "null"):
        may_not = await client.options("/api/v1/orders", headers=asks | {"origin": origin})
        assert not [name for name in may_not.headers if name.startswith("access-control")]
    for answer in (
        await client.post("/api/v1/orders", json=ORDER, headers=served.bearer() | {"origin": ORIGIN}),
        await client.get("/api/v1/symbols", headers={"origin": ORIGIN}),
        await client.get("/no/such/route", headers={"origin": ORIGIN}),
    ):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "origin" in answer.headers["vary"]
        assert "ratelimit" in answer.headers["access-control-expose-headers"]
    plain = await client.options("/api/v1/orders", headers={"origin": ORIGIN})
    assert plain.status_code == 405


@pytest.mark.parametrize("query", ["a=" + "x" * limits.QUERY_BYTES_MAX, "&".join("a=1" for _ in range(40))])
async def test_a_query_is_limited(served: Any, client: Any, query: str) -> None:
    for path in ("/api/v1/orders", "/api/v1/symbols"):
        answer = await client.get(f"{path}?{query}", headers=served.bearer())
        assert (answer.status_code, answer.json()["error"]["code"]) == (414, "URI_TOO_LONG")


async def test_a_large_answer_is_compressed_for_those_who_take_it(served: Any) -> None:
    reader = "GET /openapi.json HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
    plain = await raw(served.port, f"{reader}\r\n".encode())
    small = await raw(served.port, f"{reader}accept-encoding: gzip\r\n\r\n".encode())
    assert b"content-encoding: gzip" in small.partition(b"\r\n\r\n")[0]
    assert len(small) < len(plain) / 3
    assert gzip.decompress(small.partition(b"\r\n\r\n")[2]) == plain.partition(b"\r\n\r\n")[2]
    asks = reader.replace("/openapi.json", "/health/live") + "accept-encoding: gzip\r\n\r\n"
    live = await raw(served.port, asks.encode())
    assert b"content-encoding" not in live


async def test_what_has_not_changed_is_not_sent_again(client: Any) -> None:
    for path in ("/api/v1/symbols", "/errors"):
        first = await client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        tag = first.headers["etag"]
        for named in (tag, f'"other", {tag}', "*"):
            again = await client.get(path, headers={"if-none-match": named})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_changed_symbol_has_another_tag(served: Any, client: Any, make_symbol: Any) -> None:
    tag = (await client.get("/api/v1/symbols")).headers["etag"]
    served.symbols.apply(make_symbol("ETH-USD"))
    answer = await client.get("/api/v1/symbols", headers={"if-none-match": tag})
    assert (answer.status_code, len(answer.json()["data"])) == (200, 2)
