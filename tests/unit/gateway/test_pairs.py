"""A limit order with a stop order beside it, over REST."""

from typing import Any

import pytest

from schemas.messages import CommandKind, GroupKind, OrderType, Side, TriggerBy
from schemas.units import E8

PAIR = {"symbol": "BTC-USD", "side": "sell", "type": "limit", "price": "110", "quantity": "2"}


async def test_a_pair_is_one_command(served: Any, client: Any) -> None:
    stop = {"trigger_price": "90", "price": "89.5", "trigger_by": "mark"}
    answer = await client.post("/api/v1/orders", json=PAIR | {"oco": stop}, headers=served.bearer())
    assert answer.status_code == 202
    await client.post("/api/v1/orders", json=PAIR | {"oco": {"trigger_price": "90"}}, headers=served.bearer())
    both, plain = served.log.commands
    assert (both.kind, both.group, both.side, both.order_type) == (
        CommandKind.NEW,
        GroupKind.OCO,
        Side.SELL,
        OrderType.LIMIT,
    )
    assert (both.price_e8, both.quantity_e8) == (110 * E8, 2 * E8)
    assert (both.trigger_price_e8, both.trigger_by, both.stop_price_e8) == (90 * E8, TriggerBy.MARK, 8_950_000_000)
    assert (plain.group, plain.trigger_price_e8, plain.trigger_by, plain.stop_price_e8) == (
        GroupKind.OCO,
        90 * E8,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"oco": {}}, "oco"),
        ({"oco": {"trigger_price": "0"}}, "oco.trigger_price"),
        ({"oco": {"trigger_price": 90}}, "oco.trigger_price"),
        ({"oco": {"trigger_price": "90", "price": "-1"}}, "oco.price"),
        ({"oco": {"trigger_price": "90", "quantity": "1"}}, "oco"),
        ({"oco": {"trigger_price": "90"}, "trigger_price": "91"}, "trigger_price"),
        ({"oco": {"trigger_price": "90"}, "trigger_by": "mark"}, "trigger_by"),
    ],
)
async def test_what_cannot_be_one_is_refused_by_its_field(
    served: Any, client: Any, changes: dict[str, Any], field: str
) -> None:
    answer = await client.post("/api/v1/orders", json=PAIR | changes, headers=served.bearer())
    assert answer.status_code == 422
    assert answer.json()["error"]["field"].startswith(field)
    assert served.log.commands == []
