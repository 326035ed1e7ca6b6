"""POST /api/v1/orders and /api/v1/orders/check, PATCH and DELETE /api/v1/orders/{id}, over real HTTP."""

import asyncio
import json
from typing import Any

import pytest

from gateway import limits
from gateway.errors import outcome_unknown, unavailable
from schemas.messages import CommandKind, OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy
from schemas.units import E8
from workers.risk.timers import TIMEOUT_S_MAX

ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "43210.5", "quantity": "0.015"}


def report(command_id: int, kind: str = "new", reason: str = "NONE") -> bytes:
    return json.dumps({"command_id": str(command_id), "kind": kind, "reason": reason, "price": "43210.5"}).encode()


async def test_order_becomes_a_command_of_the_tokens_account(served: Any, client: Any) -> None:
    body = ORDER | {
        "client_order_id": "mine-1",
        "time_in_force": "ioc",
        "post_only": True,
        "self_trade_prevention": "cancel_both",
    }
    answer = await client.post("/api/v1/orders", json=body, headers=served.bearer() | {"x-correlation-id": "trace-7"})
    assert answer.status_code == 202
    assert answer.json() == {
        "success": True,
        "data": {"order_id": "1000", "client_order_id": "mine-1", "status": "pending"},
    }
    assert answer.headers["x-correlation-id"] == "trace-7"
    (command,) = served.log.commands
    assert (command.kind, command.account, command.client_order_id) == (CommandKind.NEW, "alice", "mine-1")
    assert (command.price_e8, command.quantity_e8) == (4_321_050_000_000, 1_500_000)
    assert (command.side, command.order_type, command.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.IOC)
    assert command.post_only
    assert command.self_trade_prevention is SelfTradePrevention.CANCEL_BOTH
    assert command.correlation_id == "trace-7"


async def test_order_without_an_own_id_is_given_one(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders", json=ORDER, headers=served.bearer())
    assert answer.json()["data"]["client_order_id"] == served.log.commands[0].client_order_id
    assert len(served.log.commands[0].client_order_id) == 32


async def test_a_malformed_correlation_id_is_replaced(served: Any, client: Any) -> None:
    answer = await client.post(
        "/api/v1/orders", json=ORDER, headers=served.bearer() | {"x-correlation-id": "no spaces here"}
    )
    assert answer.headers["x-correlation-id"] == served.log.commands[0].correlation_id
    assert " " not in answer.headers["x-correlation-id"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", '"0"'),
        ("quantity", '"-1"'),
        ("quantity", '"0.000000001"'),
        ("quantity", '"1e400"'),
        ("quantity", '"NaN"'),
        ("quantity", '"Infinity"'),
        ("quantity", '"+1"'),
        ("quantity", '"1,5"'),
        ("quantity", '" 1"'),
        ("quantity", '"92233720368.54775808"'),
        ("quantity", '"9999999999999999999999"'),
        ("quantity", '""'),
        ("quantity", "1"),
        ("quantity", "1.5"),
        ("quantity", "1e400"),
        ("quantity", "null"),
        ("quantity", "{}"),
        ("price", '"0"'),
        ("price", '"-0.5"'),
        ("price", "43210.5"),
        ("price", "null"),
        ("side", '"hold"'),
        ("side", '"BUY"'),
        ("type", '"stopp"'),
        ("time_in_force", '"week"'),
        ("self_trade_prevention", '"maybe"'),
        ("symbol", '""'),
        ("symbol", '"BTC USD"'),
        ("symbol", '"' + "B" * 33 + '"'),
        ("client_order_id", '""'),
        ("client_order_id", '"' + "x" * 65 + '"'),
        ("client_order_id", '"with \\"quote"'),
        ("post_only", '"yes"'),
        ("color", '"red"'),
        ("account", '"bob"'),
    ],
)
async def test_a_bad_value_is_refused_with_its_field(served: Any, client: Any, field: str, value: str) -> None:
    parts = {name: json.dumps(text) for name, text in ORDER.items()} | {field: value}
    body = "{" + ",".join(f'"{name}":{text}' for name, text in parts.items()) + "}"
    answer = await client.post(
        "/api/v1/orders", content=body, headers=served.bearer() | {"content-type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("VALIDATION_FAILED", field)
    assert served.log.commands == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"symbol":"BTC-USD","side":"buy","type":"limit","price":NaN,"quantity":"1"}',
        b'{"symbol":"BTC-USD","side":"buy","side":"sell","type":"limit","price":"1","quantity":"1"}',
        b'{"symbol":"BTC-USD","\\u0073ide":"buy","side":"sell","type":"limit","price":"1","quantity":"1"}',
        b'{"symbol":"\xff","side":"buy","type":"limit","price":"1","quantity":"1"}',
    ],
)
async def test_what_is_not_json_or_has_a_key_twice_is_refused(served: Any, client: Any, body: bytes) -> None:
    answer = await client.post(
        "/api/v1/orders", content=body, headers=served.bearer() | {"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "INVALID_JSON"
    assert served.log.commands == []


async def test_a_missing_field_is_named(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders", json={"symbol": "BTC-USD"}, headers=served.bearer())
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "side"


async def test_a_market_order_has_no_price_and_a_limit_order_needs_one(served: Any, client: Any) -> None:
    market = {"symbol": "BTC-USD", "side": "sell", "type": "market", "quantity": "1"}
    assert (await client.post("/api/v1/orders", json=market, headers=served.bearer())).status_code == 202
    for wrong in (market | {"price": "1"}, {**market, "type": "limit"}):
        answer = await client.post("/api/v1/orders", json=wrong, headers=served.bearer())
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "price")


async def test_an_order_names_its_strategy(served: Any, client: Any) -> None:
    order = {"symbol": "BTC-USD", "side": "buy", "type": "market", "quantity": "1"}
    for strategy, status in (("trend 1", 202), ("", 422), ("x" * 65, 422), ("\u00e9", 422), (1, 422)):
        answer = await client.post("/api/v1/orders", json=order | {"strategy": strategy}, headers=served.bearer())
        assert answer.status_code == status, strategy
    assert served.log.commands[-1].strategy == "trend 1"


async def test_an_order_has_a_quantity_or_a_notional(served: Any, client: Any) -> None:
    spends = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "100.5"}
    assert (await client.post("/api/v1/orders", json=spends, headers=served.bearer())).status_code == 202
    command = served.log.commands[-1]
    assert (command.notional_e8, command.quantity_e8) == (10_050_000_000, None)
    for wrong, field in (
        (spends | {"quantity": "1"}, "notional"),
        (spends | {"side": "sell"}, "notional"),
        (spends | {"type": "limit", "price": "1"}, "notional"),
        (spends | {"notional": "0"}, "notional"),
        (spends | {"notional": 1}, "notional"),
        ({name: value for name, value in spends.items() if name != "notional"}, "quantity"),
    ):
        answer = await client.post("/api/v1/orders", json=wrong, headers=served.bearer())
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_another_content_type_is_refused(served: Any, client: Any, content_type: str | None) -> None:
    headers = served.bearer() | ({"content-type": content_type} if content_type else {})
    answer = await client.post("/api/v1/orders", content=json.dumps(ORDER), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_large_body_is_refused_announced_or_not(served: Any, client: Any) -> None:
    async def pieces() -> Any:
        for _ in range(16):
            yield b" " * 65_536

    for content in (b" " * 1_048_576, pieces()):
        answer = await client.post(
            "/api/v1/orders", content=content, headers=served.bearer() | {"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_who_may_not_trade_places_nothing(served: Any, client: Any) -> None:
    assert (await client.post("/api/v1/orders", json=ORDER)).status_code == 401
    viewer = await client.post("/api/v1/orders", json=ORDER, headers=served.bearer(role="viewer"))
    assert (viewer.status_code, viewer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await client.delete("/api/v1/orders/5", headers=served.bearer(role="viewer"))).status_code == 403
    amend = await client.patch("/api/v1/orders/5", json={"price": "1"}, headers=served.bearer(role="viewer"))
    assert amend.status_code == 403
    assert served.log.commands == []


async def test_wait_answers_with_the_first_execution(served: Any, client: Any) -> None:
    async def later() -> None:
        while not served.log.commands:  # noqa: ASYNC110 - the condition is another part's
            await asyncio.sleep(0.001)
        served.answers.saw(report(1_000))
        served.answers.saw(report(1_000, "trade"))

    answering = asyncio.create_task(later())
    answer = await client.post("/api/v1/orders?wait=5000", json=ORDER, headers=served.bearer())
    await answering
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "data": json.loads(report(1_000))}


async def test_wait_finds_an_execution_that_came_before(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "rejected", "PRICE_OFF_TICK"))
    answer = await client.post("/api/v1/orders?wait=5000", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["reason"]) == (200, "PRICE_OFF_TICK")


async def test_wait_that_ends_without_an_execution_answers_as_without(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders?wait=20", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["order_id"]) == (202, "1000")


@pytest.mark.parametrize("wait", ["-1", "10001", "1.5", "x", "", "99999999999999999999"])
async def test_wait_is_whole_milliseconds_within_its_limit(served: Any, client: Any, wait: str) -> None:
    answer = await client.post(f"/api/v1/orders?wait={wait}", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "wait")
    assert served.log.commands == []


async def test_a_cancel_becomes_a_command(served: Any, client: Any) -> None:
    answer = await client.delete("/api/v1/orders/281474976710656", headers=served.bearer())
    assert answer.status_code == 202
    (command,) = served.log.commands
    assert (command.kind, command.order_id, command.account) == (CommandKind.CANCEL, 281474976710656, "alice")


async def test_a_cancel_by_client_order_id_is_of_that_order_alone(served: Any, client: Any) -> None:
    name = "in-1:profit/a+b=c@d"
    answer = await client.delete("/api/v1/orders", params={"client_order_id": name}, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]) == (202, {"command_id": "1000"})
    (command,) = served.log.commands
    assert (command.kind, command.client_order_id, command.order_id) == (CommandKind.CANCEL, name, None)
    for reason, status in (("ORDER_UNKNOWN", 404), ("ORDER_FINAL", 409)):
        served.answers.saw(report(1_000 + len(served.log.commands), "cancel_rejected", reason))
        answer = await client.delete("/api/v1/orders?client_order_id=bid-1&wait=5000", headers=served.bearer())
        assert answer.status_code == status


async def test_a_foreign_and_an_unknown_order_give_the_same_answer(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "cancel_rejected", "ORDER_UNKNOWN"))
    foreign = await client.delete("/api/v1/orders/77?wait=5000", headers=served.bearer("mallory"))
    impossible = await client.delete("/api/v1/orders/nonsense", headers=served.bearer("mallory"))
    assert (foreign.status_code, foreign.json()["error"]) == (404, impossible.json()["error"])
    assert impossible.status_code == 404


async def test_a_cancel_of_a_final_order_is_a_conflict_with_the_report(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "cancel_rejected", "ORDER_FINAL"))
    answer = await client.delete("/api/v1/orders/77?wait=5000", headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert answer.json()["error"]["details"]["reason"] == "ORDER_FINAL"


async def test_a_cancel_that_was_done_gives_the_report(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "cancelled", "CANCELLED_BY_CLIENT"))
    answer = await client.delete("/api/v1/orders/77?wait=5000", headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["kind"]) == (200, "cancelled")


async def test_a_dated_order_and_its_new_end_become_commands(served: Any, client: Any) -> None:
    body = ORDER | {"time_in_force": "gtd", "expire_time": "2030-01-31T12:00:00Z"}
    await client.post("/api/v1/orders", json=body, headers=served.bearer())
    await client.patch("/api/v1/orders/7", json={"expire_time": "2030-01-31T13:00:00+01:00"}, headers=served.bearer())
    placed, amended = served.log.commands
    assert (placed.time_in_force, placed.expire_us) == (TimeInForce.GTD, 1_896_091_200_000_000)
    assert (amended.price_e8, amended.quantity_e8, amended.expire_us) == (None, None, placed.expire_us)
    wrong = await client.post("/api/v1/orders", json=body | {"expire_time": "soon"}, headers=served.bearer())
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "expire_time")


async def test_cancelling_all_becomes_a_command(served: Any, client: Any) -> None:
    answer = await client.delete("/api/v1/orders?symbol=BTC-USD&side=sell", headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]) == (202, {"command_id": "1000"})
    await client.delete("/api/v1/orders", headers=served.bearer())
    narrow, wide = served.log.commands
    assert (narrow.kind, narrow.account) == (CommandKind.CANCEL_ALL, "alice")
    assert (narrow.symbol, narrow.side, wide.symbol, wide.side) == ("BTC-USD", Side.SELL, None, None)


async def test_a_check_is_a_command_and_waits_for_its_answer(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "checked"))
    answer = await client.post("/api/v1/orders/check", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["reason"], "message" in answer.json()) == (200, "NONE", False)
    (command,) = served.log.commands
    assert (command.kind, command.account, command.price_e8) == (CommandKind.CHECK, "alice", 4_321_050_000_000)
    assert command.client_order_id
    told = {"limit": "0.001", "actual": "0.0015"}
    served.answers.saw(json.dumps(json.loads(report(1_001, "checked", "QUANTITY_OFF_LOT")) | told).encode())
    answer = await client.post("/api/v1/orders/check", json=ORDER, headers=served.bearer())
    assert answer.status_code == 200
    assert answer.json()["message"].endswith("nearest valid: 0.001, 0.002.")


async def test_a_check_that_is_not_answered_in_time_names_its_command(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders/check?wait=1", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]) == (202, {"command_id": "1000"})
    wrong = await client.post("/api/v1/orders/check", json=ORDER | {"price": "0"}, headers=served.bearer())
    assert wrong.status_code == 422


async def test_orders_that_wait_become_commands(served: Any, client: Any) -> None:
    wanted = [
        ({"type": "stop", "trigger_price": "99"}, (OrderType.STOP, None, 99 * E8, None, None, None)),
        (
            {"type": "stop_limit", "price": "98", "trigger_price": "99", "trigger_by": "mark"},
            (OrderType.STOP_LIMIT, 98 * E8, 99 * E8, TriggerBy.MARK, None, None),
        ),
        ({"type": "take_profit", "trigger_price": "101"}, (OrderType.TAKE_PROFIT, None, 101 * E8, None, None, None)),
        ({"type": "trailing_stop", "trail": "1.5"}, (OrderType.TRAILING_STOP, None, None, None, E8 * 3 // 2, None)),
        (
            {"type": "trailing_stop", "trail_rate": "0.01"},
            (OrderType.TRAILING_STOP, None, None, None, None, E8 // 100),
        ),
    ]
    common = {"symbol": "BTC-USD", "side": "sell", "quantity": "1"}
    for body, _ in wanted:
        answer = await client.post("/api/v1/orders", json=common | body, headers=served.bearer())
        assert answer.status_code == 202
    told = [
        (c.order_type, c.price_e8, c.trigger_price_e8, c.trigger_by, c.trail_e8, c.trail_rate_e8)
        for c in served.log.commands
    ]
    assert told == [terms for _, terms in wanted]
    for body, field in (
        ({"type": "stop", "price": "98", "trigger_price": "99"}, "price"),
        ({"type": "stop_limit", "trigger_price": "99"}, "price"),
        ({"type": "stop", "trigger_price": "0"}, "trigger_price"),
        ({"type": "stop", "trigger_price": "99", "trigger_by": "bid"}, "trigger_by"),
        ({"type": "trailing_stop", "trail": 1}, "trail"),
        ({"type": "trailing_stop", "trail_rate": "1%"}, "trail_rate"),
    ):
        refused = await client.post("/api/v1/orders", json=common | body, headers=served.bearer())
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)
    await client.patch("/api/v1/orders/7", json={"trigger_price": "97"}, headers=served.bearer())
    assert (served.log.commands[-1].trigger_price_e8, served.log.commands[-1].price_e8) == (97 * E8, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("symbol=", "symbol"),
        ("side=hold", "side"),
        ("symbl=BTC-USD", "symbl"),
        ("wait=x", "wait"),
        ("symbol=A&symbol=B", "symbol"),
        ("client_order_id=", "client_order_id"),
        ("client_order_id=a%0A", "client_order_id"),
        ("client_order_id=a&client_order_id=b", "client_order_id"),
        ("client_order_id=a&symbol=A", "symbol"),
        ("client_order_id=a&side=buy", "side"),
        ("client_order_id=a&wait=x", "wait"),
    ],
)
async def test_what_would_cancel_something_else_is_refused(served: Any, client: Any, query: str, field: str) -> None:
    answer = await client.delete(f"/api/v1/orders?{query}", headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert served.log.commands == []


async def test_a_refusal_to_cancel_all_is_a_conflict(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "cancel_rejected", "SEAL_INVALID"))
    answer = await client.delete("/api/v1/orders?wait=5000", headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert answer.json()["error"]["message"].startswith("Nothing was cancelled. The seal")


async def test_an_amendment_becomes_a_command(served: Any, client: Any) -> None:
    answer = await client.patch("/api/v1/orders/77", json={"quantity": "0.5"}, headers=served.bearer())
    assert answer.status_code == 202
    assert answer.json() == {"success": True, "data": {"order_id": "77", "command_id": "1000"}}
    (command,) = served.log.commands
    assert (command.kind, command.order_id, command.account) == (CommandKind.AMEND, 77, "alice")
    assert (command.price_e8, command.quantity_e8) == (None, 50_000_000)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, None),
        ({"price": "0"}, 422, "price"),
        ({"price": 5}, 422, "price"),
        ({"quantity": "1e3"}, 422, "quantity"),
        ({"side": "buy"}, 422, "side"),
        ([], 422, None),
    ],
)
async def test_what_cannot_be_an_amendment_is_refused(
    served: Any, client: Any, body: Any, status: int, field: str | None
) -> None:
    answer = await client.patch("/api/v1/orders/77", json=body, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"].get("field")) == (status, field)
    assert served.log.commands == []


async def test_an_amendment_that_was_refused_is_a_conflict_in_a_sentence(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "amend_rejected", "AMEND_PENDING"))
    answer = await client.patch("/api/v1/orders/77?wait=5000", json={"price": "5"}, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert answer.json()["error"]["message"] == (
        "The order was not amended. An earlier amendment of this order is still on its way to the book."
    )


async def test_a_log_that_is_away_is_503_with_when_to_retry(served: Any, client: Any) -> None:
    served.log.error = unavailable("The log")
    answer = await client.post("/api/v1/orders", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def test_an_unknown_outcome_is_said_and_safe_to_retry(served: Any, client: Any) -> None:
    served.log.error = outcome_unknown()
    answer = await client.post("/api/v1/orders", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OUTCOME_UNKNOWN")
    assert "client_order_id" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "1"


async def test_a_timer_becomes_a_command(served: Any, client: Any) -> None:
    answer = await client.post("/api/v1/orders/cancel-after", json={"timeout": 60}, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]) == (202, {"command_id": "1000"})
    await client.post("/api/v1/orders/cancel-after", json={"timeout": 0}, headers=served.bearer())
    assert [(command.kind, command.account, command.timeout_s) for command in served.log.commands] == [
        (CommandKind.CANCEL_AFTER, "alice", 60),
        (CommandKind.CANCEL_AFTER, "alice", 0),
    ]
    told = b'{"command_id":"1002","kind":"cancel_after_set","reason":"NONE","expire_time":"2030-01-31T12:00:00Z"}'
    served.answers.saw(told)
    url = "/api/v1/orders/cancel-after?wait=5000"
    answer = await client.post(url, json={"timeout": 60}, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["expire_time"]) == (200, "2030-01-31T12:00:00Z")
    served.answers.saw(report(1_003, "cancel_rejected", "ACCOUNT_UNKNOWN"))
    answer = await client.post(url, json={"timeout": 60}, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize("seconds", ["-1", "86401", '"60"', "1.5", "true", "null"])
async def test_what_no_timer_can_be_is_refused(served: Any, client: Any, seconds: str) -> None:
    headers = served.bearer() | {"content-type": "application/json"}
    body = f'{{"timeout":{seconds}}}'
    answer = await client.post("/api/v1/orders/cancel-after", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "timeout")
    headers = served.bearer(role="viewer")
    answer = await client.post("/api/v1/orders/cancel-after", json={"timeout": 60}, headers=headers)
    assert answer.status_code == 403
    assert served.log.commands == []


def test_the_longest_timer_is_that_of_pre_trade_risk() -> None:
    assert limits.CANCEL_AFTER_S_MAX == TIMEOUT_S_MAX


@pytest.mark.parametrize("wait", ["000000000999999999", "0" * 9 + "1" * 400, "1" * 4_000])
async def test_a_wait_of_many_digits_is_refused(served: Any, client: Any, wait: str) -> None:
    answer = await client.post(f"/api/v1/orders?wait={wait}", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "wait")


@pytest.mark.parametrize("field", ["symbol", "client_order_id"])
async def test_a_line_break_at_the_end_is_refused(served: Any, client: Any, field: str) -> None:
    answer = await client.post("/api/v1/orders", json=ORDER | {field: "BTC-USD\n"}, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert served.log.commands == []


async def test_a_check_waits_whatever_else_its_query_says(served: Any, client: Any) -> None:
    served.answers.saw(report(1_000, "checked"))
    answer = await client.post("/api/v1/orders/check?foo=1", json=ORDER, headers=served.bearer())
    assert (answer.status_code, answer.json()["data"]["kind"]) == (200, "checked")
