"""The gateway as a process of its own, on real Kafka, registry, PostgreSQL and Valkey.

The stages are not there: what they would write to the log and the read models, the tests write.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine, insert
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway import limits
from gateway.auth.users import NewUser, seed
from gateway.settings import RISK_LAG_S_MAX
from schemas import migrations, tables
from schemas.codec import Codec
from schemas.messages import Command, Control, ControlKind, Frame, FrameKind, Message, SymbolStatus
from schemas.registry import connect as connect_registry
from schemas.seal import verify_hmac
from stream_topology.provision import provision
from stream_topology.sharding import partition_of
from stream_topology.subjects import subjects
from tests.integration.patience import PATIENT_MS, log_in
from workers.projections.partitions import Month, make_missing

SHARDS = 2
ROLES = {"viewer": "viewer", "root": "admin"}
SEAL_SECRET = secrets.token_bytes(32)
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
QUIET_MS = 3_600_000
"""How long ago the quiet book changed last."""


@dataclass
class Running:
    """A gateway process and the log and stores it works on."""

    url: str
    codec: Codec
    prefix: str
    bootstrap: str
    process: subprocess.Popen[bytes]
    passwords: dict[str, str]
    producer: Producer

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def write(self, topic: str, key: str, message: Message, partition: int, *, age_ms: int = 0) -> None:
        at_ms = time.time_ns() // 1_000_000 - age_ms
        value = self.codec.encode(message)
        self.producer.produce(f"{self.prefix}{topic}", value, key.encode(), partition, timestamp=at_ms)
        self.producer.flush(10)

    def frame(self, channel: str, sequence: int, payload: Any, *, snapshot: bool = False, age_ms: int = 0) -> None:
        kind = FrameKind.SNAPSHOT if snapshot else FrameKind.UPDATE
        frame = Frame(channel=channel, sequence=sequence, kind=kind, payload=json.dumps(payload).encode(), ts_us=1)
        self.write("stream", channel, frame, partition_of(channel, SHARDS), age_ms=age_ms)

    def token(self, username: str) -> str:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            return log_in(client, username, self.passwords[username])["token"]

    def bearer(self, username: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(username)}"}

    def commands(self) -> list[tuple[Any, Command]]:
        """All commands of the log."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", "enable.partition.eof": True})
        consumer.assign([TopicPartition(f"{self.prefix}commands", at, 0) for at in range(SHARDS)])
        found, ends = [], 0
        while ends < SHARDS:
            record = consumer.poll(10)
            assert record is not None
            if record.error():
                ends += 1
                continue
            command = self.codec.decode(record.value() or b"", "Command")
            assert isinstance(command, Command)
            found.append((record, command))
        consumer.close()
        return found


def symbol_control(name: str) -> Control:
    return Control(
        kind=ControlKind.SYMBOL,
        control_id=f"symbol-{name}",
        symbol=name,
        symbol_status=SymbolStatus.TRADING,
        base=name.partition("-")[0],
        quote="USD",
        tick_e8=1_000_000,
        lot_e8=10_000,
    )


@pytest.fixture(scope="module")
def running(stack: Any) -> Iterator[Running]:
    with run_gateway(stack, {}) as gateway:
        yield gateway


@contextmanager
def run_gateway(stack: Any, settings: Mapping[str, str]) -> Iterator[Running]:
    """A gateway with people, rows and symbols, and these settings beside its addresses and secrets."""
    prefix = f"test-{secrets.token_hex(4)}."
    database = f"gateway_{secrets.token_hex(4)}"
    provision(stack.bootstrap, stack.registry_url, prefix, SHARDS)
    with psycopg.connect(stack.db_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
        info = connection.info
        dsn = httpx.URL(stack.db_dsn).copy_with(path=f"/{database}")
        try:
            migrations.upgrade(str(dsn))
            with psycopg.connect(str(dsn)) as made:
                make_missing(made, "executions", {Month.of(0)})
            passwords = {name: secrets.token_urlsafe(12) for name in ("alice", "bob", "viewer", "unlucky", "root")}
            engine = create_engine(str(dsn).replace("postgresql://", "postgresql+psycopg://", 1))
            seed(
                engine,
                [NewUser(name, password, name, ROLES.get(name, "trader")) for name, password in passwords.items()],
            )
            with engine.begin() as rows:
                rows.execute(insert(tables.orders), [order_row(1, "alice", "NEW"), order_row(2, "alice", "FILLED")])
                rows.execute(insert(tables.account_states), [LOST])
                rows.execute(insert(tables.orders), [order_row(3, "bob", "NEW")])
                rows.execute(insert(tables.executions), [repeat_row(4, 2, "alice"), repeat_row(5, 3, "bob")])
                rows.execute(insert(tables.executions), [repeat_row(6, 2, "alice") | {"client_order_id": ""}])
            engine.dispose()
            port = free_port()
            environment = {
                "KAFKA_BOOTSTRAP": stack.bootstrap,
                "SCHEMA_REGISTRY_URL": stack.registry_url,
                "TRADSYS_PREFIX": prefix,
                "TRADSYS_SHARDS": str(SHARDS),
                "DB_HOST": info.host,
                "DB_PORT": str(info.port),
                "DB_NAME": database,
                "DB_USER": info.user,
                "DB_PASSWORD": info.password,
                "VALKEY_URL": stack.valkey_url,
                "JWT_SECRET": secrets.token_urlsafe(32),
                "GATEWAY_SEAL_SECRETS": f"gateway-1:{SEAL_SECRET.hex()}",
                "GATEWAY_PORT": str(port),
                "ANSWER_MS": str(PATIENT_MS),
                "RISK_LAG_S": str(RISK_LAG_S_MAX),  # no risk is there, which refuses no order for so long
                **settings,
            }
            codec = connect_registry(stack.registry_url, subjects(prefix))
            producer = Producer({"bootstrap.servers": stack.bootstrap})
            process = subprocess.Popen([sys.executable, "-m", "gateway"], env=os.environ | environment)
            gateway = Running(f"http://127.0.0.1:{port}", codec, prefix, stack.bootstrap, process, passwords, producer)
            try:
                for name in ("BTC-USD", "ETH-USD"):
                    for partition in range(SHARDS):
                        gateway.write("control", name, symbol_control(name), partition)
                gateway.frame(
                    "book:ETH-USD", 5, {"bids": [["10", "1"], ["9", "1"]], "asks": []}, snapshot=True, age_ms=QUIET_MS
                )
                gateway.frame("book:ETH-USD", 6, {"bids": [["9", "0"]], "asks": [["11", "2"]]}, age_ms=QUIET_MS - 1)
                wait_until(lambda: answers(gateway.url + "/health/ready") == 200)
                yield gateway
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        finally:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


LOST = {
    "account": "alice",
    "sequence": 2,
    "status": "REDUCING",
    "reason": "DAILY_LOSS_LIMIT",
    "currency": "USD",
    "limit_e8": 1_000 * 10**8,
    "actual_e8": 1_200 * 10**8 + 10**8 // 2,
    "ts_us": 1,
}


def order_row(order_id: int, account: str, status: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys((column.name for column in tables.orders.c), 0)
    return row | {
        "order_id": order_id,
        "execution_id": order_id,
        "account": account,
        "client_order_id": f"c{order_id}",
        "symbol": "BTC-USD",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "status": status,
        "reason": "NONE",
        "correlation_id": None,
    }


def repeat_row(command_id: int, order_id: int, account: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys((column.name for column in tables.executions.c), 0)
    order = {name: value for name, value in order_row(order_id, account, "FILLED").items() if name in row}
    return row | order | {"execution_id": command_id, "command_id": command_id, "kind": "STATUS", "liquidity": None}


def report(command_id: int, account: str, kind: str, reason: str = "NONE", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "execution_id": str(command_id),
        "command_id": str(command_id),
        "order_id": str(command_id),
        "account": account,
        "status": "new",
        "reason": reason,
    } | more


def test_the_id_of_a_repeated_order_names_the_first(running: Running) -> None:
    headers = {"Authorization": f"Bearer {running.token('alice')}"}
    answer = httpx.get(f"{running.url}/api/v1/orders/4", headers=headers, trust_env=False, timeout=60).json()
    assert answer["data"]["order_id"] == "2"
    assert [execution["kind"] for execution in answer["data"]["executions"]] == ["status"]
    assert httpx.get(f"{running.url}/api/v1/orders/5", headers=headers, trust_env=False, timeout=60).status_code == 404


def test_login_answers_alike_for_a_wrong_password_and_an_unknown_user(running: Running) -> None:
    bodies = []
    for login in ({"username": "alice", "password": "wrong"}, {"username": "nobody", "password": "wrong"}):
        answer = httpx.post(f"{running.url}/auth/login", json=login, trust_env=False, timeout=60)
        assert answer.status_code == 401
        bodies.append(answer.json()["error"])
    assert bodies[0] == bodies[1]
    assert running.token("alice")


def test_a_session_is_refreshed_and_ends_with_its_logout(running: Running) -> None:
    def post(path: str, token: str | None = None, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.post(f"{running.url}/auth/{path}", json=body, headers=headers, trust_env=False, timeout=60)

    def account_status(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return httpx.get(f"{running.url}/api/v1/account", headers=headers, trust_env=False, timeout=60).status_code

    login = {"username": "alice", "password": running.passwords["alice"]}
    first, elsewhere = (post("login", body=login).json()["data"] for _ in range(2))
    assert first["refresh_expires_at"] > first["expires_at"]
    second = post("refresh", body={"refresh_token": first["refresh_token"]}).json()["data"]
    assert second.keys() == first.keys()
    assert second["account"] == "alice"
    for token in (first["token"], second["token"]):
        assert account_status(token) == 200
    out = post("logout", second["token"])
    assert (out.status_code, out.json()["data"]) == (200, {"sessions_ended": 1})
    for token in (first["token"], second["token"]):
        assert account_status(token) == 401
    assert post("refresh", body={"refresh_token": second["refresh_token"]}).status_code == 401
    assert account_status(elsewhere["token"]) == 200
    assert post("logout").status_code == 401
    assert post("logout", elsewhere["token"], {"everywhere": True}).json()["data"]["sessions_ended"] >= 1
    assert account_status(elsewhere["token"]) == 401


def test_the_page_on_security_is_answered_as_it_says(running: Running, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "URL": running.url, "PASSWORD": running.passwords["alice"]}
    said: list[dict[str, Any]] = []
    functions = ""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 2
    for language, text in blocks:
        if language == "console":
            done = subprocess.run(
                ["/bin/bash", "-euc", functions + text],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            said = [json.loads(answer) for answer in re.findall(r"\{.*?\}(?=\{\"success|$)", done.stdout, re.DOTALL)]
            functions += "".join(line for line in text.splitlines(keepends=True) if "() {" in line)
            assert all(answer["success"] for answer in said), done.stdout
        else:
            assert like(said[-1], json.loads(text)), said


def like(said: Any, page: Any) -> bool:
    """Text of the page that ends with ... stands for any that begins so."""
    if isinstance(page, dict):
        return list(said) == list(page) and all(like(said[name], value) for name, value in page.items())
    if isinstance(page, str) and page.endswith("..."):
        return bool(said.startswith(page[:-3]))
    return bool(said == page)


async def test_of_changes_of_a_pair_at_once_one_counts_and_all_partitions_have_it(running: Running) -> None:
    pair = {"symbol1": "BTC-USD", "symbol2": "ETH-USD", "status": "active", "lookback_period": 60}
    headers, url = running.bearer("root"), f"{running.url}/api/v1/pairs"
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:
        made = await client.post(url, json=pair)
        assert made.status_code == 201, made.text
        one = f"{url}/{made.json()['data']['pair_id']}"
        assert (await client.get(one)).json()["data"] == made.json()["data"]
        same = {"if-match": made.headers["etag"]}
        changes = [client.put(one, json=pair | {"notes": str(number)}, headers=same) for number in range(5)]
        answers_ = await asyncio.gather(*changes)
        assert sorted(answer.status_code for answer in answers_) == [200, 412, 412, 412, 412]
        counts = next(answer.json()["data"] for answer in answers_ if answer.status_code == 200)
        assert (await client.get(one)).json()["data"] == counts
        assert (await client.delete(one, headers={"if-match": '"2"'})).status_code == 200
    for found in decisions(running).values():
        versions = [(c.pair_version, c.notes) for c in found if c.pair_id == counts["pair_id"]]
        assert (versions[0], versions[-1]) == ((1, ""), (3, counts["notes"]))


def test_a_signing_key_stands_in_every_partition_of_the_log(running: Running) -> None:
    headers, new = running.bearer("alice"), {"key_id": "bot-7", "public_key": "ab" * 32}
    url = f"{running.url}/api/v1/signing-keys"
    assert httpx.post(url, json=new, headers=headers, trust_env=False, timeout=30).status_code == 201
    assert httpx.delete(f"{url}/bot-7", headers=headers, trust_env=False, timeout=30).status_code == 200
    for found in decisions(running).values():
        keys = [control for control in found if control.key_id == "bot-7"]
        assert {(c.kind, c.account, c.issued_by) for c in keys} == {(ControlKind.KEY, "alice", "alice")}
        assert [control.public_key for control in keys] == [b"\xab" * 32, None]


def decisions(running: Running) -> dict[int, list[Control]]:
    """What was decided, by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": running.bootstrap,
            "group.id": "unused",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(f"{running.prefix}control", at, 0) for at in range(SHARDS)])
    found: dict[int, list[Control]] = {at: [] for at in range(SHARDS)}
    ends = 0
    while ends < SHARDS:
        record = consumer.poll(10)
        assert record is not None
        if record.error():
            ends += 1
            continue
        control = running.codec.decode(record.value() or b"", "Control")
        assert isinstance(control, Control)
        partition = record.partition()
        assert partition is not None
        found[partition].append(control)
    consumer.close()
    return found


async def test_a_program_trades_with_a_key_until_it_is_revoked(running: Running) -> None:
    person = await asyncio.to_thread(running.bearer, "alice")
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=60) as client:
        new = {"name": "a bot", "scopes": ["read", "trade"], "addresses": ["127.0.0.0/8"]}
        made = await client.post("/api/v1/api-keys", json=new, headers=person)
        assert made.status_code == 201
        key = made.json()["data"]
        listed = (await client.get("/api/v1/api-keys", headers=person)).json()["data"]
        assert [one for one in listed if one["key_id"] == key["key_id"]] == [
            {name: value for name, value in key.items() if name != "key"}
        ]
        assert key["key"].rpartition("_")[2] not in str(listed)
        program = {"authorization": f"Bearer {key['key']}"}
        assert (await client.get("/api/v1/positions", headers=program)).status_code == 200
        placed = await client.post("/api/v1/orders", json=ORDER | {"client_order_id": "by-key"}, headers=program)
        assert placed.status_code == 202
        for asked in (
            client.get("/api/v1/api-keys", headers=program),
            client.post("/api/v1/api-keys", json=new, headers=program),
            client.delete(f"/api/v1/api-keys/{key['key_id']}", headers=program),
            client.post("/auth/logout", headers=program),
        ):
            assert (await asked).status_code == 403
        reader = await client.post("/api/v1/api-keys", json=new | {"scopes": ["read"]}, headers=person)
        reads = {"authorization": f"Bearer {reader.json()['data']['key']}"}
        assert (await client.get("/api/v1/positions", headers=reads)).status_code == 200
        assert (await client.post("/api/v1/orders", json=ORDER, headers=reads)).status_code == 403
        elsewhere = await client.post("/api/v1/api-keys", json=new | {"addresses": ["192.0.2.1"]}, headers=person)
        away = {"authorization": f"Bearer {elsewhere.json()['data']['key']}"}
        assert (await client.get("/api/v1/positions", headers=away)).status_code == 403
        bob = await asyncio.to_thread(running.bearer, "bob")
        assert (await client.delete(f"/api/v1/api-keys/{key['key_id']}", headers=bob)).status_code == 404
        async with connect(running.ws) as ws:
            await ws.send(json.dumps({"type": "auth", "token": key["key"]}))
            assert (await hear(ws))["data"]["account"] == "alice"
            await ws.send(json.dumps({"type": "order.submit", "order": ORDER | {"client_order_id": "by-key-2"}}))
            assert (await hear(ws))["type"] == "order.status"
            gone = await client.delete(f"/api/v1/api-keys/{key['key_id']}", headers=person)
            assert gone.json()["data"] == {"key_id": key["key_id"], "status": "revoked"}
            with pytest.raises(ConnectionClosed):
                await hear(ws)
        assert (await client.get("/api/v1/positions", headers=program)).status_code == 401
        assert (await client.delete(f"/api/v1/api-keys/{key['key_id']}", headers=person)).status_code == 404
        commands = {
            command.client_order_id: command.account for _, command in await asyncio.to_thread(running.commands)
        }
        assert (commands["by-key"], commands["by-key-2"]) == ("alice", "alice")


def test_failed_logins_are_limited_for_a_user_and_good_ones_do_not_count(running: Running) -> None:
    for _ in range(limits.LOGIN_FAILURES_PER_USER - 1):
        assert running.token("bob")
    login = {"username": "unlucky", "password": "wrong"}
    for _ in range(limits.LOGIN_FAILURES_PER_USER):
        assert httpx.post(f"{running.url}/auth/login", json=login, trust_env=False, timeout=60).status_code == 401
    right = login | {"password": running.passwords["unlucky"]}
    answer = httpx.post(f"{running.url}/auth/login", json=right, trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert 0 < int(answer.headers["retry-after"]) <= limits.LOGIN_WINDOW_S
    assert running.token("bob")


def test_an_order_is_in_the_log_sealed_when_it_is_answered(running: Running) -> None:
    body = ORDER | {"client_order_id": "log-1"}
    answer = httpx.post(
        f"{running.url}/api/v1/orders",
        json=body,
        headers=running.bearer("alice") | {"x-correlation-id": "follow-me"},
        trust_env=False,
    )
    assert answer.status_code == 202
    order_id = int(answer.json()["data"]["order_id"])
    ((record, command),) = [pair for pair in running.commands() if pair[1].client_order_id == "log-1"]
    assert (record.partition(), record.offset()) == (order_id >> 48, order_id & (1 << 48) - 1)
    assert record.partition() == partition_of("alice", SHARDS)
    assert record.key() == b"alice"
    headers = dict(record.headers())
    assert headers["seal_key"] == b"gateway-1"
    assert verify_hmac(SEAL_SECRET, record.value(), headers["seal"])
    assert (command.account, command.correlation_id) == ("alice", "follow-me")
    assert headers["correlation_id"] == b"follow-me"


@pytest.mark.parametrize(
    ("sequence", "kind", "refusal", "message"),
    [
        (1, "new", {}, None),
        (
            2,
            "rejected",
            {"reason": "QUANTITY_OFF_LOT", "limit": "0.001", "actual": "0.0015"},
            "Quantity 0.0015 is not a multiple of the lot 0.001; nearest valid: 0.001, 0.002.",
        ),
    ],
    ids=["accepted", "refused"],
)
def test_wait_answers_with_the_execution_from_the_stream(
    running: Running, sequence: int, kind: str, refusal: dict[str, str], message: str | None
) -> None:
    headers = running.bearer("bob")
    body = ORDER | {"client_order_id": f"wait-{sequence}"}

    def risk_and_matching() -> None:
        found: list[tuple[Any, Command]] = []

        def arrived() -> bool:
            found[:] = [pair for pair in running.commands() if pair[1].client_order_id == body["client_order_id"]]
            return bool(found)

        wait_until(arrived)
        record = found[0][0]
        told = report(record.partition() << 48 | record.offset(), "bob", kind) | refusal
        running.frame("orders:bob", sequence, told)

    async def both() -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            asking = client.post(f"{running.url}/api/v1/orders?wait=10000", json=body, headers=headers)
            answer, _ = await asyncio.gather(asking, asyncio.to_thread(risk_and_matching))
            return answer

    answer = asyncio.run(both())
    said = answer.json()
    assert (answer.status_code, said["data"]["kind"], said.get("message")) == (200, kind, message)


def test_reads_show_the_own_account_only(running: Running) -> None:
    headers = running.bearer("alice")
    listed = httpx.get(f"{running.url}/api/v1/orders", headers=headers, trust_env=False, timeout=60).json()
    assert [order["order_id"] for order in listed["data"]] == ["2", "1"]
    assert listed["pagination"] == {"page": 1, "page_size": 20, "total": 2, "total_pages": 1}
    page = httpx.get(
        f"{running.url}/api/v1/orders?page=2&page_size=1", headers=headers, trust_env=False, timeout=60
    ).json()
    assert [order["order_id"] for order in page["data"]] == ["1"]
    opened = httpx.get(f"{running.url}/api/v1/orders?status=open", headers=headers, trust_env=False, timeout=60).json()
    assert [order["order_id"] for order in opened["data"]] == ["1"]
    assert (
        httpx.get(f"{running.url}/api/v1/orders/1", headers=headers, trust_env=False, timeout=60).json()["data"][
            "executions"
        ]
        == []
    )
    for other in ("3", "999"):
        answer = httpx.get(f"{running.url}/api/v1/orders/{other}", headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 404
    bob = httpx.get(f"{running.url}/api/v1/account", headers=running.bearer("bob"), trust_env=False, timeout=60)
    assert bob.status_code == 404
    answer = httpx.get(f"{running.url}/api/v1/account", headers=headers, trust_env=False, timeout=60)
    assert answer.json()["data"] == {
        "account": "alice",
        "sequence": 2,
        "status": "reducing",
        "reason": "DAILY_LOSS_LIMIT",
        "currency": "USD",
        "limit": "1000",
        "actual": "1200.5",
        "time": "1970-01-01T00:00:00.000001Z",
    }
    for path in ("positions", "balances", "trades?symbol=BTC-USD", "candles?symbol=BTC-USD"):
        answer = httpx.get(f"{running.url}/api/v1/{path}", headers=headers, trust_env=False, timeout=60)
        assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_symbols_come_from_control_and_a_quiet_book_from_far_back(running: Running) -> None:
    symbols = httpx.get(f"{running.url}/api/v1/symbols", trust_env=False, timeout=60).json()["data"]
    assert [symbol["symbol"] for symbol in symbols] == ["BTC-USD", "ETH-USD"]
    book: dict[str, Any] = {}

    def known() -> bool:
        answer = httpx.get(f"{running.url}/api/v1/book/ETH-USD", trust_env=False, timeout=60)
        book.update(answer.json().get("data") or {})
        return answer.status_code == 200

    wait_until(known)
    assert (book["bids"], book["asks"], book["sequence"]) == ([["10", "1"]], [["11", "2"]], 6)


async def hear(ws: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(60):
        heard: dict[str, Any] = json.loads(await ws.recv())
        return heard


async def snapshot_at(ws: ClientConnection, channel: str, sequence: int) -> dict[str, Any]:
    """Subscribe again and again until the snapshot has that sequence: the reader may not be so far yet."""
    async with asyncio.timeout(30):
        while True:
            await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": channel}))
            while (heard := await hear(ws)).get("kind") != "snapshot":
                assert heard["type"] != "error", heard
            if heard["sequence"] == sequence:
                return heard


async def test_a_ticket_opens_one_connection(running: Running) -> None:
    headers = await asyncio.to_thread(running.bearer, "viewer")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        ticket = (await client.post(f"{running.url}/auth/ticket", headers=headers)).json()["data"]["ticket"]
        assert (await client.post(f"{running.url}/auth/ticket")).status_code == 401
    async with connect(f"{running.ws}?ticket={ticket}") as ws:
        await ws.send(json.dumps({"type": "order.submit", "order": ORDER}))
        assert (await hear(ws))["error"]["code"] == "FORBIDDEN"
    with pytest.raises(Exception, match="401"):
        await connect(f"{running.ws}?ticket={ticket}")


async def test_the_stream_gives_a_snapshot_then_changes_and_resumes(running: Running) -> None:
    channel = "book:BTC-USD"
    await asyncio.to_thread(running.frame, channel, 1, {"bids": [["100", "1"]], "asks": []})
    async with connect(running.ws) as ws:
        snapshot = await snapshot_at(ws, channel, 1)
        assert (snapshot["kind"], snapshot["data"]) == ("snapshot", {"bids": [["100", "1"]], "asks": []})
        await asyncio.to_thread(running.frame, channel, 2, {"bids": [], "asks": [["101", "1"]]})
        change = await hear(ws)
        assert (change["type"], change["kind"], change["sequence"]) == ("marketdata.book", "update", 2)
    await asyncio.to_thread(running.frame, channel, 3, {"bids": [["100", "0"]], "asks": []})
    async with connect(running.ws) as ws:
        await ws.send(json.dumps({"type": "marketdata.subscribe", "channel": channel, "from_sequence": 1}))
        assert [(await hear(ws)).get("sequence") for _ in range(3)] == [None, 2, 3]


async def test_a_private_snapshot_is_rows_and_what_the_stream_knows_already(running: Running) -> None:
    token = await asyncio.to_thread(running.token, "alice")
    newer = order_row(1, "alice", "NEW")
    state = {name.removesuffix("_e8"): str(value) for name, value in newer.items()} | {
        "kind": "trade",
        "status": "filled",
        "execution_id": "77",
        "command_time": "",
        "time": "",
        "command_id": None,
    }
    await asyncio.to_thread(running.frame, "orders:alice", 1, state | {"order_id": "1"})
    async with connect(running.ws) as ws:
        await ws.send(json.dumps({"type": "auth", "token": token}))
        assert (await hear(ws))["type"] == "auth"
        snapshot = await snapshot_at(ws, "orders", 1)
        assert (snapshot["type"], snapshot["data"]) == ("order.status", [])


async def test_probes_do_not_stand_in_the_queue_of_users(running: Running) -> None:
    headers = await asyncio.to_thread(running.bearer, "alice")
    told = dict(line.split("=", 1) for line in proc_environment(running.process.pid))
    user, password = told["DB_USER"], told["DB_PASSWORD"]
    where = make_conninfo(host=told["DB_HOST"], port=told["DB_PORT"], dbname=told["DB_NAME"])
    pools = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, limits=pools, timeout=30) as client:
        with psycopg.connect(where, user=user, password=password) as operator:
            operator.execute("LOCK TABLE orders")
            asked = [client.get("/api/v1/orders", headers=headers) for _ in range(limits.DB_WAITING_MAX + 8)]
            reads = [asyncio.create_task(each) for each in asked]
            full, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            assert {read.result().status_code for read in full} == {503}
            said = (await client.get("/health")).json()["data"]
            assert not all(read.done() for read in reads)
            operator.rollback()
        assert said["dependencies"]["postgresql"]["status"] == "up", said
        assert said["status"] == "up"
        await asyncio.wait(reads)


def test_a_gateway_without_a_broker_refuses_within_a_second(running: Running) -> None:
    environment = dict(line.split("=", 1) for line in proc_environment(running.process.pid))
    port = free_port()
    environment |= {"KAFKA_BOOTSTRAP": "127.0.0.1:1", "GATEWAY_PORT": str(port), "ANSWER_MS": str(limits.ANSWER_MS)}
    before = len(running.commands())
    headers = running.bearer("alice")
    process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url + "/health/live") == 200)
        took_s = []
        for _ in range(3):  # a busy machine may take a second for anything once
            started = time.monotonic()
            answer = httpx.post(f"{url}/api/v1/orders", json=ORDER, headers=headers, trust_env=False, timeout=60)
            took_s.append(time.monotonic() - started)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert answer.headers["retry-after"] == "1"
        assert min(took_s) < 1
        ready = httpx.get(f"{url}/health/ready", trust_env=False, timeout=60)
        assert ready.status_code == 503
        said = ready.json()["data"]["dependencies"]
        assert {name: state["status"] for name, state in said.items()} == {
            "kafka": "down",
            "stream": "down",
            "postgresql": "up",
            "valkey": "up",
            "sessions": "up",
        }
        assert httpx.get(f"{url}/api/v1/orders", headers=headers, trust_env=False, timeout=60).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len(running.commands()) == before


def test_what_keeps_it_from_starting_is_one_sentence(running: Running) -> None:
    environment = dict(line.split("=", 1) for line in proc_environment(running.process.pid))
    for changed, expected in (
        ({"SCHEMA_REGISTRY_URL": "http://127.0.0.1:1/apis/ccompat/v7"}, "registry"),
        ({"JWT_SECRET": ""}, "JWT_SECRET"),
        ({"TRADSYS_PREFIX": "nobody-provisioned."}, "tradsys provision"),
        ({}, "GATEWAY_PORT"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "gateway"], env=environment | changed, capture_output=True, timeout=60, check=False
        )
        assert ended.returncode == 1
        assert expected in ended.stderr.decode()
        assert "Traceback" not in ended.stderr.decode()


def proc_environment(pid: int) -> list[str]:
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - a file of the kernel
        return [line for line in file.read().decode().split("\0") if "=" in line]


def answers(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False, timeout=60).status_code
    except httpx.HTTPError:
        return 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, seconds_max: float = 60) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
