"""What the gateway promises, with the whole platform running: correlation ids, and what its OpenAPI document says.

The latter comes last: it does what an admin may do, in any order, and leaves a venue that is stopped in every way.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import create_engine
from websockets.sync.client import connect

from gateway.auth.users import NewUser, seed
from schemas.correlation import CORRELATION_HEADER
from tests.integration.patience import log_in
from tests.integration.venue import SYMBOL, Venue, new_order, open_venue, until
from tradsys.settings import free_ports

pytestmark = pytest.mark.timeout(300)

PROJECT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("contract.toml")
BUDGETS = ("ORDERS", "CANCELS", "READS", "PUBLIC", "ADDRESS")


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue() as opened:
        yield opened


def rows(venue: Venue, table: str, correlation_id: str) -> list[tuple[Any, ...]]:
    names = {
        "executions": "order_id, kind, trade_id",
        "orders": "order_id, status",
        "ledger": "order_id, trade_id, account",
    }[table]
    with psycopg.connect(venue.settings.db_dsn) as connection:
        query = f"SELECT {names} FROM {table} WHERE correlation_id = %s"  # noqa: S608 - both are ours
        return connection.execute(query.encode(), [correlation_id]).fetchall()


def headers(venue: Venue, topic: str, key: str) -> list[dict[str, bytes]]:
    return [dict(record.headers) for record in venue.log.records(topic) if record.key == key.encode()]


def test_one_id_is_found_from_the_request_to_the_database(venue: Venue) -> None:
    maker, taker = "maker:from-a-bot", "taker.from-REST"
    value = venue.codec.encode(new_order("bot-02", venue.unique(), price_e8=59_000 * 10**8))
    seals = venue.sealed("bot-02", value)
    bot_order = venue.write(value, b"bot-02", venue.shard("bot-02"), [*seals, (CORRELATION_HEADER, maker.encode())])
    assert venue.answer(bot_order).correlation_id == maker
    with connect(venue.settings.gateway_url.replace("http", "ws", 1) + "/ws", proxy=None) as ws:
        ws.send(json.dumps({"type": "auth", "token": venue.tokens["alice"]}))
        ws.send(json.dumps({"type": "marketdata.subscribe", "channel": "orders"}))
        ws.send(json.dumps({"type": "marketdata.subscribe", "channel": "positions"}))
        listening: set[str] = set()
        while len(listening) < 2:  # before what they tell happens
            message = json.loads(ws.recv(timeout=60))
            if message.get("kind") == "snapshot":
                listening.add(message["channel"])
        answer = venue.rest.post(
            "/api/v1/orders",
            params={"wait": 10_000},
            json={"symbol": SYMBOL, "side": "buy", "type": "limit", "price": "59000", "quantity": "0.01"}
            | {"client_order_id": venue.unique(), "time_in_force": "ioc"},
            headers={"authorization": f"Bearer {venue.tokens['alice']}", "x-correlation-id": taker},
        )
        assert answer.headers["x-correlation-id"] == taker
        order_id = answer.json()["data"]["order_id"]
        trade_id = position = None
        while trade_id is None or position is None:
            message = json.loads(ws.recv(timeout=60))
            data = message.get("data") or {}
            if message.get("kind") != "update":
                continue
            if message["channel"].startswith("orders") and data["order_id"] == order_id:
                assert data["correlation_id"] == taker
                trade_id = data["trade_id"] or trade_id
            elif message["channel"].startswith("positions") and data["trade_id"] is not None:
                position = data
    assert (position["trade_id"], position["correlation_id"]) == (trade_id, taker)
    assert {"correlation_id": taker.encode()}.items() <= headers(venue, "commands", "alice")[-1].items()
    assert venue.executions(bot_order, 2)[-1].correlation_id == maker
    for correlation, order in ((taker, int(order_id)), (maker, bot_order)):
        until(lambda wanted=correlation: len(rows(venue, "executions", wanted)) >= 2, "no executions with the id")
        found = rows(venue, "executions", correlation)
        assert {row[0] for row in found} == {order}
        assert {row[1:] for row in found} == {("NEW", None), ("TRADE", int(trade_id))}
        assert rows(venue, "orders", correlation) == [(order, "FILLED")]
    for correlation, order, account in ((taker, int(order_id), "alice"), (maker, bot_order, "bot-02")):
        until(lambda wanted=correlation: len(rows(venue, "ledger", wanted)) >= 2, "no ledger entries with the id")
        assert {*rows(venue, "ledger", correlation)} == {(order, int(trade_id), account)}
    told = venue.rest.get("/api/v1/ledger", headers={"authorization": f"Bearer {venue.tokens['alice']}"}).json()["data"]
    assert {entry["correlation_id"] for entry in told if entry["trade_id"] == trade_id} == {taker}


@contextmanager
def generous_gateway(venue: Venue, log: Path) -> Iterator[dict[str, str]]:
    """Another gateway of the venue, whose budgets nobody uses up; where it is and who may ask it, as contract_hooks.py
    reads it.
    """
    username, password = "contract", secrets.token_urlsafe(12)
    engine = create_engine(venue.settings.db_dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    seed(engine, [NewUser(username, password, "alice", "admin")])
    engine.dispose()
    port = free_ports()["gateway"]
    settings = venue.settings.environment() | {"GATEWAY_PORT": str(port)}
    budgets = {f"RATE_{name}": "1000000/1" for name in BUDGETS}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=os.environ | settings | budgets, stdout=out)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_ready(url), "the gateway is not ready")
        yield {"CONTRACT_URL": url, "CONTRACT_USERNAME": username, "CONTRACT_PASSWORD": password}
    finally:
        process.terminate()
        assert process.wait(60) == 0


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def make_symbol(found: dict[str, str], symbol: str) -> None:
    """The other one of the examples of pairs."""
    with httpx.Client(base_url=found["CONTRACT_URL"], trust_env=False, timeout=60) as client:
        token = log_in(client, found["CONTRACT_USERNAME"], found["CONTRACT_PASSWORD"])["token"]
        rules = {"tick": "0.01", "lot": "0.0001"}
        headers = {"authorization": f"Bearer {token}"}
        made = client.patch(f"/api/v1/admin/symbols/{symbol}", json=rules, headers=headers)
        assert made.status_code == 200, made.text


def schemathesis(found: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """All checks of all operations."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return subprocess.run(
        [*command, f"{found['CONTRACT_URL']}/openapi.json", "--no-color", *arguments],
        cwd=PROJECT,
        env=os.environ | found | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("examples", [5, pytest.param(200, marks=[pytest.mark.chaos, pytest.mark.timeout(3_600)])])
def test_every_operation_is_answered_as_the_openapi_document_says(venue: Venue, tmp_path: Path, examples: int) -> None:
    log = tmp_path / "gateway.log"
    with generous_gateway(venue, log) as found:
        make_symbol(found, "ETH-USD")
        told = schemathesis(found, "--max-examples", str(examples))
    mistakes = [line for line in log.read_text("utf-8").splitlines() if '"level": "error"' in line]
    assert (told.returncode, mistakes) == (0, []), "\n".join([told.stdout, told.stderr, *mistakes])
