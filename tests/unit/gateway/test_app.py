"""What every answer of the gateway has in common: one shape, limits, headers."""

import asyncio
import json
from typing import Any

import pytest

from gateway import limits
from gateway.errors import unavailable
from schemas.units import E8


def the_error(answer: Any) -> dict[str, Any]:
    """The error of an answer, whose shape is always the same."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert body.keys() == {"success", "error", "correlation_id"}
    assert body["success"] is False
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    assert body["error"].keys() <= {"code", "message", "field", "details"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    return body["error"]


async def test_errors_of_the_framework_have_our_shape(served: Any, client: Any) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    cases = [
        (client.get("/no/such/route"), 404, "NOT_FOUND"),
        (client.get("/auth/login"), 405, "METHOD_NOT_ALLOWED"),
        (client.put("/api/v1/orders"), 405, "METHOD_NOT_ALLOWED"),
        (client.post("/auth/login", content=b"a=b", headers=form), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (client.post("/auth/login", content=b"{", headers={"content-type": "application/json"}), 400, "INVALID_JSON"),
        (client.post("/auth/login", json={"username": "a"}), 422, "VALIDATION_FAILED"),
        (client.post("/auth/login", json={"username": "a", "password": "b", "admin": True}), 422, "VALIDATION_FAILED"),
        (client.post("/auth/login", json={"username": 1, "password": "b"}), 422, "VALIDATION_FAILED"),
        (client.post("/auth/login", json={"username": "a", "password": "b" * 20_000}), 413, "PAYLOAD_TOO_LARGE"),
        (client.get("/api/v1/orders"), 401, "UNAUTHORIZED"),
        (client.get("/api/v1/orders", headers={"authorization": "Basic YTpi"}), 401, "UNAUTHORIZED"),
        (client.get("/api/v1/orders?page=0", headers=served.bearer()), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/orders?page_size=101", headers=served.bearer()), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/orders?page=101&page_size=100", headers=served.bearer()), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/orders?status=odd", headers=served.bearer()), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/orders/12x", headers=served.bearer()), 404, "NOT_FOUND"),
        (client.get("/api/v1/trades?symbol=NO-SUCH"), 404, "NOT_FOUND"),
        (client.get("/api/v1/trades"), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/candles?symbol=BTC-USD&interval=7m"), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/candles?symbol=BTC-USD&before=2026-01-01T00:00:00"), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/book/BTC-USD?depth=0"), 422, "VALIDATION_FAILED"),
        (client.get("/api/v1/book/no%20symbol"), 422, "VALIDATION_FAILED"),
    ]
    for asked, status, code in cases:
        answer = await asked
        assert (answer.status_code, the_error(answer)["code"]) == (status, code), answer.request.url


@pytest.mark.parametrize("path", ["/api/v1/pairs", "/api/v1/admin/users", "/api/v1/api-keys"])
async def test_405_names_all_methods_of_a_path_and_not_only_those_of_one_route(client: Any, path: str) -> None:
    answer = await client.patch(path)
    assert (answer.status_code, sorted(answer.headers["allow"].split(", "))) == (405, ["GET", "POST"])


async def test_405_names_what_is_allowed_on_the_lean_path_too(client: Any) -> None:
    answer = await client.put("/api/v1/orders")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST", "DELETE"}
    answer = await client.put("/api/v1/orders/5")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "DELETE", "PATCH"}


@pytest.mark.parametrize(("path", "error"), [("/api/v1/orders", RuntimeError("SELECT secret FROM users"))])
async def test_a_bug_shows_no_trace(served: Any, client: Any, path: str, error: Exception) -> None:
    served.database.error = error
    answer = await client.get("/api/v1/orders/5", headers=served.bearer())
    assert (answer.status_code, the_error(answer)["code"]) == (500, "INTERNAL_ERROR")
    served.log.error = error
    order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "1", "quantity": "1"}
    lean = await client.post(path, json=order, headers=served.bearer())
    assert (lean.status_code, the_error(lean)["code"]) == (500, "INTERNAL_ERROR")
    for text in (answer.text, lean.text):
        assert "secret" not in text
        assert "Traceback" not in text


async def test_a_database_that_is_away_is_503(served: Any, client: Any) -> None:
    served.database.error = unavailable("The database")
    answer = await client.get("/api/v1/orders/5", headers=served.bearer())
    assert (answer.status_code, the_error(answer)["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def raw(port: int, request: bytes) -> bytes:
    """What the server says to bytes, until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


async def test_headers_are_limited(served: Any) -> None:
    many = b"".join(b"x-%d: %b\r\n" % (number, b"a" * 200) for number in range(100))
    for request in (
        b"GET /health/live HTTP/1.1\r\nhost: a\r\n" + many + b"\r\n",
        b"GET /" + b"a" * (limits.HEADER_BYTES_MAX + 1) + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: a\r\nx: " + b"a" * (limits.HEADER_BYTES_MAX + 1) + b"\r\n\r\n",
    ):
        head, _, body = (await raw(served.port, request)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert json.loads(body)["error"]["code"] == "HEADERS_TOO_LARGE"


async def test_what_is_not_http_is_answered_in_our_shape(served: Any) -> None:
    head, _, body = (await raw(served.port, b"\x16\x03\x01 nonsense\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "INVALID_REQUEST"


async def test_a_body_that_comes_in_pieces_has_its_time_as_a_whole(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n"
    writer.write(head.encode())

    async def trickle() -> None:
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(60):
        answer = await reader.readuntil(b"\r\n\r\n")
    trickling.cancel()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


async def test_an_address_has_so_many_connections_and_a_proxy_all(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_PER_ADDRESS", 2)

    async def opened(host: str) -> tuple[bytes, asyncio.StreamWriter]:
        """What a request on a new connection from a host is answered, and the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, local_addr=(host, 0))
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        try:
            async with asyncio.timeout(60):
                return await reader.read(15), writer
        except ConnectionError:
            return b"", writer

    asked = [await opened(host) for host in ("127.0.0.2",) * 3 + ("127.0.0.3",) + ("127.0.0.1",) * 4]
    assert [answer[9:12] for answer, _ in asked] == [b"200", b"200", b""] + [b"200"] * 5
    asked[0][1].close()
    async with asyncio.timeout(60):
        while not (again := await opened("127.0.0.2"))[0]:
            again[1].close()
    for _, writer in (*asked, again):
        writer.close()


async def test_health_says_what_each_dependency_is(served: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def well() -> str | None:
        return None

    async def ill() -> str | None:
        return "no broker can be reached"

    looks = 0

    async def failing() -> str | None:
        nonlocal looks
        looks += 1
        raise unavailable("The database")

    async def hanging() -> str | None:
        await asyncio.sleep(60)
        return None

    assert (await client.get("/health/live")).json() == {"success": True, "data": {"status": "up"}}
    monkeypatch.setattr(limits, "HEALTH_REMEMBERED_S", 0.0)
    monkeypatch.setattr(limits, "HEALTH_TIMEOUT_S", 1.0)
    served.checks["kafka"] = well
    ready = await client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["data"]["dependencies"]["kafka"]["latency_ms"] >= 0
    served.checks.update(kafka=ill, postgresql=failing, valkey=hanging)
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    said = ready.json()["data"]["dependencies"]
    assert {name: state["status"] for name, state in said.items()} == dict.fromkeys(said, "down")
    assert said["kafka"]["detail"] == "no broker can be reached"
    assert (await client.get("/health")).json()["data"]["status"] == "degraded"
    assert looks == 2


async def test_probes_share_one_look_for_a_moment(served: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_REMEMBERED_S", 60.0)
    looks = 0
    goes_on = asyncio.Event()

    async def slow() -> str | None:
        nonlocal looks
        looks += 1
        await goes_on.wait()
        return None

    served.checks["postgresql"] = slow
    asked = [asyncio.create_task(client.get(path)) for path in ("/health", "/health/ready") * 20]
    async with asyncio.timeout(60):
        while not looks:  # noqa: ASYNC110 - the gateway gives no event
            await asyncio.sleep(0.001)
    asked[0].cancel()  # who asked first has gone; the others get their answer
    goes_on.set()
    await asyncio.wait(asked)
    assert [task.result().status_code for task in asked[1:]] == [200] * 39
    assert (await client.get("/health")).status_code == 200
    assert looks <= 2
    monkeypatch.setattr(limits, "HEALTH_REMEMBERED_S", 0.0)
    monkeypatch.setattr(limits, "HEALTH_TIMEOUT_S", 1.0)
    before = looks
    await client.get("/health")
    assert looks == before + 1


async def test_metrics_count_by_route(served: Any, client: Any) -> None:
    await client.get("/api/v1/orders/12x", headers=served.bearer())
    await client.delete("/api/v1/orders/12", headers=served.bearer())
    text = (await client.get("/metrics")).text
    counted = 'tradsys_gateway_requests_total{method="%s",route="/api/v1/orders/{order_id}",status="%s"} 1.0'
    assert counted % ("GET", 404) in text
    assert counted % ("DELETE", 202) in text


async def test_the_document_has_the_lean_path_beside_the_rest(client: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/api/v1/orders"].keys() == {"get", "post", "delete"}
    assert document["paths"]["/api/v1/orders/{order_id}"].keys() == {"get", "patch", "delete"}
    body = document["paths"]["/api/v1/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    assert schema["required"] == ["symbol", "side", "type"]
    assert schema["properties"]["side"]["enum"] == ["buy", "sell"]


async def test_an_account_reads_its_volume_and_what_it_pays(served: Any, client: Any) -> None:
    served.database.answers = [[("BTC-USD", 600 * E8), ("GONE-USD", E8)], [("BTC-USD", 1000 * E8)]]
    for volume, maker, taker in (("600", "0.001", "0.002"), ("1000", "-0.0001", "0.0002")):
        told = (await client.get("/api/v1/fees", headers=served.bearer())).json()["data"]
        assert told == {
            "volumes": {"USD": volume},
            "symbols": {"BTC-USD": {"maker_fee": maker, "taker_fee": taker}},
        }
    assert (await client.get("/api/v1/fees")).status_code == 401


async def test_symbols_and_an_empty_book_come_from_memory(client: Any) -> None:
    (symbol,) = (await client.get("/api/v1/symbols")).json()["data"]
    assert (symbol["symbol"], symbol["status"], symbol["tick"]) == ("BTC-USD", "trading", "0.01")
    assert symbol["fee_tiers"] == [{"volume": "1000", "maker": "-0.0001", "taker": "0.0002"}]
    assert (symbol["order_types"], symbol["times_in_force"], symbol["max_open_orders"]) == (None, ["gtc", "ioc"], 7)
    book = (await client.get("/api/v1/book/BTC-USD")).json()["data"]
    assert (book["bids"], book["asks"], book["sequence"]) == ([], [], 0)


async def test_a_book_is_answered_as_it_is_now(served: Any, client: Any, frame: Any) -> None:
    """However often it was asked for before; and made smaller where that pays, for those who can read it."""
    channel = "book:BTC-USD"
    bids = ",".join(f'["{price}","1"]' for price in range(200, 0, -1))
    served.hub.apply([frame(channel, 1, f'{{"bids":[{bids}],"asks":[]}}'.encode(), snapshot=True)])
    best = "/api/v1/book/BTC-USD?depth=1"
    for _ in range(2):
        assert (await client.get(best)).json()["data"]["bids"] == [["200", "1"]]
    served.hub.apply([frame(channel, 2, b'{"bids":[["200","0"]],"asks":[]}')])
    assert (await client.get(best)).json()["data"]["bids"] == [["199", "1"]]
    # A book that was found wrong is made anew at the same sequence.
    served.hub.apply([frame(channel, 2, f'{{"bids":[{bids}],"asks":[]}}'.encode(), snapshot=True, checksum=1)])
    assert (await client.get(best)).json()["data"]["bids"] == [["200", "1"]]
    served.hub.apply([frame(channel, 3, b'{"bids":[["200","0"]],"asks":[]}')])
    assert (await client.get(best)).json()["data"]["bids"] == [["199", "1"]]
    whole = "/api/v1/book/BTC-USD?depth=5000"
    plain = await client.get(whole, headers={"accept-encoding": "identity"})
    packed = await client.get(whole)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert len(plain.json()["data"]["bids"]) == 199
    assert {plain.headers["vary"], packed.headers["vary"]} == {"accept-encoding"}


@pytest.mark.parametrize("time", ["1700000000", "2030-01-31", "2030-01-31T12:00:00", "PT1H", ""])
async def test_times_of_queries_are_rfc_3339_as_those_of_orders_are(client: Any, time: str) -> None:
    refused = await client.get("/api/v1/candles", params={"symbol": "BTC-USD", "since": time})
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["details"] == [
        {
            "path": "since",
            "rule": f"{time!r} is not a time with its offset, such as 2030-01-31T12:00:00Z",
            "value": time,
        }
    ]
    taken = await client.get("/api/v1/candles", params={"symbol": "BTC-USD", "since": "2030-01-31T12:00:00+01:00"})
    assert taken.status_code == 200, taken.text


async def test_answers_with_books_are_kept_within_bounds(
    served: Any, client: Any, frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bids = ",".join(f'["{price}","1"]' for price in range(200, 0, -1))
    served.hub.apply([frame("book:BTC-USD", 1, f'{{"bids":[{bids}],"asks":[]}}'.encode(), snapshot=True)])
    asked: list[int] = []
    book = served.hub.book
    monkeypatch.setattr(served.hub, "book", lambda symbol, depth: asked.append(depth) or book(symbol, depth))
    monkeypatch.setattr(limits, "BOOKS_KEPT_BYTES_MAX", 3_000)
    for depth in (100, 100, 150, 100):  # each of about 1,500 bytes or more
        answer = await client.get(f"/api/v1/book/BTC-USD?depth={depth}", headers={"accept-encoding": "identity"})
        assert len(answer.json()["data"]["bids"]) == depth
    assert asked == [100, 150, 100]
