"""Each rule of a symbol, with the code and the numbers of its refusal."""

import pytest

from schemas.messages import (
    Execution,
    Order,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8, INT64_MAX
from tests.oracle.risk_desk import Desk, open_desk

CENT = E8 // 100
MARKET = {"order_type": OrderType.MARKET, "price_e8": None}


def desk() -> Desk:
    return open_desk(alice={"USD": 1_000_000 * E8, "BTC": 100 * E8})


@pytest.mark.parametrize(
    ("fields", "reason", "limit_e8", "actual_e8"),
    [
        ({"client_order_id": None}, Reason.CLIENT_ORDER_ID_INVALID, 64 * E8, 0),
        ({"client_order_id": ""}, Reason.CLIENT_ORDER_ID_INVALID, 64 * E8, 0),
        ({"client_order_id": "x" * 65}, Reason.CLIENT_ORDER_ID_INVALID, 64 * E8, 65 * E8),
        ({"client_order_id": "caf\u00e9"}, Reason.CLIENT_ORDER_ID_INVALID, 64 * E8, 4 * E8),
        ({"client_order_id": "a\nb"}, Reason.CLIENT_ORDER_ID_INVALID, 64 * E8, 3 * E8),
        ({"symbol": None}, Reason.SYMBOL_UNKNOWN, None, None),
        ({"symbol": "DOGE-USD"}, Reason.SYMBOL_UNKNOWN, None, None),
        ({"side": None}, Reason.SIDE_INVALID, None, None),
        ({"side": Side.UNKNOWN}, Reason.SIDE_INVALID, None, None),
        ({"order_type": None}, Reason.TYPE_INVALID, None, None),
        ({"order_type": OrderType.UNKNOWN}, Reason.TYPE_INVALID, None, None),
        ({"time_in_force": TimeInForce.UNKNOWN}, Reason.TIME_IN_FORCE_INVALID, None, None),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, Reason.TIME_IN_FORCE_INVALID, None, None),
        (MARKET | {"time_in_force": TimeInForce.GTC}, Reason.TIME_IN_FORCE_INVALID, None, None),
        (MARKET | {"time_in_force": TimeInForce.UNKNOWN}, Reason.TIME_IN_FORCE_INVALID, None, None),
        (MARKET | {"post_only": True}, Reason.TIME_IN_FORCE_INVALID, None, None),
        ({"self_trade_prevention": SelfTradePrevention.UNKNOWN}, Reason.MALFORMED, None, None),
        ({"price_e8": None}, Reason.PRICE_MISSING, None, None),
        (MARKET | {"price_e8": 1000 * E8}, Reason.PRICE_NOT_ALLOWED, None, 1000 * E8),
        ({"price_e8": 0}, Reason.PRICE_NOT_POSITIVE, 0, 0),
        ({"price_e8": -CENT}, Reason.PRICE_NOT_POSITIVE, 0, -CENT),
        ({"price_e8": 1000 * E8 + 1}, Reason.PRICE_OFF_TICK, CENT, 1000 * E8 + 1),
        ({"price_e8": 900 * E8 - CENT}, Reason.PRICE_OUTSIDE_BAND, 900 * E8, 900 * E8 - CENT),
        ({"price_e8": 1100 * E8 + CENT}, Reason.PRICE_OUTSIDE_BAND, 1100 * E8, 1100 * E8 + CENT),
        ({"quantity_e8": None}, Reason.QUANTITY_NOT_POSITIVE, 0, 0),
        ({"quantity_e8": 0}, Reason.QUANTITY_NOT_POSITIVE, 0, 0),
        ({"quantity_e8": -E8}, Reason.QUANTITY_NOT_POSITIVE, 0, -E8),
        ({"quantity_e8": E8 + 1}, Reason.QUANTITY_OFF_LOT, E8 // 1000, E8 + 1),
        ({"quantity_e8": E8 // 1000}, Reason.QUANTITY_TOO_SMALL, E8 // 100, E8 // 1000),
        ({"quantity_e8": 51 * E8}, Reason.QUANTITY_TOO_LARGE, 50 * E8, 51 * E8),
        ({"quantity_e8": E8 // 100, "price_e8": 999 * E8}, Reason.NOTIONAL_TOO_SMALL, 10 * E8, 999 * CENT),
    ],
)
def test_a_broken_rule_is_named_with_its_numbers(
    fields: dict[str, object], reason: Reason, limit_e8: int | None, actual_e8: int | None
) -> None:
    assert desk().refused(**fields) == (reason, limit_e8, actual_e8)


@pytest.mark.parametrize(
    "fields",
    [
        {"client_order_id": "x" * 64},
        {"client_order_id": "a b~!"},
        {"price_e8": 900 * E8},
        {"price_e8": 1100 * E8},
        {"quantity_e8": E8 // 100},
        {"quantity_e8": 50 * E8},
        {"post_only": True},
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        {"side": Side.SELL},
        MARKET,
        MARKET | {"time_in_force": TimeInForce.FOK},
    ],
)
def test_an_order_at_the_edge_of_the_rules_passes(fields: dict[str, object]) -> None:
    assert isinstance(desk().place(**fields), Order)


def test_absent_fields_become_their_defaults() -> None:
    at = desk()
    limit, market = at.placed(), at.placed(**MARKET)
    assert (limit.time_in_force, limit.self_trade_prevention) == (TimeInForce.GTC, SelfTradePrevention.CANCEL_NEWEST)
    assert market.time_in_force is TimeInForce.IOC


def test_a_halted_symbol_takes_cancels_only() -> None:
    at = desk()
    order = at.placed()
    at.symbol(symbol_status=SymbolStatus.HALTED)
    assert at.refused() == (Reason.SYMBOL_HALTED, None, None)
    assert isinstance(at.cancel(order_id=order.order_id), Order)
    at.symbol(symbol_status=SymbolStatus.UNKNOWN)
    assert at.refused() == (Reason.SYMBOL_HALTED, None, None)


def test_the_band_follows_the_newest_mark_and_a_new_symbol_record_does_not_undo_it() -> None:
    at = desk()
    at.mark(500 * E8)
    assert at.refused() == (Reason.PRICE_OUTSIDE_BAND, 550 * E8, 1000 * E8)
    at.symbol(reference_price_e8=1000 * E8)
    assert at.refused() == (Reason.PRICE_OUTSIDE_BAND, 550 * E8, 1000 * E8)
    assert isinstance(at.place(price_e8=550 * E8), Order)


def test_a_mark_may_come_before_its_symbol() -> None:
    at = Desk()
    at.mark(500 * E8)
    at.symbol()
    at.account(funds={"USD": 10_000 * E8})
    assert isinstance(at.place(price_e8=550 * E8), Order)


def test_band_edges_are_rounded_inwards() -> None:
    at = desk()
    at.symbol(tick_e8=1, price_band_e8=3)
    at.mark(1000 * E8 + 1)
    assert at.refused(price_e8=1000 * E8 + 1 - 3001)[0] is Reason.PRICE_OUTSIDE_BAND
    assert isinstance(at.place(price_e8=1000 * E8 + 1 - 3000), Order)
    assert isinstance(at.place(price_e8=1000 * E8 + 1 + 3000), Order)
    assert at.refused(price_e8=1000 * E8 + 1 + 3001)[0] is Reason.PRICE_OUTSIDE_BAND


def test_a_refusal_names_the_nearest_price_and_quantity_that_could_be_ordered() -> None:
    at = desk()
    at.symbol(tick_e8=7 * E8, lot_e8=3 * E8, quantity_min_e8=2 * E8, quantity_max_e8=11 * E8)
    assert at.refused(price_e8=1106 * E8) == (Reason.PRICE_OUTSIDE_BAND, 1099 * E8, 1106 * E8)
    assert at.refused(price_e8=896 * E8) == (Reason.PRICE_OUTSIDE_BAND, 903 * E8, 896 * E8)
    assert at.refused(price_e8=1001 * E8, quantity_e8=12 * E8) == (Reason.QUANTITY_TOO_LARGE, 9 * E8, 12 * E8)
    at.symbol(lot_e8=E8, quantity_min_e8=3 * E8 // 2)
    assert at.refused(quantity_e8=E8) == (Reason.QUANTITY_TOO_SMALL, 2 * E8, E8)


def test_without_a_mark_only_what_needs_one_is_refused() -> None:
    at = desk()
    at.symbol(reference_price_e8=None)
    assert at.refused() == (Reason.NO_MARK, None, None)
    assert at.refused(**MARKET) == (Reason.NO_MARK, None, None)
    at.symbol(reference_price_e8=None, price_band_e8=None)
    assert isinstance(at.place(), Order)
    assert at.refused(**MARKET) == (Reason.NO_MARK, None, None)


def test_a_market_order_needs_a_band() -> None:
    at = desk()
    at.symbol(price_band_e8=None)
    assert at.refused(**MARKET) == (Reason.PRICE_OUTSIDE_BAND, None, None)


def test_a_market_order_carries_the_worst_price_of_the_band_on_a_tick_inside() -> None:
    at = desk()
    at.symbol(tick_e8=7 * E8)
    assert at.placed(**MARKET).price_e8 == 1099 * E8
    assert at.placed(**MARKET, side=Side.SELL).price_e8 == 903 * E8


def test_a_market_sell_under_a_band_of_more_than_the_price_is_worth_at_least_a_tick() -> None:
    at = desk()
    at.symbol(price_band_e8=2 * E8, notional_min_e8=None, quantity_min_e8=None)
    assert at.placed(**MARKET, side=Side.SELL).price_e8 == CENT


def test_a_market_order_is_refused_when_no_tick_lies_in_the_band() -> None:
    at = desk()
    at.symbol(tick_e8=400 * E8)
    assert at.refused(**MARKET) == (Reason.PRICE_OUTSIDE_BAND, None, None)


def test_largest_notional_counts_what_is_rounded_up() -> None:
    at = desk()
    at.symbol(tick_e8=1, lot_e8=1, notional_max_e8=1000 * E8)
    assert isinstance(at.place(), Order)
    limit_e8, actual_e8 = 1000 * E8, 1000 * E8 + 1
    assert at.refused(price_e8=1000 * E8 + 1, quantity_e8=E8) == (Reason.NOTIONAL_TOO_LARGE, limit_e8, actual_e8)
    at.symbol(tick_e8=1, lot_e8=1, notional_max_e8=10 * E8)
    expected = (Reason.NOTIONAL_TOO_LARGE, 10 * E8, 10 * E8 + 1)
    assert at.refused(price_e8=1000 * E8 + 1, quantity_e8=E8 // 100) == expected


def test_a_notional_beyond_64_bits_is_refused_whatever_the_limits() -> None:
    at = desk()
    at.symbol(tick_e8=1, lot_e8=1, quantity_max_e8=None, notional_max_e8=None, price_band_e8=None, notional_min_e8=None)
    expected = (Reason.NOTIONAL_TOO_LARGE, INT64_MAX, INT64_MAX)
    assert at.refused(price_e8=INT64_MAX, quantity_e8=INT64_MAX) == expected
    assert at.refused(price_e8=INT64_MAX, quantity_e8=E8 + 1) == expected
    assert at.refused(price_e8=INT64_MAX, quantity_e8=E8)[0] is Reason.FUNDS_INSUFFICIENT


def test_the_band_of_an_enormous_mark_stays_within_64_bits() -> None:
    at = desk()
    at.symbol(tick_e8=1, lot_e8=1, quantity_min_e8=None, notional_min_e8=None, notional_max_e8=None)
    at.mark(INT64_MAX)
    assert at.placed(**MARKET, quantity_e8=2).price_e8 == INT64_MAX


def test_long_texts_are_cut_in_answers() -> None:
    answer = desk().place(symbol="S" * 5000, client_order_id="c" * 5000, strategy="s" * 5000)
    assert isinstance(answer, Execution)
    assert (len(answer.symbol), len(answer.client_order_id), len(answer.strategy or "")) == (64, 64, 64)
