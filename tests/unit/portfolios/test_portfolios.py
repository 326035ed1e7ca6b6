"""Portfolios, alerts and halts: who is told what, and when."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.messages import (
    AccountKind,
    AccountState,
    AccountStatus,
    Control,
    ControlKind,
    DeadLetter,
    Frame,
    FrameKind,
    LedgerEntry,
    LedgerKind,
    Mark,
    Message,
    Phase,
    Position,
    Reason,
    SessionChange,
    SymbolStatus,
)
from schemas.units import E8
from stream_topology.sharding import partition_of
from tests.oracle.market_inputs import START_US, at, tick
from workers.kernel.stage import Input
from workers.portfolios import core as portfolios_core
from workers.portfolios.app import make_core
from workers.portfolios.core import PortfoliosCore

SECOND_US = 1_000_000


def told(core: PortfoliosCore, *messages: Message, seconds: float = 0) -> list[tuple[str, Any]]:
    """Channels and payloads."""
    return [(frame.channel, json.loads(frame.payload)) for frame in frames(core, *messages, seconds=seconds)]


def frames(core: PortfoliosCore, *messages: Message, seconds: float = 0) -> list[Frame]:
    made = []
    for message in messages:
        given = at(message)
        record = Input(
            topic=given.topic,
            shard=0,
            offset=0,
            ts_us=given.ts_us or START_US + round(seconds * SECOND_US),
            key="",
            message=message,
            value=b"",
        )
        for output in core.apply(record):
            assert isinstance(output.message, Frame)
            assert (output.topic, output.key) == ("stream", output.message.channel)
            made.append(output.message)
    return made


def symbol(name: str = "BTC-USD", number: int = 1, **more: Any) -> Control:
    base, quote = name.split("-")
    values: dict[str, Any] = {
        "kind": ControlKind.SYMBOL,
        "control_id": f"{name}-{number}",
        "symbol": name,
        "symbol_status": SymbolStatus.TRADING,
        "base": base,
        "quote": quote,
        "tick_e8": 1,
        "lot_e8": 1,
    }
    return Control(**(values | more))


def account(name: str = "alice", number: int = 1, **more: Any) -> Control:
    values: dict[str, Any] = {
        "kind": ControlKind.ACCOUNT,
        "control_id": f"{name}-{number}",
        "account": name,
        "account_kind": AccountKind.MARGIN,
        "account_status": AccountStatus.ACTIVE,
        "leverage_e8": 5 * E8,
    }
    return Control(**(values | more))


def entry(currency: str, balance: float, name: str = "alice") -> LedgerEntry:
    return LedgerEntry(
        entry_id=1,
        kind=LedgerKind.DEPOSIT,
        account=name,
        debit_account=name,
        credit_account="venue:world",
        currency=currency,
        amount_e8=1,
        balance_e8=round(balance * E8),
        ts_us=START_US,
    )


def position(quantity: float, name: str = "alice", market: str = "BTC-USD", realised: float = 0) -> Position:
    return Position(
        account=name,
        symbol=market,
        sequence=1,
        quantity_e8=round(quantity * E8),
        cost_e8=round(quantity * 100 * E8),
        average_price_e8=100 * E8,
        realised_e8=round(realised * E8),
        unrealised_e8=round(quantity * E8),
        fees_e8=3 * E8,
        mark_price_e8=101 * E8,
        ts_us=START_US,
    )


def mark(price: float, market: str = "BTC-USD") -> Mark:
    return Mark(symbol=market, price_e8=round(price * E8), sequence=1, ts_us=START_US)


def session(phase: Phase, number: int = 1) -> SessionChange:
    return SessionChange(symbol="BTC-USD", sequence=number, phase=phase, ts_us=START_US)


def state(status: AccountStatus, reason: Reason, number: int = 1) -> AccountState:
    numbers: dict[str, Any] = {"currency": "USD", "limit_e8": 5 * E8, "actual_e8": 4 * E8}
    return AccountState(
        account="alice",
        sequence=number,
        status=status,
        reason=reason,
        ts_us=START_US,
        **({} if reason is Reason.NONE else numbers),
    )


def test_a_portfolio_is_told_once_a_tick_with_all_that_is_held() -> None:
    core = PortfoliosCore(0, 1)
    made = symbol(maintenance_margin_e8=E8 // 20)
    assert told(core, made, account(), mark(101), entry("USD", 1_000), entry("USD", 900), entry("BTC", 2)) == []
    assert told(core, replace(position(2, realised=7), correlation_id="5f0c")) == []
    ((channel, data),) = told(core, tick(1))
    assert channel == "portfolio:alice"
    assert (data["kind"], data["leverage"], data["complete"]) == ("margin", "5", True)
    assert data["balances"] == [{"currency": "BTC", "balance": "2"}, {"currency": "USD", "balance": "900"}]
    (held,) = data["positions"]
    assert (held["symbol"], held["quantity"], held["correlation_id"]) == ("BTC-USD", "2", "5f0c")
    assert data["margin"] == [
        {
            "currency": "USD",
            "equity": "1102",
            "exposure": "202",
            "maintenance_margin": "10.1",
            "realised": "7",
            "unrealised": "2",
            "fees": "3",
        }
    ]
    assert data["time"] == "2023-11-14T22:13:21.000000Z"
    assert told(core, tick(2)) == []


def test_profit_of_what_is_closed_counts_and_a_cash_account_maintains_no_margin() -> None:
    core = PortfoliosCore(0, 1)
    told(core, symbol(), account(account_kind=AccountKind.CASH, leverage_e8=None), entry("USD", 50))
    ((_, data),) = told(core, position(0, realised=-20), tick(1))
    assert (data["positions"], data["leverage"]) == ([], None)
    assert [(one["realised"], one["maintenance_margin"]) for one in data["margin"]] == [("-20", None)]


def test_what_has_no_mark_makes_the_worth_unknown_until_it_has_one() -> None:
    core = PortfoliosCore(0, 1)
    told(core, symbol("ETH-USD"), account(), entry("ETH", 3), entry("USD", 1))
    ((_, data),) = told(core, tick(1))
    assert [(one["equity"], one["exposure"], one["maintenance_margin"]) for one in data["margin"]] == [(None,) * 3]
    told(core, symbol("ETH-USD", 2, reference_price_e8=10 * E8), entry("ETH", 3))
    assert told(core, tick(2))[0][1]["margin"][0]["equity"] == "31"
    told(core, mark(11, "ETH-USD"), symbol("ETH-USD", 3, reference_price_e8=10 * E8), entry("ETH", 3))
    assert told(core, tick(3))[0][1]["margin"][0]["equity"] == "34"


def test_a_position_before_its_symbol_is_told_and_counted_when_that_comes() -> None:
    core = PortfoliosCore(0, 1)
    ((_, data),) = told(core, position(2), tick(1))
    assert (len(data["positions"]), data["margin"], data["kind"]) == (1, [], None)
    ((_, data),) = told(core, symbol(), position(2), tick(2))
    assert data["margin"][0]["unrealised"] == "2"


def test_who_holds_something_is_told_again_each_half_minute_at_the_newest_marks() -> None:
    core = PortfoliosCore(0, 1)
    told(core, symbol(), account(), account("empty"), mark(100), entry("BTC", 1), tick(0))
    assert told(core, mark(90), tick(29)) == []
    made = frames(core, tick(30))
    assert [(frame.channel, frame.sequence, frame.kind) for frame in made] == [("portfolio:alice", 2, FrameKind.UPDATE)]
    assert json.loads(made[0].payload)["margin"][0]["equity"] == "90"
    told(core, entry("BTC", 0), tick(31))
    assert told(core, tick(100)) == []


def test_so_many_portfolios_are_told_with_one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portfolios_core, "TOLD_MAX", 2)
    core = PortfoliosCore(0, 1)
    told(core, *(entry("USD", 1, name) for name in "abcde"))
    names = [[channel for channel, _ in told(core, tick(second))] for second in (1, 2, 3, 31, 32)]
    assert names == [
        ["portfolio:a", "portfolio:b"],
        ["portfolio:c", "portfolio:d"],
        ["portfolio:e"],
        ["portfolio:a", "portfolio:b"],
        ["portfolio:c", "portfolio:d"],
    ]


def test_a_frame_tells_so_many_holdings_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portfolios_core, "HOLDINGS_MAX", 1)
    core = PortfoliosCore(0, 1)
    ((_, data),) = told(core, entry("USD", 1), entry("EUR", 1), tick(1))
    assert (data["balances"], data["complete"]) == ([{"currency": "EUR", "balance": "1"}], False)


def test_how_an_account_stands_is_told_at_once() -> None:
    core = PortfoliosCore(0, 1)
    made = told(
        core,
        state(AccountStatus.REDUCING, Reason.MARGIN_CALL),
        state(AccountStatus.SUSPENDED, Reason.LIQUIDATION, 2),
        state(AccountStatus.REDUCING, Reason.DAILY_LOSS_LIMIT, 3),
        state(AccountStatus.ACTIVE, Reason.NONE, 4),
    )
    assert {channel for channel, _ in made} == {"alerts:alice"}
    assert [(data["status"], data["reason"], data["limit"], data["actual"]) for _, data in made] == [
        ("reducing", "MARGIN_CALL", "5", "4"),
        ("suspended", "LIQUIDATION", "5", "4"),
        ("reducing", "DAILY_LOSS_LIMIT", "5", "4"),
        ("active", "NONE", None, None),
    ]


def test_a_kill_of_an_account_or_a_strategy_is_told() -> None:
    core = PortfoliosCore(0, 1)
    suspended = {"account_status": AccountStatus.SUSPENDED}
    assert told(core, account(), account(number=2, **suspended)) == []  # its state says that
    ((channel, data),) = told(core, account(number=3, **suspended, cancel_open=True), seconds=5)
    assert (channel, data["status"], data["reason"]) == ("alerts:alice", "suspended", "KILLED")
    assert data["time"] == "2023-11-14T22:13:25.000000Z"
    strategy = {"kind": ControlKind.STRATEGY, "account": "alice", "strategy": "trend"}
    stop = Control(control_id="s", account_status=AccountStatus.REDUCING, **strategy)
    ((_, data),) = told(core, stop)
    assert (data["strategy"], data["status"], data["reason"]) == ("trend", "reducing", "NONE")
    assert told(core, stop) == []  # the same decision again


def test_a_halt_is_told_whoever_makes_it_and_its_end() -> None:
    core = PortfoliosCore(0, 1)
    assert told(core, symbol(), session(Phase.CONTINUOUS), session(Phase.AUCTION, 2)) == []
    steps = [
        (session(Phase.HALTED, 3), (True, False, "trading", "halted")),
        (session(Phase.AUCTION, 4), (False, False, "trading", "auction")),
        (symbol(number=2, symbol_status=SymbolStatus.HALTED), (True, False, "halted", "auction")),
        (symbol(number=3, symbol_status=SymbolStatus.HALTED, cancel_open=True), (True, True, "halted", "auction")),
        (session(Phase.CONTINUOUS, 5), (True, True, "halted", "continuous")),
        (symbol(number=4), (False, False, "trading", "continuous")),
    ]
    for message, expected in steps:
        ((channel, data),) = told(core, message)
        assert channel == "halts:BTC-USD"
        assert (data["halted"], data["killed"], data["status"], data["phase"]) == expected
    assert told(core, session(Phase.CLOSED, 6)) == []


def test_a_halt_is_said_again_for_those_who_were_not_there() -> None:
    core = PortfoliosCore(0, 1)
    told(core, symbol(), symbol("ETH-USD"), symbol(number=2, symbol_status=SymbolStatus.HALTED))
    assert frames(core, tick(29)) == []
    (frame,) = frames(core, tick(30))
    assert (frame.channel, frame.kind, frame.sequence) == ("halts:BTC-USD", FrameKind.SNAPSHOT, 1)
    assert frames(core, tick(31)) == []


def test_a_shard_tells_of_its_own_only() -> None:
    shards = 4
    cores = [make_core(shard, shards) for shard in range(shards)]
    told_by: dict[str, list[int]] = {}
    for shard, core in enumerate(cores):
        assert isinstance(core, PortfoliosCore)
        controls = [symbol(), symbol(number=2, symbol_status=SymbolStatus.HALTED)]
        killed = account(number=2, account_status=AccountStatus.SUSPENDED, cancel_open=True)
        for channel, _ in told(core, *controls, account(), killed):
            told_by.setdefault(channel, []).append(shard)
    assert told_by == {
        "halts:BTC-USD": [partition_of("BTC-USD", shards)],
        "alerts:alice": [partition_of("alice", shards)],
    }


def test_a_decision_that_cannot_be_is_a_dead_letter() -> None:
    core = PortfoliosCore(0, 1)
    (output,) = core.apply(at(symbol(lot_e8=-1)))
    assert isinstance(output.message, DeadLetter)


def test_a_state_of_another_behaviour_is_refused() -> None:
    core = PortfoliosCore(0, 1)
    with pytest.raises(ValueError, match="behaviour version 9"):
        core.load(core.dump(), 9)
