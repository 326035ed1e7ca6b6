"""The operator's commands undo nothing that a gateway, or another command, decided meanwhile."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace

from schemas.codec import local_codec
from schemas.decided import on_top
from schemas.messages import AccountKind, AccountStatus, Control, ControlKind, SymbolStatus
from schemas.units import E8
from tradsys.errors import CommandError
from tradsys.operator import decisions as module
from tradsys.operator.decisions import Decisions
from workers.kernel.stage import Record

RULES = {"symbol": "BTC-USD", "symbol_status": SymbolStatus.TRADING, "base": "BTC", "quote": "USD", "lot_e8": 1}
SYMBOL = Control(ControlKind.SYMBOL, "made", tick_e8=E8, **RULES)


class Log:
    """The control topic in memory; what others write just before the next decisions of this command is in `others`."""

    bootstrap, prefix, shards = "", "", 1

    def __init__(self, *controls: Control) -> None:
        self.controls = list(controls)
        self.others: list[list[Control]] = []
        self.hidden = 0
        """So many more looks show nothing of what came since."""

    def records(self, topic: str, partitions: Sequence[int] | None, since: int) -> Iterator[Record]:
        assert (topic, partitions) == ("control", (0,))
        self.hidden -= 1
        for offset, control in enumerate(self.controls[since:], since):
            if self.hidden < 0:
                yield Record("control", 0, offset, 1, None, local_codec().encode(control), ())

    def write(self, _bootstrap: str, _prefix: str, _shards: int, values: Sequence[bytes]) -> None:
        for value in values:
            control = local_codec().decode(value, "Control")
            assert isinstance(control, Control)
            self.controls += [*(self.others.pop(0) if self.others else ()), control]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log(SYMBOL)
    monkeypatch.setattr(module, "write_decisions", log.write)
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    return log


def opened(log: Any) -> Decisions:
    return Decisions(log, local_codec())


def change(decisions: Decisions, **changes: Any) -> None:
    fields = decisions.decided.symbol_fields("BTC-USD", changes)
    assert decisions.decide(ControlKind.SYMBOL, None, changes, **fields)


def test_what_nobody_disturbs_is_written_once_and_read_back(log: Log) -> None:
    decisions = opened(log)
    log.others = [[replace(SYMBOL, control_id="other", symbol="ETH-USD", base="ETH")]]
    log.hidden = 2
    change(decisions, tick_e8=2 * E8)
    change(decisions, tick_e8=3 * E8)
    assert [control.tick_e8 for control in log.controls] == [E8, E8, 2 * E8, 3 * E8]
    assert (decisions.symbols["BTC-USD"].tick_e8, [*decisions.symbols]) == (3 * E8, ["BTC-USD", "ETH-USD"])


def test_a_change_undoes_no_stop_that_came_between(log: Log) -> None:
    decisions = opened(log)
    log.others = [[replace(SYMBOL, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)]]
    change(decisions, tick_e8=2 * E8)
    holds = opened(log).symbols["BTC-USD"]
    assert (holds.symbol_status, holds.tick_e8, holds.cancel_open) == (SymbolStatus.HALTED, 2 * E8, False)
    assert len(log.controls) == 4
    assert decisions.symbols["BTC-USD"] == holds


def test_a_stop_undoes_no_change_that_came_between(log: Log) -> None:
    decisions = opened(log)
    log.others = [[replace(SYMBOL, control_id="tick", tick_e8=5)]]
    stop = {"symbol_status": SymbolStatus.HALTED, "cancel_open": True}
    decisions.write([decisions.changed(SYMBOL, **stop)], "", stop)
    holds = opened(log).symbols["BTC-USD"]
    assert (holds.symbol_status, holds.tick_e8, holds.cancel_open) == (SymbolStatus.HALTED, 5, True)


def test_who_is_disturbed_twice_is_told(log: Log) -> None:
    decisions = opened(log)
    log.others = [[replace(SYMBOL, control_id=f"other-{number}", tick_e8=number)] for number in (5, 6)]
    with pytest.raises(CommandError, match="Others decide about the same"):
        change(decisions, lot_e8=7)


KILL = replace(SYMBOL, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)


def test_who_could_not_mend_what_he_undid_is_told_each_time(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions = opened(log)
    log.others = [[KILL]]
    written = log.write

    def write(*arguments: Any) -> None:
        monkeypatch.setattr(module, "write_decisions", fail)
        written(*arguments)

    def fail(*_: Any) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    monkeypatch.setattr(module, "write_decisions", write)
    for _ in range(2):
        fields = decisions.decided.symbol_fields("BTC-USD", {"tick_e8": 2 * E8})
        with pytest.raises(CommandError, match="this stands, but may have undone one of theirs"):
            decisions.decide(ControlKind.SYMBOL, "mine", {"tick_e8"}, **fields)
        decisions = opened(log)
    assert [control.control_id for control in log.controls] == ["made", "kill", "mine"]


def test_a_change_that_cannot_be_with_what_came_between_is_taken_back(log: Log) -> None:
    decisions = opened(log)
    kill = replace(KILL, maintenance_margin_e8=E8 // 2)
    log.others = [[kill]]
    with pytest.raises(CommandError, match=r"It was taken back.*initial_margin_e8 is 10000000: it must be"):
        change(decisions, initial_margin_e8=E8 // 10)
    holds = opened(log).symbols["BTC-USD"]
    signed = {"issued_us": holds.issued_us, "issued_by": holds.issued_by}
    assert holds == replace(kill, control_id=holds.control_id, **signed)


def test_accounts_are_changed_alike(log: Log) -> None:
    desk = Control(
        ControlKind.ACCOUNT, "desk", account="a", account_kind=AccountKind.CASH, account_status=AccountStatus.ACTIVE
    )
    log.controls.append(desk)
    decisions = opened(log)
    log.others = [[replace(desk, control_id="kill", account_status=AccountStatus.SUSPENDED)]]
    fields = decisions.decided.account_fields("a", {"open_orders_max": 7})
    decisions.decide(ControlKind.ACCOUNT, "mine", {"open_orders_max": 7}, **fields)
    holds = opened(log).accounts["a"]
    assert (holds.account_status, holds.open_orders_max, holds.control_id) == (AccountStatus.SUSPENDED, 7, "mine-again")


def test_limits_are_changed_alike(log: Log) -> None:
    decisions = opened(log)
    log.others = [[Control(ControlKind.LIMITS, "size", symbol="BTC-USD", max_order_size_e8=2 * E8)]]
    for changes in ({"max_open_orders": 7}, {"max_open_orders": 8}):
        fields = decisions.decided.limits_fields(None, "BTC-USD", changes)
        assert decisions.decide(ControlKind.LIMITS, None, changes, **fields)
        log.others = [[replace(log.controls[-1], control_id="more", max_order_size_e8=3 * E8)]]
    holds = opened(log).limits["", "BTC-USD"]
    assert (holds.max_order_size_e8, holds.max_open_orders) == (3 * E8, 8)


def test_a_decision_that_is_not_read_back_is_said(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_BACK_S_MAX", 0.0)
    decisions = opened(log)
    log.hidden = 10
    with pytest.raises(CommandError, match="could not be read back"):
        change(decisions, tick_e8=2 * E8)


def test_the_longest_id_has_room_to_be_said_again() -> None:
    again = on_top(SYMBOL, replace(SYMBOL, control_id="x" * 128), {"tick_e8"})
    assert (len(again.control_id), again.control_id[-6:]) == (128, "-again")
