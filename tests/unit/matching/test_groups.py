"""Pairs of which one cancels the other: what the ladders of docs/trading.md and the naive book do not show."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from schemas.messages import (
    Execution,
    ExecutionKind,
    Message,
    Order,
    OrderKind,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    Tick,
    TimeInForce,
    TriggerBy,
)
from schemas.units import E8
from tests.oracle.order_stream import (
    amend_order,
    as_input,
    cancel_order,
    mark,
    members,
    new_order,
    open_core,
    pair_order,
    symbol_control,
)
from tests.oracle.session_stream import session_control
from workers.matching import core as core_module
from workers.matching import remove
from workers.matching.core import MatchingCore

NEW, TRADE, CANCELLED = ExecutionKind.NEW, ExecutionKind.TRADE, ExecutionKind.CANCELLED
TRIGGERED, EXPIRED, REJECTED = ExecutionKind.TRIGGERED, ExecutionKind.EXPIRED, ExecutionKind.REJECTED
OTHER = Reason.ONE_CANCELS_OTHER
HALTED = SymbolStatus.HALTED
Said = list[tuple[ExecutionKind, int, Reason]]
STOP = 2**45


class Venue:
    """A core that numbers what it is told, and says what happened to pairs."""

    def __init__(self) -> None:
        self.core = open_core()
        self.count = 0

    def tell(self, message: Message) -> list[Execution]:
        self.count += 1
        outputs = self.core.apply(as_input(message, self.count))
        return [output.message for output in outputs if isinstance(output.message, Execution)]

    def place(self, side: Side, price: float, quantity: float, **fields: object) -> list[Execution]:
        return self.tell(new_order(self.count + 1, side, round(price * E8), round(quantity * E8), **fields))  # type: ignore[arg-type]

    def pair(self, price: float = 110, trigger: float = 90, *, side: Side = Side.SELL, **fields: object) -> Order:
        """One of 2 BTC; a sell unless said otherwise."""
        fields.setdefault("account", "zoe")
        by = fields.pop("by", TriggerBy.LAST)
        first = new_order(self.count + 1, side, round(price * E8), 2 * E8, **fields)  # type: ignore[arg-type]
        worst_e8 = 1_000 * E8 if side is Side.BUY else E8
        return pair_order(first, round(trigger * E8), worst_e8=worst_e8, by=by)  # type: ignore[arg-type]

    def paired(self, *args: float, **fields: object) -> Order:
        pair = self.pair(*args, **fields)  # type: ignore[arg-type]
        answers = self.tell(pair)
        told = [(each.kind, each.order_id, each.command_id, each.waits, each.group_id) for each in answers]
        number = pair.order_id
        assert told == [(NEW, number | STOP, None, True, number), (NEW, number, number, False, number)]
        return pair

    def open(self) -> list[int]:
        return [order.order_id for book in self.core._all.values() for order in book.open_orders()]


def of(pair: Order, executions: Sequence[Execution]) -> Said:
    """What was said of the pair: 0 stands for the limit order, 1 for the stop."""
    return [
        (each.kind, each.order_id >> 45, each.reason)
        for each in executions
        if each.order_id in {order.order_id for order in members(pair)}
    ]


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_a_fill_in_part_cancels_the_stop_before_a_price_can_meet_it(venue: Venue) -> None:
    """The trade at 110 would trigger the buy stop of another pair, not the one that it belongs to."""
    pair = venue.paired(95, 110, side=Side.BUY)
    venue.place(Side.SELL, 110, 1, account="bob")
    said = venue.place(Side.SELL, 95, 1, account="bob")
    assert of(pair, said) == [(TRADE, 0, Reason.NONE), (CANCELLED, 1, OTHER)]
    assert of(pair, venue.place(Side.BUY, 110, 1, account="carol")) == []


def test_a_limit_order_that_trades_at_once_has_cancelled_its_stop(venue: Venue) -> None:
    venue.place(Side.BUY, 111, 2, account="bob")
    pair = venue.pair()
    said = of(pair, venue.tell(pair))
    assert said == [
        (NEW, 1, Reason.NONE),
        (NEW, 0, Reason.NONE),
        (TRADE, 0, Reason.NONE),
        (CANCELLED, 1, OTHER),
    ]
    assert venue.open() == []


def test_a_stop_whose_trigger_is_reached_already_cancels_the_limit_order_first(venue: Venue) -> None:
    venue.place(Side.SELL, 80, 1, account="bob")
    venue.place(Side.BUY, 80, 3, account="carol")
    pair = venue.pair()
    said = of(pair, venue.tell(pair))
    assert said == [
        (NEW, 1, Reason.NONE),
        (NEW, 0, Reason.NONE),
        (TRIGGERED, 1, Reason.NONE),
        (CANCELLED, 0, OTHER),
        (TRADE, 1, Reason.NONE),
    ]
    assert venue.open() == []


@pytest.mark.parametrize("number", [0, 1])
def test_the_end_of_either_is_the_end_of_both(venue: Venue, number: int) -> None:
    pair = venue.paired()
    said = venue.tell(cancel_order(venue.count + 1, members(pair)[number]))
    assert of(pair, said) == [(CANCELLED, number, Reason.CANCELLED_BY_CLIENT), (CANCELLED, 1 - number, OTHER)]
    assert (said[0].command_id, said[1].command_id) == (venue.count, None)
    (answer,) = venue.tell(cancel_order(venue.count + 1, members(pair)[1 - number]))
    assert (answer.kind, answer.reason) == (ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL)
    assert venue.open() == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_removal_takes_both_out_and_the_second_one_finds_nothing(venue: Venue, number: int) -> None:
    pair = venue.paired()
    orders = [replace(order, kind=OrderKind.REMOVE, reason=Reason.TIMER_EXPIRED) for order in members(pair)]
    said = of(pair, venue.tell(orders[number]))
    assert said == [(CANCELLED, number, Reason.TIMER_EXPIRED), (CANCELLED, 1 - number, OTHER)]
    assert venue.tell(orders[1 - number]) == []


def test_both_end_with_their_date_and_their_day(venue: Venue) -> None:
    until = {"time_in_force": TimeInForce.GTD, "expire_us": 5_000_000}
    dated, day = venue.paired(**until), venue.paired(time_in_force=TimeInForce.DAY)
    assert venue.tell(Tick(1, 4_999_999)) == []
    assert of(dated, venue.tell(Tick(2, 5_000_000))) == [(EXPIRED, 0, Reason.EXPIRY_REACHED), (CANCELLED, 1, OTHER)]
    said = of(day, venue.tell(session_control(venue.count + 1, Phase.CLOSED)))
    assert said == [(EXPIRED, 0, Reason.SESSION_CLOSED), (CANCELLED, 1, OTHER)]
    assert venue.open() == []


def test_what_one_record_ends_counts_both(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 3)
    for _ in range(4):
        venue.paired(time_in_force=TimeInForce.GTD, expire_us=5_000_000)
    assert [len(venue.tell(Tick(number, 5_000_000 + number))) for number in range(3)] == [4, 4, 0]
    for _ in range(4):
        venue.paired()
    killed = venue.tell(replace(symbol_control(control_id="kill"), symbol_status=HALTED, cancel_open=True))
    assert [each.reason for each in killed] == [Reason.KILLED, OTHER] * 2
    assert [len(venue.tell(Tick(number, 6_000_000 + number))) for number in range(2)] == [4, 0]
    assert venue.open() == []


def test_a_killed_symbol_ends_both_once(venue: Venue) -> None:
    for _ in range(2):
        venue.paired()
    killed = venue.tell(replace(symbol_control(control_id="kill"), symbol_status=HALTED, cancel_open=True))
    assert [each.reason for each in killed] == [Reason.KILLED, OTHER] * 2
    assert venue.open() == []


def test_a_triggered_order_that_fills_the_limit_order_cancels_its_stop(venue: Venue) -> None:
    pair = venue.paired()
    stop = {"order_type": OrderType.STOP, "trigger_e8": 100 * E8, "trigger_by": TriggerBy.LAST}
    venue.place(Side.BUY, 1_000, 1, account="bob", **stop)
    venue.place(Side.SELL, 100, 1, account="carol")
    said = of(pair, venue.place(Side.BUY, 100, 1, account="dave"))
    assert said == [(TRADE, 0, Reason.NONE), (CANCELLED, 1, OTHER)]


def test_an_amendment_keeps_the_pair(venue: Venue) -> None:
    pair = venue.paired()
    first, stop = members(pair)
    (moved,) = venue.tell(amend_order(venue.count + 1, first, 105 * E8, 0))
    assert (moved.kind, moved.price_e8, moved.group_id) == (ExecutionKind.AMENDED, 105 * E8, pair.order_id)
    (moved,) = venue.tell(amend_order(venue.count + 1, stop, stop.price_e8, 0, trigger_e8=95 * E8))
    assert (moved.trigger_price_e8, moved.waits, moved.group_id) == (95 * E8, True, pair.order_id)
    said = of(pair, venue.place(Side.BUY, 105, 1, account="bob"))
    assert said == [(TRADE, 0, Reason.NONE), (CANCELLED, 1, OTHER)]


def test_self_trade_prevention_ends_both_and_a_decrement_ends_none(venue: Venue) -> None:
    pair = venue.paired()
    own = {"account": "zoe", "prevention": SelfTradePrevention.DECREMENT_AND_CANCEL}
    said = of(pair, venue.place(Side.BUY, 110, 0.5, **own))
    assert said == [(ExecutionKind.AMENDED, 0, Reason.SELF_TRADE)]
    own["prevention"] = SelfTradePrevention.CANCEL_OLDEST
    said = of(pair, venue.place(Side.BUY, 110, 0.5, **own))
    assert said == [(CANCELLED, 0, Reason.SELF_TRADE), (CANCELLED, 1, OTHER)]


def test_a_mark_triggers_and_a_symbol_that_collects_waits_with_it(venue: Venue) -> None:
    venue.tell(session_control(venue.count + 1, Phase.AUCTION))
    pair = venue.paired(by=TriggerBy.MARK)
    assert venue.tell(mark(venue.count + 1, 90 * E8)) == []
    said = of(pair, venue.tell(session_control(venue.count + 1, Phase.CONTINUOUS)))
    assert said == [
        (TRIGGERED, 1, Reason.NONE),
        (CANCELLED, 0, OTHER),
        (EXPIRED, 1, Reason.NO_LIQUIDITY),
    ]


def test_an_auction_that_fills_the_limit_order_cancels_a_stop_that_its_price_meets(venue: Venue) -> None:
    venue.tell(session_control(venue.count + 1, Phase.AUCTION))
    pair = venue.paired(95, 100, side=Side.BUY)
    venue.place(Side.SELL, 95, 1, account="bob")
    said = of(pair, venue.tell(session_control(venue.count + 1, Phase.CONTINUOUS)))
    assert said == [(TRADE, 0, Reason.NONE), (CANCELLED, 1, OTHER)]


@pytest.mark.parametrize(
    ("phase", "reason"), [(Phase.HALTED, Reason.SYMBOL_HALTED), (Phase.CLOSED, Reason.SYMBOL_CLOSED)]
)
def test_what_the_book_does_not_take_is_refused_twice(venue: Venue, phase: Phase, reason: Reason) -> None:
    venue.tell(session_control(venue.count + 1, phase))
    pair = venue.pair()
    answers = venue.tell(pair)
    assert of(pair, answers) == [(REJECTED, 0, reason), (REJECTED, 1, reason)]
    assert [answer.command_id for answer in answers] == [pair.command_id, None]
    assert [answer.trigger_price_e8 for answer in answers] == [None, 90 * E8]


def test_an_unknown_symbol_and_an_end_that_is_over_are_refused_twice(venue: Venue) -> None:
    pair = venue.pair()
    said = MatchingCore(0, 1).apply(as_input(pair, 1))
    assert [output.message.reason for output in said] == [Reason.SYMBOL_UNKNOWN] * 2
    venue.tell(Tick(1, 5_000_000))
    late = venue.pair(time_in_force=TimeInForce.GTD, expire_us=5_000_000)
    assert of(late, venue.tell(late)) == [(REJECTED, 0, Reason.EXPIRY_INVALID), (REJECTED, 1, Reason.EXPIRY_INVALID)]


@pytest.mark.parametrize("full", ["waiting", "orders", "level"])
def test_a_full_book_takes_none_of_both(venue: Venue, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    if full == "waiting":
        monkeypatch.setattr(core_module, "WAITING_MAX", 0)
        numbers = 0, E8
    elif full == "orders":
        monkeypatch.setattr("workers.matching.placing.ORDERS_MAX", 0)
        numbers = 0, E8
    else:
        venue.place(Side.SELL, 110, (2**63 - 1) / E8 - 1, account="bob")
        level = venue.core.books["BTC-USD"].asks.levels[110 * E8]
        numbers = 2**63 - 1 - level.quantity_e8, 2 * E8
    pair = venue.pair()
    answers = venue.tell(pair)
    assert of(pair, answers) == [(REJECTED, 0, Reason.BOOK_FULL), (REJECTED, 1, Reason.BOOK_FULL)]
    assert {(answer.limit_e8, answer.actual_e8) for answer in answers} == {numbers}


def test_a_snapshot_keeps_pairs_and_forgets_those_that_are_decided(venue: Venue) -> None:
    decided, whole = venue.paired(), venue.paired(111)
    venue.place(Side.BUY, 110, 1, account="bob")
    restarted = open_core()
    restarted.load(venue.core.dump(), venue.core.behaviour)
    assert restarted.dump() == venue.core.dump()
    assert (
        restarted.books["BTC-USD"].pairs
        == venue.core.books["BTC-USD"].pairs
        == {whole.order_id: (whole.order_id, whole.order_id | STOP)}
    )
    venue.core = restarted
    assert of(decided, venue.place(Side.BUY, 110, 0.5, account="bob")) == [(TRADE, 0, Reason.NONE)]
    said = of(whole, venue.tell(cancel_order(venue.count + 1, members(whole)[1])))
    assert said == [(CANCELLED, 1, Reason.CANCELLED_BY_CLIENT), (CANCELLED, 0, OTHER)]
