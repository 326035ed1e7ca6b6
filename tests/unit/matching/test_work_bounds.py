"""What one record may make: an order that meets very many others, many parts, or sets off many triggers."""

import pytest
from msgspec.structs import replace

from schemas.messages import (
    Execution,
    ExecutionKind,
    Message,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)
from schemas.units import E8
from tests.oracle.order_stream import SYMBOL, Asked, amend_order, as_input, new_order, number_of, open_core
from workers.matching import auction, matcher
from workers.matching.core import MatchingCore


@pytest.fixture(autouse=True)
def three_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (auction, matcher):
        monkeypatch.setattr(module, "TRADES_MAX", 3)


def said(core: MatchingCore, message: Asked) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, number_of(message)))]


def trades(messages: list[Message]) -> int:
    return sum(isinstance(message, Trade) for message in messages)


def ending(messages: list[Message], order_id: int) -> tuple[ExecutionKind, Reason, int]:
    """Kind, reason and what was filled of the last that was said of an order."""
    *_, last = (each for each in messages if isinstance(each, Execution) and each.order_id == order_id)
    return last.kind, last.reason, last.cumulative_e8 // E8


def asks(*quantities: int, display: int | None = None) -> MatchingCore:
    core = open_core()
    display_e8 = None if display is None else display * E8
    for number, quantity in enumerate(quantities, 1):
        ask = new_order(number, Side.SELL, 100 * E8, quantity * E8, account="ask", display_e8=display_e8)
        core.apply(as_input(ask, number))
    return core


def buy(quantity: int, time_in_force: TimeInForce = TimeInForce.GTC, price: int = 100) -> Asked:
    return new_order(50, Side.BUY, price * E8, quantity * E8, account="bid", time_in_force=time_in_force)


@pytest.mark.parametrize("time_in_force", [TimeInForce.GTC, TimeInForce.IOC])
def test_an_order_trades_so_often_and_the_rest_ends(time_in_force: TimeInForce) -> None:
    core = asks(1, 1, 1, 1, 1)
    messages = said(core, buy(5, time_in_force))
    assert trades(messages) == 3
    assert ending(messages, 50) == (ExecutionKind.CANCELLED, Reason.TRADES_LIMIT, 3)
    assert core.books[SYMBOL].asks.levels[100 * E8].order_count == 2


def test_what_would_not_trade_on_rests() -> None:
    core = asks(1, 1, 1)
    messages = said(core, buy(5))
    assert trades(messages) == 3
    assert core.books[SYMBOL].orders[50].leaves_e8 == 2 * E8


def test_parts_of_an_iceberg_count_one_by_one() -> None:
    core = asks(5, display=1)
    assert ending(said(core, buy(5)), 50) == (ExecutionKind.CANCELLED, Reason.TRADES_LIMIT, 3)
    assert core.books[SYMBOL].orders[1].open_e8 == 2 * E8


@pytest.mark.parametrize(
    ("core", "quantity"), [(asks(1, 1, 1, 1), 4), (asks(4, display=1), 4), (asks(2, 2, display=1), 3)]
)
def test_a_fok_order_that_may_need_more_is_not_filled(core: MatchingCore, quantity: int) -> None:
    messages = said(core, buy(quantity, TimeInForce.FOK))
    assert ending(messages, 50) == (ExecutionKind.EXPIRED, Reason.FILL_OR_KILL_UNFILLABLE, 0)


def test_a_fok_order_that_needs_no_more_is_filled() -> None:
    assert trades(said(asks(1, 1, 1, 1), buy(3, TimeInForce.FOK))) == 3
    assert trades(said(asks(3, display=1), buy(3, TimeInForce.FOK))) == 3


def test_own_orders_that_are_taken_out_count_too() -> None:
    core = open_core()
    for number in range(1, 10):
        core.apply(as_input(new_order(number, Side.SELL, 100 * E8, E8, account="bid"), number))
    order = new_order(50, Side.BUY, 100 * E8, E8, account="bid", prevention=SelfTradePrevention.CANCEL_OLDEST)
    assert ending(said(core, order), 50)[:2] == (ExecutionKind.CANCELLED, Reason.TRADES_LIMIT)
    assert len(core.books[SYMBOL].orders) == 3


def test_an_amendment_that_trades_ends_likewise() -> None:
    core = asks(1, 1, 1, 1, 1)
    core.apply(as_input(buy(5, price=99), 50))
    order = buy(5, price=99)
    messages = said(core, amend_order(51, order, 100 * E8, 0))
    assert trades(messages) == 3
    assert ending(messages, 50) == (ExecutionKind.CANCELLED, Reason.TRADES_LIMIT, 3)
    assert 50 not in core.books[SYMBOL].orders


def test_triggered_orders_share_it_and_the_next_tick_goes_on() -> None:
    core = asks(*[1] * 10)
    for number in range(20, 24):
        stop = new_order(number, Side.BUY, 200 * E8, 2 * E8, account="stop", order_type=OrderType.STOP)
        stop = replace(stop, trigger_price_e8=100 * E8, trigger_by=TriggerBy.LAST)
        core.apply(as_input(stop, number))
    counts = [trades(said(core, buy(1)))]
    counts += [trades(said(core, Tick(sequence=number, ts_us=number))) for number in range(60, 65)]
    assert counts == [3, 4, 2, 0, 0, 0]
