"""The OWASP API Security Top 10 of 2023, one test a risk, against a gateway process on real stores.

What each guards against in detail is tested beside the code; here stands that no door was forgotten.
"""

import base64
import json
import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import URL, create_engine
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gateway import limits
from gateway.auth import totp
from gateway.auth.tokens import AUDIENCE, ISSUER
from gateway.auth.users import set_totp
from gateway.rights import FOR_ADMINS, ROUTES
from tests.integration.patience import log_in
from tests.integration.test_gateway import (
    ORDER,
    SHARDS,
    Running,
    answers,
    proc_environment,
    run_gateway,
    symbol_control,
    wait_until,
)

TOTP_KEYS = secrets.token_hex(32)
ORDERS_MAX = 120
"""Of a user in an hour."""
PUBLIC_MAX = 600
"""Requests of an address without a token in an hour."""
NOT_IN_THE_DOCUMENT = {"/metrics", "/openapi.json", "/swagger/{name}", "/.well-known/jwks.json"}
"""For operators and browsers; docs/security.md and docs/operating.md name them."""


@pytest.fixture(scope="module")
def gateway(stack: Any) -> Iterator[Running]:
    budgets = {"RATE_ORDERS": f"{ORDERS_MAX}/3600", "RATE_PUBLIC": f"{PUBLIC_MAX}/3600"}
    with run_gateway(stack, budgets | {"TOTP_KEYS": TOTP_KEYS}) as running:
        yield running


@pytest.fixture
def client(gateway: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as opened:
        yield opened


def error_of(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()["error"]
    return told


def key_of(client: httpx.Client, person: dict[str, str], *scopes: str) -> tuple[str, dict[str, str]]:
    """Id of a new API key, and the header that shows it."""
    made = client.post("/api/v1/api-keys", json={"name": "bot", "scopes": scopes}, headers=person)
    assert made.status_code == 201, made.text
    return made.json()["data"]["key_id"], {"authorization": f"Bearer {made.json()['data']['key']}"}


def say(ws: ClientConnection, **message: Any) -> dict[str, Any]:
    ws.send(json.dumps(message))
    heard: dict[str, Any] = json.loads(ws.recv(30))
    return heard


def test_api1_2023_broken_object_level_authorization(gateway: Running, client: httpx.Client) -> None:
    alice, bob = gateway.bearer("alice"), gateway.bearer("bob")
    assert client.get("/api/v1/orders/1", headers=alice).status_code == 200
    others, nobodys = (client.get(f"/api/v1/orders/{number}", headers=bob) for number in (1, 999_999))
    assert (others.status_code, error_of(others)) == (404, error_of(nobodys))
    for path in ("orders", "executions", "positions", "balances", "ledger", "orders?account=alice"):
        said = client.get(f"/api/v1/{path}", headers=bob)
        assert "alice" not in said.text, path
    key_id, key = key_of(client, alice, "read")
    assert client.delete(f"/api/v1/api-keys/{key_id}", headers=bob).status_code == 404
    assert client.get("/api/v1/orders/1", headers=key).status_code == 200
    before = len(gateway.commands())
    assert client.delete("/api/v1/orders/1?wait=0", headers=bob).status_code == 202
    commands = [command for _, command in gateway.commands()]
    assert len(commands) == before + 1
    assert {command.account for command in commands if command.order_id == 1} == {"bob"}  # risk knows whose it is
    with connect(gateway.ws) as ws:
        say(ws, type="auth", token=bob["authorization"].removeprefix("Bearer "))
        for channel in ("orders:alice", "positions:alice"):
            assert (say(ws, type="marketdata.subscribe", channel=channel))["error"]["code"] == "NOT_FOUND"


def test_api2_2023_broken_authentication(gateway: Running, client: httpx.Client) -> None:
    login = log_in(client, "bob", gateway.passwords["bob"])
    head, body, signature = login["token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert (claims["iss"], claims["aud"]) == (ISSUER, AUDIENCE)
    admin = base64.urlsafe_b64encode(json.dumps(claims | {"role": "admin"}).encode()).rstrip(b"=").decode()
    forged = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "a secret that somebody might guess for it", algorithm="HS256"),
        f"{head}.{admin}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        login["refresh_token"],
        "tsk_" + "0" * 16 + "_" + "0" * 64,
    ]
    for token in forged:
        assert client.get("/api/v1/orders", headers={"authorization": f"Bearer {token}"}).status_code == 401, token
    for query in ("token", "access_token", "authorization"):
        assert client.get(f"/api/v1/orders?{query}={login['token']}").status_code == 401
    refresh = {"refresh_token": login["refresh_token"]}
    assert client.post("/auth/refresh", json=refresh).status_code == 200
    assert client.post("/auth/refresh", json=refresh).status_code == 401
    mine = {"authorization": f"Bearer {login['token']}"}
    wait_until(lambda: client.get("/api/v1/orders", headers=mine).status_code == 401)  # somebody has a copy of it
    told = set()
    for name in ("unlucky", "nobody-of-this-name"):
        for _ in range(limits.LOGIN_FAILURES_PER_USER):
            answer = client.post("/auth/login", json={"username": name, "password": "wrong"})
            told.add((answer.status_code, error_of(answer)["message"]))
    assert told == {(401, "Username or password is wrong.")}
    right = {"username": "unlucky", "password": gateway.passwords["unlucky"]}
    assert client.post("/auth/login", json=right).status_code == 429


def test_api2_2023_broken_authentication_with_a_second_factor(gateway: Running, client: httpx.Client) -> None:
    told = dict(line.split("=", 1) for line in proc_environment(gateway.process.pid))
    place = (told["DB_HOST"], int(told["DB_PORT"]), told["DB_NAME"])
    engine = create_engine(URL.create("postgresql+psycopg", told["DB_USER"], told["DB_PASSWORD"], *place))
    secret, _ = totp.new_secret("viewer")
    codes = TOTP(secret, totp.DIGITS, SHA1(), totp.STEP_S)  # noqa: S303 - as the gateway
    login = {"username": "viewer", "password": gateway.passwords["viewer"]}
    set_totp(engine, "viewer", totp.Vault(totp.read_keys(TOTP_KEYS)).lock("viewer", secret))
    try:
        code = codes.generate(int(time.time())).decode()
        for asked, status in (
            ({}, 401),
            ({"code": "12345x"}, 422),
            ({"code": codes.generate(0).decode()}, 401),
            ({"code": code}, 200),
            ({"code": code}, 401),
        ):
            assert client.post("/auth/login", json=login | asked).status_code == status, asked
    finally:
        set_totp(engine, "viewer", None)
        engine.dispose()


def test_api3_2023_broken_object_property_level_authorization(gateway: Running, client: httpx.Client) -> None:
    bob = gateway.bearer("bob")
    before = len(gateway.commands())
    for more in ({"account": "alice"}, {"order_id": "1"}, {"fee": "0"}, {"status": "filled"}, {"__proto__": {}}):
        answer = client.post("/api/v1/orders", json=ORDER | more, headers=bob)
        assert (answer.status_code, error_of(answer)["field"]) == (422, next(iter(more)))
    assert client.patch("/api/v1/orders/3", json={"account": "alice"}, headers=bob).status_code == 422
    login = {"username": "bob", "password": gateway.passwords["bob"], "role": "admin"}
    assert client.post("/auth/login", json=login).status_code == 422
    new = {"name": "bot", "scopes": ["read"], "username": "alice"}
    assert client.post("/api/v1/api-keys", json=new, headers=bob).status_code == 422
    assert client.post("/api/v1/api-keys", json={"name": "bot", "scopes": ["admin"]}, headers=bob).status_code == 403
    assert len(gateway.commands()) == before
    _, key = key_of(client, bob, "read")
    for path in ("api-keys", "account", "orders", "orders/3", "positions", "signing-keys"):
        said = client.get(f"/api/v1/{path}", headers=bob).text
        assert key["authorization"].rpartition("_")[2] not in said
        assert not {"hash", "password", "secret"} & set(said.replace('"', "_").split("_")), path


def test_api4_2023_unrestricted_resource_consumption(gateway: Running, client: httpx.Client) -> None:
    bob = gateway.bearer("bob")
    large = {"content-type": "application/json"}
    assert client.post("/auth/login", content=b" " * (limits.BODY_BYTES_MAX + 1), headers=large).status_code == 413
    assert client.get(f"/api/v1/orders?page_size={limits.PAGE_SIZE_MAX + 1}", headers=bob).status_code == 422
    assert client.get(f"/api/v1/orders?page={limits.PAGE_WINDOW_MAX}", headers=bob).status_code == 422
    assert client.get("/api/v1/symbols?" + "x" * limits.QUERY_BYTES_MAX + "x").status_code == 414
    assert client.get("/api/v1/symbols", headers={"x": "x" * limits.HEADER_BYTES_MAX}).status_code == 431
    orders = [ORDER] * (limits.BATCH_ORDERS_MAX + 1)
    assert client.post("/api/v1/orders/batch", json={"orders": orders}, headers=bob).status_code in {413, 422}
    assert client.get("/api/v1/book/BTC-USD?depth=1000000").status_code == 422
    elsewhere = {"x-forwarded-for": "203.0.113.4"}
    codes = [client.get("/api/v1/symbols", headers=elsewhere).status_code for _ in range(PUBLIC_MAX)]
    refused = client.get("/api/v1/symbols", headers=elsewhere)
    assert codes[0] == 200  # the last may be refused: a gateway takes some ahead, and forgets them
    assert (set(codes) <= {200, 429}, refused.status_code) == (True, 429)
    assert int(refused.headers["retry-after"]) > 0
    with connect(gateway.ws) as ws:
        ws.send("x" * (limits.WS_MESSAGE_BYTES_MAX + 1))
        with pytest.raises(ConnectionClosed):
            ws.recv()


def test_api5_2023_broken_function_level_authorization(gateway: Running, client: httpx.Client) -> None:
    viewer, trader = gateway.bearer("viewer"), gateway.bearer("bob")
    _, reader = key_of(client, trader, "read")
    before = len(gateway.commands())
    for method, path, body in (
        ("POST", "/api/v1/orders", ORDER),
        ("POST", "/api/v1/orders/batch", {"orders": [ORDER]}),
        ("POST", "/api/v1/orders/check", ORDER),
        ("POST", "/api/v1/orders/cancel-after", {"timeout": 5}),
        ("PATCH", "/api/v1/orders/3", {"price": "1"}),
        ("DELETE", "/api/v1/orders/3", None),
        ("DELETE", "/api/v1/orders", None),
        ("POST", "/api/v1/signing-keys", {"key_id": "x", "public_key": "ab" * 32}),
    ):
        for who in (viewer, reader):
            assert client.request(method, path, json=body, headers=who).status_code == 403, (method, path)
        assert client.request(method, path, json=body).status_code == 401, (method, path)
    assert len(gateway.commands()) == before
    for path in ("/api/v1/api-keys", "/auth/ticket", "/auth/logout"):  # a key is no person
        assert client.post(path, json={"name": "x", "scopes": ["read"]}, headers=reader).status_code == 403
    administration = [route for route, right in ROUTES.items() if right in FOR_ADMINS]
    assert len(administration) > 10
    for method, path in administration:
        for who in (viewer, trader, reader):
            assert client.request(method, path, headers=who).status_code == 403, (method, path)
        assert client.request(method, path).status_code == 401, (method, path)
    for method in ("TRACE", "PUT"):
        assert client.request(method, "/api/v1/orders", headers=trader).status_code in {400, 405}


def test_api6_2023_unrestricted_access_to_sensitive_business_flows(gateway: Running, client: httpx.Client) -> None:
    """Placing orders: one budget for a person, whatever keys, sessions and connections there are."""
    alice = gateway.bearer("alice")
    keys = [key_of(client, alice, "trade")[1] for _ in range(3)]
    again = gateway.bearer("alice")
    asked = [client.post("/api/v1/orders", json=ORDER, headers=(*keys, again)[n % 4]) for n in range(ORDERS_MAX)]
    codes = [answer.status_code for answer in asked]
    assert codes.count(429) > 0  # what made the keys counts too
    assert set(codes) <= {202, 429}
    for who in (alice, again, *keys):
        refused = client.post("/api/v1/orders", json=ORDER, headers=who)
        assert (refused.status_code, error_of(refused)["details"]["budget"]) == (429, "orders")
    with connect(gateway.ws) as ws:
        say(ws, type="auth", token=keys[0]["authorization"].removeprefix("Bearer "))
        assert (say(ws, type="order.submit", order=ORDER))["error"]["code"] == "RATE_LIMITED"
    assert client.delete("/api/v1/orders/1?wait=0", headers=alice).status_code == 202  # who has too much may take back


def test_api7_2023_server_side_request_forgery(gateway: Running, client: httpx.Client) -> None:
    """Nothing that a client says is an address to which the gateway goes."""
    bob = gateway.bearer("bob")
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(1)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        named = dict.fromkeys(
            ("origin", "referer", "x-forwarded-host", "x-original-url", "x-forwarded-for", "forwarded", "callback"), url
        )
        for field in ("client_order_id", "symbol", "strategy", "webhook", "callback_url"):
            client.post("/api/v1/orders", json=ORDER | {field: url}, headers=bob | named)
        client.post("/api/v1/api-keys", json={"name": url, "scopes": ["read"], "addresses": [url]}, headers=bob)
        client.post("/auth/login", json={"username": url, "password": url})
        for path in (f"/api/v1/symbols?url={url}", f"/api/v1/trades?symbol={url}", f"/swagger/{url}"):
            client.get(path, headers=named)
        fetched = {"kid": url, "jku": url, "x5u": url}
        token = jwt.encode(
            {"sub": "bob"}, "a secret of whoever asks, which is long", algorithm="HS256", headers=fetched
        )
        assert client.get("/api/v1/orders", headers={"authorization": f"Bearer {token}"}).status_code == 401
        with pytest.raises(TimeoutError):
            trap.accept()


def test_api8_2023_security_misconfiguration(gateway: Running, client: httpx.Client) -> None:
    asked = [
        client.get("/api/v1/symbols"),
        client.get("/no/such/place"),
        client.post("/auth/login", content=b"{", headers={"content-type": "application/json"}),
        client.get("/swagger/index.html"),
        client.get("/api/v1/orders"),
    ]
    for answer in asked:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "max-age=63072000" in answer.headers["strict-transport-security"]
        assert not {"server", "x-powered-by", "set-cookie"} & set(answer.headers)
        assert not any(word in answer.text for word in ("Traceback", "sqlalchemy", "psycopg", "SELECT "))
    evil = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.options("/api/v1/orders", headers=evil).headers
    with pytest.raises(InvalidStatus) as denied:
        connect(gateway.ws, additional_headers={"origin": "https://evil.example"})
    assert denied.value.response.status_code == 403
    assert "access-control-allow-origin" not in client.get("/api/v1/symbols", headers=evil).headers
    assert client.request("TRACE", "/").status_code in {404, 405}


def test_api9_2023_improper_inventory_management(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert documented == {(method, path) for method, path in ROUTES if path not in NOT_IN_THE_DOCUMENT}
    for path in (
        "/docs",
        "/redoc",
        "/api/v0/orders",
        "/api/v2/orders",
        "/api/orders",
        "/debug",
        "/.env",
        "/.git/config",
    ):
        assert client.get(path).status_code == 404, path


def test_api10_2023_unsafe_consumption_of_apis(gateway: Running, client: httpx.Client) -> None:
    """What the gateway reads is the log: what nobody should have written there harms nobody."""
    for topic in ("stream", "control"):
        for value in (b"", b"\x00", b"\x00\x00\x00\x00\x63garbage", b"{}", b"\xff" * 1_000):
            gateway.producer.produce(f"{gateway.prefix}{topic}", value, b"book:BTC-USD", 0)
    gateway.producer.flush(10)
    for partition in range(SHARDS):
        gateway.write("control", "x", symbol_control("<script>alert(1)</script>"), partition)
    gateway.frame("secrets:alice", 1, {"x": 1})
    with connect(gateway.ws) as ws:
        assert (say(ws, type="marketdata.subscribe", channel="ticker:ETH-USD"))["type"] == "marketdata.subscribed"
        gateway.frame("ticker:ETH-USD", 1, {"last": "1"})
        while json.loads(ws.recv(30)).get("data") != {"last": "1"}:
            pass
        assert (say(ws, type="marketdata.subscribe", channel="secrets:alice"))["error"]["code"] == "NOT_FOUND"
    assert "script" not in client.get("/api/v1/symbols").text
    assert answers(gateway.url + "/health/ready") == 200
