"""What the gateway asks of large tables is served by indexes, and bounded also where nothing fits.

The statements are those that routes and stores send, noted on their way to PostgreSQL. Each is then explained with its
values, and as the generic plan that PostgreSQL may keep for a prepared statement.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, event, make_url

from gateway import limits
from gateway.auth import users
from gateway.auth.callers import Callers
from gateway.auth.keys import ApiKeys
from gateway.auth.revocations import Revocations
from gateway.auth.sessions import Sessions
from gateway.auth.token_keys import TokenKeys, shared_secret
from gateway.auth.tokens import Identity, Tokens
from gateway.database import Database
from gateway.decisions import DecisionDesk
from gateway.errors import ApiError
from gateway.framework import make_application
from gateway.market import routes as market_routes
from gateway.market.symbols import Symbols
from gateway.orders import fees, history
from gateway.orders import routes as order_routes
from gateway.pairs import routes as pairs_routes
from gateway.pairs.pairs import Pairs
from gateway.rights import ROLES
from gateway.stream import snapshots
from schemas import migrations, tables
from schemas.codec import local_codec
from schemas.messages import Control, ControlKind, PairStatus, SymbolStatus
from schemas.units import DAY_US, format_e8
from tests.integration.patience import PATIENT_MS
from workers.projections.partitions import Month, make_missing, partitions

ROWS = 80_000
"""In each large table."""

MINE = 40_000
"""Of them the account's that asks."""

SEARCHED_MAX, WINDOW_MAX = 2_000, 1_000
"""The gateway's limits during the tests: as much smaller than the tables as theirs are than a venue's."""

TOUCHED_MAX = 2 * SEARCHED_MAX + 2 * WINDOW_MAX
"""Rows that all statements of one request may touch."""

TOKENS = Tokens(TokenKeys([shared_secret("a secret of this test, and of nothing else")]), 3_600)

PAIR = Control(
    ControlKind.PAIR,
    control_id="pair-0",
    pair_id="pair-0",
    pair_version=1,
    symbol1="BTC-USD",
    symbol2="ETH-USD",
    ratio_e8=1,
    pair_status=PairStatus.ACTIVE,
    z_score_threshold_entry_e8=2,
    z_score_threshold_exit_e8=1,
    lookback_period=60,
)

START_US, STEP_US = 1_896_000_000_000_000, 400_000_000
"""From 30 January 2030 on rows are of 14 months, most of which have 6,000."""

SMALL = ("users",)
"""Tables that stay so small that reading all of one is no harm: none of those that grow with the trading."""

_NUMBERS = {
    "execution_id": "number",
    "order_id": "number / 4",
    "command_id": "number",
    "entry_id": "number",
    "trade_id": "number",
    "ts_us": f"{START_US} + number * {STEP_US}",
    "open_us": "number * 1000000",
    "pair_version": "number",
    "interval_s": "CASE WHEN number % 2 = 0 THEN 60 ELSE 1 END",
    "created_us": "(extract(epoch FROM now()) * 1000000)::bigint - number * 1000000",
    "expires_us": "(extract(epoch FROM now()) * 1000000)::bigint + number * 1000000",
    "revoked_us": "CASE WHEN number % 3 = 0 THEN NULL ELSE 1000000 * number END",
    "group_id": "NULL",
    "disabled_us": "NULL",
}
_TEXTS = {
    "account": f"CASE WHEN number < {MINE} THEN 'alice' ELSE 'other-' || number % 500 END",
    "username": "'user-' || number % 500",
    "client_order_id": "'client-' || number",
    "symbol": "CASE WHEN number % 50 = 0 THEN 'ETH-USD' ELSE 'BTC-USD' END",
    "currency": "CASE WHEN number % 2 = 0 THEN 'BTC' ELSE 'USD' END",
    "session_id": "'session-' || number",
    "key_id": "'key-' || number",
    "family_hash": "'family-' || number",
    "token_hash": "'token-' || number",
    "role": "'trader'",
    "pair_id": "CASE WHEN number < 2000 THEN 'pair-0' ELSE 'pair-' || number % 500 END",
    "pair_status": "'ACTIVE'",
    "scopes": "'read trade'",
    "addresses": "''",
}
_KINDS = {
    ("executions", "kind"): "CASE WHEN number % 100 = 0 THEN 'STATUS' WHEN number % 2 = 0 THEN 'TRADE' ELSE 'NEW' END",
    ("orders", "status"): "CASE WHEN number % 100 = 0 THEN 'NEW' ELSE 'FILLED' END",
    ("orders", "order_id"): "number",
    ("ledger", "kind"): "CASE WHEN number % 1000 = 0 THEN 'DEPOSIT' WHEN number % 2 = 0 THEN 'FEE' ELSE 'TRADE' END",
    ("users", "username"): "'user-' || number",
    # An account has one row a symbol or a currency.
    ("positions", "account"): "CASE WHEN number < 500 THEN 'alice' ELSE 'other-' || number % 500 END",
    ("balances", "account"): "CASE WHEN number < 500 THEN 'alice' ELSE 'other-' || number % 500 END",
    ("positions", "symbol"): "'S' || number",
    ("balances", "currency"): "'C' || number",
    ("account_states", "account"): "'account-' || number",
    # Of 80 days, a row a symbol.
    ("account_volumes", "ts_us"): f"{START_US // DAY_US * DAY_US} + number / 1000 * {DAY_US}",
    ("account_volumes", "account"): "CASE WHEN number % 1000 < 2 THEN 'alice' ELSE 'other-' || number % 500 END",
    ("account_volumes", "symbol"): "CASE WHEN number % 2 = 0 THEN 'ETH-USD' ELSE 'BTC-USD' END",
}
_OTHERWISE = {"bigint": "1", "numeric": "1", "integer": "1", "text": "'x'", "boolean": "false", "bytea": "NULL"}


@pytest.fixture(scope="module")
def dsn(stack: Any) -> Iterator[str]:
    """A database with many rows, of one account more than of any other, and PostgreSQL knows what it holds."""
    name = f"plans_{secrets.token_hex(4)}"
    with psycopg.connect(stack.db_dsn, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        made = make_conninfo(stack.db_dsn, dbname=name)
        migrations.upgrade(made)
        with psycopg.connect(made, autocommit=True) as connection:
            for table in tables.METADATA.sorted_tables:
                kinds = dict(
                    connection.execute(
                        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
                        [table.name],
                    ).fetchall()
                )
                values = [_value(table.name, column.name, kinds[column.name]) for column in table.columns]
                rows = 500 if table.name in SMALL else ROWS
                if table in tables.PARTITIONED:
                    lasts_us = 80 * DAY_US if table is tables.account_volumes else ROWS * STEP_US
                    times = range(START_US, START_US + lasts_us, DAY_US)
                    make_missing(connection, table.name, {Month.of(ts_us) for ts_us in times})
                made_up = f"SELECT {', '.join(values)} FROM generate_series(1::bigint, {rows}) AS number"  # noqa: S608 - of this file
                connection.execute(f"INSERT INTO {table.name} {made_up} ON CONFLICT DO NOTHING".encode())
            connection.execute("VACUUM ANALYZE")
        yield made
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _value(table: str, column: str, kind: str) -> str:
    return _KINDS.get((table, column)) or _NUMBERS.get(column) or _TEXTS.get(column) or _OTHERWISE[kind]


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROWS_SEARCHED_MAX", SEARCHED_MAX)
    monkeypatch.setattr(limits, "PAGE_WINDOW_MAX", WINDOW_MAX)


class Asked:
    """A database that notes what it is asked."""

    def __init__(self, url: URL) -> None:
        self.database = Database(url, answer_ms=PATIENT_MS)
        self.statements: list[tuple[str, Any]] = []
        event.listen(self.database._engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any) -> None:
        self.statements.append((statement, values))


@pytest.fixture
async def asked(dsn: str) -> AsyncIterator[Asked]:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    url = URL.create(
        "postgresql+psycopg",
        username=str(parts["user"]),
        password=str(parts["password"]),
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
    )
    noted = Asked(make_url(url))
    yield noted
    noted.database.close()


@pytest.fixture
async def client(asked: Asked) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    database, revocations, symbols = asked.database, Revocations(3_600), Symbols()
    for name in ("BTC-USD", "ETH-USD"):
        symbols.apply(
            Control(
                ControlKind.SYMBOL,
                control_id=name,
                symbol=name,
                base=name[:3],
                quote="USD",
                tick_e8=1,
                lot_e8=1,
                symbol_status=SymbolStatus.TRADING,
            )
        )
    await revocations.look(database)
    application = make_application(lifespan, Callers(TOKENS, ApiKeys(database, revocations), revocations))
    application.include_router(history.router(database))
    application.include_router(order_routes.router(database, symbols))
    pairs = Pairs(DecisionDesk(local_codec(), lambda _: [], lambda: True))
    pairs.apply_all([PAIR])
    application.include_router(pairs_routes.router(pairs, symbols, database))
    application.include_router(market_routes.router(database=database, symbols=symbols))
    asked.statements.clear()
    headers = {"authorization": f"Bearer {TOKENS.issue('alice', 'alice', 'viewer', 'a-session')[0]}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as opened:
        yield opened


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(kind, table, rows that were touched) of each place where a table is read; never executed ones touch none."""
    if "Relation Name" in plan:
        touched = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
        yield plan["Node Type"], plan["Relation Name"], int(touched * plan.get("Actual Loops", 0))
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


def require_indexes(dsn: str, asked: Asked, what: str) -> None:
    """Each statement reads large tables by indexes only, and all together touch a bounded number of rows."""
    assert asked.statements, what
    touched = 0
    with psycopg.connect(dsn) as connection:
        for statement, values in asked.statements:
            how = "ANALYZE, TIMING OFF, FORMAT JSON" if statement.startswith(("SELECT", "WITH")) else "FORMAT JSON"
            explained = connection.execute(f"EXPLAIN ({how}) {statement}".encode(), values).fetchone()
            touched += check(explained, what, statement)
            kept = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered(statement, values)}"
            check(connection.execute(kept.encode()).fetchone(), f"{what}, as a generic plan", statement)
    assert touched <= TOUCHED_MAX, f"{what} touches {touched} rows"


def check(explained: Any, what: str, statement: str) -> int:
    touched = 0
    for kind, table, rows in scans(explained[0][0]["Plan"]):
        assert kind != "Seq Scan" or table in SMALL, f"{what} reads all of {table}:\n{statement}\n{explained[0]}"
        touched += rows
    return touched


def numbered(statement: str, values: Any) -> str:
    """The statement with $1, $2, ... as PostgreSQL keeps it."""
    for number, name in enumerate(values, 1):
        statement = statement.replace(f"%({name})s", f"${number}")
    return statement


PATHS = [
    "/orders",
    "/orders?page=10&page_size=100",
    "/orders?status=open",
    "/orders?status=open&symbol=ETH-USD",
    "/orders?status=filled",
    "/orders?status=rejected",
    "/orders?symbol=ETH-USD",
    "/orders?symbol=NONE-USD&status=filled",
    "/orders?client_order_id=client-700",
    "/orders?client_order_id=nobody",
    "/orders?limit=100",
    "/orders?cursor=7530-7530",
    "/orders?cursor=7530-7530&symbol=NONE-USD&side=sell",
    "/orders?cursor=7530-7530&status=open",
    "/orders/700",
    "/orders/150000",
    "/executions",
    "/executions?cursor=6c750de3b4000-7530",
    "/executions?symbol=ETH-USD",
    "/executions?symbol=NONE-USD",
    "/executions?kind=expired",
    "/executions?kind=trade&symbol=NONE-USD",
    "/executions?order_id=700",
    "/executions?order_id=0",
    "/executions?since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z",
    "/executions?since=2060-01-01T00:00:00Z&kind=new",
    "/executions?until=2060-01-01T00:00:00Z&symbol=NONE-USD&cursor=6c750de3b4000-7530",
    "/ledger",
    "/ledger?cursor=7530-7530",
    "/ledger?kind=deposit",
    "/ledger?kind=withdrawal",
    "/ledger?kind=fee&currency=NONE",
    "/ledger?currency=NONE",
    "/ledger?symbol=NONE-USD",
    "/ledger?until=2000-01-01T00:00:00Z",
    "/ledger?since=2060-01-01T00:00:00Z&cursor=7530-7530",
    "/pairs/pair-0/history",
    "/pairs/pair-0/history?cursor=5dc-5dc",
    "/positions",
    "/balances",
    "/account",
    "/fees",
    "/trades?symbol=ETH-USD",
    "/trades?symbol=BTC-USD&limit=100",
    "/trades?symbol=BTC-USD&cursor=6c750de3b4000-7530",
    "/trades?symbol=BTC-USD&since=2030-03-31T00:00:00Z&until=2030-04-01T00:00:00Z&limit=10",
    "/trades?symbol=ETH-USD&since=2060-01-31T00:00:00Z",
    "/trades?symbol=ETH-USD&until=2000-01-31T00:00:00Z",
    "/trades?symbol=BTC-USD&page=10&page_size=100",
    "/candles?symbol=BTC-USD&interval=1m&limit=1000",
    "/candles?symbol=ETH-USD&interval=1d",
    "/candles?symbol=BTC-USD&interval=1m&since=1970-01-01T00:10:00Z&before=1970-01-01T01:00:00Z",
    "/candles?symbol=BTC-USD&interval=1m&before=1970-01-01T01:00:00Z",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_route_reads_by_indexes_and_not_much(
    client: httpx.AsyncClient, asked: Asked, dsn: str, path: str
) -> None:
    answer = await client.get(f"/api/v1{path}")
    assert answer.status_code in {200, 404}, answer.text
    require_indexes(dsn, asked, path)


@pytest.mark.parametrize(
    ("path", "months"),
    [
        ("/executions?since=2030-03-02T00:00:00Z&until=2030-03-09T00:00:00Z", 1),
        ("/executions?since=2030-03-02T00:00:00Z&until=2030-03-09T00:00:00Z&kind=new", 1),
        (f"/executions?cursor={START_US + 30_000 * STEP_US:x}-7530&limit=10", 1),
        ("/trades?symbol=BTC-USD&limit=10", 1),
        ("/trades?symbol=BTC-USD&since=2030-03-02T00:00:00Z&until=2030-04-09T00:00:00Z&page_size=5", 2),
        (f"/trades?symbol=BTC-USD&cursor={START_US + 30_000 * STEP_US:x}-7530&limit=10", 1),
    ],
)
async def test_what_a_page_shows_is_read_from_its_months_only(
    client: httpx.AsyncClient, asked: Asked, dsn: str, path: str, months: int
) -> None:
    answer = await client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]
    with psycopg.connect(dsn) as connection:
        assert len(partitions(connection, "executions")) == 14
        for statement, values in asked.statements:
            explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values).fetchone()
            assert explained is not None
            read = read_partitions(explained[0][0]["Plan"])
            assert 1 <= len(read) <= months, f"{sorted(read)} are read:\n{statement}"


async def test_fees_add_up_days_and_no_fills(
    client: httpx.AsyncClient, asked: Asked, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of alice's 40,000 executions 6,480 are of those 30 days."""
    monkeypatch.setattr(fees, "time", SimpleNamespace(time_ns=lambda: (START_US + 70 * DAY_US) * 1_000))
    answer = await client.get("/api/v1/fees")
    assert answer.json()["data"]["volumes"] == {"USD": format_e8(60)}
    ((statement, values),) = asked.statements
    with psycopg.connect(dsn) as connection:
        explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), values).fetchone()
    assert check(explained, "/fees", statement) == 60
    assert explained is not None
    assert len(read_partitions(explained[0][0]["Plan"])) == 2


def read_partitions(plan: dict[str, Any]) -> set[str]:
    """The partitions that a plan has really read."""
    here = {plan["Relation Name"]} if "Relation Name" in plan and plan["Actual Loops"] else set()
    return here.union(*(read_partitions(inner) for inner in plan.get("Plans", ())))


async def test_the_stream_reads_its_snapshots_by_indexes(asked: Asked, dsn: str) -> None:
    for kind in ("orders", "positions"):
        await snapshots.rows(asked.database, kind, "alice")
    require_indexes(dsn, asked, "snapshots")


async def test_identity_reads_by_indexes(asked: Asked, dsn: str) -> None:
    database, revocations = asked.database, Revocations(900)
    sessions, keys = Sessions(database, revocations), ApiKeys(database, revocations)
    identity = Identity("user-7", "alice", "trader", None, "session-7", ROLES["trader"])
    await revocations.look(database)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE users SET disabled_us = NULL WHERE username = 'user-7'")
        connection.execute("DELETE FROM sessions WHERE username = 'user-7'")
    user = await users.find(database, "user-7")
    assert user is not None
    begun = await sessions.begin("user-7", user)
    for refresh_token in (begun.refresh_token, "00" * 48):
        await asyncio.gather(sessions.refresh(refresh_token), return_exceptions=True)
    await sessions.end(begun.session_id)
    await sessions.end_all("user-7")
    await keys.of_user("user-7")
    await keys.revoke("user-7", "key-7")
    with pytest.raises(ApiError):
        await keys.identity(f"tsk_{'0' * 16}_{'0' * 64}", "127.0.0.1")
    with pytest.raises(ApiError):
        await keys.make(identity, "a key too many", frozenset(), [])
    require_indexes(dsn, asked, "identity")
