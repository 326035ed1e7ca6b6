"""Which ends pre-trade risk accepts for an order."""

import pytest

from schemas.messages import Execution, OrderType, Reason, TimeInForce
from schemas.units import E8, INT64_MAX, TIME_US_MAX
from tests.oracle.risk_desk import open_desk

FUNDS = {"USD": 10_000 * E8}
COMMAND_US = 1000
"""What the desk's time moves with each command."""


def test_a_gtd_order_goes_to_the_book_with_its_end() -> None:
    desk = open_desk(alice=FUNDS)
    end_us = desk.ts_us + COMMAND_US + 1
    order = desk.placed(time_in_force=TimeInForce.GTD, expire_us=end_us, post_only=True)
    assert (order.time_in_force, order.expire_us) == (TimeInForce.GTD, end_us)


@pytest.mark.parametrize("late_us", [0, -1])
def test_an_end_that_is_not_to_come_is_refused_with_both_times_in_seconds(late_us: int) -> None:
    desk = open_desk(alice=FUNDS)
    now_us = desk.ts_us + COMMAND_US
    assert desk.refused(time_in_force=TimeInForce.GTD, expire_us=now_us + late_us) == (
        Reason.EXPIRY_INVALID,
        now_us * 100,
        (now_us + late_us) * 100,
    )


@pytest.mark.parametrize("end_us", [TIME_US_MAX, INT64_MAX, -INT64_MAX])
def test_an_end_that_cannot_be_told_is_refused_and_told_as_the_nearest(end_us: int) -> None:
    desk = open_desk(alice=FUNDS)
    dated = {"client_order_id": "mine", "time_in_force": TimeInForce.GTD, "expire_us": end_us}
    assert desk.refused(**dated)[0] is Reason.EXPIRY_INVALID
    again = desk.place(**dated)
    assert isinstance(again, Execution)
    assert again.expire_us == (TIME_US_MAX if end_us > 0 else 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time_in_force": TimeInForce.GTD}, Reason.EXPIRY_INVALID),
        ({"time_in_force": TimeInForce.GTC, "expire_us": TIME_US_MAX - 1}, Reason.EXPIRY_INVALID),
        ({"time_in_force": TimeInForce.IOC, "expire_us": TIME_US_MAX - 1}, Reason.EXPIRY_INVALID),
        ({"expire_us": TIME_US_MAX - 1}, Reason.EXPIRY_INVALID),
        (
            {"order_type": OrderType.MARKET, "price_e8": None, "time_in_force": TimeInForce.GTD},
            Reason.TIME_IN_FORCE_INVALID,
        ),
    ],
)
def test_an_end_and_gtd_go_together(fields: dict[str, object], reason: Reason) -> None:
    assert open_desk(alice=FUNDS).refused(**fields) == (reason, None, None)
