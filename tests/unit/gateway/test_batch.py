"""POST /api/v1/orders/batch, over real HTTP."""

from typing import Any

import pytest

from gateway import limits
from gateway.errors import outcome_unknown
from gateway.rates import Budget

BATCH = "/api/v1/orders/batch"
ORDER = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100", "quantity": "1"}


def orders(count: int) -> list[dict[str, Any]]:
    return [ORDER | {"client_order_id": f"c{number}"} for number in range(count)]


async def test_orders_are_placed_in_their_order(served: Any, client: Any) -> None:
    headers = served.bearer() | {"x-correlation-id": "batch-1"}
    answer = await client.post(BATCH, json={"orders": orders(limits.BATCH_ORDERS_MAX)}, headers=headers)
    assert answer.status_code == 202
    told = answer.json()["data"]
    assert [one["data"]["client_order_id"] for one in told] == [f"c{number}" for number in range(50)]
    assert [one["data"]["order_id"] for one in told] == [str(1_000 + number) for number in range(50)]
    assert [command.client_order_id for command in served.log.commands] == [f"c{number}" for number in range(50)]
    assert {command.correlation_id for command in served.log.commands} == {"batch-1"}


async def test_one_that_is_refused_keeps_none_back_and_says_what_it_would_say_alone(served: Any, client: Any) -> None:
    wrong = ORDER | {"side": "hold", "price": 5}
    alone = await client.post("/api/v1/orders", json=wrong, headers=served.bearer())
    batch = {"orders": [ORDER, wrong, 5, ORDER]}
    told = (await client.post(BATCH, json=batch, headers=served.bearer())).json()["data"]
    assert [one["success"] for one in told] == [True, False, False, True]
    assert told[1]["error"] == alone.json()["error"]
    assert told[2]["error"]["code"] == "VALIDATION_FAILED"
    assert len(served.log.commands) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [({"orders": []}, "orders"), ({"orders": orders(51)}, "orders"), ({}, "orders"), ({"orders": 5}, "orders")],
)
async def test_a_batch_has_one_to_fifty(served: Any, client: Any, body: Any, field: str) -> None:
    answer = await client.post(BATCH, json=body, headers=served.bearer())
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert served.log.commands == []


async def test_a_key_that_stands_in_an_order_twice_refuses_the_batch(served: Any, client: Any) -> None:
    body = '{"orders":[{"symbol":"BTC-USD","side":"buy","side":"sell","type":"market","quantity":"1"}]}'
    headers = served.bearer() | {"content-type": "application/json"}
    answer = await client.post(BATCH, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_JSON")


async def test_each_order_is_charged(served: Any, client: Any) -> None:
    served.guard._budgets = served.guard._budgets._replace(orders=Budget("orders", 3, 60))
    told = (await client.post(BATCH, json={"orders": orders(5)}, headers=served.bearer())).json()["data"]
    assert [one["success"] for one in told] == [True] * 3 + [False] * 2
    assert {one["error"]["code"] for one in told[3:]} == {"RATE_LIMITED"}
    assert len(served.log.commands) == 3


async def test_who_may_not_trade_places_none(served: Any, client: Any) -> None:
    assert (await client.post(BATCH, json={"orders": orders(2)})).status_code == 401
    assert (
        await client.post(BATCH, json={"orders": orders(2)}, headers=served.bearer(role="viewer"))
    ).status_code == 403
    assert served.log.commands == []


async def test_an_outcome_that_is_not_known_is_said_of_each(
    served: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = served.log.send

    def lost(*arguments: Any) -> Any:
        future = send(*arguments)
        if len(served.log.commands) == 2:
            future = type(future)()
            future.set_exception(outcome_unknown())
        return future

    monkeypatch.setattr(served.log, "send", lost)
    told = (await client.post(BATCH, json={"orders": orders(3)}, headers=served.bearer())).json()["data"]
    assert [one.get("error", {}).get("code") for one in told] == [None, "OUTCOME_UNKNOWN", None]
