"""A killed symbol: its book is cleared, takes nothing, and begins again where it stood when the symbol trades again."""

import pytest
from msgspec.structs import replace

from schemas.controls import control_error
from schemas.messages import (
    AccountStatus,
    BookChange,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Message,
    Reason,
    Side,
    SymbolStatus,
    Tick,
)
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
from workers.matching import remove
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


def test_another_change_does_not_reopen_it(killed: MatchingCore) -> None:
    dearer = replace(symbol_control(control_id="dearer", taker_fee_e8=1), symbol_status=SymbolStatus.HALTED)
    assert said(killed, dearer, 10) == []
    (answer,) = said(killed, new_order(11, Side.BUY, 99 * E8, E8), 11)
    assert isinstance(answer, Execution)
    assert answer.reason is Reason.SYMBOL_HALTED


def test_a_large_book_is_cleared_in_pieces_and_takes_nothing_until_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 2)
    core = open_core()
    for number in range(1, 6):
        core.apply(as_input(new_order(number, Side.BUY, (90 + number) * E8, E8), number))

    def ended(messages: list[Message]) -> list[int]:
        return [m.order_id for m in messages if isinstance(m, Execution) and m.reason is Reason.KILLED]

    assert ended(said(core, KILL, 10)) == [1, 2]
    refused = said(core, amend_order(11, new_order(5, Side.BUY, 95 * E8, E8), 94 * E8, E8), 11)[0]
    assert isinstance(refused, Execution)
    assert (refused.kind, refused.reason, refused.leaves_e8) == (
        *(ExecutionKind.AMEND_REJECTED, Reason.SYMBOL_HALTED),
        E8,
    )
    restarted = MatchingCore(0, 1)
    restarted.load(core.dump(), core.behaviour)
    cancelled = said(restarted, cancel_order(12, new_order(5, Side.BUY, 95 * E8, E8)), 12)[0]
    assert isinstance(cancelled, Execution)
    assert (cancelled.kind, cancelled.command_id) == (ExecutionKind.CANCELLED, 12)
    assert ended(said(restarted, Tick(sequence=1, ts_us=1), 13)) == [3, 4]
    restarted.apply(as_input(symbol_control(control_id="go on"), 14))
    accepted = said(restarted, new_order(15, Side.BUY, 99 * E8, E8), 15)[0]
    assert isinstance(accepted, Execution)
    assert accepted.kind is ExecutionKind.NEW


def test_one_that_shall_go_on_does_so_when_it_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 1)
    core = open_core()
    for number in (1, 2, 3):
        core.apply(as_input(new_order(number, Side.BUY, 99 * E8, E8), number))
    core.apply(as_input(KILL, 4))
    core.apply(as_input(symbol_control(control_id="go on"), 5))
    answers = []
    for number in (6, 8):
        answers.append(said(core, new_order(number, Side.BUY, 99 * E8, E8), number)[0])
        core.apply(as_input(Tick(sequence=1, ts_us=1), number + 1))
    assert [answer.reason for answer in answers if isinstance(answer, Execution)] == [Reason.SYMBOL_HALTED, Reason.NONE]


def test_one_tick_clears_so_many_however_many_books_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 2)
    core = open_core()
    core.apply(as_input(replace(symbol_control(control_id="another"), symbol="ETH-USD", base="ETH"), 1))
    for number in range(2, 10):
        order = new_order(number, Side.BUY, 99 * E8, E8)
        core.apply(as_input(replace(order, symbol="ETH-USD") if number % 2 else order, number))
    for number, symbol, base in ((10, SYMBOL, "BTC"), (11, "ETH-USD", "ETH")):
        core.apply(as_input(replace(KILL, control_id=f"kill {symbol}", symbol=symbol, base=base), number))
    pieces = [said(core, Tick(sequence=number, ts_us=number), 11 + number) for number in (1, 2, 3)]
    assert [sum(isinstance(message, Execution) for message in piece) for piece in pieces] == [2, 2, 0]


def test_only_what_is_stopped_is_cleared() -> None:
    assert "cancel_open goes with" in (control_error(replace(KILL, symbol_status=SymbolStatus.TRADING)) or "")
    assert control_error(KILL) is None
    funds = Control(ControlKind.FUNDS, "funds", account="alice", currency="USD", amount_e8=1)
    assert control_error(funds) is None
    for other in (
        replace(funds, account_status=AccountStatus.SUSPENDED, cancel_open=True),
        replace(KILL, symbol_status=SymbolStatus.TRADING, account_status=AccountStatus.SUSPENDED),
    ):
        assert "cancel_open goes with" in (control_error(other) or "")
