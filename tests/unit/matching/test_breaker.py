"""The circuit breaker: where it stops an order, what follows by the log's clock, and what takes its place."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.controls import BREAKER_S_MAX, control_error
from schemas.messages import (
    BookChange,
    Execution,
    Message,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    SessionChange,
    Side,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)
from schemas.units import E8
from tests.oracle.order_stream import (
    SYMBOL,
    TICK_E8,
    Asked,
    as_input,
    mark,
    new_order,
    random_orders,
    symbol_control,
    time_of,
)
from tests.oracle.session_stream import at, session_control
from tests.unit.matching.ladder import Market
from workers.matching.book import Level
from workers.matching.core import MatchingCore

SECOND_US = 1_000_000
BREAKER = {"breaker_move_e8": E8 // 10, "breaker_window_s": 60, "breaker_halt_s": 30}


def market(ladder: str = "120 1 ann\n110 1 bob\n105 1 carol\n---\n95 1 dave\n89 1 eve") -> Market:
    """The reference is 100: from 90 to 110 may be traded."""
    made = Market(ladder)
    said(made, symbol_control(control_id="breaker", reference_price_e8=100 * E8, **BREAKER))
    return made


def said(market: Market, message: Message) -> list[Message]:
    return [output.message for output in market.core.apply(as_input(message, 1))]


def phase(market: Market) -> Phase:
    return (market.core.books.get(SYMBOL) or market.core.apart[SYMBOL]).session.phase


def test_an_order_trades_to_the_edge_and_the_rest_waits_for_the_auction() -> None:
    halted = market()
    assert halted.buy("zoe", 5, 125) == [
        "zoe NEW",
        "zoe PARTIALLY_FILLED leaves 4",
        "carol FILLED leaves 0",
        "trade 1 at 105",
        "zoe PARTIALLY_FILLED leaves 3",
        "bob FILLED leaves 0",
        "trade 1 at 110",
        "the symbol halts",
    ]
    assert phase(halted) is Phase.HALTED
    assert halted.buy("yan", 1, 90) == ["yan REJECTED SYMBOL_HALTED"]
    halted.clock(29)
    assert phase(halted) is Phase.HALTED
    halted.clock(30)
    assert phase(halted) is Phase.AUCTION
    halted.sell("yan", 1, 115)
    opened = halted.clock(60)
    assert [line for line in opened if line.startswith("trade")] == ["trade 1 at 125"] * 2
    assert phase(halted) is Phase.CONTINUOUS


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, 200), (Side.SELL, 1)])
def test_a_market_order_ends_at_the_edge_of_either_side(side: Side, price: int) -> None:
    halted = market()
    told = halted.place("zoe", side, 9, price, order_type=OrderType.MARKET, time_in_force=TimeInForce.IOC)
    assert told[-2:] == ["zoe EXPIRED IMMEDIATE_REMAINDER", "the symbol halts"]
    assert [line for line in told if line.startswith("trade")][-1] == f"trade 1 at {110 if side is Side.BUY else 95}"
    assert phase(halted) is Phase.HALTED


def test_fill_or_kill_looks_no_further_than_the_edge_and_halts_nothing() -> None:
    trading = market()
    for quantity, told in ((3, "zoe EXPIRED FILL_OR_KILL_UNFILLABLE"), (2, "trade 1 at 110")):
        assert trading.buy("zoe", quantity, 125, time_in_force=TimeInForce.FOK)[-1] == told
        assert phase(trading) is Phase.CONTINUOUS


def test_a_price_at_the_edge_and_an_order_that_rests_beyond_it_halt_nothing() -> None:
    trading = market()
    trading.buy("zoe", 2, 110)
    trading.sell("yan", 1, 300)
    trading.buy("yan", 1, 20)
    assert phase(trading) is Phase.CONTINUOUS


def test_a_price_that_the_window_left_behind_halts_too() -> None:
    for ladder, trade in (
        ("85 1 ann\n---\n84 1 dave", lambda halted: halted.buy("zoe", 1, 100)),
        ("116 1 ann\n---\n115 1 dave", lambda halted: halted.sell("zoe", 1, 100)),
    ):
        halted = market(ladder)
        assert trade(halted) == ["zoe NEW", "the symbol halts"]
        assert phase(halted) is Phase.HALTED


def test_an_amendment_is_stopped_as_an_order_is() -> None:
    halted = market()
    halted.amend(4, 5, 125)
    assert phase(halted) is Phase.HALTED


def test_orders_that_meet_their_triggers_enter_no_book_that_has_halted() -> None:
    halted = market()
    waits: dict[str, Any] = {"order_type": OrderType.STOP, "trigger_by": TriggerBy.LAST, "trigger_e8": 105 * E8}
    for account in ("stop-1", "stop-2", "stop-3"):
        halted.buy(account, 2, 200, **waits)
    told = halted.buy("zoe", 1, 105)
    assert [line for line in told if line.endswith("TRIGGERED")] == ["stop-1 TRIGGERED"]
    assert phase(halted) is Phase.HALTED
    halted.clock(30)
    assert [line for line in halted.clock(60) if line.endswith("TRIGGERED")] == [
        "stop-2 TRIGGERED",
        "stop-3 TRIGGERED",
    ]


def test_the_window_moves_with_the_ticks() -> None:
    moving = market("108 1 ann\n116 1 bob\n---")
    moving.buy("zoe", 1, 108)
    moving.clock(1)
    moving.buy("zoe", 1, 116)
    assert phase(moving) is Phase.HALTED
    moving = market("108 1 ann\n116 1 bob\n---")
    moving.buy("zoe", 1, 108)
    for second in (1, 60, 61):
        moving.clock(second)
    assert moving.buy("zoe", 1, 116)[-1] == "trade 1 at 116"
    assert phase(moving) is Phase.CONTINUOUS


def test_the_price_of_the_auction_is_the_next_reference() -> None:
    halted = market("130 1 ann\n131 1 bob\n---")
    halted.buy("zoe", 1, 130)
    for second in (30, 60):
        halted.clock(second)
    assert halted.buy("zoe", 1, 131)[-1] == "trade 1 at 131"


def test_another_change_of_phase_takes_the_place_of_the_breakers() -> None:
    for number, decision in enumerate(
        (session_control(1, Phase.CLOSED), session_control(2, Phase.CLOSED, 10 * SECOND_US)), 1
    ):
        halted = market()
        said(halted, decision) if number == 2 else None
        halted.buy("zoe", 5, 125)
        said(halted, decision) if number == 1 else None
        for second in (10, 30, 60, 90):
            halted.clock(second)
        assert phase(halted) is Phase.CLOSED


def test_a_restart_in_a_halt_changes_nothing() -> None:
    halted = market()
    halted.buy("zoe", 5, 125)
    restarted = MatchingCore(0, 1)
    restarted.load(halted.core.dump(), halted.core.behaviour)
    assert restarted.dump() == halted.core.dump()
    for second in (29, 30, 59, 60, 61):
        tick = as_input(Tick(sequence=1, ts_us=second * SECOND_US), 1)
        assert restarted.apply(tick) == halted.core.apply(tick)
    assert restarted.dump() == halted.core.dump()


def test_what_a_halt_leaves_crossed_says_so() -> None:
    halted = market()
    order = new_order(50, Side.BUY, 125 * E8, 5 * E8, account="zoe")
    messages = said(halted, order)
    changes = [message for message in messages if isinstance(message, BookChange)]
    assert {change.collecting for change in changes} == {True}
    assert [message.phase for message in messages if isinstance(message, SessionChange)] == [Phase.HALTED]


@pytest.mark.parametrize("seed", range(6))
def test_no_trade_of_a_random_stream_is_further_away_than_it_may(seed: int) -> None:
    """Counted independently: the price in force when the window began, of a list of all prices at ticks."""
    window_us, move_e8 = 500, E8 // 200
    core = MatchingCore(0, 1)
    fields = {"breaker_move_e8": move_e8, "breaker_window_s": 1, "breaker_halt_s": 1}
    core.apply(as_input(symbol_control(tick_e8=TICK_E8, reference_price_e8=1_000 * TICK_E8, **fields), 0))
    book = core.books[SYMBOL]
    assert book.breaker is not None
    book.breaker.window_us, book.breaker.halt_us = window_us, 100
    window = NaiveWindow(window_us, move_e8)
    for message in random_orders(seed, 3_000):
        tick = [Tick(sequence=at(message), ts_us=time_of(at(message)))] if at(message) % 20 == 0 else []
        for each in (message, *tick):
            window.told([output.message for output in core.apply(as_input(each, at(each)))], each)
            assert SYMBOL in core.apart or book.bids.best_e8 < book.asks.best_e8
    assert window.halts > 3


class NaiveWindow:
    """All prices at ticks, and what they let pass."""

    def __init__(self, window_us: int, move_e8: int) -> None:
        self.window_us, self.move_e8 = window_us, move_e8
        self.last, self.halts = 1_000 * TICK_E8, 0
        self.seen = [(0, self.last)]

    def told(self, messages: list[Message], asked: Asked) -> None:
        now_us, before = time_of(at(asked)), self.last
        phases = [message.phase for message in messages if isinstance(message, SessionChange)]
        begun = [price for time_us, price in self.seen if time_us <= self.seen[-1][0] - self.window_us] or [
            self.seen[0][1]
        ]
        for trade in messages:
            if isinstance(trade, Trade):
                self.last = trade.price_e8
                if Phase.CONTINUOUS not in phases:
                    assert abs(trade.price_e8 - begun[-1]) * E8 <= self.move_e8 * begun[-1]
        self.halts += phases.count(Phase.HALTED)
        if Phase.CONTINUOUS in phases:
            auction = [m.price_e8 for m in messages if isinstance(m, Trade) and m.aggressor_side is Side.UNKNOWN]
            # Not what is triggered then: it trades after the window has begun.
            self.seen = [(now_us, auction[-1] if auction else before)]
        elif isinstance(asked, Tick):
            self.seen.append((now_us, self.last))


@pytest.mark.parametrize("prevention", SelfTradePrevention)
def test_nobody_halts_a_symbol_with_orders_of_his_own(prevention: SelfTradePrevention) -> None:
    mine = market("120 1 zoe\n---\n95 1 dave")
    ended = mine.buy("zoe", 1, 125, prevention=prevention)[1:]
    assert (phase(mine), [line for line in ended if line.startswith("trade")]) == (Phase.CONTINUOUS, [])
    assert "zoe CANCELLED SELF_TRADE" in ended
    others = market("120 1 zoe, 1 ann\n---\n95 1 dave")
    others.buy("zoe", 1, 125, prevention=prevention)
    halts = prevention is SelfTradePrevention.CANCEL_OLDEST
    assert phase(others) is (Phase.HALTED if halts else Phase.CONTINUOUS)


def test_what_lies_behind_an_order_of_his_own_is_traded_as_far_as_the_edge() -> None:
    behind = market("115 1 ann\n---\n112 1 zoe\n109 1 dave")
    sold = behind.sell("zoe", 1, 100, prevention=SelfTradePrevention.CANCEL_OLDEST)
    assert sold[1:] == ["zoe CANCELLED SELF_TRADE", "zoe FILLED leaves 0", "dave FILLED leaves 0", "trade 1 at 109"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"breaker_window_s": None}, "go together"),
        ({"breaker_move_e8": None}, "go together"),
        ({"breaker_move_e8": 0}, "breaker_move_e8 is 0: it must be above 0"),
        ({"breaker_move_e8": E8}, f"breaker_move_e8 is {E8}"),
        ({"breaker_window_s": 0}, "breaker_window_s is 0"),
        ({"breaker_halt_s": BREAKER_S_MAX + 1}, "breaker_halt_s is"),
    ],
)
def test_a_breaker_is_whole_or_not_there(fields: dict[str, Any], error: str) -> None:
    whole = symbol_control(**BREAKER)
    assert control_error(whole) is None
    assert error in (control_error(replace(whole, **fields)) or "")


def test_a_symbol_can_lose_its_breaker() -> None:
    trading = market()
    said(trading, symbol_control(control_id="without"))
    assert trading.buy("zoe", 3, 125)[-1] == "trade 1 at 120"
    reasons = [m.reason for m in said(trading, mark(60, 1)) if isinstance(m, Execution)]
    assert reasons == list[Reason]()


def test_own_orders_beyond_the_edge_are_taken_out_without_a_look_at_those_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[Level] = []

    def equal(level: Level, other: object) -> bool:
        compared.append(level)
        return level is other

    levels = range(120, 180)
    halted = market("\n".join(f"{price} 1 zoe, 1 zoe" for price in levels))
    monkeypatch.setattr(Level, "__eq__", equal)
    order = new_order(1000, Side.BUY, 200 * E8, E8, account="zoe", prevention=SelfTradePrevention.CANCEL_OLDEST)
    changes = [each for each in said(halted, order) if isinstance(each, BookChange)]
    assert [change.price_e8 // E8 for change in changes if change.side is Side.SELL] == [*levels]
    assert not compared
