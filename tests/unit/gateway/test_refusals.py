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
            "Price 1200.5 is outside the price band of BTC-USD; nearest valid: 1100.",
        ),
        (
            Reason.PRICE_OUTSIDE_BAND,
            None,
            None,
            "BTC-USD has no price band with a tick in it: it takes no orders without a limit.",
        ),
        (
            Reason.OPEN_ORDERS_LIMIT,
            "60",
            "61",
            "This would be open order number 61; account alice may have 60.",
        ),
        (
            Reason.QUANTITY_TOO_SMALL,
            "0.01",
            "0.001",
            "Quantity 0.001 is below the smallest of BTC-USD; nearest valid: 0.01.",
        ),
        (
            Reason.FAT_FINGER,
            "1050",
            "1060",
            "Price 1060 is further from the mark than account alice may go in BTC-USD; nearest valid: 1050.",
        ),
        (
            Reason.POSITION_LIMIT,
            "5",
            "5.5",
            "The position in BTC-USD could become 5.5, all open orders filled; account alice may have 5.",
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
