"""Fees by what an account traded in thirty days."""

from typing import Any

import pytest

from schemas.controls import FEE_TIERS_MAX, control_error, fee_tiers
from schemas.messages import Control, ControlKind, ExecutionKind, GroupKind, Order, OrderStatus, Reason, Side
from schemas.units import DAY_US, E8
from tests.oracle.risk_desk import BTC, Desk, open_desk
from workers.risk.core import RiskCore
from workers.risk.volumes import Volume

TIERS = f"{1000 * E8}/50000/150000,{2000 * E8}/-10000/90000"
"""Beside the symbol's 0.1 and 0.2 %: 0.05 and 0.15 % from 1000 on, a rebate of 0.01 and 0.09 % from 2000 on."""


@pytest.fixture
def desk() -> Desk:
    desk = open_desk(alice={"USD": 100_000 * E8, "BTC": 100 * E8}, bob={"USD": 100_000 * E8})
    desk.symbol(fee_tiers=TIERS)
    return desk


def fees(desk: Desk, account: str = "alice", **fields: Any) -> tuple[int | None, int | None]:
    """What a new order pays, if not the symbol's fees."""
    order = desk.placed(account, **fields)
    desk.ended(order)
    return order.maker_fee_e8, order.taker_fee_e8


def days(desk: Desk, count: int) -> None:
    desk.ts_us += count * DAY_US


def trade(desk: Desk, quantity: int, **fields: Any) -> None:
    desk.filled(desk.placed(quantity_e8=quantity * E8, **fields), quantity * E8, 1000 * E8)


def test_what_was_traded_counts_from_the_next_day_on_for_thirty_days(desk: Desk) -> None:
    trade(desk, 1)
    assert fees(desk) == (None, None)
    days(desk, 1)
    assert fees(desk) == (50_000, 150_000)
    days(desk, 29)
    assert fees(desk) == (50_000, 150_000)
    days(desk, 1)
    assert fees(desk) == (None, None)


def test_days_add_up_and_the_highest_tier_holds(desk: Desk) -> None:
    trade(desk, 1)
    days(desk, 1)
    trade(desk, 1, side=Side.SELL)
    assert fees(desk) == (50_000, 150_000)
    days(desk, 1)
    assert fees(desk) == (-10_000, 90_000)
    trade(desk, 1)
    days(desk, 29)
    assert fees(desk) == (-10_000, 90_000)
    days(desk, 1)
    assert fees(desk) == (50_000, 150_000)
    assert fees(desk, "bob") == (None, None)


def test_a_volume_is_of_all_symbols_with_the_quote_currency(desk: Desk) -> None:
    desk.symbol(symbol="ETH-USD", base="ETH")
    desk.symbol(symbol="BTC-EUR", quote="EUR", fee_tiers=TIERS)
    desk.funds("alice", "EUR", 10_000 * E8)
    trade(desk, 1, symbol="ETH-USD")
    days(desk, 1)
    assert fees(desk) == (50_000, 150_000)
    assert fees(desk, symbol="BTC-EUR") == (None, None)
    assert fees(desk, symbol="ETH-USD") == (None, None)


def test_a_fill_before_the_newest_day_counts_there() -> None:
    volume = Volume("USD")
    volume.trade(5, 10 * DAY_US)
    volume.trade(7, 9 * DAY_US)
    volume.trade(1, 11 * DAY_US)
    assert (volume.days, volume.trailing_e8(11 * DAY_US)) == ([(10, 12)], 12)
    for day in range(12, 100):
        volume.trade(1, day * DAY_US)
    assert len(volume.days) == 31
    assert volume.trailing_e8(99 * DAY_US) == 30
    assert volume.trailing_e8(200 * DAY_US) == 0


def test_a_command_of_the_day_before_counts_by_its_own_day() -> None:
    volume = Volume("USD")
    for day in range(60):
        volume.trade(1, day * DAY_US)
    volume.trade(100, 60 * DAY_US)
    before = volume.trailing_e8(60 * DAY_US)
    volume.trade(1, 61 * DAY_US)
    assert volume.trailing_e8(61 * DAY_US - 1) == before == 30


def test_the_dearer_fee_of_the_tier_is_held(desk: Desk) -> None:
    trade(desk, 1)
    days(desk, 1)
    before = desk.balance("alice", "USD")[1]
    order = desk.placed()
    assert desk.balance("alice", "USD")[1] - before == 1000 * E8 + 1000 * E8 * 150_000 // E8
    desk.symbol(fee_tiers=None, taker_fee_e8=E8 // 10)
    amended = desk.amend(order_id=order.order_id, price_e8=1001 * E8)
    assert isinstance(amended, Order)
    assert (amended.maker_fee_e8, amended.taker_fee_e8) == (50_000, 150_000)
    assert desk.balance("alice", "USD")[1] - before == 1001 * E8 + 1001 * E8 * 150_000 // E8
    desk.executed(
        order, ExecutionKind.AMENDED, OrderStatus.NEW, command_id=amended.command_id, leaves_e8=E8, price_e8=1001 * E8
    )
    assert desk.balance("alice", "USD")[1] - before == 1001 * E8 + 1001 * E8 * 150_000 // E8


def test_both_orders_of_a_pair_pay_by_the_tier_and_the_dearer_is_held(desk: Desk) -> None:
    trade(desk, 1)
    days(desk, 1)
    before = desk.balance("alice", "USD")[1]
    pair = desk.placed(
        group=GroupKind.OCO, price_e8=950 * E8, trigger_price_e8=1050 * E8, stop_price_e8=1060 * E8, quantity_e8=E8
    )
    assert (pair.maker_fee_e8, pair.taker_fee_e8) == (50_000, 150_000)
    assert desk.balance("alice", "USD")[1] - before == 1060 * E8 + 1060 * 150_000
    stop = desk.core._accounts["alice"].orders[pair.order_id | 2**45]
    assert (stop.maker_fee_e8, stop.taker_fee_e8) == (50_000, 150_000)


def test_a_tier_without_any_fee_is_one(desk: Desk) -> None:
    desk.symbol(fee_tiers="1/0/0")
    trade(desk, 1)
    days(desk, 1)
    assert fees(desk) == (0, 0)
    assert desk.check(quantity_e8=50 * E8)[0] is Reason.NONE


def test_a_restart_knows_volumes_and_what_orders_pay(desk: Desk) -> None:
    trade(desk, 1)
    days(desk, 1)
    order = desk.placed()
    restarted = RiskCore(0, 1, seal_secrets={})
    restarted.load(desk.core.dump(), desk.core.behaviour)
    assert restarted.dump() == desk.core.dump()
    assert restarted._accounts["alice"].volumes["USD"].trailing_e8(desk.ts_us) == 1000 * E8
    assert restarted._accounts["alice"].orders[order.order_id].taker_fee_e8 == 150_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "fee_tiers is '': it must be VOLUME/MAKER/TAKER"),
        ("1/2", "fee_tiers is '1/2'"),
        ("1/2/3,", "fee_tiers is '1/2/3,'"),
        ("1/2/-3", "fee_tiers is '1/2/-3'"),
        ("1/2/3,1/2/3", "fee_tiers names the volume 1 after 1: volumes must rise from above 0"),
        ("0/2/3", "fee_tiers names the volume 0 after 0"),
        (f"{2**63}/2/3", "fee_tiers names the volume"),
        ("1/2/100000001", "fee_tiers: taker_fee_e8 is 100000001"),
        ("1/-100000001/3", "fee_tiers: maker_fee_e8 is -100000001"),
        (",".join(f"{volume}/0/0" for volume in range(1, FEE_TIERS_MAX + 2)), "fee_tiers has 21 tiers"),
    ],
)
def test_tiers_are_volumes_that_rise_with_fees_that_can_be(text: str, sentence: str) -> None:
    fields: dict[str, Any] = BTC | {"fee_tiers": text}
    assert sentence in str(control_error(Control(ControlKind.SYMBOL, "c", **fields)))


def test_a_list_of_tiers_is_read() -> None:
    assert fee_tiers("5/-1/2,6/0/0") == ((5, -1, 2), (6, 0, 0))
    assert fee_tiers(None) == ()
