"""What each phase takes, what a plan does, what ends with the day, and auctions that take more than one record."""

import pytest
from msgspec.structs import replace

from schemas import sessions
from schemas.messages import (
    BookChange,
    DeadLetter,
    Execution,
    ExecutionKind,
    Liquidity,
    Message,
    Order,
    OrderKind,
    Phase,
    Reason,
    SessionChange,
    Side,
    SymbolStatus,
    Tick,
    TimeInForce,
    Trade,
)
from schemas.units import DAY_US, E8
from tests.oracle.order_stream import SYMBOL, amend_order, as_input, cancel_order, new_order, open_core, symbol_control
from tests.oracle.session_stream import session_control
from tests.unit.matching.ladder import Market, rungs
from workers.matching import auction, phases, remove
from workers.matching.book import Book
from workers.matching.core import MatchingCore

SECOND_US = 1_000_000
KILL = replace(symbol_control(control_id="kill"), symbol_status=SymbolStatus.HALTED, cancel_open=True)


def said(core: MatchingCore, message: Message, number: int = 1) -> list[Message]:
    return [output.message for output in core.apply(as_input(message, number))]


def phase_of(core: MatchingCore) -> Phase:
    return (core.books.get(SYMBOL) or core.apart[SYMBOL]).session.phase


def clock(core: MatchingCore, now_us: int) -> list[Message]:
    return said(core, Tick(sequence=1, ts_us=now_us))


def reasons(messages: list[Message]) -> list[tuple[ExecutionKind, Reason]]:
    return [(message.kind, message.reason) for message in messages if isinstance(message, Execution)]


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.PRE_OPEN, None),
        (Phase.AUCTION, None),
        (Phase.HALTED, Reason.SYMBOL_HALTED),
        (Phase.CLOSED, Reason.SYMBOL_CLOSED),
    ],
)
def test_what_a_phase_takes(phase: Phase, reason: Reason | None) -> None:
    core = open_core()
    resting = new_order(1, Side.BUY, 99 * E8, 2 * E8)
    said(core, resting)
    said(core, session_control(2, phase))
    placed = reasons(said(core, new_order(3, Side.SELL, 98 * E8, E8, account="bob", post_only=True)))
    amended = reasons(said(core, amend_order(4, resting, 100 * E8, E8)))
    removed = reasons(said(core, cancel_order(5, resting)))
    if reason is None:
        assert (placed, amended) == ([(ExecutionKind.NEW, Reason.NONE)], [(ExecutionKind.AMENDED, Reason.NONE)])
        market = new_order(6, Side.BUY, 99 * E8, E8, time_in_force=TimeInForce.IOC)
        assert reasons(said(core, market)) == [(ExecutionKind.REJECTED, Reason.NOT_CONTINUOUS)]
    else:
        assert (placed, amended) == ([(ExecutionKind.REJECTED, reason)], [(ExecutionKind.AMEND_REJECTED, reason)])
    assert removed == [(ExecutionKind.CANCELLED, Reason.CANCELLED_BY_CLIENT)]
    gone = (ExecutionKind.AMEND_REJECTED, Reason.ORDER_FINAL), (ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL)
    for change, answer in zip((amend_order(7, resting, E8, E8), cancel_order(8, resting)), gone, strict=True):
        assert reasons(said(core, change)) == [answer]


def test_only_changes_of_a_market_that_trades_say_so() -> None:
    core = open_core()
    said(core, new_order(1, Side.BUY, 99 * E8, E8))
    said(core, session_control(2, Phase.AUCTION))
    collected = said(core, new_order(3, Side.BUY, 98 * E8, E8))
    opened = said(core, session_control(4, Phase.CONTINUOUS))
    changes = [message for message in (*collected, *opened) if isinstance(message, BookChange)]
    assert [(change.price_e8, change.collecting) for change in changes] == [(98 * E8, True), (99 * E8, False)]
    assert [m.phase for m in opened if isinstance(m, SessionChange)] == [Phase.CONTINUOUS]


def test_a_plan_is_followed_by_the_logs_clock_and_by_nothing_else() -> None:
    core = open_core()
    steps = ((10, Phase.PRE_OPEN), (30, Phase.CONTINUOUS), (20, Phase.AUCTION), (40, Phase.CLOSED))
    for number, (second, phase) in enumerate(steps, 1):
        said(core, session_control(number, phase, second * SECOND_US))
    seen = []
    for second in (9, 10, 19, 21, 29, 30, 39, 40):
        clock(core, second * SECOND_US)
        restarted = MatchingCore(0, 1)
        restarted.load(core.dump(), core.behaviour)
        core = restarted
        seen.append(phase_of(core))
    trading, pre_open, collecting, closed = Phase.CONTINUOUS, Phase.PRE_OPEN, Phase.AUCTION, Phase.CLOSED
    assert seen == [trading, pre_open, pre_open, collecting, collecting, trading, trading, closed]


def test_a_later_decision_for_the_same_time_replaces_and_a_plan_can_be_withdrawn() -> None:
    core = open_core()
    said(core, session_control(1, Phase.HALTED, 10 * SECOND_US))
    said(core, session_control(2, Phase.AUCTION, 10 * SECOND_US))
    said(core, session_control(3, Phase.CLOSED, 20 * SECOND_US))
    said(core, session_control(4, Phase.HALTED, 30 * SECOND_US))
    said(core, session_control(5, None, 20 * SECOND_US))
    told = [clock(core, second * SECOND_US) for second in (15, 25, 35)]
    assert [[m.phase for m in each if isinstance(m, SessionChange)] for each in told] == [
        [Phase.AUCTION],
        [],
        [Phase.HALTED],
    ]
    said(core, session_control(6, Phase.CLOSED, 40 * SECOND_US))
    said(core, session_control(7, None))
    assert clock(core, 50 * SECOND_US) == []
    assert phase_of(core) is Phase.HALTED


def test_what_is_over_takes_effect_at_once_and_after_an_outage_each_step_is_made() -> None:
    core = open_core()
    clock(core, 100 * SECOND_US)
    assert [
        m.phase for m in said(core, session_control(1, Phase.AUCTION, 90 * SECOND_US)) if isinstance(m, SessionChange)
    ]
    for number, side in ((2, Side.BUY), (3, Side.SELL)):
        said(core, new_order(number, side, 99 * E8, E8, account=f"account-{number}"))
    said(core, session_control(4, Phase.CONTINUOUS, 110 * SECOND_US))
    said(core, session_control(5, Phase.CLOSED, 120 * SECOND_US))
    late = clock(core, 1_000 * SECOND_US)
    assert len([message for message in late if isinstance(message, Trade)]) == 1
    assert [message.phase for message in late if isinstance(message, SessionChange)][1:] == [
        Phase.CONTINUOUS,
        Phase.CLOSED,
    ]


def test_a_plan_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PLANNED_MAX", 2)
    core = open_core()
    for number in (1, 2):
        assert said(core, session_control(number, Phase.CLOSED, number * SECOND_US)) == []
    (letter,) = said(core, session_control(3, Phase.CLOSED, 3 * SECOND_US))
    assert isinstance(letter, DeadLetter)
    assert "are planned, which is the most" in letter.detail
    assert said(core, session_control(4, Phase.HALTED, 2 * SECOND_US)) == []


def test_a_session_is_of_a_symbol_that_there_is() -> None:
    core = open_core()
    (letter,) = said(core, session_control(1, Phase.CLOSED, symbol="ETH-USD"))
    assert isinstance(letter, DeadLetter)
    assert "there is no symbol ETH-USD" in letter.detail
    for wrong, detail in (
        (session_control(2, Phase.UNKNOWN), "phase is one that this release does not know"),
        (session_control(3, Phase.CLOSED, -1), "effective_us is -1"),
        (replace(session_control(4, Phase.CLOSED), symbol=None), "symbol None must be"),
    ):
        (letter,) = said(core, wrong)
        assert isinstance(letter, DeadLetter)
        assert detail in letter.detail


def day_order(number: int, side: Side = Side.BUY, price: int = 90) -> Order:
    return new_order(number, side, price * E8, E8, time_in_force=TimeInForce.DAY, account=f"account-{number}")


def ended(messages: list[Message]) -> list[int]:
    return [m.order_id for m in messages if isinstance(m, Execution) and m.reason is Reason.SESSION_CLOSED]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_good_for_the_day_ends_at_midnight_where_no_close_is_planned(*, restarted: bool) -> None:
    core = open_core()
    clock(core, 5 * DAY_US - 2 * SECOND_US)
    for number in (1, 2):
        said(core, day_order(number))
    said(core, cancel_order(3, day_order(1)))
    said(core, new_order(4, Side.BUY, 90 * E8, E8))
    if restarted:
        loaded = MatchingCore(0, 1)
        loaded.load(core.dump(), core.behaviour)
        core = loaded
    assert ended(clock(core, 5 * DAY_US - 1)) == []
    over = clock(core, 5 * DAY_US)
    assert ended(over) == [2]
    (end,) = [message for message in over if isinstance(message, Execution)]
    assert (end.kind, end.expire_us) == (ExecutionKind.EXPIRED, 5 * DAY_US)
    assert ended(clock(core, 6 * DAY_US)) == []
    assert len(core.books[SYMBOL].orders) == 1


def test_a_planned_close_is_the_end_of_the_day_even_beyond_midnight() -> None:
    core = open_core()
    said(core, session_control(1, Phase.CLOSED, 5 * DAY_US + 60 * SECOND_US))
    clock(core, 5 * DAY_US - SECOND_US)
    said(core, day_order(2))
    assert ended(clock(core, 5 * DAY_US + SECOND_US)) == []
    assert ended(clock(core, 5 * DAY_US + 60 * SECOND_US)) == [2]


def test_an_amended_day_order_still_ends_with_its_day() -> None:
    core = open_core()
    said(core, day_order(1))
    for number, price in ((2, 91), (3, 92)):
        said(core, amend_order(number, day_order(1), price * E8, 2 * E8))
    assert ended(said(core, session_control(4, Phase.CLOSED))) == [1]


def test_the_closing_auction_trades_before_the_day_ends() -> None:
    core = open_core()
    said(core, session_control(1, Phase.AUCTION))
    said(core, day_order(2, Side.BUY, 100))
    said(core, day_order(3, Side.SELL, 99))
    said(core, day_order(4, Side.SELL, 99))
    messages = said(core, session_control(5, Phase.CLOSED))
    assert [type(message) for message in messages if isinstance(message, Trade)] == [Trade]
    assert ended(messages) == [4]


def test_a_pre_open_that_closes_trades_nothing_and_leaves_the_book_crossed_for_the_next_auction() -> None:
    core = open_core()
    said(core, session_control(1, Phase.PRE_OPEN))
    for number, side, price in ((2, Side.BUY, 100), (3, Side.SELL, 99)):
        said(core, new_order(number, side, price * E8, E8, account=f"account-{number}"))
    assert not any(isinstance(message, Trade) for message in said(core, session_control(4, Phase.CLOSED)))
    assert any(isinstance(message, Trade) for message in said(core, session_control(5, Phase.CONTINUOUS)))


def test_both_sides_of_an_auction_pay_the_makers_fee_and_get_no_rebate() -> None:
    fees = []
    for maker_fee_e8 in (E8 // 100, -E8 // 100):
        core = open_core()
        said(core, symbol_control(control_id="fees", maker_fee_e8=maker_fee_e8))
        said(core, session_control(1, Phase.AUCTION))
        said(core, day_order(2, Side.BUY, 100))
        said(core, day_order(3, Side.SELL, 100))
        fills = [m for m in said(core, session_control(4, Phase.CONTINUOUS)) if isinstance(m, Execution)]
        assert [fill.liquidity for fill in fills] == [Liquidity.AUCTION] * 2
        fees += [fill.fee_e8 for fill in fills]
    assert fees == [E8, E8, 0, 0]


@pytest.fixture
def large() -> MatchingCore:
    """Six buyers and six sellers, in an auction of which one record trades two."""
    core = open_core()
    said(core, session_control(1, Phase.AUCTION))
    for number in range(2, 8):
        said(core, new_order(number, Side.BUY, (100 + number) * E8, E8, account=f"buyer-{number}"))
        said(core, new_order(number + 10, Side.SELL, (110 - number) * E8, E8, account=f"seller-{number}"))
    return core


def prices(messages: list[Message]) -> list[int]:
    return [message.price_e8 // E8 for message in messages if isinstance(message, Trade)]


def test_a_large_auction_goes_on_with_the_ticks_at_one_price(
    large: MatchingCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auction, "TRADES_MAX", 2)
    pieces = [said(large, session_control(30, Phase.CONTINUOUS))]
    refused = said(large, new_order(31, Side.BUY, 200 * E8, E8))
    restarted = MatchingCore(0, 1)
    restarted.load(large.dump(), large.behaviour)
    pieces += [clock(restarted, second * SECOND_US) for second in (1, 2)]
    assert reasons(refused) == [(ExecutionKind.REJECTED, Reason.SYMBOL_HALTED)]
    assert [prices(piece) for piece in pieces] == [[105, 105], [105], []]
    assert phase_of(restarted) is Phase.CONTINUOUS
    restarted.books[SYMBOL].assert_uncrossed()
    changes = [m for piece in pieces for m in piece if isinstance(m, BookChange)]
    assert changes[0].collecting
    assert not changes[-1].collecting


def test_what_is_cancelled_within_a_large_auction_leaves_nothing_crossed(
    large: MatchingCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auction, "TRADES_MAX", 2)
    assert prices(said(large, session_control(30, Phase.CONTINUOUS))) == [105, 105]
    said(large, cancel_order(31, new_order(5, Side.BUY, 105 * E8, E8, account="buyer-5")))
    for second in range(1, 5):
        clock(large, second * SECOND_US)
    assert phase_of(large) is Phase.CONTINUOUS
    large.books[SYMBOL].assert_uncrossed()


def test_a_halt_stops_a_large_auction(large: MatchingCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auction, "TRADES_MAX", 2)
    said(large, session_control(30, Phase.CONTINUOUS))
    said(large, session_control(31, Phase.HALTED))
    assert prices(clock(large, SECOND_US)) == []
    assert phase_of(large) is Phase.HALTED


def test_a_killed_symbol_is_emptied_before_its_phase_lets_it_trade() -> None:
    market = Market("101 1 carol\n---\n99 1 dave")
    market.phase(Phase.PRE_OPEN)
    market.buy("zoe", 1, 102)
    core = market.core
    cleared = said(core, KILL)
    assert [m.order_id for m in cleared if isinstance(m, Execution) and m.reason is Reason.KILLED] == [1, 2, 4]
    assert reasons(said(core, new_order(9, Side.BUY, 99 * E8, E8))) == [(ExecutionKind.REJECTED, Reason.SYMBOL_HALTED)]
    market.phase(Phase.CONTINUOUS)
    assert SYMBOL in core.apart
    said(core, symbol_control(control_id="go on"))
    assert SYMBOL in core.books
    assert market.ladder() == rungs("---")


def test_a_killed_book_trades_nothing_while_it_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove, "REMOVALS_MAX", 1)
    market = Market()
    market.phase(Phase.AUCTION)
    market.sell("yan", 1, 101)
    market.sell("xia", 1, 101)
    market.buy("zoe", 1, 102)
    said(market.core, KILL)
    assert market.phase(Phase.CONTINUOUS) == []
    assert prices([*clock(market.core, SECOND_US), *clock(market.core, 2 * SECOND_US)]) == []
    said(market.core, symbol_control(control_id="go on"))
    assert SYMBOL in market.core.books


def test_the_price_of_an_auction_is_the_reference_of_the_next() -> None:
    market = Market()
    for low, high in ((110, 110), (100, 150)):
        market.phase(Phase.AUCTION)
        market.buy("zoe", 1, high)
        market.sell("yan", 1, low)
        told = market.phase(Phase.CONTINUOUS)
        assert told[-1] == "trade 1 at 110"


def test_the_auction_is_told_at_most_once_a_tick_and_when_it_changed() -> None:
    core = open_core()
    said(core, session_control(1, Phase.AUCTION))
    for number, side in ((2, Side.BUY), (3, Side.SELL), (4, Side.SELL)):
        placed = said(core, new_order(number, side, 99 * E8, E8, account=f"account-{number}"))
        assert not any(isinstance(message, SessionChange) for message in placed)
    told = [message for second in (1, 2) for message in clock(core, second * SECOND_US)]
    (change,) = told
    assert isinstance(change, SessionChange)
    assert (change.sequence, change.price_e8, change.volume_e8, change.surplus_e8) == (2, 99 * E8, E8, -E8)


def test_a_state_from_before_the_sessions_is_read() -> None:
    core = open_core()
    said(core, new_order(1, Side.BUY, 99 * E8, E8))
    said(core, symbol_control("ETH-USD"))
    said(core, replace(KILL, symbol="ETH-USD", base="ETH"))
    older = MatchingCore(0, 1)
    older.load(core.dump(), 6)
    assert older.apart["ETH-USD"].session.killed
    assert SYMBOL in older.books


def test_what_an_auction_would_do_is_reckoned_when_its_orders_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reckoned: list[Book] = []

    def count(book: Book) -> auction.Clearing | None:
        reckoned.append(book)
        return auction.clearing(book)

    monkeypatch.setattr(phases, "clearing", count)
    core = open_core()
    said(core, session_control(1, Phase.AUCTION))
    ask, bid = (
        new_order(2, Side.SELL, 99 * E8, 2 * E8, account="ask"),
        new_order(3, Side.BUY, 99 * E8, E8, account="bid"),
    )
    removal = replace(cancel_order(6, bid), kind=OrderKind.REMOVE)
    changes: list[Message] = [ask, bid, amend_order(4, ask, 98 * E8, 2 * E8), amend_order(5, ask, 98 * E8, E8), removal]
    changes += [symbol_control(control_id="tick", tick_e8=E8 // 2), cancel_order(7, ask)]
    for change in changes:
        said(core, change)
        before = len(reckoned)
        for second in range(3):
            clock(core, second)
        assert len(reckoned) - before == 1, change
