"""The core's edges: what begins a book, limits, refusals with their numbers, what must never be passed over."""

import msgspec
import pytest

from schemas.codec import local_codec
from schemas.messages import (
    AccountKind,
    AccountStatus,
    BookChange,
    Control,
    ControlKind,
    DeadLetter,
    DeadLetterReason,
    Execution,
    ExecutionKind,
    Liquidity,
    Message,
    OrderKind,
    OrderStatus,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
    Trade,
)
from schemas.units import E8, INT64_MAX, make_id
from stream_topology.sharding import partition_of
from tests.oracle.order_stream import (
    MAKER_FEE_E8,
    SYMBOL,
    TAKER_FEE_E8,
    as_input,
    cancel_order,
    new_order,
    open_core,
    symbol_control,
)
from workers.matching import matcher
from workers.matching.core import MatchingCore
from workers.matching.state import decode


def told(core: MatchingCore, message: Message) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, 5))]


def execution(messages: list[Message], at: int = 0) -> Execution:
    found = messages[at]
    assert isinstance(found, Execution)
    return found


def test_a_trade_has_the_fees_of_both_sides_rounded_up_and_the_notional_rounded_down() -> None:
    core = open_core()
    told(core, new_order(1, Side.SELL, 3 * E8 + 1, 2 * E8 + 1, account="maker"))
    said = told(core, new_order(2, Side.BUY, 4 * E8, E8 + 1, account="taker"))
    taker, maker, trade = execution(said, 1), execution(said, 2), said[3]
    assert isinstance(trade, Trade)
    assert trade.notional_e8 == (3 * E8 + 1) * (E8 + 1) // E8 == 300_000_004
    assert (taker.liquidity, taker.fee_e8) == (Liquidity.TAKER, 750_004)
    assert (maker.liquidity, maker.fee_e8) == (Liquidity.MAKER, 300_001)
    assert (taker.price_e8, taker.last_price_e8, maker.last_price_e8) == (4 * E8, 3 * E8 + 1, 3 * E8 + 1)
    assert (maker.leaves_e8, maker.cumulative_e8, maker.cumulative_notional_e8) == (E8, E8 + 1, 300_000_004)
    assert taker.command_id is None
    assert taker.ts_us == maker.ts_us == trade.ts_us == 1_000_005


def test_fees_follow_the_symbols_newest_control() -> None:
    core = open_core()
    told(core, new_order(1, Side.SELL, E8, 2 * E8, account="maker"))
    core.apply(as_input(symbol_control(control_id="dearer", maker_fee_e8=0, taker_fee_e8=E8 // 100), 2))
    said = told(core, new_order(2, Side.BUY, E8, E8))
    assert (execution(said, 1).fee_e8, execution(said, 2).fee_e8) == (E8 // 100, 0)


def test_levels_are_told_once_as_they_are_after_the_order_asks_first() -> None:
    core = open_core()
    for number, price in enumerate((100, 101, 101, 102), 1):
        told(core, new_order(number, Side.SELL, price * E8, E8, account="maker"))
    said = told(core, new_order(9, Side.BUY, 101 * E8, 4 * E8))
    levels = [message for message in said if isinstance(message, BookChange)]
    assert [(level.side, level.price_e8 // E8, level.quantity_e8 // E8, level.order_count) for level in levels] == [
        (Side.SELL, 100, 0, 0),
        (Side.SELL, 101, 0, 0),
        (Side.BUY, 101, 1, 1),
    ]
    assert [(level.sequence, level.last) for level in levels] == [(5, False), (6, False), (7, True)]


def test_ids_carry_the_shard() -> None:
    shard = partition_of(SYMBOL, 8)
    core = open_core(shard, 8)
    told(core, new_order(1, Side.SELL, E8, E8, account="maker"))
    said = told(core, new_order(2, Side.BUY, E8, E8))
    assert execution(said).execution_id == make_id(shard, 2)
    assert execution(said, 1).trade_id == make_id(shard, 1)


def test_a_symbol_of_another_shard_opens_no_book() -> None:
    core = open_core((partition_of(SYMBOL, 8) + 1) % 8, 8)
    assert not core.books


def test_an_order_before_its_symbols_control_is_refused() -> None:
    core = MatchingCore(0, 1)
    order = new_order(1, Side.BUY, E8, E8)
    (refusal,) = told(core, order)
    assert isinstance(refusal, Execution)
    assert (refusal.status, refusal.reason, refusal.command_id) == (OrderStatus.REJECTED, Reason.SYMBOL_UNKNOWN, 1)
    (refusal,) = told(core, cancel_order(2, order))
    assert isinstance(refusal, Execution)
    assert (refusal.reason, refusal.command_id) == (Reason.ORDER_FINAL, 2)


def test_a_control_of_an_account_opens_no_book() -> None:
    core = MatchingCore(0, 1)
    status, kind = AccountStatus.ACTIVE, AccountKind.CASH
    control = Control(ControlKind.ACCOUNT, control_id="a", account="alice", account_kind=kind, account_status=status)
    assert told(core, control) == []
    assert not core.books


def test_a_control_that_risk_does_not_apply_changes_no_fee_here() -> None:
    core = open_core()
    other_pair = symbol_control(control_id="other pair", maker_fee_e8=0, taker_fee_e8=0)
    for wrong in (
        symbol_control(control_id="wrong", taker_fee_e8=-1),
        msgspec.structs.replace(other_pair, quote="EUR"),
    ):
        (letter,) = told(core, wrong)
        assert isinstance(letter, DeadLetter)
        assert letter.reason is DeadLetterReason.WRONG_RECORD
    told(core, new_order(1, Side.SELL, E8, E8, account="maker"))
    said = told(core, new_order(2, Side.BUY, E8, E8))
    assert (execution(said, 1).fee_e8, execution(said, 2).fee_e8) == (TAKER_FEE_E8, MAKER_FEE_E8)


def test_a_control_applies_once_however_often_it_is_sent_and_after_a_restore() -> None:
    core = open_core()
    core.apply(as_input(symbol_control(control_id="dearer", maker_fee_e8=0, taker_fee_e8=E8 // 100), 2))
    restored = MatchingCore(0, 1)
    restored.load(core.dump(), core.behaviour)
    for each in (core, restored):
        each.apply(as_input(symbol_control(), 3))
        told(each, new_order(1, Side.SELL, E8, E8, account="maker"))
        said = told(each, new_order(2, Side.BUY, E8, E8))
        assert execution(said, 1).fee_e8 == E8 // 100


def test_a_post_only_refusal_says_the_price_it_would_have_met() -> None:
    core = open_core()
    told(core, new_order(1, Side.SELL, 100 * E8, E8))
    (refusal,) = told(core, new_order(2, Side.BUY, 101 * E8, E8, post_only=True))
    assert isinstance(refusal, Execution)
    assert (refusal.limit_e8, refusal.actual_e8, refusal.order_id) == (100 * E8, 101 * E8, 2)


def test_a_full_book_takes_no_order_that_would_rest_but_trades_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "ORDERS_MAX", 2)
    core = open_core()
    told(core, new_order(1, Side.SELL, 100 * E8, E8, account="maker"))
    told(core, new_order(2, Side.SELL, 101 * E8, E8, account="maker"))
    (refusal,) = told(core, new_order(3, Side.BUY, 99 * E8, E8))
    assert isinstance(refusal, Execution)
    assert (refusal.status, refusal.reason) == (OrderStatus.REJECTED, Reason.BOOK_FULL)
    assert (refusal.limit_e8, refusal.actual_e8) == (2 * E8, 3 * E8)
    assert execution(told(core, new_order(4, Side.BUY, 100 * E8, 2 * E8)), 1).trade_id == 1
    assert len(core.books[SYMBOL].orders) == 2
    said = told(core, new_order(5, Side.BUY, 99 * E8, E8, time_in_force=TimeInForce.IOC))
    assert execution(said, 1).reason is Reason.IMMEDIATE_REMAINDER


def test_a_level_never_holds_more_than_a_change_can_say() -> None:
    core = open_core()
    told(core, new_order(1, Side.BUY, 1, INT64_MAX - 5))
    (refusal,) = told(core, new_order(2, Side.BUY, 1, 6))
    assert isinstance(refusal, Execution)
    assert (refusal.reason, refusal.limit_e8, refusal.actual_e8) == (Reason.BOOK_FULL, 5, 6)
    said = told(core, new_order(3, Side.BUY, 1, 5))
    codec = local_codec()
    for message in (*said, refusal):
        codec.encode(message)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity_e8": 0},
        {"price_e8": 0},
        {"price_e8": -1},
        {"side": Side.UNKNOWN},
        {"order_type": OrderType.UNKNOWN},
        {"time_in_force": TimeInForce.UNKNOWN},
        {"order_id": 1},
        {"kind": OrderKind.UNKNOWN},
    ],
)
def test_what_risk_never_lets_pass_ends_the_process(change: dict[str, object]) -> None:
    core = open_core()
    told(core, new_order(1, Side.SELL, 100 * E8, E8))
    with pytest.raises(AssertionError, match="order"):
        told(core, msgspec.structs.replace(new_order(2, Side.BUY, 99 * E8, E8), **change))


def test_a_topic_that_it_does_not_read_ends_the_process() -> None:
    core = open_core()
    record = msgspec.structs.replace(as_input(new_order(1, Side.BUY, E8, E8), 1), topic="trades")
    with pytest.raises(AssertionError, match="trades"):
        core.apply(record)
    with pytest.raises(AssertionError, match="orders"):
        core.apply(msgspec.structs.replace(record, topic="orders", message=Tick(sequence=1, ts_us=1)))


def test_a_crossed_book_ends_the_process() -> None:
    core = open_core()
    book = core.books[SYMBOL]
    told(core, new_order(1, Side.SELL, 100 * E8, E8, account="maker"))
    book.bids.open_level(100 * E8)
    with pytest.raises(AssertionError, match="crossed"):
        book.assert_uncrossed()


def test_a_restored_book_goes_on_as_the_first_would_have() -> None:
    core = open_core()
    for number, account in enumerate(("maker", "alice", "maker"), 1):
        told(core, new_order(number, Side.SELL, 100 * E8, E8, account=account))
    told(core, new_order(4, Side.BUY, 100 * E8, E8 // 2))
    restored = open_core()
    told(restored, new_order(9, Side.BUY, 90 * E8, E8))  # what it held before is gone
    restored.load(core.dump(), core.behaviour)
    restored.load(restored.dump(), core.behaviour)
    oldest = SelfTradePrevention.CANCEL_OLDEST
    for order in (
        new_order(5, Side.BUY, 99 * E8, E8),
        new_order(6, Side.BUY, 100 * E8, 2 * E8, prevention=oldest),
        new_order(7, Side.SELL, 99 * E8, 2 * E8, time_in_force=TimeInForce.FOK, account="maker"),
    ):
        assert told(core, order) == told(restored, order)
    assert core.dump() == restored.dump()


def test_fill_or_kill_counts_own_orders_only_where_it_may_trade_with_them() -> None:
    kill = TimeInForce.FOK
    for prevention, filled in (
        (SelfTradePrevention.NONE, True),
        (SelfTradePrevention.CANCEL_OLDEST, False),
        (SelfTradePrevention.CANCEL_NEWEST, False),
    ):
        core = open_core()
        told(core, new_order(1, Side.SELL, 100 * E8, E8, account="maker"))
        told(core, new_order(2, Side.SELL, 100 * E8, E8))
        said = told(core, new_order(3, Side.BUY, 100 * E8, 2 * E8, time_in_force=kill, prevention=prevention))
        assert any(isinstance(message, Trade) for message in said) is filled


def test_a_state_of_another_behaviour_version_is_refused() -> None:
    core = open_core()
    with pytest.raises(ValueError, match="versions 2 to 7, this one is of 1"):
        core.load(core.dump(), 1)


def test_the_books_of_several_symbols_are_dumped_by_name() -> None:
    one, other = MatchingCore(0, 1), MatchingCore(0, 1)
    for symbol in ("A-USD", "B-USD"):
        one.apply(as_input(symbol_control(symbol), 1))
    for symbol in ("B-USD", "A-USD"):
        other.apply(as_input(symbol_control(symbol), 1))
    assert decode(one.dump()).books == decode(other.dump()).books


def test_what_an_iceberg_shows_survives_a_restart() -> None:
    core = open_core()
    core.apply(as_input(new_order(1, Side.SELL, 100 * E8, 5 * E8, account="ice", display_e8=2 * E8), 1))
    core.apply(as_input(new_order(2, Side.BUY, 100 * E8, 3 * E8, account="taker"), 2))
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    assert restarted.dump() == core.dump()
    level = restarted.books[SYMBOL].asks.levels[100 * E8]
    assert (level.quantity_e8, level.hidden_e8) == (E8, E8)
    cancelled = core.apply(as_input(cancel_order(3, new_order(1, Side.SELL, 100 * E8, 5 * E8, account="ice")), 3))
    answer = cancelled[0].message
    assert isinstance(answer, Execution)
    assert (answer.kind, answer.cumulative_e8, answer.display_quantity_e8) == (ExecutionKind.CANCELLED, 3 * E8, 2 * E8)
    assert core.books[SYMBOL].is_empty()


def test_a_post_only_order_does_not_slide_to_nothing() -> None:
    core = open_core()
    core.apply(as_input(new_order(1, Side.SELL, 1, E8, account="ask"), 1))
    (refused,) = core.apply(as_input(new_order(2, Side.BUY, 5, E8, post_only=True, slide=True), 2))
    assert isinstance(refused.message, Execution)
    assert refused.message.reason is Reason.POST_ONLY_WOULD_TRADE


@pytest.mark.parametrize(
    "prevention",
    [SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH, SelfTradePrevention.DECREMENT_AND_CANCEL],
)
def test_fill_or_kill_meets_an_own_order_before_what_is_hidden(prevention: SelfTradePrevention) -> None:
    core = open_core()
    core.apply(as_input(new_order(1, Side.SELL, 100 * E8, 5 * E8, account="ice", display_e8=2 * E8), 1))
    core.apply(as_input(new_order(2, Side.SELL, 100 * E8, E8 // 2, account="own"), 2))
    kill = {"account": "own", "time_in_force": TimeInForce.FOK, "prevention": prevention}
    outputs = core.apply(as_input(new_order(3, Side.BUY, 100 * E8, 3 * E8, **kill), 3))
    kinds = [output.message.kind for output in outputs if isinstance(output.message, Execution)]
    assert kinds == [ExecutionKind.NEW, ExecutionKind.EXPIRED]


def test_a_level_holds_no_more_than_a_record_can_say_be_it_hidden_or_not() -> None:
    core = open_core()
    core.apply(as_input(new_order(1, Side.BUY, 1, INT64_MAX // 2, account="ice", display_e8=INT64_MAX // 100), 1))
    (refused,) = core.apply(as_input(new_order(2, Side.BUY, 1, INT64_MAX // 2 + 2, account="other"), 2))
    assert isinstance(refused.message, Execution)
    assert refused.message.reason is Reason.BOOK_FULL


def test_a_slid_order_is_never_worth_more_than_a_record_can_say() -> None:
    core = open_core()
    core.apply(as_input(new_order(1, Side.BUY, INT64_MAX // 2, 1, account="bid"), 1))
    sell = new_order(2, Side.SELL, E8, 50 * E8, post_only=True, slide=True)
    (refused,) = core.apply(as_input(sell, 2))
    assert isinstance(refused.message, Execution)
    assert refused.message.reason is Reason.POST_ONLY_WOULD_TRADE


@pytest.mark.parametrize("auction", [False, True])
def test_a_sum_that_no_record_can_say_does_not_stop_the_venue(*, auction: bool) -> None:
    core, high_e8 = open_core(), INT64_MAX // E8 * E8
    if auction:
        collects = Control(ControlKind.SESSION, "collect", symbol=SYMBOL, phase=Phase.AUCTION)
        core.apply(as_input(collects, 1))
    for number in (2, 3):
        core.apply(as_input(new_order(number, Side.BUY, high_e8, E8, account="bid"), number))
    outputs = list(core.apply(as_input(new_order(4, Side.SELL, E8, 2 * E8, account="ask"), 4)))
    if auction:
        trade = Control(ControlKind.SESSION, "trade", symbol=SYMBOL, phase=Phase.CONTINUOUS)
        outputs += core.apply(as_input(trade, 5))
    fills = [o.message for o in outputs if isinstance(o.message, Execution) and o.message.account == "ask"]
    assert fills[-1].status is OrderStatus.FILLED
    assert max(fill.cumulative_notional_e8 for fill in fills) <= INT64_MAX
