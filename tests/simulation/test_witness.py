"""The witness of a whole venue finds what is planted: in what was written, in what a core keeps, in a twin."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from schemas.messages import CommandKind, Execution, ExecutionKind, Message, OrderStatus, OrderType, Side, Trade
from tests.oracle.whole_venue import UNIT, WholeVenue
from tests.oracle.witness import Witness
from workers.kernel.stage import Core


class Recording(Witness):
    """Keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Message] = []

    def see(self, messages: list[Message]) -> None:
        self.seen += messages
        super().see(messages)


def limit(venue: WholeVenue, account: str, side: Side, price: int, quantity: int, **more: bool) -> None:
    terms = {"order_type": OrderType.LIMIT, "price_e8": price * UNIT, "quantity_e8": quantity * UNIT, **more}
    client_order_id = venue.next_client_id()
    venue.command(CommandKind.NEW, account, client_order_id=client_order_id, symbol="BTC-USD", side=side, **terms)
    venue.settle()


def traded(witness: Witness) -> WholeVenue:
    """Alice has sold four of her five to bob: two to an order that waited, and two of what rests, as reduce-only."""
    venue = WholeVenue(witness)
    venue.funds("alice", "BTC", -5 * UNIT)
    limit(venue, "bob", Side.BUY, 99, 2)
    limit(venue, "alice", Side.SELL, 98, 5, reduce_only=True)
    limit(venue, "bob", Side.BUY, 98, 2)
    return venue


def first(messages: list[Message], kind: ExecutionKind) -> int:
    return next(at for at, each in enumerate(messages) if isinstance(each, Execution) and each.kind is kind)


def drop_a_trade(messages: list[Message]) -> None:
    del messages[next(at for at, each in enumerate(messages) if isinstance(each, Trade))]


def fill_twice(messages: list[Message]) -> None:
    at = first(messages, ExecutionKind.TRADE)
    messages.insert(at, messages[at])


def change(kind: ExecutionKind, **fields: object) -> Callable[[list[Message]], None]:
    def damage(messages: list[Message]) -> None:
        at = first(messages, kind)
        messages[at] = replace(messages[at], **fields)  # type: ignore[type-var]

    return damage


DAMAGES = {
    "a trade is lost": drop_a_trade,
    "a fill is told twice": fill_twice,
    "a fill is worse than its limit": change(ExecutionKind.TRADE, last_price_e8=97 * UNIT, last_notional_e8=194 * UNIT),
    "a fill is for another notional": change(ExecutionKind.TRADE, last_notional_e8=199 * UNIT),
    "more is left than is open": change(ExecutionKind.TRADE, leaves_e8=4 * UNIT),
    "a state is passed over": change(ExecutionKind.NEW, status=OrderStatus.PARTIALLY_FILLED),
    "a fee is lost": change(ExecutionKind.TRADE, fee_e8=0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_finds_what_was_never_so(damage: str) -> None:
    right = Recording()
    traded(right)
    for wrong in (False, True):
        witness, messages = Witness(), list(right.seen)
        witness.pairs, witness.rates, witness.held = right.pairs, right.rates, right.held.copy()
        for fills in right.fills.values():
            for fill in fills:  # what was held before any fill
                sign = 1 if fill.side is Side.BUY else -1
                witness.held[fill.account, "BTC"] -= sign * (fill.last_quantity_e8 or 0)
                witness.held[fill.account, "USD"] += sign * (fill.last_notional_e8 or 0) + (fill.fee_e8 or 0)
        if not wrong:
            witness.see(messages)
            witness.settled()
            continue
        DAMAGES[damage](messages)
        with pytest.raises(AssertionError):
            saw(witness, messages)


def saw(witness: Witness, messages: list[Message]) -> None:
    witness.see(messages)
    witness.settled()


def test_it_finds_a_reduce_only_order_that_makes_a_position_larger() -> None:
    venue = traded(Witness())
    assert venue.witness.happened["fill reduce-only"] == 2
    venue.witness.held["alice", "BTC"] -= 2 * UNIT
    with pytest.raises(AssertionError, match="reduce-only increases"):
        limit(venue, "bob", Side.BUY, 98, 1)


def hold_more(core: Core) -> None:
    core._accounts["bob"].balance("USD").reserved_e8 += 1  # type: ignore[attr-defined]


def lose_a_part(core: Core) -> None:
    core.books["BTC-USD"].asks.levels[98 * UNIT].quantity_e8 -= 1  # type: ignore[attr-defined]


def cross(core: Core) -> None:
    core.books["BTC-USD"].asks.levels[98 * UNIT].side = Side.BUY  # type: ignore[attr-defined]


@pytest.mark.parametrize(("stage", "damage"), [("risk", hold_more), ("matching", lose_a_part), ("matching", cross)])
def test_it_finds_a_state_that_was_never_told(stage: str, damage: Callable[[Core], None]) -> None:
    venue = traded(Witness())
    damage(venue.cores[stage].core)
    with pytest.raises(AssertionError):
        venue.settle()


def test_a_twin_that_has_lost_something_says_something_else() -> None:
    venue = traded(Witness())
    venue.cores["matching"].split()
    limit(venue, "bob", Side.BUY, 97, 1)
    venue.cores["matching"].twin._matcher.trade_id += 1  # type: ignore[union-attr]
    with pytest.raises(AssertionError):
        limit(venue, "bob", Side.BUY, 98, 1)
