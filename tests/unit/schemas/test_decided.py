"""What a decision keeps of the one before it, and what it stops."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas import decided as module
from schemas.decided import DISTURBED, ChangeError, Decided
from schemas.messages import AccountKind, AccountStatus, Control, ControlKind, Phase, SymbolStatus

TICK_AND_LOT = {"tick_e8": 5, "lot_e8": 7}


def apply(venue: Decided, kind: ControlKind, fields: dict[str, Any], now_us: int = 0) -> Control:
    control = Control(kind=kind, control_id=f"c{len(venue.gate.dump()[0])}", **fields)
    assert venue.apply(control, now_us)
    return control


@pytest.fixture
def venue() -> Decided:
    made = Decided()
    for symbol in ("BTC-USD", "ETH-USD"):
        apply(made, ControlKind.SYMBOL, made.symbol_fields(symbol, TICK_AND_LOT | {"maker_fee_e8": 3}))
    for account in ("alice", "bob"):
        apply(made, ControlKind.ACCOUNT, made.account_fields(account, {"account_kind": AccountKind.CASH}))
    return made


def test_a_symbol_is_made_of_its_name_and_keeps_what_is_not_said(venue: Decided) -> None:
    made = venue.symbols["BTC-USD"]
    assert (made.base, made.quote, made.symbol_status) == ("BTC", "USD", SymbolStatus.TRADING)
    fields = venue.symbol_fields("BTC-USD", {"tick_e8": 9, "price_band_e8": 1, "maker_fee_e8": None})
    changed = apply(venue, ControlKind.SYMBOL, fields)
    assert (changed.tick_e8, changed.lot_e8, changed.price_band_e8, changed.maker_fee_e8) == (9, 7, 1, None)
    with pytest.raises(ChangeError, match="NEW-USD is new: it needs at least a tick and a lot"):
        venue.symbol_fields("NEW-USD", {"tick_e8": 1})


def test_a_halt_that_took_orders_out_does_not_do_it_again_with_the_next_change(venue: Decided) -> None:
    (stop,) = venue.stops("symbol", "BTC-USD", None, AccountStatus.SUSPENDED)
    assert (stop.before, stop.fields["symbol_status"]) == (venue.symbols["BTC-USD"], SymbolStatus.HALTED)
    apply(venue, ControlKind.SYMBOL, venue.symbol_fields("BTC-USD", {}) | dict(stop.fields))
    assert "cancel_open" not in venue.symbol_fields("BTC-USD", {"tick_e8": 1})


def test_an_account_that_is_made_active_counts_its_losses_anew(venue: Decided) -> None:
    assert venue.account_fields("bob", {"open_orders_max": 5}) == {
        "account": "bob",
        "account_kind": AccountKind.CASH,
        "account_status": AccountStatus.ACTIVE,
        "leverage_e8": None,
        "open_orders_max": 5,
        "self_trade_prevention": None,
        "resume": False,
    }
    assert venue.account_fields("bob", {"account_status": AccountStatus.ACTIVE})["resume"]
    with pytest.raises(ChangeError, match="zoe is new"):
        venue.account_fields("zoe", {"account_status": AccountStatus.ACTIVE})


def test_limits_are_those_of_their_scope(venue: Decided) -> None:
    apply(venue, ControlKind.LIMITS, venue.limits_fields("bob", None, {"max_open_orders": 5}))
    fields = venue.limits_fields("bob", None, {"max_leverage_e8": 2})
    assert (fields["max_open_orders"], fields["max_leverage_e8"]) == (5, 2)
    assert "max_open_orders" not in venue.limits_fields(None, None, {"max_leverage_e8": 2})
    for account, symbol, said in (("zoe", None, "no account zoe; there are alice, bob"), (None, "X", "no symbol X")):
        with pytest.raises(ChangeError, match=said):
            venue.limits_fields(account, symbol, {})


def test_what_is_stopped_is_what_is_named(venue: Decided) -> None:
    suspended, reducing = AccountStatus.SUSPENDED, AccountStatus.REDUCING
    for asked, expected in (
        (("symbol", "BTC-USD", None, suspended), ["BTC-USD"]),
        (("account", "bob", None, reducing), ["bob"]),
        (("strategy", "bob", "trend", suspended), ["trend of bob"]),
        (("venue", None, None, suspended), ["BTC-USD", "ETH-USD"]),
        (("venue", None, None, reducing), ["alice", "bob"]),
    ):
        stops = venue.stops(*asked)
        assert [stop.what for stop in stops] == expected
        assert all(stop.fields["cancel_open"] for stop in stops)
    with pytest.raises(ChangeError, match="There is no account zoe"):
        venue.stops("account", "zoe", None, suspended)
    with pytest.raises(ChangeError, match="The venue has no symbols"):
        Decided().stops("venue", None, None, suspended)


def test_a_decision_counts_once_and_what_cannot_be_does_not(venue: Decided) -> None:
    again = venue.symbols["BTC-USD"]
    assert not venue.apply(again, 0)
    other_pair = Control(ControlKind.SYMBOL, "x", **venue.symbol_fields("BTC-USD", {"quote": "EUR"}))
    assert not venue.apply(other_pair, 0)
    assert venue.symbols["BTC-USD"] is again


def test_phases_to_come_are_planned_and_bounded(venue: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    def session(at_us: int | None, phase: Phase | None) -> Control:
        return Control(ControlKind.SESSION, f"s{at_us}{phase}", symbol="BTC-USD", phase=phase, effective_us=at_us)

    for at_us in (30, 20):
        venue.apply(session(at_us, Phase.CLOSED), 10)
    assert venue.planned("BTC-USD", 25) == [(30, Phase.CLOSED)]
    assert venue.planned("BTC-USD", 0) == [(20, Phase.CLOSED), (30, Phase.CLOSED)]
    monkeypatch.setattr(module, "PLANNED_MAX", 2)
    venue.require_room([session(30, Phase.HALTED), session(None, Phase.HALTED), session(99, None)], 0)
    with pytest.raises(ChangeError, match="BTC-USD would have 3 changes planned; 2 are the most"):
        venue.require_room([session(40, Phase.HALTED)], 0)
    venue.apply(session(None, None), 0)
    assert venue.planned("BTC-USD", 0) == []


def test_who_came_between_is_found_and_nothing_is_undone(venue: Decided) -> None:
    newest = venue.symbols["BTC-USD"]
    mine = replace(newest, control_id="mine", tick_e8=9)
    venue.apply(mine, 0)
    venue.apply(replace(venue.symbols["ETH-USD"], control_id="elsewhere", tick_e8=8), 0)
    assert (venue.owed(["mine", "unknown"], {"tick_e8"}), venue.conflict(["mine"], {"tick_e8"})) == ([], None)
    other = replace(mine, control_id="other", symbol_status=SymbolStatus.HALTED, lot_e8=8)
    later = replace(mine, control_id="later", tick_e8=10)
    for control in (other, later):
        venue.apply(control, 0)
    (again,) = venue.owed(["mine", "later"], {"tick_e8"})
    assert venue.conflict(["later"], {"tick_e8"}) == DISTURBED
    assert (again.tick_e8, again.lot_e8, again.symbol_status) == (10, 8, SymbolStatus.HALTED)
    assert again.control_id == "later-again"
    venue.apply(again, 0)
    assert (venue.owed(["later"], {"tick_e8"}), venue.conflict(["later"], {"tick_e8"})) == ([], None)


def test_what_others_decided_since_is_not_written_over(venue: Decided) -> None:
    newest = venue.symbols["BTC-USD"]
    kill = replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED)
    mine = replace(newest, control_id="mine", tick_e8=9)
    for control in (kill, mine, replace(mine, control_id="since", lot_e8=8)):
        venue.apply(control, 0)
    assert venue.owed(["mine"], {"tick_e8"}) == []
    assert venue.conflict(["mine"], {"tick_e8"}) == DISTURBED


def test_who_is_disturbed_twice_stays_in_conflict(venue: Decided) -> None:
    newest = venue.symbols["BTC-USD"]
    for control in (replace(newest, control_id="other", lot_e8=8), replace(newest, control_id="mine", tick_e8=9)):
        venue.apply(control, 0)
    (again,) = venue.owed(["mine"], {"tick_e8"})
    for control in (replace(newest, control_id="third", lot_e8=9), again):
        venue.apply(control, 0)
    assert (venue.owed(["mine"], {"tick_e8"}), venue.conflict(["mine"], {"tick_e8"})) == ([], DISTURBED)


def test_what_cannot_be_with_the_one_before_is_taken_back(venue: Decided) -> None:
    newest = venue.symbols["BTC-USD"]
    kill = replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, maintenance_margin_e8=9)
    for control in (kill, replace(newest, control_id="mine", initial_margin_e8=8)):
        venue.apply(control, 0)
    (again,) = venue.owed(["mine"], {"initial_margin_e8"})
    assert again == replace(kill, control_id="mine-again")
    venue.apply(again, 0)
    assert venue.owed(["mine"], {"initial_margin_e8"}) == []
    assert "It was taken back" in (venue.conflict(["mine"], {"initial_margin_e8"}) or "")


def test_what_decisions_came_after_is_forgotten_in_the_end(venue: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_MAX", 2)
    newest = venue.symbols["BTC-USD"]
    for number in range(5):
        venue.apply(replace(newest, control_id=f"{number}", lot_e8=7 + number, tick_e8=7 + number), 0)
    assert [control.control_id for control in venue.owed(["4"], {"tick_e8"})] == ["4-again"]
    conflicts = [venue.conflict([f"{number}"], {"tick_e8"}) for number in range(5)]
    assert conflicts == [None, None, None, DISTURBED, DISTURBED]
