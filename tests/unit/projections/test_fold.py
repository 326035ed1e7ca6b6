"""Records to rows, one by one."""

import msgspec
import pytest

from schemas import tables
from schemas.codec import Codec, local_codec
from schemas.messages import (
    Candle,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    Message,
    OrderStatus,
    OrderType,
    PairStatus,
    Reason,
    Side,
    TimeInForce,
)
from schemas.registry import RegistryError
from stream_topology.stages import STAGES
from workers.kernel.stage import Record
from workers.projections.fold import PROJECTIONS, TEXT_CHARACTERS_MAX, Rows

CODEC = local_codec()
ORDER = 281474976710660

NEW = Execution(
    kind=ExecutionKind.NEW,
    execution_id=10,
    command_id=ORDER,
    order_id=ORDER,
    account="alice",
    client_order_id="first",
    symbol="BTC-USD",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    price_e8=100,
    quantity_e8=9,
    status=OrderStatus.NEW,
    leaves_e8=9,
    cumulative_e8=0,
    cumulative_notional_e8=0,
    reason=Reason.NONE,
    command_us=1,
    ts_us=2,
)
FILLED = msgspec.structs.replace(
    NEW, kind=ExecutionKind.TRADE, execution_id=11, command_id=None, status=OrderStatus.FILLED, leaves_e8=0, ts_us=3
)
CANDLE = Candle(
    symbol="BTC-USD",
    interval_s=60,
    open_us=60_000_000,
    open_e8=1,
    high_e8=1,
    low_e8=1,
    close_e8=1,
    volume_e8=1,
    notional_e8=1,
    trade_count=1,
    final=False,
    ts_us=61_000_000,
)


PAIR = Control(
    kind=ControlKind.PAIR,
    control_id="c1",
    issued_us=1,
    issued_by="root",
    pair_id="p1",
    pair_version=1,
    symbol1="BTC-USD",
    symbol2="ETH-USD",
    ratio_e8=15,
    pair_status=PairStatus.ACTIVE,
    z_score_threshold_entry_e8=200_000_000,
    z_score_threshold_exit_e8=50_000_000,
    lookback_period=60,
)


def fold(topic: str, *messages: Message | bytes, codec: Codec = CODEC) -> Rows:
    rows = Rows()
    records = [
        Record(topic, 0, offset, 5, b"key", message if isinstance(message, bytes) else CODEC.encode(message))
        for offset, message in enumerate(messages)
    ]
    rows.fold(topic, records, codec)
    return rows


def row(rows: Rows, table: tables.Table) -> dict[str, object]:
    (only,) = rows.of(table)
    return dict(zip(table.columns.keys(), only, strict=True))


def test_every_input_of_the_stage_becomes_rows() -> None:
    assert set(PROJECTIONS) == set(STAGES["projections"].inputs)


def test_an_order_is_what_its_newest_execution_says_and_each_execution_is_kept() -> None:
    rows = fold("executions", NEW, FILLED)
    assert rows.count(tables.executions) == 2
    order = row(rows, tables.orders)
    assert (order["status"], order["leaves_e8"], order["execution_id"], order["ts_us"]) == ("FILLED", 0, 11, 3)


def test_an_older_execution_that_comes_again_does_not_undo_a_newer_one() -> None:
    assert row(fold("executions", NEW, FILLED, NEW), tables.orders)["status"] == "FILLED"


@pytest.mark.parametrize("kind", [ExecutionKind.STATUS, ExecutionKind.CANCEL_REJECTED])
def test_an_answer_about_an_order_does_not_change_it(kind: ExecutionKind) -> None:
    answer = msgspec.structs.replace(NEW, kind=kind, execution_id=1 << 47, status=OrderStatus.UNKNOWN)
    rows = fold("executions", NEW, FILLED, answer)
    assert row(rows, tables.orders)["status"] == "FILLED"
    assert rows.count(tables.executions) == 3


def test_an_answer_about_an_unknown_order_makes_no_order() -> None:
    answer = msgspec.structs.replace(NEW, kind=ExecutionKind.CANCEL_REJECTED, order_id=0, status=OrderStatus.UNKNOWN)
    assert fold("executions", answer).count(tables.orders) == 0


def test_a_refused_order_has_a_row_with_the_reason() -> None:
    refused = msgspec.structs.replace(
        NEW, kind=ExecutionKind.REJECTED, status=OrderStatus.REJECTED, reason=Reason.NO_MARK, limit_e8=7, actual_e8=8
    )
    order = row(fold("executions", refused), tables.orders)
    assert (order["status"], order["reason"], order["limit_e8"], order["actual_e8"]) == ("REJECTED", "NO_MARK", 7, 8)


def test_a_final_candle_stays_whatever_comes_after_it() -> None:
    final = msgspec.structs.replace(CANDLE, final=True, close_e8=2, ts_us=62_000_000)
    late = msgspec.structs.replace(CANDLE, close_e8=3, ts_us=63_000_000)
    candle = row(fold("candles", CANDLE, final, late), tables.candles)
    assert (candle["final"], candle["close_e8"]) == (True, 2)


def test_of_two_states_of_a_candle_at_one_time_the_later_in_the_log_stays() -> None:
    later = msgspec.structs.replace(CANDLE, close_e8=2)
    assert row(fold("candles", CANDLE, later), tables.candles)["close_e8"] == 2


def test_a_balance_is_what_the_newest_entry_says() -> None:
    first = LedgerEntry(
        entry_id=1,
        kind=LedgerKind.DEPOSIT,
        account="alice",
        debit_account="alice",
        credit_account="venue:world",
        currency="USD",
        amount_e8=5,
        balance_e8=5,
        control_id="c1",
        ts_us=1,
    )
    rows = fold("ledger", first, msgspec.structs.replace(first, entry_id=2, balance_e8=10))
    assert rows.count(tables.ledger) == 2
    assert row(rows, tables.balances)["balance_e8"] == 10


def test_the_first_decision_about_a_version_of_a_pair_is_its_row() -> None:
    replace = msgspec.structs.replace
    late = replace(PAIR, control_id="c2", notes="late")
    impossible = replace(PAIR, control_id="c3", pair_version=2, ratio_e8=0)
    key = Control(ControlKind.KEY, "c4", account="alice", key_id="bot-1", public_key=b"\xab" * 32)
    rows = fold("control", PAIR, late, impossible, key)
    version = row(rows, tables.pair_versions)
    assert (version["pair_id"], version["pair_version"], version["notes"], version["control_id"]) == (
        "p1",
        1,
        None,
        "c1",
    )
    assert (version["pair_status"], version["issued_by"], version["ratio_e8"]) == ("ACTIVE", "root", 15)


def test_a_decision_without_rows_may_hold_long_texts() -> None:
    tiers = ",".join(f"{number}0000000.25/0.0010/0.0020" for number in range(1, 21))
    rows = fold("control", Control(ControlKind.SYMBOL, "s1", symbol="BTC-USD", fee_tiers=tiers))
    assert len(tiers) > TEXT_CHARACTERS_MAX
    assert not any(list(rows.of(table)) for table in tables.PROJECTED)


def test_of_decisions_the_first_partition_says_in_which_order_they_came() -> None:
    other = msgspec.structs.replace(PAIR, control_id="c2")
    orders = {0: (PAIR, other), 1: (other, PAIR)}
    for first in (0, 1):
        rows = Rows()
        for partition in (first, 1 - first):
            records = [
                Record("control", partition, n, 5, b"", CODEC.encode(c)) for n, c in enumerate(orders[partition])
            ]
            rows.fold("control", records, CODEC)
        assert row(rows, tables.pair_versions)["control_id"] == "c1"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not avro", "NOT_AVRO"),
        (b"", "NOT_AVRO"),
        (b"\x00\x00\x00\xff\xff", "SCHEMA_UNKNOWN"),
        (CODEC.encode(NEW)[:-20], "TRUNCATED"),
        (CODEC.encode(CANDLE), "WRONG_RECORD"),
        (CODEC.encode(msgspec.structs.replace(NEW, client_order_id="a\0b")), "WRONG_RECORD"),
        (CODEC.encode(msgspec.structs.replace(NEW, account="x" * (TEXT_CHARACTERS_MAX + 1))), "TOO_LARGE"),
        (CODEC.encode(msgspec.structs.replace(NEW, correlation_id="x" * (TEXT_CHARACTERS_MAX + 1))), "TOO_LARGE"),
    ],
)
def test_what_cannot_be_a_row_is_set_aside_whole_and_the_next_record_is_read(value: bytes, reason: str) -> None:
    rows = fold("executions", value, FILLED)
    letter = row(rows, tables.projection_dead_letters)
    assert (letter["reason"], letter["source_topic"], letter["source_offset"]) == (reason, "executions", 0)
    assert (letter["key"], letter["value"]) == (b"key", value)
    assert "\0" not in str(letter["detail"])
    assert row(rows, tables.orders)["status"] == "FILLED"


def test_a_registry_that_does_not_answer_is_no_reason_to_set_a_record_aside() -> None:
    def away(_schema_id: int) -> str:
        raise RegistryError("away")

    with pytest.raises(RegistryError):
        fold("executions", b"\x00\x00\x00\xff\xff", codec=Codec({}, away))
