"""A plan of phases: in order, one for each time, with a limit."""

import pytest

from schemas import sessions
from schemas.messages import Phase
from schemas.sessions import Plan


def test_what_is_due_comes_in_order_and_once() -> None:
    plan = Plan()
    for time_us, phase in ((30, Phase.CLOSED), (10, Phase.AUCTION), (20, Phase.CONTINUOUS)):
        assert plan.set(time_us, phase)
    assert plan.closes()
    assert list(plan.due(9)) == []
    assert list(plan.due(20)) == [Phase.AUCTION, Phase.CONTINUOUS]
    assert plan.steps == [(30, Phase.CLOSED)]
    assert list(plan.due(30)) == [Phase.CLOSED]
    assert not plan.closes()


def test_a_time_has_one_phase_and_can_be_given_back() -> None:
    plan = Plan([(10, Phase.AUCTION), (20, Phase.CONTINUOUS)])
    assert plan.set(10, Phase.HALTED)
    assert plan.steps == [(10, Phase.HALTED), (20, Phase.CONTINUOUS)]
    plan.withdraw(15)
    plan.withdraw(10)
    assert plan.steps == [(20, Phase.CONTINUOUS)]
    plan.withdraw(None)
    assert plan.steps == []


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PLANNED_MAX", 2)
    plan = Plan([(10, Phase.AUCTION), (20, Phase.CONTINUOUS)])
    assert not plan.set(30, Phase.CLOSED)
    assert plan.set(20, Phase.CLOSED)
    assert plan.steps == [(10, Phase.AUCTION), (20, Phase.CLOSED)]
