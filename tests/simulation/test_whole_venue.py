"""All commands and all that the operator decides, in any order, through risk, matching and positions together.

After each step what was written is read, and what must always hold is asserted (`tests.oracle.witness`). Stages read
what there is, or a little of it, or nothing, so that commands, decisions and executions overtake each other.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from schemas.messages import (
    AccountStatus,
    CommandKind,
    ControlKind,
    GroupKind,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from tests.oracle.any_commands import (
    LOT_E8,
    TICK_E8,
    Flow,
    accounts,
    flows,
    members,
    placings,
    preventions,
    prices,
    quantities,
    reads,
    seldom,
    sides,
    stages,
    symbols,
)
from tests.oracle.whole_venue import CURRENCIES, STAGE_NAMES, UNIT, WholeVenue


class Venue(RuleBasedStateMachine):
    """One venue; each rule is somebody's decision, or a stage's step."""

    @initialize()
    def open(self) -> None:
        self.venue = WholeVenue()

    def _order(self, terms: dict[str, Any]) -> dict[str, Any]:
        fields = terms | {"client_order_id": self.venue.next_client_id()}
        if fields["time_in_force"] is TimeInForce.GTD:
            fields["expire_us"] = self.venue.log.now_us + 3_000_000
        return fields

    def _read(self, reads: int | None) -> None:
        if reads == 0:
            self.venue.settle()
        elif reads:
            for stage in STAGE_NAMES:
                self.venue.step(stage, reads)

    # Accounts

    @rule(flow=flows, reads=reads)
    def trade(self, flow: Flow, reads: int | None) -> None:
        """Orders one after the other."""
        for account, terms in flow:
            self.venue.command(CommandKind.NEW, account, **self._order(terms))
        self._read(reads)

    @rule(flow=flows, reads=reads)
    def trade_on(self, flow: Flow, reads: int | None) -> None:
        """More often than anything else."""
        self.trade(flow, reads)

    @rule(account=accounts, maker=accounts, symbol=symbols, side=sides, offered=quantities, away=st.integers(1, 3))
    def enter(self, account: str, maker: str, symbol: str, side: Side, offered: int, away: int) -> None:
        """The entry of a bracket, and somebody who fills it, in part or whole."""
        other, way = (Side.SELL, TICK_E8) if side is Side.BUY else (Side.BUY, -TICK_E8)
        offer = {"symbol": symbol, "side": other, "order_type": OrderType.LIMIT, "price_e8": 100 * TICK_E8}
        entry = offer | {"side": side, "time_in_force": TimeInForce.IOC, "quantity_e8": 20 * LOT_E8}
        prices = {"take_profit_price_e8": 100 * TICK_E8 + away * way, "trigger_price_e8": 100 * TICK_E8 - away * way}
        for who, terms in ((maker, offer | {"quantity_e8": offered}), (account, entry | prices)):
            group = {"group": GroupKind.BRACKET} if "take_profit_price_e8" in terms else {}
            fields = {"client_order_id": self.venue.next_client_id(), **terms, **group}
            self.venue.command(CommandKind.NEW, who, **fields)

    @rule(account=accounts, terms=placings())
    def check(self, account: str, terms: dict[str, Any]) -> None:
        self.venue.ask(self._order(terms), account)

    @rule(back=st.integers(0, 12), member=members)
    def cancel(self, back: int, member: str) -> None:
        if back < len(self.venue.placed):
            account, client_order_id, _ = self.venue.placed[-1 - back]
            self.venue.command(CommandKind.CANCEL, account, client_order_id=client_order_id + member)

    @rule(
        back=st.integers(0, 12),
        price=st.none() | prices,
        quantity=st.none() | quantities,
        trigger=st.none() | prices,
        display=st.none() | quantities,
        until=st.none() | st.integers(-1, 5),
        member=members,
    )
    def amend(
        self,
        back: int,
        price: int | None,
        quantity: int | None,
        trigger: int | None,
        display: int | None,
        until: int | None,
        member: str,
    ) -> None:
        if back < len(self.venue.placed):
            account, client_order_id, _ = self.venue.placed[-1 - back]
            expire_us = None if until is None else self.venue.log.now_us + until * 1_000_000
            terms = {
                "price_e8": price,
                "quantity_e8": quantity,
                "trigger_price_e8": trigger,
                "display_quantity_e8": display,
            }
            self.venue.command(
                CommandKind.AMEND, account, client_order_id=client_order_id + member, expire_us=expire_us, **terms
            )

    @rule(back=st.integers(0, 12), price=prices, member=members)
    def amend_price(self, back: int, price: int, member: str) -> None:
        self.amend(back, price, None, None, None, None, member)

    @rule(account=accounts, symbol=st.none() | symbols, side=st.none() | sides)
    def cancel_all(self, account: str, symbol: str | None, side: Side | None) -> None:
        self.venue.command(CommandKind.CANCEL_ALL, account, symbol=symbol, side=side)

    @rule(account=accounts, timeout_s=st.sampled_from([0, 1, 3, 90_000]))
    def cancel_after(self, account: str, timeout_s: int) -> None:
        self.venue.command(CommandKind.CANCEL_AFTER, account, timeout_s=timeout_s)

    # The operator

    @rule(
        symbol=symbols,
        phase=st.sampled_from(
            [*[Phase.CONTINUOUS] * 5, Phase.PRE_OPEN, Phase.AUCTION, Phase.HALTED, Phase.CLOSED, None]
        ),
        later=st.none() | st.integers(0, 4),
    )
    def session(self, symbol: str, phase: Phase | None, later: int | None) -> None:
        effective_us = None if later is None else self.venue.log.now_us + later * 1_000_000
        self.venue.control(ControlKind.SESSION, symbol=symbol, phase=phase, effective_us=effective_us)

    @rule(
        symbol=symbols,
        status=st.sampled_from([SymbolStatus.TRADING, SymbolStatus.TRADING, SymbolStatus.HALTED]),
        kills=seldom,
    )
    def halt(self, symbol: str, status: SymbolStatus, *, kills: bool) -> None:
        self.venue.symbol(symbol, symbol_status=status, cancel_open=kills and status is SymbolStatus.HALTED)

    @rule(symbol=symbols, ticks=st.sampled_from([1, 1, 2]), band=st.sampled_from([None, UNIT // 2, UNIT // 50]))
    def rules_of_symbol(self, symbol: str, ticks: int, band: int | None) -> None:
        self.venue.symbol(symbol, tick_e8=ticks * TICK_E8, price_band_e8=band)

    @rule(
        symbol=symbols,
        largest=st.none() | quantities,
        types=st.sampled_from([None, None, "LIMIT,STOP_LIMIT", "LIMIT,MARKET,STOP,TRAILING_STOP"]),
        most=st.sampled_from([None, None, 2]),
    )
    def orders_of_symbol(self, symbol: str, largest: int | None, types: str | None, most: int | None) -> None:
        self.venue.symbol(symbol, quantity_max_e8=largest, order_types=types, open_orders_max=most)

    @rule(symbol=symbols, tiers=st.sampled_from([None, "1/20000/50000", f"{UNIT}/-5000/0,{200 * UNIT}/0/150000"]))
    def tiers_of_fees(self, symbol: str, tiers: str | None) -> None:
        self.venue.symbol(symbol, fee_tiers=tiers)

    @rule(symbol=symbols, maker=st.sampled_from([0, -50_000, 100_000]), taker=st.sampled_from([0, 100_000, 333_333]))
    def fees(self, symbol: str, maker: int, taker: int) -> None:
        self.venue.symbol(symbol, maker_fee_e8=maker, taker_fee_e8=taker)

    @rule(symbol=symbols, move=st.sampled_from([None, UNIT // 100, UNIT // 25]))
    def breaker(self, symbol: str, move: int | None) -> None:
        seconds = (None, None) if move is None else (5, 1)
        self.venue.symbol(symbol, breaker_move_e8=move, breaker_window_s=seconds[0], breaker_halt_s=seconds[1])

    @rule(
        account=accounts,
        status=st.sampled_from([*[AccountStatus.ACTIVE] * 3, AccountStatus.REDUCING, AccountStatus.SUSPENDED]),
        kills=seldom,
        resumes=st.booleans(),
        prevention=preventions,
    )
    def status(
        self, account: str, status: AccountStatus, prevention: SelfTradePrevention | None, *, kills: bool, resumes: bool
    ) -> None:
        kills = kills and status is not AccountStatus.ACTIVE
        if prevention is SelfTradePrevention.UNKNOWN:
            prevention = None
        more = {"cancel_open": kills, "resume": resumes, "self_trade_prevention": prevention}
        self.venue.account(account, status, **more)

    @rule(account=accounts, leverage=st.sampled_from([None, 2, 10]))
    def kind(self, account: str, leverage: int | None) -> None:
        self.venue.settle()
        self.venue.leverage[account] = leverage
        self.venue.account(account)

    @rule(account=accounts, currency=st.sampled_from(CURRENCIES), amount=st.integers(-4_000, 4_000).filter(bool))
    def pay(self, account: str, currency: str, amount: int) -> None:
        self.venue.funds(account, currency, amount * UNIT)

    @rule(giver=accounts, taker=accounts, currency=st.sampled_from(CURRENCIES), amount=st.integers(1, 3_000))
    def transfer(self, giver: str, taker: str, currency: str, amount: int) -> None:
        if giver != taker:
            self.venue.transfer(giver, taker, currency, amount * UNIT // 10)

    @rule(account=accounts, lots=st.integers(-30, 30))
    def hold(self, account: str, lots: int) -> None:
        """Leave it so little BTC, or let it owe some, that orders turn the position."""
        more = lots * LOT_E8 - self.venue.witness.held[account, "BTC"]
        if more:
            self.venue.funds(account, "BTC", more)

    @rule(
        account=st.none() | accounts,
        name=st.sampled_from(
            [
                "max_order_size_e8",
                "max_open_orders",
                "max_daily_volume_e8",
                "max_position_size_e8",
                "fat_finger_limit_e8",
                "concentration_limit_e8",
                "max_leverage_e8",
                "var_limit_e8",
                "trade_frequency",
                "max_daily_loss_e8",
                "max_drawdown_e8",
                None,
            ]
        ),
        value=st.integers(0, 40),
    )
    def limit(self, account: str | None, name: str | None, value: int) -> None:
        counts = {"max_open_orders", "trade_frequency"}
        fields: dict[str, Any] = {} if name is None else {name: max(value, 1) if name in counts else value * UNIT // 20}
        if name in {"max_daily_volume_e8", "max_daily_loss_e8", "var_limit_e8"}:
            fields[name] = value * 10 * UNIT
        if name == "trade_frequency":
            fields["trade_frequency_s"] = 2
        self.venue.control(ControlKind.LIMITS, account=account, **fields)

    # The market, time and the stages

    @rule(symbol=symbols, price=st.integers(90, 110))
    def mark(self, symbol: str, price: int) -> None:
        self.venue.mark(symbol, price * UNIT)

    @rule(seconds=st.sampled_from([0, 1, 1, 2, 40_000, 90_000]))
    def tick(self, seconds: int) -> None:
        self.venue.log.now_us += seconds * 1_000_000
        self.venue.tick()

    @rule(stage=stages, most=st.sampled_from([1, 2, 10]))
    def step(self, stage: str, most: int) -> None:
        self.venue.step(stage, most)

    @rule()
    def settle(self) -> None:
        self.venue.settle()

    @rule(stage=stages)
    def split(self, stage: str) -> None:
        self.venue.cores[stage].split()

    @rule(stage=stages, snapshots=st.booleans())
    def restart(self, stage: str, *, snapshots: bool) -> None:
        if snapshots:
            self.venue.snapshot(stage)
        self.venue.restart(stage)


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Venue,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, report_multiple_bugs=False, suppress_health_check=CHECKS
        ),
    )


@pytest.mark.timeout(600)
def test_what_must_always_hold_holds_whatever_is_asked() -> None:
    run(150, 80)


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_what_must_always_hold_holds_for_long() -> None:
    run(1_000, 200)
