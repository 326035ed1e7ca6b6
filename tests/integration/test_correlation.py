"""A correlation id from the client's request to the rows that follow from it, with the whole platform running."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from websockets.sync.client import connect

from schemas.correlation import CORRELATION_HEADER
from tests.integration.venue import SYMBOL, Venue, new_order, open_venue, until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue() as opened:
        yield opened


def rows(venue: Venue, table: str, correlation_id: str) -> list[tuple[Any, ...]]:
    names = {"executions": "order_id, kind, trade_id", "orders": "order_id, status"}[table]
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
    assert position["trade_id"] == trade_id
    assert {"correlation_id": taker.encode()}.items() <= headers(venue, "commands", "alice")[-1].items()
    assert venue.executions(bot_order, 2)[-1].correlation_id == maker
    for correlation, order in ((taker, int(order_id)), (maker, bot_order)):
        until(lambda wanted=correlation: len(rows(venue, "executions", wanted)) >= 2, "no executions with the id")
        found = rows(venue, "executions", correlation)
        assert {row[0] for row in found} == {order}
        assert {row[1:] for row in found} == {("NEW", None), ("TRADE", int(trade_id))}
        assert rows(venue, "orders", correlation) == [(order, "FILLED")]
