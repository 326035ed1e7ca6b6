"""What clients read: every field of every payload, in their words."""

import json

from msgspec.structs import replace

from schemas.messages import (
    Candle,
    Execution,
    ExecutionKind,
    Liquidity,
    OrderStatus,
    OrderType,
    Position,
    Reason,
    Side,
    Ticker,
    TimeInForce,
    TriggerBy,
)
from tests.oracle.market_inputs import trade
from workers.fanout.frames import (
    INTERVAL_NAMES,
    book_payload,
    candle_payload,
    order_payload,
    position_payload,
    price_level,
    ticker_payload,
    trade_payload,
)
from workers.statistics.candles import INTERVALS_S

NOON_US = 1_700_000_000_123_456
NOON = "2023-11-14T22:13:20.123456Z"
START = "2023-11-14T22:13:20.000000Z"
ID = (3 << 48) + 17
ID_TEXT = "844424930131985"


def test_a_book_change_is_two_lists_of_pairs_and_compact() -> None:
    levels = [price_level(6_500_050_000_000, 150_000_000), price_level(1, 0)]
    assert book_payload(levels, []) == b'{"bids":[["65000.5","1.5"],["0.00000001","0"]],"asks":[]}'


def test_a_trade_says_everything_but_who() -> None:
    assert json.loads(trade_payload(trade(0.1, 2.5, number=ID))) == {
        "trade_id": ID_TEXT,
        "price": "0.1",
        "quantity": "2.5",
        "notional": "0.25",
        "aggressor_side": "buy",
        "time": START,
    }


def test_a_ticker_says_null_for_what_there_is_not() -> None:
    ticker = Ticker(
        symbol="BTC-USD",
        sequence=7,
        last_e8=1,
        bid_e8=2,
        bid_quantity_e8=3,
        volume_24h_e8=4,
        notional_24h_e8=5,
        trade_count_24h=6,
        ts_us=NOON_US,
    )
    assert json.loads(ticker_payload(ticker)) == {
        "symbol": "BTC-USD",
        "sequence": 7,
        "last": "0.00000001",
        "bid": "0.00000002",
        "bid_quantity": "0.00000003",
        "ask": None,
        "ask_quantity": None,
        "open_24h": None,
        "high_24h": None,
        "low_24h": None,
        "volume_24h": "0.00000004",
        "notional_24h": "0.00000005",
        "trade_count_24h": 6,
        "time": NOON,
    }


def test_a_full_ticker() -> None:
    ticker = Ticker(
        symbol="BTC-USD",
        sequence=7,
        ask_e8=1,
        ask_quantity_e8=2,
        open_24h_e8=3,
        high_24h_e8=4,
        low_24h_e8=5,
        volume_24h_e8=0,
        notional_24h_e8=0,
        trade_count_24h=0,
        ts_us=NOON_US,
    )
    told = json.loads(ticker_payload(ticker))
    assert [told[name][-1] for name in ("ask", "ask_quantity", "open_24h", "high_24h", "low_24h")] == list("12345")


def test_a_candle() -> None:
    candle = Candle(
        symbol="BTC-USD",
        interval_s=300,
        open_us=NOON_US - 123_456,
        open_e8=100_000_000,
        high_e8=400_000_000,
        low_e8=50_000_000,
        close_e8=200_000_000,
        volume_e8=700_000_000,
        notional_e8=800_000_000,
        trade_count=9,
        final=True,
        ts_us=NOON_US,
    )
    assert json.loads(candle_payload(candle)) == {
        "symbol": "BTC-USD",
        "interval": "5m",
        "open_time": START,
        "open": "1",
        "high": "4",
        "low": "0.5",
        "close": "2",
        "volume": "7",
        "notional": "8",
        "trade_count": 9,
        "final": True,
        "time": NOON,
    }


def test_every_candle_that_statistics_makes_has_a_name() -> None:
    assert tuple(INTERVAL_NAMES) == INTERVALS_S


def test_a_fill_tells_the_whole_order() -> None:
    execution = Execution(
        kind=ExecutionKind.TRADE,
        execution_id=ID,
        order_id=ID + 1,
        account="alice",
        client_order_id="mine-1",
        symbol="BTC-USD",
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_e8=100_000_000,
        quantity_e8=200_000_000,
        status=OrderStatus.PARTIALLY_FILLED,
        leaves_e8=50_000_000,
        cumulative_e8=150_000_000,
        cumulative_notional_e8=160_000_000,
        last_price_e8=110_000_000,
        last_quantity_e8=120_000_000,
        last_notional_e8=132_000_000,
        fee_e8=132_000,
        liquidity=Liquidity.MAKER,
        trade_id=ID + 2,
        reason=Reason.NONE,
        command_us=NOON_US - 123_456,
        ts_us=NOON_US,
        correlation_id="trace",
    )
    assert json.loads(order_payload(execution)) == {
        "kind": "trade",
        "execution_id": ID_TEXT,
        "command_id": None,
        "order_id": str(ID + 1),
        "account": "alice",
        "client_order_id": "mine-1",
        "symbol": "BTC-USD",
        "side": "sell",
        "order_type": "limit",
        "time_in_force": "gtc",
        "price": "1",
        "quantity": "2",
        "status": "partially_filled",
        "leaves": "0.5",
        "cumulative": "1.5",
        "cumulative_notional": "1.6",
        "last_price": "1.1",
        "last_quantity": "1.2",
        "last_notional": "1.32",
        "fee": "0.00132",
        "liquidity": "maker",
        "trade_id": str(ID + 2),
        "reason": "NONE",
        "limit": None,
        "actual": None,
        "command_time": START,
        "time": NOON,
        "correlation_id": "trace",
    }
    waits = {"waits": True, "trigger_by": TriggerBy.MARK}
    stop = json.loads(order_payload(replace(execution, trigger_price_e8=99_000_000, **waits)))
    assert {name: stop.get(name) for name in ("waits", "trigger_price", "trigger_by", "trail", "trail_rate")} == {
        "waits": True,
        "trigger_price": "0.99",
        "trigger_by": "mark",
        "trail": None,
        "trail_rate": None,
    }
    iceberg = json.loads(order_payload(replace(execution, display_quantity_e8=4)))
    assert (iceberg["display_quantity"], iceberg.get("trigger_by")) == ("0.00000004", None)
    reduces = [replace(execution, reduce_only=True, **more) for more in ({}, waits, {"notional_e8": 4})]
    assert [json.loads(order_payload(each))["reduce_only"] for each in reduces] == [True, True, True]
    assert "reduce_only" not in iceberg
    tagged = [replace(execution, strategy="trend", **more) for more in ({}, waits, {"notional_e8": 4})]
    assert [json.loads(order_payload(each))["strategy"] for each in tagged] == ["trend"] * 3
    assert "strategy" not in iceberg
    spends = json.loads(order_payload(replace(execution, notional_e8=4)))
    assert (spends["notional"], iceberg.get("notional")) == ("0.00000004", None)
    member = json.loads(order_payload(replace(execution, group_id=0)))
    assert (member["group_id"], member.get("waits")) == ("0", None)
    assert "group_id" not in json.loads(order_payload(execution))
    trailing = json.loads(order_payload(replace(execution, trail_e8=2, trail_rate_e8=3, **waits)))
    assert (trailing.get("trigger_price"), trailing["trail"], trailing["trail_rate"]) == (
        *(None, "0.00000002"),
        "0.00000003",
    )


def test_a_refusal_tells_the_rule_and_the_numbers_behind_it() -> None:
    execution = Execution(
        kind=ExecutionKind.REJECTED,
        execution_id=1,
        command_id=ID,
        order_id=ID,
        account="alice",
        client_order_id="",
        symbol="",
        side=Side.UNKNOWN,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity_e8=0,
        status=OrderStatus.REJECTED,
        leaves_e8=0,
        cumulative_e8=0,
        cumulative_notional_e8=0,
        reason=Reason.FUNDS_INSUFFICIENT,
        limit_e8=100_000_000,
        actual_e8=-200_000_000,
        command_us=NOON_US,
        ts_us=NOON_US,
    )
    told = json.loads(order_payload(execution))
    assert (told["kind"], told["command_id"], told["side"]) == ("rejected", ID_TEXT, "unknown")
    assert (told["reason"], told["limit"], told["actual"]) == ("FUNDS_INSUFFICIENT", "1", "-2")
    assert [told[name] for name in ("price", "liquidity", "trade_id", "correlation_id")] == [None] * 4


def test_a_position() -> None:
    position = Position(
        account="alice",
        symbol="BTC-USD",
        sequence=4,
        quantity_e8=-100_000_000,
        cost_e8=-300_000_000,
        average_price_e8=300_000_000,
        realised_e8=5,
        unrealised_e8=-6,
        fees_e8=7,
        mark_price_e8=0,
        trade_id=ID,
        ts_us=NOON_US,
    )
    told = {
        "account": "alice",
        "symbol": "BTC-USD",
        "sequence": 4,
        "quantity": "-1",
        "cost": "-3",
        "average_price": "3",
        "realised": "0.00000005",
        "unrealised": "-0.00000006",
        "fees": "0.00000007",
        "mark_price": "0",
        "trade_id": ID_TEXT,
        "time": NOON,
    }
    assert json.loads(position_payload(position)) == told
    named = replace(position, correlation_id="5f0c")
    assert json.loads(position_payload(named)) == told | {"correlation_id": "5f0c"}


def test_an_entry_that_spends_a_notional_names_its_group() -> None:
    execution = Execution(
        kind=ExecutionKind.NEW,
        execution_id=ID,
        order_id=ID + 1,
        account="alice",
        client_order_id="mine-1",
        symbol="BTC-USD",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity_e8=0,
        status=OrderStatus.NEW,
        leaves_e8=0,
        cumulative_e8=0,
        cumulative_notional_e8=0,
        notional_e8=500_000_000,
        group_id=ID + 1,
        reason=Reason.NONE,
        command_us=NOON_US,
        ts_us=NOON_US,
    )
    told = json.loads(order_payload(execution))
    assert (told["notional"], told["group_id"]) == ("5", str(ID + 1))
