"""An account's past from a real PostgreSQL: filters, and cursors that rows written meanwhile do not move."""

import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, delete, insert, make_url

from gateway import limits
from gateway.auth.callers import Callers
from gateway.auth.keys import ApiKeys
from gateway.auth.revocations import Revocations
from gateway.auth.token_keys import TokenKeys, shared_secret
from gateway.auth.tokens import Tokens
from gateway.database import Database
from gateway.framework import make_application
from gateway.orders import history
from schemas import migrations, tables
from tests.integration.patience import PATIENT_MS
from workers.projections.partitions import Month, make_missing

SECRET = "a secret of this test, and of nothing else"
TOKENS = Tokens(TokenKeys([shared_secret(SECRET)]), 3_600)
BEGIN_US = 1_896_000_000_000_000


def execution(number: int, account: str = "alice", **changes: Any) -> dict[str, Any]:
    """Three of each time, and ids that are not in the order of time, as those of several shards."""
    return {
        "execution_id": (number % 3 << 48) + number,
        "kind": "TRADE" if number % 2 else "NEW",
        "command_id": number,
        "order_id": number // 4,
        "account": account,
        "client_order_id": f"c{number}",
        "symbol": "BTC-USD" if number % 5 else "ETH-USD",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "quantity_e8": 1,
        "status": "NEW",
        "leaves_e8": 1,
        "cumulative_e8": 0,
        "cumulative_notional_e8": 0,
        "reason": "NONE",
        "command_us": BEGIN_US,
        "ts_us": BEGIN_US + number // 3 * 1_000_000,
        **changes,
    }


def entry(number: int, account: str = "alice") -> dict[str, Any]:
    return {
        "entry_id": number,
        "kind": "FEE" if number % 3 == 0 else "TRADE",
        "account": account,
        "debit_account": account,
        "credit_account": "venue:clearing",
        "currency": "USD" if number % 2 else "BTC",
        "amount_e8": number,
        "balance_e8": number,
        "symbol": "BTC-USD",
        "ts_us": BEGIN_US + number,
    }


@pytest.fixture(scope="module")
def engine(stack: Any) -> Iterator[Engine]:
    name = f"history_{secrets.token_hex(4)}"
    with psycopg.connect(stack.db_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        dsn = str(httpx.URL(stack.db_dsn).copy_with(path=f"/{name}"))
        migrations.upgrade(dsn)
        with psycopg.connect(dsn) as made:
            make_missing(made, "executions", {Month.of(BEGIN_US), Month.of(BEGIN_US + 10**12)})
        opened = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
        with opened.begin() as rows:
            rows.execute(insert(tables.executions), [execution(number) for number in range(1, 101)])
            rows.execute(insert(tables.executions), [execution(number, "bob") for number in range(1_001, 1_011)])
            rows.execute(insert(tables.ledger), [entry(number) for number in range(1, 41)])
            rows.execute(insert(tables.ledger), [entry(number, "bob") for number in range(1_001, 1_011)])
        yield opened
        opened.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    database = Database(make_url(engine.url.render_as_string(hide_password=False)), answer_ms=PATIENT_MS)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    revocations = Revocations(3_600)
    await revocations.look(database)
    application = make_application(lifespan, Callers(TOKENS, ApiKeys(database, revocations), revocations))
    application.include_router(history.router(database))
    headers = {"authorization": f"Bearer {TOKENS.issue('alice', 'alice', 'viewer', 'a-session')[0]}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as opened:
        yield opened
    database.close()


async def all_of(
    client: httpx.AsyncClient,
    path: str,
    between: Any = lambda: None,
    *,
    ends_with_all: bool = True,
    **query: Any,
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["data"]) <= body["pagination"]["limit"]
        assert body["data"] or not ends_with_all
        found += body["data"]
        if body["pagination"]["next_cursor"] is None:
            return found
        query["cursor"] = body["pagination"]["next_cursor"]
        between()


def newest_first() -> list[str]:
    rows = sorted((execution(number) for number in range(1, 101)), key=lambda row: (row["ts_us"], row["execution_id"]))
    return [str(row["execution_id"]) for row in reversed(rows)]


@pytest.mark.parametrize("limit", [1, 7, 20, 99, 100])
async def test_pages_together_are_the_whole(client: httpx.AsyncClient, limit: int) -> None:
    found = await all_of(client, "/api/v1/executions", limit=limit, until="2030-02-05T00:00:00Z")
    assert [row["execution_id"] for row in found] == newest_first()
    assert {row["account"] for row in found} == {"alice"}


async def test_rows_written_meanwhile_move_nothing(client: httpx.AsyncClient, engine: Engine) -> None:
    numbers = iter(random.Random(1).sample(range(5_000, 9_000), 100))

    def write() -> None:
        with engine.begin() as rows:
            later = {"ts_us": BEGIN_US + 10**12}
            rows.execute(insert(tables.executions), [execution(next(numbers), **later) for _ in range(3)])

    try:
        found = await all_of(client, "/api/v1/executions", write, limit=10)
        assert [row["execution_id"] for row in found] == newest_first()
    finally:
        with engine.begin() as rows:
            rows.execute(delete(tables.executions).where(tables.executions.c.ts_us >= BEGIN_US + 10**12))


async def test_executions_are_narrowed(client: httpx.AsyncClient) -> None:
    rows = [execution(number) for number in range(1, 101)]
    for query, is_meant in (
        ({"symbol": "ETH-USD"}, lambda row: row["symbol"] == "ETH-USD"),
        ({"kind": "trade"}, lambda row: row["kind"] == "TRADE"),
        ({"order_id": "5"}, lambda row: row["order_id"] == 5),
        (
            {"since": "2030-01-30T10:40:10Z", "until": "2030-01-30T12:40:20+02:00", "kind": "new"},
            lambda row: BEGIN_US + 10**7 <= row["ts_us"] < BEGIN_US + 2 * 10**7 and row["kind"] == "NEW",
        ),
    ):
        found = await all_of(client, "/api/v1/executions", limit=3, **query)
        assert {row["execution_id"] for row in found} == {str(row["execution_id"]) for row in rows if is_meant(row)}
        assert len(found) < 60


async def test_the_ledger_is_read_the_same_way(client: httpx.AsyncClient) -> None:
    found = await all_of(client, "/api/v1/ledger", limit=7)
    assert [row["entry_id"] for row in found] == [str(number) for number in range(40, 0, -1)]
    found = await all_of(client, "/api/v1/ledger", limit=7, currency="USD", kind="fee")
    assert [row["entry_id"] for row in found] == [str(n) for n in range(40, 0, -1) if n % 2 and n % 3 == 0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "ffffffffffffffff-1"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"kind": "unknown"}, "kind"),
        ({"order_id": "5x"}, "order_id"),
        ({"since": "2030-01-01T00:00:00"}, "since"),
        ({"symbol": "a b"}, "symbol"),
    ],
)
async def test_what_cannot_be_meant_is_refused(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = await client.get("/api/v1/executions", params=query)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize("searched", [7, 33, 100, 101])
async def test_a_search_goes_on_where_it_ended_and_shows_each_row_once(
    client: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    """Also when rows are written meanwhile: what one request looks through is less than the account has."""
    monkeypatch.setattr(limits, "ROWS_SEARCHED_MAX", searched)
    numbers = iter(range(20_000, 30_000))

    def write() -> None:
        with engine.begin() as rows:
            rows.execute(insert(tables.executions), [execution(next(numbers), ts_us=BEGIN_US + 10**12)])

    newest = {str(execution(number)["execution_id"]): execution(number) for number in range(1, 101)}
    try:
        for query, is_meant in (
            ({"symbol": "ETH-USD"}, lambda row: row["symbol"] == "ETH-USD"),
            ({"kind": "trade", "symbol": "ETH-USD"}, lambda row: row["symbol"] == "ETH-USD" and row["kind"] == "TRADE"),
            ({"kind": "expired"}, lambda row: False),
            ({"order_id": "0"}, lambda row: row["order_id"] == 0),
        ):
            found = await all_of(client, "/api/v1/executions", write, ends_with_all=False, limit=3, **query)
            old = [row["execution_id"] for row in found if row["execution_id"] in newest]
            assert old == [name for name in newest_first() if is_meant(newest[name])]
    finally:
        with engine.begin() as rows:
            rows.execute(delete(tables.executions).where(tables.executions.c.ts_us >= BEGIN_US + 10**12))
    for query, kept in (
        ({"currency": "USD", "kind": "fee"}, lambda n: n % 2 and n % 3 == 0),
        ({"since": "2030-01-30T10:40:00.000030Z", "symbol": "BTC-USD"}, lambda n: n >= 30),
        ({"kind": "deposit"}, lambda n: False),
    ):
        found = await all_of(client, "/api/v1/ledger", ends_with_all=False, limit=3, **query)
        assert [row["entry_id"] for row in found] == [str(n) for n in range(40, 0, -1) if kept(n)]
