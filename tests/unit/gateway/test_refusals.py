"""What a refusal says to people."""

import pytest

from gateway.orders.answers import Report
from gateway.orders.refusals import sentence
from schemas.messages import Reason

ORDER = {"account": "alice", "client_order_id": "one", "symbol": "BTC-USD"}


@pytest.mark.parametrize(
    ("reason", "limit", "actual", "said"),
    [
        (
            Reason.QUANTITY_OFF_LOT,
            "0.001",
            "0.0015",
            "Quantity 0.0015 is not a multiple of the lot 0.001; nearest valid: 0.001, 0.002.",
        ),
        (
            Reason.QUANTITY_OFF_LOT,
            "0.001",
            "0.0004",
            "Quantity 0.0004 is not a multiple of the lot 0.001; nearest valid: 0.001.",
        ),
        (
            Reason.PRICE_OFF_TICK,
            "0.01",
            "1000.005",
            "Price 1000.005 is not a multiple of the tick 0.01; nearest valid: 1000, 1000.01.",
        ),
        (
            Reason.PRICE_OUTSIDE_BAND,
            "1100",
            "1200.5",
            "Price 1200.5 is beyond 1100, the edge of the price band of BTC-USD.",
        ),
        (
            Reason.PRICE_OUTSIDE_BAND,
            None,
            None,
            "BTC-USD has no price band with a tick in it: it takes no market orders.",
        ),
        (
            Reason.OPEN_ORDERS_LIMIT,
            "60",
            "61",
            "This would be open order number 61; account alice may have 60.",
        ),
        (Reason.SYMBOL_UNKNOWN, None, None, "There is no symbol BTC-USD; the list is at /api/v1/symbols."),
        (Reason.NONE, None, None, None),
        ("OF_A_NEWER_RELEASE", None, None, None),
    ],
)
def test_it_names_the_rule_and_the_numbers(
    reason: str, limit: str | None, actual: str | None, said: str | None
) -> None:
    assert sentence(Report(reason=reason, limit=limit, actual=actual, **ORDER)) == said


def test_every_reason_has_a_sentence() -> None:
    silent = {
        reason for reason in Reason if sentence(Report(reason=reason.value, limit="2", actual="3", **ORDER)) is None
    }
    assert silent == {Reason.NONE, Reason.UNKNOWN}
