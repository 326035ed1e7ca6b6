"""Would this order pass? The same answer as that of the order itself, and no trace of it."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    GroupKind,
    Order,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.seal import seal_headers
from schemas.units import E8
from tests.oracle.risk_desk import SECRET, Desk, open_desk

MARKET = {"order_type": OrderType.MARKET, "price_e8": None}
SPEND = MARKET | {"quantity_e8": None, "notional_e8": 1000 * E8}
REDUCING = {"account_status": AccountStatus.REDUCING}
SUSPENDED = {"account_status": AccountStatus.SUSPENDED}
MARGIN = {"account_kind": AccountKind.MARGIN, "leverage_e8": 1}
STOP = {"order_type": OrderType.STOP, "price_e8": None}
TRAIL = {"order_type": OrderType.TRAILING_STOP, "price_e8": None}
BRACKET = {"group": GroupKind.BRACKET, "take_profit_price_e8": 1050 * E8, "trigger_price_e8": 950 * E8}


def limits(**fields: int) -> Callable[[Desk], object]:
    return lambda at: at.control(ControlKind.LIMITS, account="alice", **fields)


def account(**fields: Any) -> Callable[[Desk], object]:
    return lambda at: at.account("alice", **fields)


def strategy(status: AccountStatus) -> Callable[[Desk], object]:
    return lambda at: at.control(ControlKind.STRATEGY, account="alice", strategy="trend", account_status=status)


def first(**fields: Any) -> Callable[[Desk], object]:
    """Something was placed before."""
    return lambda at: at.place(**fields)


def one_a_minute(at: Desk) -> None:
    limits(trade_frequency=1, trade_frequency_s=60)(at)
    at.placed()


def one_reduces(at: Desk) -> None:
    """Long 2, of which a reduce-only order sells one."""
    at.funds("alice", "BTC", 2 * E8)
    at.placed(side=Side.SELL, reduce_only=True)


def two_days_of_marks(at: Desk) -> None:
    for hour in range(48):
        at.ts_us += 3_600_000_000
        at.mark((1000 if hour % 2 else 1001) * E8 - hour * E8)
    limits(var_limit_e8=1)(at)
    at.ts_us += 3_600_000_000


def initial_margin(at: Desk) -> None:
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=5 * E8)
    at.symbol(initial_margin_e8=E8)


CASES: list[tuple[Reason, Callable[[Desk], object], dict[str, Any]]] = [
    (Reason.NONE, limits(), {}),
    (Reason.NONE, limits(), MARKET),
    (Reason.NONE, account(**MARGIN | {"leverage_e8": 5 * E8}), {"side": Side.SELL}),
    (Reason.ACCOUNT_SUSPENDED, account(**SUSPENDED), {}),
    (Reason.ACCOUNT_REDUCING, account(**REDUCING), {}),
    (Reason.CLIENT_ORDER_ID_INVALID, limits(), {"client_order_id": ""}),
    (Reason.CLIENT_ORDER_ID_REUSED, first(client_order_id="a"), {"client_order_id": "a", "quantity_e8": 2 * E8}),
    (Reason.REPEATED_COMMAND, first(client_order_id="a"), {"client_order_id": "a"}),
    (Reason.QUANTITY_OFF_LOT, first(client_order_id="a", quantity_e8=1), {"client_order_id": "a", "quantity_e8": 1}),
    (Reason.SYMBOL_UNKNOWN, limits(), {"symbol": "DOGE-USD"}),
    (Reason.SYMBOL_HALTED, lambda at: at.symbol(symbol_status=SymbolStatus.HALTED), {}),
    (Reason.SIDE_INVALID, limits(), {"side": None}),
    (Reason.TYPE_INVALID, limits(), {"order_type": None}),
    (Reason.TIME_IN_FORCE_INVALID, limits(), {"time_in_force": TimeInForce.UNKNOWN}),
    (Reason.EXPIRY_INVALID, limits(), {"time_in_force": TimeInForce.GTD, "expire_us": 1}),
    (Reason.MALFORMED, limits(), {"self_trade_prevention": SelfTradePrevention.UNKNOWN}),
    (Reason.PRICE_MISSING, limits(), {"price_e8": None}),
    (Reason.PRICE_NOT_ALLOWED, limits(), MARKET | {"price_e8": E8}),
    (Reason.PRICE_NOT_POSITIVE, limits(), {"price_e8": 0}),
    (Reason.PRICE_OFF_TICK, limits(), {"price_e8": 1000 * E8 + 1}),
    (Reason.PRICE_OUTSIDE_BAND, limits(), {"price_e8": 2000 * E8}),
    (Reason.NO_MARK, lambda at: at.symbol(reference_price_e8=None), {}),
    (Reason.TRIGGER_INVALID, limits(), STOP),
    (Reason.TRAIL_INVALID, limits(), TRAIL),
    (Reason.DISPLAY_INVALID, limits(), {"display_quantity_e8": 1}),
    (Reason.SLIDE_INVALID, limits(), {"slide": True}),
    (Reason.STRATEGY_INVALID, limits(), {"strategy": ""}),
    (Reason.STRATEGY_SUSPENDED, strategy(AccountStatus.SUSPENDED), {"strategy": "trend"}),
    (Reason.STRATEGY_REDUCING, strategy(AccountStatus.REDUCING), {"strategy": "trend"}),
    (Reason.GROUP_INVALID, limits(), {"group": GroupKind.UNKNOWN}),
    (Reason.TRIGGER_INVALID, limits(), {"group": GroupKind.OCO}),
    (Reason.GROUP_INVALID, limits(), {"stop_price_e8": 1000 * E8}),
    (Reason.GROUP_INVALID, limits(), {"group": GroupKind.OCO, "trigger_price_e8": 999 * E8}),
    (Reason.NONE, limits(), {"group": GroupKind.OCO, "trigger_price_e8": 1001 * E8}),
    (Reason.GROUP_INVALID, limits(), BRACKET | {"reduce_only": True}),
    (Reason.GROUP_POSITION, lambda at: at.funds("alice", "BTC", -12 * E8), BRACKET),
    (Reason.NONE, limits(), BRACKET),
    (Reason.REDUCE_ONLY, limits(), {"reduce_only": True}),
    (Reason.REDUCE_ONLY_OPEN, one_reduces, {"side": Side.SELL, "quantity_e8": 2 * E8}),
    (Reason.QUANTITY_NOT_POSITIVE, limits(), {"quantity_e8": 0}),
    (Reason.QUANTITY_OFF_LOT, limits(), {"quantity_e8": E8 + 1}),
    (Reason.QUANTITY_TOO_SMALL, limits(), {"quantity_e8": E8 // 1000}),
    (Reason.QUANTITY_TOO_LARGE, limits(), {"quantity_e8": 51 * E8}),
    (Reason.NOTIONAL_TOO_SMALL, limits(), {"quantity_e8": E8 // 100, "price_e8": 999 * E8}),
    (Reason.NOTIONAL_TOO_LARGE, lambda at: at.symbol(notional_max_e8=500 * E8), {}),
    (Reason.NONE, limits(), SPEND),
    (Reason.ORDER_TYPE_NOT_TAKEN, lambda at: at.symbol(order_types="MARKET"), {}),
    (Reason.TIME_IN_FORCE_NOT_TAKEN, lambda at: at.symbol(times_in_force="IOC,FOK"), {}),
    (Reason.SYMBOL_ORDERS_MAX, lambda at: at.symbol(open_orders_max=0), {}),
    (Reason.NOTIONAL_INVALID, limits(), SPEND | {"side": Side.SELL}),
    (Reason.NOTIONAL_TOO_SMALL, limits(), SPEND | {"notional_e8": 9 * E8}),
    (Reason.FUNDS_INSUFFICIENT, limits(), SPEND | {"notional_e8": 10_000 * E8}),
    (Reason.OPEN_ORDERS_LIMIT, account(open_orders_max=0), {}),
    (Reason.ORDER_SIZE_LIMIT, limits(max_order_size_e8=1), {}),
    (Reason.FAT_FINGER, limits(fat_finger_limit_e8=1), {"price_e8": 1001 * E8}),
    (Reason.SYMBOL_OPEN_ORDERS_LIMIT, limits(max_open_orders=0), {}),
    (Reason.TRADE_FREQUENCY_LIMIT, one_a_minute, {}),
    (Reason.DAILY_VOLUME_LIMIT, limits(max_daily_volume_e8=1), {}),
    (Reason.POSITION_LIMIT, limits(max_position_size_e8=1), {}),
    (Reason.CONCENTRATION_LIMIT, limits(concentration_limit_e8=1), {}),
    (Reason.LEVERAGE_LIMIT, limits(max_leverage_e8=1), {}),
    (Reason.VAR_LIMIT, two_days_of_marks, {}),
    (Reason.FUNDS_INSUFFICIENT, limits(), {"quantity_e8": 11 * E8}),
    (Reason.FUNDS_INSUFFICIENT, lambda at: at.symbol(symbol="ETH-EUR", base="ETH", quote="EUR"), {"symbol": "ETH-EUR"}),
    (Reason.MARGIN_INSUFFICIENT, account(**MARGIN), {}),
    (Reason.INITIAL_MARGIN_INSUFFICIENT, initial_margin, {"quantity_e8": 11 * E8}),
]
OTHERS = {
    *(Reason.SEAL_MISSING, Reason.SEAL_INVALID, Reason.KEY_UNKNOWN, Reason.ACCOUNT_UNKNOWN, Reason.KIND_UNKNOWN),
    *(Reason.ORDER_UNKNOWN, Reason.ORDER_FINAL, Reason.AMEND_PENDING, Reason.TRIGGER_MET, Reason.TIMEOUT_INVALID),
    Reason.GROUP_QUANTITY,
}
"""Of who may ask, which a CHECK is refused for like any command, and of commands about an order."""
OF_THE_BOOK = {
    *(Reason.POST_ONLY_WOULD_TRADE, Reason.FILL_OR_KILL_UNFILLABLE, Reason.IMMEDIATE_REMAINDER, Reason.NO_LIQUIDITY),
    *(Reason.SELF_TRADE, Reason.CANCELLED_BY_CLIENT, Reason.BOOK_FULL, Reason.AMENDED_BELOW_FILLED),
    *(Reason.SESSION_CLOSED, Reason.NOT_CONTINUOUS, Reason.SYMBOL_CLOSED, Reason.TRADES_LIMIT),
    Reason.ONE_CANCELS_OTHER,
    *(Reason.EXPIRY_REACHED, Reason.TIMER_EXPIRED, Reason.KILLED, Reason.DAILY_LOSS_LIMIT, Reason.DRAWDOWN_LIMIT),
    Reason.MARGIN_CALL,
    Reason.LIQUIDATION,
}


def test_each_reason_of_pre_trade_risk_is_tried() -> None:
    tried = {reason for reason, _, _ in CASES}
    assert set(Reason) - tried - OTHERS - OF_THE_BOOK == {Reason.UNKNOWN}


@pytest.mark.parametrize(("reason", "before", "fields"), CASES)
def test_a_check_says_what_the_order_would_be_answered(
    reason: Reason, before: Callable[[Desk], object], fields: dict[str, Any]
) -> None:
    at = open_desk(alice={"USD": 10_000 * E8})
    before(at)
    fields = {"client_order_id": "asked"} | fields
    checked = at.check(**fields)
    assert checked[0] is reason
    answer = at.place(**fields)
    assert isinstance(answer, Order) is (reason is Reason.NONE)
    if isinstance(answer, Execution):
        assert (answer.reason, answer.limit_e8, answer.actual_e8) == checked


def test_a_check_foresees_a_loss_and_its_end_without_looking() -> None:
    at = open_desk(alice={"USD": 10_000 * E8})
    limits(max_daily_loss_e8=1000 * E8)(at)
    at.filled(at.placed(quantity_e8=4 * E8), 4 * E8, 1000 * E8)
    at.mark(1000 * E8)
    at.mark(740 * E8)  # within a second of the last: nobody has looked
    assert at.check(price_e8=740 * E8)[0] is Reason.ACCOUNT_REDUCING
    assert at.stands[-1].status is AccountStatus.ACTIVE
    assert at.refused(price_e8=740 * E8)[0] is Reason.ACCOUNT_REDUCING
    at.ts_us += 86_400_000_000
    assert at.check(price_e8=740 * E8)[0] is Reason.NONE
    assert at.stands[-1].status is AccountStatus.REDUCING
    at.placed(price_e8=740 * E8)


def test_who_may_not_ask_is_told_so() -> None:
    at = open_desk(alice={"USD": 1})
    assert at.check("stranger")[0] is Reason.ACCOUNT_UNKNOWN
    command = Command(CommandKind.CHECK, "alice", "id")
    for headers, reason in (((), Reason.SEAL_MISSING), (seal_headers("gateway-1", SECRET), Reason.SEAL_INVALID)):
        (output,) = at.send(command, headers)
        answer = output.message
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.reason) == (ExecutionKind.CHECKED, reason)
