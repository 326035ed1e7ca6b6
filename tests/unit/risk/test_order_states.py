"""Every pair of a state and an execution: what can happen does, what cannot ends the stage; the page says the same."""

from itertools import product
from pathlib import Path

import pytest

from schemas.messages import ExecutionKind, OrderStatus
from schemas.order_states import ANSWERS_ONLY, FINAL, TRANSITIONS, may_become
from schemas.units import E8
from tests.oracle.risk_desk import open_desk

STATES = [state for state in OrderStatus if state is not OrderStatus.UNKNOWN]
KINDS = [kind for kind in ExecutionKind if kind is not ExecutionKind.UNKNOWN]
OF_THE_BOOK = {ExecutionKind.CANCEL_REJECTED, ExecutionKind.AMEND_REJECTED}
"""Answers that change no order and that risk reads from the book; the others are its own."""
PAGE = Path(__file__).parents[3] / "docs" / "trading.md"


@pytest.mark.parametrize(("state", "kind"), list(product(STATES, KINDS)))
def test_risk_takes_the_steps_of_the_table_and_no_other(state: OrderStatus, kind: ExecutionKind) -> None:
    for after in STATES:
        desk = open_desk(alice={"USD": 10_000 * E8})
        order = desk.placed()
        kept = desk.core._accounts["alice"].orders[order.order_id]
        kept.status = state
        desk.in_book.add(order.order_id)
        if may_become(state, kind, after) or kind in OF_THE_BOOK:
            desk.executed(order, kind, after, price_e8=order.price_e8)
            assert kept.status is (state if kind in OF_THE_BOOK else after)
        else:
            with pytest.raises(AssertionError, match="would be wrong from now on"):
                desk.executed(order, kind, after, price_e8=order.price_e8)


def test_nothing_follows_a_final_state_and_everything_else_ends() -> None:
    assert {state for state, _ in TRANSITIONS} == set(STATES) - set(FINAL)
    reached = {after for steps in TRANSITIONS.values() for after in steps}
    assert reached == set(STATES) - {OrderStatus.PENDING}


def test_the_page_shows_the_table() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    head = lines.index("| state | NEW | TRIGGERED | TRADE | AMENDED | CANCELLED | EXPIRED | REJECTED |")
    kinds = [cell.strip() for cell in lines[head].strip("|").split("|")][1:]
    assert set(kinds) | ANSWERS_ONLY == {kind.value for kind in KINDS}
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[head + 2 : head + 2 + len(STATES)]]
    assert [row[0] for row in rows] == [
        *("PENDING", "NEW", "PARTIALLY_FILLED"),
        *("FILLED", "CANCELLED", "REJECTED", "EXPIRED"),
    ]
    for state, *cells in rows:
        for kind, cell in zip(kinds, cells, strict=True):
            said = {name for name in cell.split(", ") if name}
            assert said == TRANSITIONS.get((OrderStatus(state), ExecutionKind(kind)), frozenset()), (state, kind)
