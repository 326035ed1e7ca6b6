"""Orders that wait for a trigger: what the ladders of docs/trading.md and the naive book do not show."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.messages import (
    Execution,
    ExecutionKind,
    Message,
    OrderKind,
    OrderType,
    Reason,
    Side,
    SymbolStatus,
    Tick,
    TimeInForce,
    TriggerBy,
)
from schemas.units import E8, INT64_MAX
from tests.oracle.order_stream import (
    SYMBOL,
    amend_order,
    as_input,
    cancel_order,
    mark,
    new_order,
    open_core,
    symbol_control,
)
from workers.matching import stops
from workers.matching.core import MatchingCore


class Venue:
    """A core that numbers what it is told."""

    def __init__(self) -> None:
        self.core = open_core()
        self.count = 0

    def tell(self, message: Message) -> list[Message]:
        self.count += 1
        return [output.message for output in self.core.apply(as_input(message, self.count))]

    def place(self, side: Side, price: float, quantity: float, **fields: Any) -> list[Message]:
        return self.tell(new_order(self.count + 1, side, round(price * E8), round(quantity * E8), **fields))

    def stop(self, side: Side, trigger: float | None, **fields: Any) -> int:
        """One of 1 BTC that may trade at any price; its id."""
        terms = {"order_type": OrderType.STOP, "trigger_by": TriggerBy.LAST}
        if trigger is not None:
            terms["trigger_e8"] = round(trigger * E8)
        worst = 1_000 if side is Side.BUY else 1
        (answer,) = self.place(side, worst, 1, **(terms | {"account": "stops"} | fields))
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.waits) == (ExecutionKind.NEW, True)
        return answer.order_id

    def trade(self, price: float) -> list[Message]:
        """Two others trade there."""
        self.place(Side.BUY, price, 1, account="one")
        return self.place(Side.SELL, price, 1, account="two")

    def restart(self) -> None:
        core = MatchingCore(0, 1)
        core.load(self.core.dump(), self.core.behaviour)
        assert core.dump() == self.core.dump()
        self.core = core


def of(messages: Sequence[Message], kind: ExecutionKind) -> list[int]:
    return [m.order_id for m in messages if isinstance(m, Execution) and m.kind is kind]


def answer(messages: Sequence[Message]) -> Execution:
    assert isinstance(messages[0], Execution)
    return messages[0]


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_so_many_enter_with_one_record_and_the_others_with_the_next(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stops, "TRIGGERED_MAX", 2)
    ids = [venue.stop(Side.SELL, 99) for _ in range(7)]
    assert of(venue.trade(99), ExecutionKind.TRIGGERED) == ids[:2]
    venue.restart()
    venue.tell(cancel_order(venue.count + 1, new_order(ids[2], Side.SELL, E8, E8, account="stops")))
    assert of(venue.tell(Tick(sequence=1, ts_us=1)), ExecutionKind.TRIGGERED) == ids[3:5]
    moved = replace(venue.core.books[SYMBOL].waiting[ids[5]].order, kind=OrderKind.AMEND, trigger_price_e8=50 * E8)
    told = venue.tell(replace(moved, command_id=venue.count + 1))
    assert (answer(told).reason, answer(told).limit_e8, answer(told).actual_e8, answer(told).waits) == (
        *(Reason.TRIGGER_MET, 99 * E8, 50 * E8),
        True,
    )
    assert of(told, ExecutionKind.TRIGGERED) == ids[5:]


def test_what_is_too_much_is_refused(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "WAITING_MAX", 1)
    venue.stop(Side.SELL, 99)
    terms = {"order_type": OrderType.STOP, "trigger_by": TriggerBy.LAST, "trigger_e8": 99 * E8}
    refused = answer(venue.place(Side.SELL, 1, 1, **terms))
    assert (refused.kind, refused.reason, refused.limit_e8, refused.actual_e8) == (
        *(ExecutionKind.REJECTED, Reason.BOOK_FULL),
        *(E8, 2 * E8),
    )


def test_an_id_that_waits_already_is_no_new_order(venue: Venue) -> None:
    order = venue.core.books[SYMBOL].waiting[venue.stop(Side.SELL, 99)].order
    with pytest.raises(AssertionError, match="comes a second time"):
        venue.tell(order)


def test_trailing_stops_that_saw_different_prices_go_on_after_a_restart(venue: Venue) -> None:
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_e8": 10 * E8}
    venue.trade(110)
    first = venue.stop(Side.SELL, None, **trail)
    venue.trade(104)
    second = venue.stop(Side.SELL, None, **trail)
    low = venue.stop(Side.BUY, None, **trail)
    venue.restart()
    assert of(venue.trade(106), ExecutionKind.TRIGGERED) == []
    assert of(venue.trade(100), ExecutionKind.TRIGGERED) == [first]
    venue.restart()
    fell = venue.trade(96)
    assert of(fell, ExecutionKind.TRIGGERED) == [second]
    triggers = [m.trigger_price_e8 for m in fell if isinstance(m, Execution) and m.kind is ExecutionKind.TRIGGERED]
    assert triggers == [96 * E8]
    assert of(venue.trade(105), ExecutionKind.TRIGGERED) == []
    assert of(venue.trade(106), ExecutionKind.TRIGGERED) == [low]


def test_one_that_has_seen_no_price_begins_with_the_first(venue: Venue) -> None:
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_rate_e8": E8 // 10, "trigger_by": TriggerBy.MARK}
    order_id = venue.stop(Side.BUY, None, **trail)
    assert venue.tell(mark(1, 100 * E8)) == []
    venue.restart()
    assert venue.tell(mark(2, 90 * E8)) == []
    shown = answer(venue.tell(replace(venue.core.books[SYMBOL].waiting[order_id].order, kind=OrderKind.AMEND)))
    assert shown.trigger_price_e8 == 99 * E8
    assert of(venue.tell(mark(3, 99 * E8)), ExecutionKind.TRIGGERED) == [order_id]


def test_a_met_stop_limit_rests_with_its_terms_and_its_trigger_is_past(venue: Venue) -> None:
    order_id = venue.stop(Side.BUY, 101, order_type=OrderType.STOP_LIMIT)
    order = replace(venue.core.books[SYMBOL].waiting[order_id].order, price_e8=100 * E8)
    venue.tell(replace(order, kind=OrderKind.AMEND, command_id=venue.count + 1))
    assert of(venue.trade(101), ExecutionKind.TRIGGERED) == [order_id]
    venue.restart()
    amend = amend_order(venue.count + 1, order, 99 * E8, E8, trigger_e8=102 * E8)
    late = answer(venue.tell(amend))
    assert (late.kind, late.reason, late.limit_e8, late.actual_e8, late.waits) == (
        *(ExecutionKind.AMEND_REJECTED, Reason.TRIGGER_MET),
        *(101 * E8, 102 * E8, False),
    )
    filled = venue.place(Side.SELL, 100, 0.5, account="two")
    fill = next(m for m in filled if isinstance(m, Execution) and m.order_id == order_id)
    assert (fill.trigger_price_e8, fill.trigger_by, fill.price_e8) == (101 * E8, TriggerBy.LAST, 100 * E8)
    cancelled = answer(venue.tell(cancel_order(venue.count + 1, order)))
    assert (cancelled.kind, cancelled.trigger_price_e8) == (ExecutionKind.CANCELLED, 101 * E8)


def test_nobody_else_cancels_or_amends_it_and_a_removal_takes_it_out(venue: Venue) -> None:
    order = venue.core.books[SYMBOL].waiting[venue.stop(Side.SELL, 99)].order
    strange = replace(order, account="mallory", kind=OrderKind.CANCEL)
    assert answer(venue.tell(strange)).kind is ExecutionKind.CANCEL_REJECTED
    assert answer(venue.tell(replace(strange, kind=OrderKind.AMEND))).reason is Reason.ORDER_FINAL
    assert venue.tell(replace(strange, kind=OrderKind.REMOVE)) == []
    (removed,) = venue.tell(replace(order, kind=OrderKind.REMOVE, reason=Reason.KILLED, limit_e8=1, actual_e8=2))
    told = answer([removed])
    assert (told.reason, told.limit_e8, told.actual_e8) == (Reason.KILLED, 1, 2)
    assert not venue.core.books[SYMBOL].waiting


def test_a_killed_symbol_ends_what_waits_too(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.matching.remove.REMOVALS_MAX", 1)
    ids = [venue.stop(Side.SELL, 99) for _ in range(2)]
    first = venue.core.books[SYMBOL].waiting[ids[0]].order
    kill = replace(symbol_control(control_id="kill"), symbol_status=SymbolStatus.HALTED, cancel_open=True)
    assert of(venue.tell(kill), ExecutionKind.CANCELLED) == ids[:1]
    venue.restart()
    gone = answer(venue.tell(replace(first, kind=OrderKind.AMEND)))
    still = replace(first, order_id=ids[1], kind=OrderKind.AMEND)
    halted = answer(venue.tell(still))
    assert (gone.reason, halted.reason, halted.waits) == (Reason.ORDER_FINAL, Reason.SYMBOL_HALTED, True)
    assert venue.tell(mark(1, 50 * E8)) == []
    cancelled = answer(venue.tell(replace(still, kind=OrderKind.CANCEL, command_id=77)))
    assert (cancelled.kind, cancelled.command_id) == (ExecutionKind.CANCELLED, 77)
    venue.tell(symbol_control(control_id="go on"))
    assert venue.stop(Side.SELL, 99)


def test_a_waiting_order_ends_at_its_date(venue: Venue) -> None:
    order_id = venue.stop(Side.SELL, 99, time_in_force=TimeInForce.GTD, expire_us=1_000)
    venue.restart()
    ended = answer(venue.tell(Tick(sequence=1, ts_us=1_000)))
    assert (ended.order_id, ended.reason, ended.waits) == (order_id, Reason.EXPIRY_REACHED, False)


def test_one_that_finds_no_room_in_the_book_ends(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = venue.stop(Side.BUY, 101, order_type=OrderType.STOP_LIMIT, trigger_by=TriggerBy.MARK)
    monkeypatch.setattr("workers.matching.book.ORDERS_MAX", 0)
    told = venue.tell(mark(1, 101 * E8))
    assert [(m.order_id, m.kind, m.reason) for m in told if isinstance(m, Execution)] == [
        (order_id, ExecutionKind.TRIGGERED, Reason.NONE),
        (order_id, ExecutionKind.CANCELLED, Reason.BOOK_FULL),
    ]


def test_so_many_that_left_are_forgotten(venue: Venue) -> None:
    trail = {"order_type": OrderType.TRAILING_STOP, "trail_e8": E8}
    for number in range(6_000):
        venue.trade(6_001 - number)
        order_id = venue.stop(Side.SELL, None, **trail)
        venue.tell(cancel_order(venue.count + 1, new_order(order_id, Side.SELL, E8, E8, account="stops")))
    trails = venue.core.books[SYMBOL].triggers._watches[TriggerBy.LAST].trails[Side.SELL]
    assert len(trails._pools) < 2_000
    assert len(trails._nearest) < 4_000


def test_marks_of_unknown_symbols_are_nothing_to_it(venue: Venue) -> None:
    assert venue.tell(replace(mark(1, E8), symbol="NO-USD")) == []


def test_a_change_of_the_symbol_goes_on_with_what_is_due(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "TRIGGERED_MAX", 1)
    ids = [venue.stop(Side.SELL, 99) for _ in range(2)]
    assert of(venue.trade(99), ExecutionKind.TRIGGERED) == ids[:1]
    assert of(venue.tell(symbol_control(control_id="dearer")), ExecutionKind.TRIGGERED) == ids[1:]


def test_a_trade_that_halts_the_symbol_is_shown_to_stops_too(venue: Venue) -> None:
    breaker = {"breaker_move_e8": E8 // 10, "breaker_window_s": 60, "breaker_halt_s": 30}
    venue.tell(symbol_control(control_id="breaker", reference_price_e8=100 * E8, **breaker))
    order_id = venue.stop(Side.BUY, 105, account="stops")
    for price in (105, 120):
        venue.place(Side.SELL, price, 1, account="two")
    venue.place(Side.BUY, 125, 2, account="one")
    assert venue.core.apart[SYMBOL].waiting[order_id].due
    venue.restart()
    assert venue.core.apart[SYMBOL].waiting[order_id].due


def test_those_that_met_their_trigger_and_left_are_forgotten(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stops, "TRIGGERED_MAX", 0)
    venue.trade(99)
    for _ in range(3_000):
        order_id = venue.stop(Side.SELL, 99)
        venue.tell(cancel_order(venue.count + 1, new_order(order_id, Side.SELL, E8, E8, account="stops")))
    assert len(venue.core.books[SYMBOL].triggers._due) < 1_100


def test_a_trigger_beyond_all_prices_is_told_as_the_last_price(venue: Venue) -> None:
    venue.trade(100)
    far = {"order_type": OrderType.TRAILING_STOP, "trail_e8": INT64_MAX - E8}
    for side, shown_e8 in ((Side.BUY, INT64_MAX), (Side.SELL, 1)):
        order_id = venue.stop(side, None, **far)
        told = venue.core.books[SYMBOL].triggers.told(venue.core.books[SYMBOL].waiting[order_id])
        assert told.trigger_price_e8 == shown_e8
