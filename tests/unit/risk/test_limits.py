"""The operator's limits: each at its edge, which of several holds, and what they count."""

from typing import Any

import pytest

from schemas.messages import (
    AccountKind,
    ControlKind,
    Execution,
    ExecutionKind,
    Order,
    OrderStatus,
    OrderType,
    Reason,
    Side,
)
from schemas.units import DAY_US, E8
from stream_topology.sharding import partition_of
from tests.oracle.risk_desk import SECRETS, Desk, open_desk
from workers.risk import limit_table
from workers.risk.core import RiskCore

MARKET = {"order_type": OrderType.MARKET, "price_e8": None}
SECOND_US = 1_000_000


def desk(**limits: int) -> Desk:
    """Alice has 10,000 USD and 10 BTC, and these limits."""
    at = open_desk(alice={"USD": 10_000 * E8, "BTC": 10 * E8})
    at.control(ControlKind.LIMITS, account="alice", **limits)
    return at


@pytest.mark.parametrize(
    ("limits", "passes", "refused", "numbers"),
    [
        ({"max_order_size_e8": 2 * E8}, {"quantity_e8": 2 * E8}, {"quantity_e8": 3 * E8}, (2 * E8, 3 * E8)),
        ({"fat_finger_limit_e8": E8 // 20}, {"price_e8": 1050 * E8}, {"price_e8": 1051 * E8}, (1050 * E8, 1051 * E8)),
        (
            {"fat_finger_limit_e8": E8 // 20},
            {"price_e8": 950 * E8, "side": Side.SELL},
            {"price_e8": 949 * E8, "side": Side.SELL},
            (950 * E8, 949 * E8),
        ),
        ({"max_open_orders": 1}, {}, {}, (E8, 2 * E8)),
        ({"trade_frequency": 1, "trade_frequency_s": 10}, {}, {}, (E8, 2 * E8 - E8 // 10_000)),
        ({"max_daily_volume_e8": 2000 * E8}, {}, {"price_e8": 1001 * E8}, (2000 * E8, 2001 * E8)),
        ({"max_position_size_e8": 11 * E8}, {}, {"quantity_e8": E8 // 100}, (11 * E8, 11 * E8 + E8 // 100)),
        ({"concentration_limit_e8": E8 // 2}, {"side": Side.SELL}, {}, (10_000 * E8, 11_000 * E8)),
        ({"max_leverage_e8": E8 * 6 // 10}, {"quantity_e8": 2 * E8}, {}, (12_000 * E8, 13_000 * E8)),
    ],
)
def test_what_is_at_the_limit_passes_and_what_is_beyond_says_the_numbers(
    limits: dict[str, int], passes: dict[str, Any], refused: dict[str, Any], numbers: tuple[int, int]
) -> None:
    at = desk(**limits)
    at.placed(**passes)
    reason, *said = at.refused(**refused)
    assert tuple(said) == numbers
    assert reason in set(Reason) - {Reason.FUNDS_INSUFFICIENT, Reason.MARGIN_INSUFFICIENT}


def test_the_better_side_of_the_mark_is_free() -> None:
    at = desk(fat_finger_limit_e8=0)
    at.placed(price_e8=950 * E8)
    at.placed(price_e8=1050 * E8, side=Side.SELL)
    at.placed()


def test_a_market_order_trades_no_further_than_the_fat_finger_limit() -> None:
    at = desk(fat_finger_limit_e8=E8 // 20 + 5)
    assert at.placed(**MARKET).price_e8 == 1050 * E8
    assert at.placed(**MARKET, side=Side.SELL).price_e8 == 950 * E8
    at.control(ControlKind.LIMITS, account="alice", fat_finger_limit_e8=E8)
    assert at.placed(**MARKET).price_e8 == 1100 * E8


def test_limits_that_value_something_need_a_mark() -> None:
    for name in ("fat_finger_limit_e8", "concentration_limit_e8", "max_leverage_e8"):
        at = desk(**{name: 9 * E8})
        at.symbol(reference_price_e8=None, price_band_e8=None)
        assert at.refused() == (Reason.NO_MARK, None, None)


def test_another_holding_without_a_mark_is_no_known_equity() -> None:
    for name in ("concentration_limit_e8", "max_leverage_e8"):
        at = desk(**{name: 9 * E8})
        at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=None)
        at.placed()
        at.funds("alice", "ETH", E8)
        assert at.refused() == (Reason.NO_MARK, None, None)


def test_the_most_specific_record_holds_for_each_limit() -> None:
    at = desk()
    at.symbol(symbol="ETH-USD", base="ETH")
    at.account("bob", funds={"USD": 10_000 * E8})
    scopes: tuple[dict[str, str], ...] = (
        {},
        {"symbol": "BTC-USD"},
        {"account": "alice"},
        {"account": "alice", "symbol": "BTC-USD"},
    )
    for number, scope in enumerate(scopes, 1):
        at.control(ControlKind.LIMITS, max_order_size_e8=number * E8, **scope)
    at.control(ControlKind.LIMITS, max_order_size_e8=E8, max_open_orders=0)
    asked = {("alice", "BTC-USD"): 4, ("alice", "ETH-USD"): 3, ("bob", "BTC-USD"): 2, ("bob", "ETH-USD"): 1}
    for (account, symbol), number in asked.items():
        expected = (Reason.ORDER_SIZE_LIMIT, number * E8, 9 * E8)
        assert at.refused(account, symbol=symbol, quantity_e8=9 * E8) == expected
        assert at.refused(account, symbol=symbol)[0] is Reason.SYMBOL_OPEN_ORDERS_LIMIT
    at.control(ControlKind.LIMITS, account="alice", symbol="BTC-USD")
    assert at.refused(quantity_e8=9 * E8) == (Reason.ORDER_SIZE_LIMIT, 3 * E8, 9 * E8)


def test_no_more_is_remembered_of_what_holds_than_a_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_table, "RESOLVED_MAX", 1)
    at = desk(max_open_orders=0)
    at.account("bob", funds={"USD": 10_000 * E8})
    at.placed("bob")
    assert at.refused()[0] is Reason.SYMBOL_OPEN_ORDERS_LIMIT
    assert list(at.core._limits._resolved) == [("alice", "BTC-USD")]


def test_tokens_come_back_evenly_and_never_more_than_there_were() -> None:
    at = desk(trade_frequency=2, trade_frequency_s=10)
    at.placed(client_order_id="one")
    order = at.placed()
    at.entered(order)
    assert at.refused()[0] is Reason.TRADE_FREQUENCY_LIMIT
    for _ in range(5):
        assert isinstance(at.cancel(client_order_id="one"), Order)
    amended = at.amend(order_id=order.order_id, price_e8=999 * E8)
    assert isinstance(amended, Execution)
    assert (amended.kind, amended.reason) == (ExecutionKind.AMEND_REJECTED, Reason.TRADE_FREQUENCY_LIMIT)
    at.ts_us += 5 * SECOND_US
    assert isinstance(at.amend(order_id=order.order_id, price_e8=999 * E8), Order)
    assert at.refused()[0] is Reason.TRADE_FREQUENCY_LIMIT
    at.ts_us += 3600 * SECOND_US
    at.placed()
    at.placed()
    assert at.refused()[0] is Reason.TRADE_FREQUENCY_LIMIT


def test_what_is_refused_takes_no_token() -> None:
    at = desk(trade_frequency=1, trade_frequency_s=10)
    for _ in range(3):
        assert at.refused(quantity_e8=40 * E8)[0] is Reason.FUNDS_INSUFFICIENT
    at.placed()


def test_a_day_of_the_volume_is_one_of_utc() -> None:
    at = desk(max_daily_volume_e8=1500 * E8)
    order = at.placed()
    at.filled(order, E8, 1000 * E8)
    assert at.refused()[0] is Reason.DAILY_VOLUME_LIMIT
    at.placed(quantity_e8=E8 // 2)
    at.ts_us = (at.ts_us // DAY_US + 1) * DAY_US - 2000
    assert at.refused()[0] is Reason.DAILY_VOLUME_LIMIT
    at.placed()
    assert at.refused(quantity_e8=E8 // 10) == (Reason.DAILY_VOLUME_LIMIT, 1500 * E8, 1600 * E8)


def test_a_fill_of_a_new_day_does_not_bring_back_the_volume_of_the_day_before() -> None:
    at = desk(max_daily_volume_e8=1500 * E8)
    at.filled(at.placed(), E8, 1000 * E8)
    at.ts_us = (at.ts_us // DAY_US + 1) * DAY_US
    at.filled(at.placed(quantity_e8=E8 // 2), E8 // 2, 1000 * E8)
    at.placed()
    assert at.refused(quantity_e8=E8 // 10) == (Reason.DAILY_VOLUME_LIMIT, 1500 * E8, 1600 * E8)


def test_a_volume_counts_its_symbol_or_all_of_the_currency() -> None:
    at = desk(max_daily_volume_e8=1500 * E8)
    at.symbol(symbol="ETH-USD", base="ETH")
    at.symbol(symbol="BTC-EUR", quote="EUR")
    at.funds("alice", "EUR", 10_000 * E8)
    at.placed()
    at.placed(symbol="BTC-EUR")
    assert at.refused(symbol="ETH-USD") == (Reason.DAILY_VOLUME_LIMIT, 1500 * E8, 2000 * E8)
    at.control(ControlKind.LIMITS, account="alice", symbol="ETH-USD", max_daily_volume_e8=1500 * E8)
    at.placed(symbol="ETH-USD")
    assert at.refused(symbol="ETH-USD") == (Reason.DAILY_VOLUME_LIMIT, 1500 * E8, 2000 * E8)


def test_an_order_that_ends_is_no_longer_counted() -> None:
    at = desk(max_position_size_e8=11 * E8, max_open_orders=1, max_daily_volume_e8=1000 * E8)
    order = at.placed()
    at.ended(order)
    order = at.placed()
    at.ended(order, OrderStatus.REJECTED, reason=Reason.POST_ONLY_WOULD_TRADE)
    at.placed()


def test_a_way_out_of_a_position_stays_open() -> None:
    at = desk(max_position_size_e8=0, concentration_limit_e8=0, max_leverage_e8=0)
    at.placed(side=Side.SELL, quantity_e8=10 * E8)
    assert at.refused()[0] is Reason.POSITION_LIMIT
    short = open_desk()
    short.account(account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, funds={"USD": 10_000 * E8, "BTC": -2 * E8})
    short.control(ControlKind.LIMITS, max_position_size_e8=0, concentration_limit_e8=0, max_leverage_e8=0)
    short.placed(quantity_e8=2 * E8)
    assert short.refused(side=Side.SELL) == (Reason.POSITION_LIMIT, 0, 3 * E8)


def test_who_owes_more_than_he_has_may_close_a_position_that_is_all_of_it() -> None:
    short = open_desk()
    short.account(account_kind=AccountKind.MARGIN, leverage_e8=5 * E8, funds={"USD": 1_000 * E8, "BTC": -2 * E8})
    short.control(ControlKind.LIMITS, concentration_limit_e8=E8)
    short.placed(quantity_e8=2 * E8)


def test_an_amendment_is_asked_of_what_it_changes() -> None:
    at = desk()
    order = at.placed(quantity_e8=2 * E8, price_e8=1050 * E8)
    at.entered(order)
    at.control(ControlKind.LIMITS, account="alice", max_order_size_e8=E8, fat_finger_limit_e8=E8 // 100)

    def reason(**fields: int) -> Reason:
        answer = at.amend(order_id=order.order_id, **fields)
        assert isinstance(answer, Execution)
        return answer.reason

    assert reason(price_e8=1040 * E8) is Reason.FAT_FINGER
    assert reason(quantity_e8=E8 * 3 // 2) is Reason.ORDER_SIZE_LIMIT
    assert isinstance(at.amend(order_id=order.order_id, price_e8=1010 * E8), Order)
    assert reason(quantity_e8=E8) is Reason.AMEND_PENDING


def test_an_open_amendment_counts_as_if_it_were_made() -> None:
    at = desk(max_position_size_e8=13 * E8)
    order = at.placed()
    at.entered(order)
    amend = at.amend(order_id=order.order_id, quantity_e8=3 * E8)
    assert isinstance(amend, Order)
    assert at.refused() == (Reason.POSITION_LIMIT, 13 * E8, 14 * E8)
    fields = {"command_id": amend.command_id, "leaves_e8": E8, "price_e8": order.price_e8}
    at.executed(order, ExecutionKind.AMEND_REJECTED, OrderStatus.NEW, **fields)
    at.placed()


def test_limits_and_what_is_used_of_them_survive() -> None:
    at = desk(max_daily_volume_e8=3500 * E8, trade_frequency=4, trade_frequency_s=3600)
    at.control(ControlKind.LIMITS, symbol="BTC-USD", max_position_size_e8=13 * E8)
    at.filled(at.placed(), E8, 1000 * E8)
    at.placed()
    state = at.core.dump()
    at.core = RiskCore(0, 1, seal_secrets=SECRETS)
    at.core.load(state, at.core.behaviour)
    assert at.core.dump() == state
    assert at.refused(quantity_e8=2 * E8)[0] is Reason.DAILY_VOLUME_LIMIT
    assert at.refused(quantity_e8=E8 * 3 // 2, price_e8=900 * E8) == (
        Reason.POSITION_LIMIT,
        13 * E8,
        13 * E8 + E8 // 2,
    )
    at.placed(quantity_e8=E8 // 10)
    at.placed(quantity_e8=E8 // 10)
    assert at.refused(quantity_e8=E8 // 10)[0] is Reason.TRADE_FREQUENCY_LIMIT


def test_a_shard_keeps_the_limits_of_its_own_accounts() -> None:
    at = Desk(shard=partition_of("alice", 2), shards=2)
    other = next(name for name in ("bob", "carol", "dave", "erin") if partition_of(name, 2) != at.shard)
    for account in ("alice", other, None):
        at.control(ControlKind.LIMITS, account=account, max_open_orders=1)
    assert [scope[:2] for scope in at.core._limits.dump()] == [("", ""), ("alice", "")]
