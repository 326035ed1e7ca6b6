"""The engine against the naive book: every message, level and queue; and the naive book finds planted errors."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import (
    BookChange,
    Execution,
    ExecutionKind,
    Message,
    Order,
    OrderType,
    Side,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)
from tests.oracle.naive_book import NaiveBook
from tests.oracle.order_stream import (
    LOT_E8,
    MAKER_FEE_E8,
    PREVENTIONS,
    RESTING,
    SYMBOL,
    TAKER_FEE_E8,
    TICK_E8,
    WAITING,
    Asked,
    amend_order,
    as_input,
    cancel_order,
    mark,
    may_be_amended,
    new_order,
    number_of,
    open_core,
    random_orders,
    replay,
    time_of,
)
from workers.matching.core import MatchingCore

SEEDED_ORDERS = 100_000
STREAMS = 20


def naive(lot: int = 1, smallest: int = 0) -> NaiveBook:
    book = NaiveBook(MAKER_FEE_E8, TAKER_FEE_E8)
    book.lot, book.smallest = lot, smallest
    return book


def compare(
    orders: Sequence[Asked], core: MatchingCore, oracle: NaiveBook, said: list[list[Message]] | None = None
) -> None:
    """Fails at the first order to which the engine says something else than the oracle."""
    if said is None:
        said = replay(core, orders)
    for order, messages in zip(orders, said, strict=True):
        assert messages == oracle.apply(order, time_of(number_of(order))), order
    book = core.books[SYMBOL]
    for side in (book.bids, book.asks):
        ours = [
            (resting.order_id, resting.leaves_e8, resting.hidden_e8, resting.cumulative_notional_e8)
            for level in side.best_first()
            for resting in level.orders()
        ]
        assert ours == [
            (naive.order.order_id, naive.shown, naive.left - naive.shown, naive.paid)
            for naive in oracle.queue(side.side)
        ]
        assert all(level.hidden_e8 == sum(o.hidden_e8 for o in level.orders()) for level in side.best_first())
        prices = [level.price_e8 for level in side.best_first()]
        assert prices == sorted(side.levels, reverse=side.side is Side.BUY)
        assert prices[:1] == [side.best_e8][: len(prices)]
    levels = {
        (level.side, level.price_e8): (level.quantity_e8, level.order_count)
        for side in (book.bids, book.asks)
        for level in side.best_first()
    }
    assert levels == oracle.levels()


@pytest.mark.parametrize("seed", range(STREAMS))
def test_seeded_streams_say_what_the_naive_book_says(seed: int) -> None:
    orders = list(random_orders(seed, SEEDED_ORDERS // STREAMS, prices=8 + 4 * (seed % 5), accounts=2 + seed % 7))
    rules = ({}, {"lot_e8": LOT_E8}, {"lot_e8": LOT_E8, "quantity_min_e8": 5 * LOT_E8 - 1})[seed % 3]
    lots = ((), (LOT_E8,), (LOT_E8, 5 * LOT_E8))[seed % 3]
    compare(orders, open_core(**rules), naive(*lots))


sides = st.sampled_from([Side.BUY, Side.SELL])
times = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK])


@st.composite
def waiting_terms(draw: st.DrawFn) -> dict[str, Any]:
    terms: dict[str, Any] = {"order_type": draw(st.sampled_from(WAITING))}
    terms["trigger_by"] = draw(st.sampled_from([TriggerBy.LAST, TriggerBy.MARK]))
    if terms["order_type"] is not OrderType.TRAILING_STOP:
        return terms | {"trigger_e8": draw(st.integers(1, 5)) * TICK_E8}
    if draw(st.booleans()):
        return terms | {"trail_e8": draw(st.integers(1, 3)) * TICK_E8}
    return terms | {"trail_rate_e8": draw(st.integers(1, 90_000_000))}


@st.composite
def streams(draw: st.DrawFn) -> list[Asked]:
    orders: list[Asked] = []
    placed: list[Order] = []
    for number in range(1, draw(st.integers(1, 40)) + 1):
        kinds = ["new", "new", "new", "waiting", "cancel", "amend", "tick", "mark"]
        what = draw(st.sampled_from(kinds)) if placed else "new"
        if what == "mark":
            orders.append(mark(number, draw(st.integers(1, 5)) * TICK_E8))
            continue
        if what == "tick":
            orders.append(Tick(sequence=number, ts_us=time_of(number)))
            continue
        if what == "cancel":
            orders.append(cancel_order(number, draw(st.sampled_from(placed))))
            continue
        resting = [order for order in placed if may_be_amended(order)]
        if what == "amend" and resting:
            price_e8, quantity_e8 = draw(st.integers(1, 5)) * TICK_E8, draw(st.integers(0, 6)) * LOT_E8
            order = draw(st.sampled_from(resting))
            end = time_of(number) + draw(st.integers(-5, 10)) if order.expire_us and draw(st.booleans()) else None
            trigger_e8 = draw(st.integers(1, 5)) * TICK_E8 if order.trigger_price_e8 and draw(st.booleans()) else None
            changes: dict[str, Any] = {"expire_us": end, "trigger_e8": trigger_e8}
            if order.display_quantity_e8 and draw(st.booleans()):
                changes["display_e8"] = draw(st.integers(1, 3)) * LOT_E8
            orders.append(amend_order(number, order, price_e8, quantity_e8, **changes))
            continue
        order_type = draw(st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]))
        terms: dict[str, Any] = {}
        time_in_force = draw(times)
        if what == "waiting":
            terms = draw(waiting_terms())
            order_type = terms.pop("order_type")
            if order_type is not OrderType.STOP_LIMIT and time_in_force not in RESTING:
                time_in_force = TimeInForce.GTC
        elif time_in_force is TimeInForce.GTD and order_type is OrderType.MARKET:
            time_in_force = TimeInForce.IOC
        order = new_order(
            number,
            draw(sides),
            draw(st.integers(1, 5)) * TICK_E8,
            draw(st.integers(1, 4)) * LOT_E8,
            account=draw(st.sampled_from(["alice", "bob"])),
            order_type=order_type,
            time_in_force=time_in_force,
            expire_us=time_of(number) + draw(st.integers(-5, 10)) if time_in_force is TimeInForce.GTD else None,
            post_only=order_type is OrderType.LIMIT and draw(st.booleans()) and draw(st.booleans()),
            slide=draw(st.booleans()),
            display_e8=draw(st.sampled_from([None, None, LOT_E8, 2 * LOT_E8])),
            prevention=draw(st.sampled_from(PREVENTIONS)),
            reduce_only=draw(st.booleans()),
            strategy=draw(st.sampled_from([None, None, "trend"])),
            **terms,
        )
        orders.append(order)
        placed.append(order)
    return orders


@given(streams())
@settings(max_examples=300, deadline=None)
def test_any_stream_says_what_the_naive_book_says(orders: list[Asked]) -> None:
    compare(orders, open_core(), naive())


@given(streams(), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_a_loaded_core_goes_on_as_if_it_had_never_stopped(orders: list[Asked], cut: int) -> None:
    straight, stopped = open_core(), open_core()
    replay(straight, orders[:cut])
    replay(stopped, orders[:cut])
    restarted = MatchingCore(0, 1)
    restarted.load(stopped.dump(), stopped.behaviour)
    assert restarted.dump() == straight.dump()
    assert replay(restarted, orders[cut:]) == replay(straight, orders[cut:])
    assert restarted.dump() == straight.dump()


@pytest.mark.parametrize("seed", range(3))
def test_a_loaded_book_has_the_queues_of_the_naive_book(seed: int) -> None:
    orders = list(random_orders(seed, 2_000, prices=6))
    core, oracle = open_core(), naive()
    compare(orders[:1_000], core, oracle)
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    compare([], restarted, oracle)
    compare(orders[1_000:], restarted, oracle)


@given(streams())
@settings(max_examples=100, deadline=None)
def test_equal_books_have_equal_bytes_whatever_came_and_went(orders: list[Asked]) -> None:
    core = open_core()
    replay(core, orders)
    book = core.books[SYMBOL]
    far = new_order(900, Side.BUY, 1, LOT_E8, account="carol")
    before = core.dump()
    counters = (core._matcher.execution_id, book.change_sequence)
    core.apply(as_input(far, 900))
    assert core.dump() != before
    core.apply(as_input(cancel_order(901, far), 901))
    core._matcher.execution_id, book.change_sequence = counters
    assert core.dump() == before


@given(streams())
@settings(max_examples=100, deadline=None)
def test_ids_and_sequences_have_no_gap_and_each_command_one_answer(orders: list[Asked]) -> None:
    said = replay(open_core(), orders)
    messages = list(itertools.chain.from_iterable(said))
    executions = [message for message in messages if isinstance(message, Execution)]
    trades = [message for message in messages if isinstance(message, Trade)]
    changes = [message for message in messages if isinstance(message, BookChange)]
    assert [execution.execution_id for execution in executions] == list(range(1, len(executions) + 1))
    assert [trade.trade_id for trade in trades] == list(range(1, len(trades) + 1))
    assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
    for order, effect in zip(orders, said, strict=True):
        answers = [message for message in effect if isinstance(message, Execution) and message.command_id is not None]
        if not isinstance(order, Order):
            assert answers == []
            continue
        assert [answer.command_id for answer in answers] == [order.command_id]
        assert effect[0] is answers[0]
        levels = [message for message in effect if isinstance(message, BookChange)]
        triggered = sum(isinstance(m, Execution) and m.kind is ExecutionKind.TRIGGERED for m in effect)
        assert sum(level.last for level in levels) <= 1 + triggered
        assert all(level.last for level in levels[-1:])


def first_of(said: list[list[Message]], wanted: Callable[[Message], bool]) -> tuple[int, int]:
    return next(
        (order, at) for order, effect in enumerate(said) for at, message in enumerate(effect) if wanted(message)
    )


def drop_a_trade(said: list[list[Message]]) -> None:
    order, at = first_of(said, lambda message: isinstance(message, Trade))
    del said[order][at]


def duplicate_a_fill(said: list[list[Message]]) -> None:
    order, at = first_of(said, lambda message: isinstance(message, Execution) and message.kind is ExecutionKind.TRADE)
    said[order].insert(at, said[order][at])


def swap_priority(said: list[list[Message]]) -> None:
    """Two resting orders of one price change places: the fills say the other one."""
    for effect in said:
        trades = [at for at, message in enumerate(effect) if isinstance(message, Trade)]
        for first, second in itertools.pairwise(trades):
            one, two = effect[first], effect[second]
            assert isinstance(one, Trade)
            assert isinstance(two, Trade)
            if one.price_e8 == two.price_e8 and one.maker_order_id != two.maker_order_id:
                effect[first] = msgspec.structs.replace(one, maker_order_id=two.maker_order_id)
                effect[second] = msgspec.structs.replace(two, maker_order_id=one.maker_order_id)
                return
    raise AssertionError("the stream has no order that takes two of one price")


def lose_a_fee(said: list[list[Message]]) -> None:
    order, at = first_of(said, lambda message: isinstance(message, Execution) and bool(message.fee_e8))
    said[order][at] = msgspec.structs.replace(said[order][at], fee_e8=0)  # type: ignore[type-var]


@pytest.mark.parametrize("damage", [drop_a_trade, duplicate_a_fill, swap_priority, lose_a_fee])
def test_the_naive_book_finds_a_planted_error(damage: Callable[[list[list[Message]]], None]) -> None:
    orders = list(random_orders(1, 500))
    core = open_core()
    said = replay(core, orders)
    compare(orders, core, naive(), said)
    damage(said)
    with pytest.raises(AssertionError):
        compare(orders, core, naive(), said)


def test_the_naive_book_finds_a_queue_in_the_wrong_order() -> None:
    orders = [new_order(number, Side.BUY, 100 * TICK_E8, LOT_E8) for number in (1, 2, 3)]
    core = open_core()
    said = replay(core, orders)
    compare(orders, core, naive(), said)
    level = core.books[SYMBOL].bids.levels[100 * TICK_E8]
    first, second = level.oldest, level.newest
    assert first is not None
    assert second is not None
    first.order_id, second.order_id = second.order_id, first.order_id
    with pytest.raises(AssertionError):
        compare(orders, core, naive(), said)
