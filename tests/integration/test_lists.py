"""Orders and trades from a real PostgreSQL, read with a cursor: what is written meanwhile moves nothing."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, create_engine, insert, make_url

from gateway.auth.callers import Callers
from gateway.auth.keys import ApiKeys
from gateway.auth.revocations import Revocations
from gateway.auth.token_keys import TokenKeys, shared_secret
from gateway.auth.tokens import Tokens
from gateway.auth.users import NewUser, UserError, create, listed, set_role
from gateway.database import Database
from gateway.framework import make_application
from gateway.market import routes as market_routes
from gateway.market.symbols import Symbols
from gateway.orders import routes as order_routes
from schemas import migrations, tables
from schemas.messages import Control, ControlKind, SymbolStatus
from schemas.units import format_us
from tests.integration.patience import PATIENT_MS
from workers.projections.partitions import Month, make_missing

TOKENS = Tokens(TokenKeys([shared_secret("a secret of this test, and of nothing else")]), 3_600)
BEGIN_US = 1_896_000_000_000_000
GROUP_BIT = 1 << 46
SYMBOL = Control(
    ControlKind.SYMBOL,
    control_id="s",
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    tick_e8=1,
    lot_e8=1,
    symbol_status=SymbolStatus.TRADING,
)


def order(number: int, account: str = "alice") -> list[dict[str, Any]]:
    """An order, every tenth with a second one of its group, whose id lies above those of all commands."""
    row = dict.fromkeys((column.name for column in tables.orders.c if not column.nullable), 0) | {
        "order_id": number,
        "execution_id": number,
        "account": account,
        "client_order_id": f"c{number}",
        "symbol": "BTC-USD" if number % 5 else "ETH-USD",
        "side": "BUY" if number % 2 else "SELL",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "status": "NEW" if number % 3 else "FILLED",
        "reason": "NONE",
        "group_id": None,
        "waits": False,
        "reduce_only": False,
    }
    if number % 10:
        return [row]
    return [row | {"group_id": number}, row | {"order_id": GROUP_BIT + number, "group_id": number}]


def trade(number: int, symbol: str = "BTC-USD") -> dict[str, Any]:
    """Three at each time."""
    return dict.fromkeys((column.name for column in tables.trades.c), 1) | {
        "trade_id": number,
        "symbol": symbol,
        "aggressor_side": "BUY",
        "maker_account": "a",
        "taker_account": "b",
        "ts_us": BEGIN_US + number // 3 * 1_000_000,
    }


def write_orders(engine: Engine, numbers: range, account: str = "alice") -> None:
    with engine.begin() as rows:
        rows.execute(insert(tables.orders), [row for number in numbers for row in order(number, account)])


@pytest.fixture
def engine(stack: Any) -> Iterator[Engine]:
    name = f"lists_{secrets.token_hex(4)}"
    with psycopg.connect(stack.db_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        dsn = str(httpx.URL(stack.db_dsn).copy_with(path=f"/{name}"))
        migrations.upgrade(make_conninfo(stack.db_dsn, dbname=name))
        with psycopg.connect(dsn) as made:
            make_missing(made, "trades", {Month.of(BEGIN_US)})
        opened = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
        write_orders(opened, range(1, 61))
        write_orders(opened, range(1_001, 1_011), "bob")
        with opened.begin() as rows:
            rows.execute(insert(tables.trades), [trade(number) for number in range(1, 61)])
            rows.execute(insert(tables.trades), [trade(number, "ETH-USD") for number in range(101, 111)])
        yield opened
        opened.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    database, symbols = (
        Database(make_url(engine.url.render_as_string(hide_password=False)), answer_ms=PATIENT_MS),
        Symbols(),
    )
    symbols.apply(SYMBOL)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    revocations = Revocations(3_600)
    await revocations.look(database)
    application = make_application(lifespan, Callers(TOKENS, ApiKeys(database, revocations), revocations))
    application.include_router(order_routes.router(database, symbols))
    application.include_router(market_routes.router(database=database, symbols=symbols))
    headers = {"authorization": f"Bearer {TOKENS.issue('alice', 'alice', 'viewer', 'a-session')[0]}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as opened:
        yield opened
    database.close()


async def all_of(client: httpx.AsyncClient, path: str, between: Any = lambda: None, **query: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["data"]) <= body["pagination"]["limit"]
        found += body["data"]
        if body["pagination"]["next_cursor"] is None:
            return found
        query["cursor"] = body["pagination"]["next_cursor"]
        between()


def newest_first() -> list[str]:
    rows = [row for number in range(1, 61) for row in order(number)]
    rows.sort(key=lambda row: (row["group_id"] or row["order_id"], row["order_id"]), reverse=True)
    return [str(row["order_id"]) for row in rows]


@pytest.mark.parametrize("limit", [1, 7, 66])
async def test_orders_with_a_cursor_are_all_and_what_is_placed_meanwhile_moves_nothing(
    client: httpx.AsyncClient, engine: Engine, limit: int
) -> None:
    later = iter(range(2_000, 9_000, 10))

    def place() -> None:
        begin = next(later)
        write_orders(engine, range(begin, begin + 3))

    found = await all_of(client, "/api/v1/orders", place, limit=limit)
    assert [row["order_id"] for row in found] == newest_first()
    assert {row["account"] for row in found} == {"alice"}
    assert "age" not in found[0]


async def test_orders_are_narrowed_with_a_cursor_and_in_pages(client: httpx.AsyncClient) -> None:
    for query, is_meant in (
        ({"side": "sell"}, lambda row: row["side"] == "sell"),
        ({"status": "open"}, lambda row: row["status"] == "new"),
        ({"status": "filled", "symbol": "ETH-USD"}, lambda r: (r["status"], r["symbol"]) == ("filled", "ETH-USD")),
        ({"client_order_id": "c10"}, lambda row: row["client_order_id"] == "c10"),
    ):
        everything = await all_of(client, "/api/v1/orders", limit=50)
        expected = [row for row in everything if is_meant(row)]
        assert 0 < len(expected) < len(everything)
        assert await all_of(client, "/api/v1/orders", limit=4, **query) == expected
        paged = await client.get("/api/v1/orders", params={"page_size": 100, **query})
        assert paged.json()["data"] == expected


async def test_trades_of_a_range_are_all_and_what_happens_meanwhile_moves_nothing(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    later = iter(range(1_000, 9_000))

    def happen() -> None:
        with engine.begin() as rows:
            rows.execute(insert(tables.trades), [trade(next(later))])

    found = await all_of(client, "/api/v1/trades", happen, symbol="BTC-USD", limit=7)
    assert [row["trade_id"] for row in found] == [str(number) for number in range(60, 0, -1)]
    between = {"since": format_us(BEGIN_US + 3_000_000), "until": format_us(BEGIN_US + 5_000_000)}
    ranged = await all_of(client, "/api/v1/trades", happen, symbol="BTC-USD", limit=4, **between)
    assert [row["trade_id"] for row in ranged] == [str(number) for number in range(14, 8, -1)]
    paged = await client.get("/api/v1/trades", params={"symbol": "BTC-USD", **between})
    assert (paged.json()["data"], paged.json()["pagination"]["total"]) == (ranged, 6)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"since": "2030-01-01T00:00:00"}, "since"),
    ],
)
async def test_what_cannot_be_meant_is_refused(client: httpx.AsyncClient, query: Any, field: str) -> None:
    answer = await client.get("/api/v1/trades", params={"symbol": "BTC-USD", **query})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


async def test_candles_of_a_range(client: httpx.AsyncClient, engine: Engine) -> None:
    candle = dict.fromkeys((column.name for column in tables.candles.c), 1) | {"symbol": "BTC-USD", "interval_s": 60}
    rows = [candle | {"final": True, "open_us": BEGIN_US + minute * 60_000_000} for minute in range(10)]
    with engine.begin() as connection:
        connection.execute(insert(tables.candles), rows)
    query = {"symbol": "BTC-USD", "since": format_us(rows[2]["open_us"]), "before": format_us(rows[5]["open_us"])}
    found = (await client.get("/api/v1/candles", params=query)).json()["data"]
    assert [each["open_time"] for each in found] == [format_us(rows[at]["open_us"]) for at in (4, 3, 2)]


async def test_a_user_who_gets_another_role_is_logged_out(engine: Engine) -> None:
    """As the route of admins does it: through the gateway's pool, in a transaction of its own."""
    database = Database(make_url(engine.url.render_as_string(hide_password=False)), answer_ms=PATIENT_MS)
    await database.transact(lambda opened: create(opened, NewUser("carol", "a long one of hers", "carol", "trader")))
    with engine.begin() as connection:
        row = dict.fromkeys((column.name for column in tables.sessions.c), "x") | {"username": "carol"}
        times = {"created_us": 1, "expires_us": 9_000_000_000_000_000, "revoked_us": None, "revoked_because": None}
        connection.execute(insert(tables.sessions), [row | times])
    ended = await database.transact(lambda opened: set_role(opened, "carol", "viewer"))
    (carol,) = await database.transact(listed)
    assert (ended.sessions, carol.role, carol.sessions) == (1, "viewer", 0)
    for role, said in (("owner", "must be one of"), ("viewer", "no user nobody")):
        with pytest.raises(UserError, match=said):
            await database.transact(lambda opened, role=role: set_role(opened, "nobody", role))  # type: ignore[misc]
    database.close()
