"""Control records: what must stand in them, and that each decision counts once."""

from typing import Any

import msgspec
import pytest

from schemas import gate as gates
from schemas.controls import control_error
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Control,
    ControlKind,
    DeadLetter,
    DeadLetterReason,
    Message,
    SelfTradePrevention,
)
from schemas.units import E8
from tests.oracle.risk_desk import BTC, open_desk
from workers.kernel.controls import ControlGate
from workers.kernel.stage import Input

SYMBOL = Control(ControlKind.SYMBOL, "c-1", **BTC)  # type: ignore[arg-type]
ACCOUNT = Control(
    ControlKind.ACCOUNT, "c-2", account="a", account_kind=AccountKind.CASH, account_status=AccountStatus.ACTIVE
)
KEY = Control(ControlKind.KEY, "c-3", account="alice@example.com", key_id="bot-1", public_key=bytes(32))
FUNDS = Control(ControlKind.FUNDS, "c-4", account="a", currency="USD", amount_e8=-1)
TRANSFER = Control(ControlKind.TRANSFER, "c-7", account="a", to_account="b", currency="USD", amount_e8=1)
STRATEGY = Control(
    ControlKind.STRATEGY,
    "c-8",
    account="a",
    strategy="trend 1",
    account_status=AccountStatus.REDUCING,
    cancel_open=True,
)
LIMITS = Control(ControlKind.LIMITS, "c-5", account="a", symbol="BTC-USD", max_order_size_e8=E8)


@pytest.mark.parametrize(
    "control",
    [
        SYMBOL,
        ACCOUNT,
        KEY,
        FUNDS,
        TRANSFER,
        STRATEGY,
        msgspec.structs.replace(SYMBOL, quantity_max_e8=None, price_band_e8=None, taker_fee_e8=None, maker_fee_e8=-5),
        msgspec.structs.replace(ACCOUNT, account_kind=AccountKind.MARGIN, leverage_e8=1, open_orders_max=0),
        msgspec.structs.replace(KEY, public_key=None),
        Control(ControlKind.LIMITS, "c-6"),
        msgspec.structs.replace(LIMITS, max_open_orders=0, trade_frequency=1, trade_frequency_s=86_400),
        msgspec.structs.replace(LIMITS, account=None, concentration_limit_e8=0),
    ],
)
def test_a_complete_control_has_no_error(control: Control) -> None:
    assert control_error(control) is None


@pytest.mark.parametrize(
    ("control", "change", "sentence"),
    [
        (SYMBOL, {"control_id": ""}, "control_id has 0 characters: it must have 1 to 128"),
        (SYMBOL, {"control_id": "x" * 129}, "control_id has 129 characters"),
        (SYMBOL, {"kind": ControlKind.UNKNOWN}, "the kind UNKNOWN is not known to this release"),
        (SYMBOL, {"symbol": None}, "symbol None must be 1 to 32 letters"),
        (SYMBOL, {"symbol": "BTC:USD"}, "symbol 'BTC:USD' must be"),
        (SYMBOL, {"symbol": "B" * 33}, "must be 1 to 32 letters"),
        (SYMBOL, {"base": None}, "base None must be 1 to 16 letters or digits"),
        (SYMBOL, {"quote": "US D"}, "quote 'US D' must be"),
        (LIMITS, {"account": ""}, "account '' must be 1 to 64 letters"),
        (LIMITS, {"symbol": "BTC USD"}, "symbol 'BTC USD' must be 1 to 32 letters"),
        (LIMITS, {"max_order_size_e8": -1}, "max_order_size_e8 is -1: it must not be negative"),
        (LIMITS, {"max_position_size_e8": -1}, "max_position_size_e8 is -1"),
        (LIMITS, {"max_daily_volume_e8": -1}, "max_daily_volume_e8 is -1"),
        (LIMITS, {"max_open_orders": -1}, "max_open_orders is -1"),
        (LIMITS, {"fat_finger_limit_e8": -1}, "fat_finger_limit_e8 is -1"),
        (LIMITS, {"concentration_limit_e8": -1}, "concentration_limit_e8 is -1"),
        (LIMITS, {"max_leverage_e8": -1}, "max_leverage_e8 is -1"),
        (LIMITS, {"max_daily_loss_e8": 1}, "max_daily_loss_e8 is of an account's equity in a currency: name no symbol"),
        (LIMITS, {"max_drawdown_e8": 1}, "max_drawdown_e8 is of an account's equity"),
        (LIMITS, {"symbol": None, "max_daily_loss_e8": -1}, "max_daily_loss_e8 is -1: it must not be negative"),
        (LIMITS, {"trade_frequency": 5}, "trade_frequency and trade_frequency_s go together"),
        (LIMITS, {"trade_frequency": 0, "trade_frequency_s": 1}, "trade_frequency is 0: it must be at least 1"),
        (LIMITS, {"trade_frequency": 5, "trade_frequency_s": 86_401}, "trade_frequency_s is 86401: it must be from 1"),
        (LIMITS, {"trade_frequency": 5, "trade_frequency_s": 0}, "trade_frequency_s is 0: it must be from 1"),
        (SYMBOL, {"base": "USD"}, "a currency cannot be traded for itself"),
        (SYMBOL, {"symbol_status": None}, "symbol_status is missing"),
        (SYMBOL, {"tick_e8": None}, "tick_e8 is None: it must be positive"),
        (SYMBOL, {"lot_e8": 0}, "lot_e8 is 0: it must be positive"),
        (SYMBOL, {"quantity_min_e8": -1}, "quantity_min_e8 is -1: it must not be negative"),
        (SYMBOL, {"notional_max_e8": -1}, "notional_max_e8 is -1: it must not be negative"),
        (SYMBOL, {"quantity_min_e8": 51 * E8}, "quantity_min_e8 5100000000 is above quantity_max_e8 5000000000"),
        (SYMBOL, {"price_band_e8": 0}, "price_band_e8 is 0: it must be positive"),
        (SYMBOL, {"reference_price_e8": -1}, "reference_price_e8 is -1: it must be positive"),
        (SYMBOL, {"taker_fee_e8": -1}, "taker_fee_e8 is -1: it must be from 0"),
        (SYMBOL, {"taker_fee_e8": E8 + 1}, "taker_fee_e8 is 100000001: it must be from 0"),
        (SYMBOL, {"maker_fee_e8": -E8 - 1}, "maker_fee_e8 is -100000001: it must be from"),
        (SYMBOL, {"maintenance_margin_e8": 0}, "maintenance_margin_e8 is 0: it must be above 0 and below 100000000"),
        (SYMBOL, {"maintenance_margin_e8": E8}, "maintenance_margin_e8 is 100000000: it must be"),
        (
            SYMBOL,
            {"initial_margin_e8": 0},
            "initial_margin_e8 is 0: it must be above 0 to 100000000 (a whole; null: none)",
        ),
        (SYMBOL, {"initial_margin_e8": E8 + 1}, "initial_margin_e8 is 100000001: it must be"),
        (
            SYMBOL,
            {"initial_margin_e8": 4, "maintenance_margin_e8": 5},
            "initial_margin_e8 is 4: it must be from maintenance_margin_e8, 5, to 100000000",
        ),
        (ACCOUNT, {"account": "venue:fees"}, "account 'venue:fees' must be 1 to 64 letters"),
        (ACCOUNT, {"account_kind": None}, "account_kind is missing"),
        (ACCOUNT, {"account_status": None}, "account_status is missing"),
        (ACCOUNT, {"account_kind": AccountKind.MARGIN}, "leverage_e8 is None: a MARGIN account needs a positive one"),
        (ACCOUNT, {"open_orders_max": -1}, "open_orders_max is -1: it must not be negative"),
        (ACCOUNT, {"self_trade_prevention": SelfTradePrevention.UNKNOWN}, "self_trade_prevention is one that this"),
        (ACCOUNT, {"cancel_open": True}, "cancel_open goes with a HALTED symbol, a SUSPENDED or"),
        (KEY, {"account": None}, "account None must be"),
        (KEY, {"key_id": "two words"}, "key_id 'two words' must be 1 to 64 printable"),
        (KEY, {"public_key": bytes(31)}, "public_key has 31 bytes: an Ed25519 key has 32"),
        (FUNDS, {"account": ""}, "account '' must be"),
        (FUNDS, {"currency": None}, "currency None must be"),
        (FUNDS, {"amount_e8": 0}, "amount_e8 is 0: a deposit is positive"),
        (STRATEGY, {"account": None}, "account None must be"),
        (STRATEGY, {"strategy": None}, "strategy None must be 1 to 64 printable ASCII characters"),
        (STRATEGY, {"strategy": "x" * 65}, "must be 1 to 64 printable"),
        (STRATEGY, {"strategy": ""}, "strategy '' must be 1 to 64 printable"),
        (STRATEGY, {"account_status": None}, "account_status is missing"),
        (STRATEGY, {"account_status": AccountStatus.ACTIVE}, "cancel_open goes with"),
        (TRANSFER, {"account": None}, "account None must be"),
        (TRANSFER, {"to_account": None}, "to_account None must be"),
        (TRANSFER, {"to_account": "venue:fees"}, "to_account 'venue:fees' must be"),
        (TRANSFER, {"to_account": "a"}, "account and to_account are both 'a': nothing would move"),
        (TRANSFER, {"currency": "US D"}, "currency 'US D' must be"),
        (TRANSFER, {"amount_e8": 0}, "amount_e8 is 0: it must be positive"),
        (TRANSFER, {"amount_e8": None}, "amount_e8 is None: it must be positive"),
        (TRANSFER, {"amount_e8": -1}, "amount_e8 is -1: it must be positive"),
    ],
)
def test_what_is_wrong_is_a_sentence(control: Control, change: dict[str, Any], sentence: str) -> None:
    error = control_error(msgspec.structs.replace(control, **change))
    assert error is not None
    assert sentence in error


def record(control: Message, offset: int = 7) -> Input:
    return Input("control", 2, offset, 1234, "control", control, b"bytes")


def test_a_control_that_cannot_be_applied_becomes_a_dead_letter() -> None:
    (output,) = ControlGate("risk").admit(record(msgspec.structs.replace(FUNDS, amount_e8=0)))  # type: ignore[misc]
    assert (output.topic, output.key) == ("dead_letters", "control")
    assert output.message == DeadLetter(
        stage="risk",
        source_topic="control",
        source_partition=2,
        source_offset=7,
        reason=DeadLetterReason.WRONG_RECORD,
        detail="control 'c-4' (FUNDS): amount_e8 is 0: a deposit is positive, a withdrawal negative",
        key=b"control",
        value=b"bytes",
        ts_us=1234,
    )


def test_a_decision_counts_once_and_a_corrected_one_may_keep_its_id() -> None:
    gate = ControlGate("risk")
    gate.admit(record(msgspec.structs.replace(FUNDS, amount_e8=0)))
    assert gate.admit(record(FUNDS)) is FUNDS
    assert gate.admit(record(FUNDS, 8)) == ()
    loaded = ControlGate("risk")
    loaded.load(gate.dump())
    assert loaded.admit(record(FUNDS, 9)) == ()


def test_the_oldest_decisions_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "CONTROL_IDS_MAX", 2)
    gate = ControlGate("risk")
    first, second, third = (msgspec.structs.replace(FUNDS, control_id=name) for name in ("one", "two", "three"))
    for control in (first, second, third):
        assert gate.admit(record(control)) is control
    assert gate.admit(record(third)) == ()
    assert gate.admit(record(second)) == ()
    assert gate.admit(record(first)) is first


def test_a_symbol_keeps_its_currencies() -> None:
    at = open_desk(alice={"USD": 5000 * E8})
    at.placed()
    (output,) = at.symbol(quote="EUR")
    assert isinstance(output.message, DeadLetter)
    assert "BTC-USD trades BTC for USD, it cannot become BTC for EUR" in output.message.detail
    at.placed()
    assert at.balance("alice", "USD")[1] == 2004 * E8


def test_a_deposit_seen_twice_is_added_once() -> None:
    at = open_desk(alice={"USD": 5})
    for _ in range(2):
        assert at.control(ControlKind.FUNDS, control_id="same", account="alice", currency="USD", amount_e8=7) == ()
    assert at.balance("alice", "USD") == (12, 0)
