"""A killed symbol: its book is cleared, takes nothing, and begins again where it stood when the symbol trades again."""

import pytest
from msgspec.structs import replace

from schemas.controls import control_error
from schemas.messages import BookChange, Execution, ExecutionKind, Message, Reason, Side, SymbolStatus
from schemas.units import E8
from tests.oracle.order_stream import (
    MAKER_FEE_E8,
    SYMBOL,
    amend_order,
    as_input,
    cancel_order,
    new_order,
    open_core,
    symbol_control,
)
from workers.matching.core import MatchingCore

KILL = replace(symbol_control(control_id="kill"), symbol_status=SymbolStatus.HALTED, cancel_open=True)


def said(core: MatchingCore, message: Message, number: int) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, number))]


@pytest.fixture
def killed() -> MatchingCore:
    core = open_core()
    for number, (side, price) in enumerate([(Side.BUY, 99), (Side.BUY, 98), (Side.SELL, 101)], 1):
        core.apply(as_input(new_order(number, side, price * E8, E8), number))
    messages = said(core, KILL, 9)
    executions = [message for message in messages if isinstance(message, Execution)]
    assert [(e.order_id, e.kind, e.reason, e.command_id, e.leaves_e8) for e in executions] == [
        (number, ExecutionKind.CANCELLED, Reason.KILLED, None, 0) for number in (1, 2, 3)
    ]
    changes = [message for message in messages if isinstance(message, BookChange)]
    assert [(change.sequence, change.quantity_e8) for change in changes] == [(4, 0), (5, 0), (6, 0)]
    return core


def test_what_risk_let_pass_before_is_refused_by_the_book(killed: MatchingCore) -> None:
    order = new_order(10, Side.BUY, 99 * E8, E8)
    assert [(m.kind, m.reason) for m in said(killed, order, 10) if isinstance(m, Execution)] == [
        (ExecutionKind.REJECTED, Reason.SYMBOL_HALTED)
    ]
    gone = new_order(1, Side.BUY, 99 * E8, E8)
    for change, kind in (
        (cancel_order(11, gone), ExecutionKind.CANCEL_REJECTED),
        (amend_order(12, gone, 98 * E8, E8), ExecutionKind.AMEND_REJECTED),
    ):
        (answer,) = said(killed, change, 11)
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.reason) == (kind, Reason.ORDER_FINAL)


@pytest.mark.parametrize("restarted", [False, True])
def test_the_book_goes_on_with_its_sequence_when_the_symbol_trades_again(
    killed: MatchingCore, *, restarted: bool
) -> None:
    core = killed
    if restarted:
        core = MatchingCore(0, 1)
        core.load(killed.dump(), killed.behaviour)
        assert core.dump() == killed.dump()
    core.apply(as_input(symbol_control(control_id="go on"), 20))
    core.apply(as_input(new_order(21, Side.BUY, 99 * E8, E8, account="maker"), 21))
    told = said(core, new_order(22, Side.SELL, 99 * E8, E8), 22)
    assert [message.sequence for message in told if isinstance(message, BookChange)] == [8]
    fees = [message.fee_e8 for message in told if isinstance(message, Execution) and message.account == "maker"]
    assert fees == [99 * MAKER_FEE_E8]


def test_killing_twice_does_nothing_more(killed: MatchingCore) -> None:
    assert said(killed, replace(KILL, control_id="again"), 10) == []
    assert SYMBOL not in killed.books


def test_only_what_is_stopped_is_cleared() -> None:
    assert "cancel_open goes with" in (control_error(replace(KILL, symbol_status=SymbolStatus.TRADING)) or "")
    assert control_error(KILL) is None
