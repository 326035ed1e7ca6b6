"""Many symbols that change their phase with one record share what one record may do."""

import pytest
from msgspec.structs import replace

from schemas.messages import Execution, ExecutionKind, Message, Phase, Side, Tick, TimeInForce, Trade
from schemas.units import E8
from tests.oracle.order_stream import SYMBOL, as_input, new_order, open_core, symbol_control
from tests.oracle.session_stream import session_control
from workers.matching import auction, remove
from workers.matching.core import MatchingCore

SYMBOLS = (SYMBOL, "ETH-USD", "SOL-USD")
OPENS_US = 1_000


def said(core: MatchingCore, message: Message, number: int) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, number))]


def collecting(then: Phase) -> MatchingCore:
    """Each symbol collects two orders that agree, good for the day, and goes over to a phase at the same tick."""
    core, number = open_core(), 10
    for symbol in SYMBOLS[1:]:
        core.apply(as_input(symbol_control(symbol), number))
    for symbol in SYMBOLS:
        for phase, at_us in ((Phase.AUCTION, None), (then, OPENS_US)):
            number += 1
            core.apply(as_input(session_control(number, phase, at_us, symbol), number))
        for account, side in (("ask", Side.SELL), ("bid", Side.BUY)):
            number += 1
            order = new_order(number, side, 100 * E8, E8, account=account, time_in_force=TimeInForce.DAY)
            core.apply(as_input(replace(order, symbol=symbol), number))
    return core


def test_one_tick_makes_so_many_trades_of_all_symbols_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auction, "TRADES_MAX", 2)
    core = collecting(Phase.CONTINUOUS)
    ticks = [said(core, Tick(sequence=number, ts_us=OPENS_US), 100 + number) for number in range(3)]
    assert [sum(isinstance(message, Trade) for message in tick) for tick in ticks] == [2, 1, 0]
    assert core.books.keys() == set(SYMBOLS)


def test_one_tick_ends_so_many_orders_of_all_symbols_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 2)
    core = collecting(Phase.HALTED)
    for number, symbol in enumerate(SYMBOLS):
        core.apply(as_input(session_control(200 + number, Phase.CLOSED, 2 * OPENS_US, symbol), 200 + number))
    said(core, Tick(sequence=1, ts_us=OPENS_US), 300)
    ticks = [said(core, Tick(sequence=number, ts_us=2 * OPENS_US), 300 + number) for number in range(1, 5)]
    ended = [
        sum(isinstance(message, Execution) and message.kind is ExecutionKind.EXPIRED for message in tick)
        for tick in ticks
    ]
    assert ended == [2, 2, 2, 0]
