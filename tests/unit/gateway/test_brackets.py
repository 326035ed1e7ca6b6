"""An entry with what takes its profit and stops its loss, over REST."""

from typing import Any

import pytest

from schemas.messages import CommandKind, GroupKind, OrderType, Side, TriggerBy
from schemas.units import E8

ENTRY = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "101", "quantity": "2"}
STOP = {"trigger_price": "98"}
BRACKET: dict[str, Any] = {"take_profit_price": "105", "stop_loss": STOP}


async def test_a_bracket_is_one_command(served: Any, client: Any) -> None:
    stop = {"trigger_price": "98", "price": "97.5", "trigger_by": "mark"}
    market = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "200", "bracket": BRACKET}
    for body in (ENTRY | {"bracket": BRACKET | {"stop_loss": stop}}, market):
        answer = await client.post("/api/v1/orders", json=body, headers=served.bearer())
        assert answer.status_code == 202
    limit, spends = served.log.commands
    assert (limit.kind, limit.group, limit.side, limit.order_type) == (
        CommandKind.NEW,
        GroupKind.BRACKET,
        Side.BUY,
        OrderType.LIMIT,
    )
    assert (limit.price_e8, limit.quantity_e8, limit.take_profit_price_e8) == (101 * E8, 2 * E8, 105 * E8)
    assert (limit.trigger_price_e8, limit.trigger_by, limit.stop_price_e8) == (98 * E8, TriggerBy.MARK, 9_750_000_000)
    assert (spends.group, spends.notional_e8, spends.take_profit_price_e8) == (GroupKind.BRACKET, 200 * E8, 105 * E8)
    assert (spends.trigger_price_e8, spends.trigger_by, spends.stop_price_e8) == (98 * E8, None, None)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"bracket": {}}, ["bracket.take_profit_price", "bracket.stop_loss"]),
        ({"bracket": BRACKET | {"take_profit_price": "0"}}, ["bracket.take_profit_price"]),
        (
            {"bracket": {"take_profit_price": "-1", "stop_loss": {"trigger_price": "0", "price": "x"}}},
            ["bracket.take_profit_price", "bracket.stop_loss.trigger_price", "bracket.stop_loss.price"],
        ),
        ({"bracket": BRACKET | {"quantity": "1"}}, ["bracket.quantity"]),
        ({"bracket": BRACKET, "trigger_price": "91"}, ["trigger_price"]),
        ({"bracket": BRACKET, "trigger_by": "mark"}, ["trigger_by"]),
        ({"bracket": BRACKET, "oco": STOP}, ["bracket"]),
    ],
)
async def test_what_cannot_be_one_is_refused_by_its_fields(
    served: Any, client: Any, changes: dict[str, Any], fields: list[str]
) -> None:
    answer = await client.post("/api/v1/orders", json=ENTRY | changes, headers=served.bearer())
    assert answer.status_code == 422
    assert [wrong["path"] for wrong in answer.json()["error"]["details"]] == fields
    assert served.log.commands == []
