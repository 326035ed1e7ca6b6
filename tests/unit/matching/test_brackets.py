"""Brackets in the book: an entry is an order as any, and what comes of it rests in whatever phase."""

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
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8
from tests.oracle.order_stream import (
    amend_order,
    as_input,
    bracket_pair,
    cancel_order,
    members,
    new_order,
    open_core,
    symbol_control,
)
from tests.oracle.session_stream import session_control

NEW, TRADE, CANCELLED = ExecutionKind.NEW, ExecutionKind.TRADE, ExecutionKind.CANCELLED
OTHER = Reason.ONE_CANCELS_OTHER


class Venue:
    """A core that numbers what it is told."""

    def __init__(self) -> None:
        self.core = open_core()
        self.count = 0

    def tell(self, message: Message) -> list[Execution]:
        self.count += 1
        outputs = self.core.apply(as_input(message, self.count))
        return [output.message for output in outputs if isinstance(output.message, Execution)]

    def place(self, side: Side, price: int, quantity: int, **fields: object) -> list[Execution]:
        return self.tell(new_order(self.count + 1, side, price * E8, quantity * E8, **fields))  # type: ignore[arg-type]

    def enter(self, price: int = 100, **fields: object) -> tuple[Order, list[Execution]]:
        """A buy of 2 BTC."""
        order = new_order(self.count + 1, Side.BUY, price * E8, 2 * E8, account="zoe", **fields)  # type: ignore[arg-type]
        entry = replace(order, group_id=order.order_id)
        return entry, self.tell(entry)

    def bring(self, entry: Order, profit: int = 110, trigger: int = 90) -> tuple[Order, list[Execution]]:
        pair = bracket_pair(entry, self.count + 1, profit * E8, trigger * E8, 2 * E8, worst_e8=E8)
        return pair, self.tell(pair)


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"time_in_force": TimeInForce.IOC},
        {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC},
        {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.FOK, "notional_e8": 200 * E8},
        {"display_e8": E8},
        {"time_in_force": TimeInForce.DAY},
    ],
)
def test_all_that_is_said_of_an_entry_names_its_group(venue: Venue, fields: dict[str, object]) -> None:
    venue.place(Side.SELL, 100, 3, account="bob")
    entry, said = venue.enter(**fields)
    said += venue.tell(amend_order(venue.count + 1, entry, 95 * E8, 3 * E8))
    said += venue.place(Side.SELL, 95, 1, account="carol")
    said += venue.tell(cancel_order(venue.count + 1, entry))
    mine = [each for each in said if each.order_id == entry.order_id and each.reason is not Reason.ORDER_FINAL]
    assert len(mine) > 1
    assert {each.group_id for each in mine} == {entry.order_id}


@pytest.mark.parametrize("phase", [None, *(phase for phase in Phase if phase is not Phase.UNKNOWN)])
def test_what_comes_of_it_is_taken_in_any_phase(venue: Venue, phase: Phase | None) -> None:
    venue.place(Side.SELL, 100, 2, account="bob")
    entry, _ = venue.enter()
    if phase is not None:
        venue.tell(session_control(venue.count + 1, phase))
    pair, said = venue.bring(entry)
    number = entry.order_id
    assert [(each.kind, each.order_id, each.command_id, each.client_order_id, each.group_id) for each in said] == [
        (NEW, number + 2**45, None, f"mine-{number}:stop", number),
        (NEW, number + 2**46, pair.command_id, f"mine-{number}:profit", number),
    ]
    assert [each.reduce_only for each in said] == [True, True]
    if phase not in {None, Phase.CONTINUOUS}:
        venue.tell(session_control(venue.count + 1, Phase.CONTINUOUS))
    said = venue.place(Side.BUY, 110, 1, account="carol")
    told = [(each.kind, each.order_id, each.reason) for each in said if each.account == "zoe"]
    assert told == [(TRADE, number + 2**46, Reason.NONE), (CANCELLED, number + 2**45, OTHER)]


def test_a_killed_symbol_refuses_both(venue: Venue) -> None:
    venue.place(Side.SELL, 100, 2, account="bob")
    entry, _ = venue.enter()
    venue.place(Side.SELL, 200, 1, account="bob")
    halted = replace(symbol_control(control_id="kill"), symbol_status=SymbolStatus.HALTED, cancel_open=True)
    venue.tell(halted)
    _, said = venue.bring(entry)
    assert [(each.kind, each.reason, each.order_id >> 45) for each in said] == [
        (ExecutionKind.REJECTED, Reason.SYMBOL_HALTED, 2),
        (ExecutionKind.REJECTED, Reason.SYMBOL_HALTED, 1),
    ]


def test_a_pair_of_its_own_is_not_taken_by_a_halted_symbol(venue: Venue) -> None:
    entry, _ = venue.enter()
    venue.tell(session_control(venue.count + 1, Phase.HALTED))
    pair = bracket_pair(entry, venue.count + 1, 110 * E8, 90 * E8, 2 * E8, worst_e8=E8)
    said = venue.tell(replace(pair, group_id=pair.order_id))
    assert [each.kind for each in said] == [ExecutionKind.REJECTED] * 2


@pytest.mark.parametrize("number", [0, 1])
def test_the_end_of_one_is_the_end_of_the_other_after_a_restart_too(venue: Venue, number: int) -> None:
    venue.place(Side.SELL, 100, 4, account="bob")
    (entry, _), (other, _) = venue.enter(), venue.enter()
    pair, _ = venue.bring(entry)
    resting = venue.enter(80)[0]
    kept, _ = venue.bring(other)
    restarted = open_core()
    restarted.load(venue.core.dump(), venue.core.behaviour)
    assert restarted.dump() == venue.core.dump()
    assert restarted.books["BTC-USD"].pairs == venue.core.books["BTC-USD"].pairs
    venue.core = restarted
    removal = replace(members(pair)[number], kind=OrderKind.REMOVE, reason=Reason.KILLED)
    said = venue.tell(removal)
    assert [(each.order_id, each.reason) for each in said] == [
        (members(pair)[number].order_id, Reason.KILLED),
        (members(pair)[1 - number].order_id, OTHER),
    ]
    left = {order.order_id for order in venue.core.books["BTC-USD"].open_orders()}
    assert left == {resting.order_id, *(order.order_id for order in members(kept))}


def test_the_first_command_of_all_names_its_group(venue: Venue) -> None:
    """Its id, and so its group's, is 0."""
    order = replace(new_order(0, Side.BUY, 100 * E8, 2 * E8), order_id=0, group_id=0)
    assert [(each.kind, each.group_id) for each in venue.tell(order)] == [(NEW, 0)]
