"""The stream as pure code: what it says, tells and does when messages come, are missing, or the connection is lost."""

import json
from collections import deque
from typing import Any

import pytest

from schemas.levels import Levels
from schemas.units import parse_e8
from tests.unit.client.test_rules import REPORT, TRADE, failed, login
from tradsys.client import (
    Alerted,
    ApiKey,
    BookChanged,
    Connected,
    Disconnected,
    ForbiddenError,
    Gap,
    HaltChanged,
    OpenOrders,
    OrderUpdated,
    Password,
    PortfolioChanged,
    ProtocolError,
    Refused,
    TradesHappened,
    UnauthorizedError,
    UnreachableError,
    limits,
)
from tradsys.client.door import Ticket
from tradsys.client.rules import Authorise, Means
from tradsys.client.session import LoggedIn, Session
from tradsys.client.steps import Ask, Hang, Hear, Lost, Open, Rest, Say
from tradsys.client.stream import Stream
from tradsys.client.wire import Answer


class Script:
    """Plays the gateway: each answer is taken by the next Open, Hear or Authorise that asks for one."""

    def __init__(self, *answers: Any, session: Session | None = None, with_ticket: bool = False) -> None:
        self.answers = deque(answers)
        self.now_s = 0.0
        self.said: list[Any] = []
        self.told: list[Any] = []
        self.opened: list[str] = []
        self.refused: list[str | None] = []
        self.tokens = deque(["token-1", "token-2", "token-3"])
        self.hung = 0
        self.stream = Stream(
            session, Means(clock_s=lambda: self.now_s, make_id=lambda: "name"), with_ticket=with_ticket
        )
        self.steps = self.stream.run()

    def play(self) -> list[Any]:
        """Until the script is at its end; what the program was told."""
        steps = self.steps
        result: Any = None
        error: Exception | None = None
        while True:
            step = steps.send(result) if error is None else steps.throw(error)
            result = error = None
            match step:
                case Open() | Hear() if not self.answers:
                    return self.told
                case Open(target, _):
                    self.opened.append(target)
                    result = self._next(None)
                case Hear(timeout_s):
                    result = self._next(timeout_s)
                case Authorise(refused):
                    self.refused.append(refused)
                    result, error = self._token()
                case Ask():
                    result = Ticket(ticket="once/1", expires_in_s=30)
                case _:
                    self._done(step)

    def _done(self, step: Any) -> None:
        match step:
            case Say(text):
                self.said.append(json.loads(text))
            case Rest(seconds):
                self.now_s += seconds
            case Hang():
                self.hung += 1
            case _:
                self.told.append(step)

    def _token(self) -> Any:
        token = self.tokens[0]
        if isinstance(token, Exception):
            return self.tokens.popleft(), None
        return (token, None) if self.refused[-1] is None else (self._replaced(), None)

    def _replaced(self) -> str:
        self.tokens.popleft()
        return str(self.tokens[0])

    def _next(self, timeout_s: float | None) -> Any:
        answer = self.answers.popleft()
        if answer is TIME:
            assert timeout_s is not None
            self.now_s += timeout_s
            return None
        return json.dumps(answer) if isinstance(answer, dict) else answer


TIME, OPENED, CLOSED = object(), None, Lost("closed", 1006)
LOGGED_IN = {"type": "auth", "data": {"account": "alice", "role": "trader"}}
NO_TOKEN = {"type": "error", "error": {"code": "UNAUTHORIZED", "message": "No."}}


def heard(channel: str, sequence: int | None, data: Any, kind: str = "update", **more: Any) -> dict[str, Any]:
    return {"type": "any", "channel": channel, "sequence": sequence, "kind": kind, "data": data, **more}


def book(sequence: int, bids: Any, asks: Any = (), kind: str = "update", levels: Levels | None = None) -> Any:
    """A message with the checksum of the levels after it."""
    levels = Levels() if levels is None else levels
    for ladder, changes in ((levels.bids, bids), (levels.asks, asks)):
        for price, quantity in changes:
            ladder.put(parse_e8(price), parse_e8(quantity))
    data = {"bids": list(bids), "asks": list(asks)}
    return heard("book:BTC-USD", sequence, data, kind, checksum=levels.checksum())


def trade(number: int) -> dict[str, str]:
    return TRADE | {"trade_id": str(number)}


def asked(script: Script) -> list[tuple[str, int | None]]:
    """The channels that were asked for, and from where on."""
    return [(one["channel"], one.get("from_sequence")) for one in script.said if one["type"] == "marketdata.subscribe"]


def test_a_book_is_kept_and_its_checksum_compared() -> None:
    levels = Levels()
    script = Script(
        OPENED,
        book(5, [["100", "1"], ["99", "2"]], [["101", "1"]], "snapshot", levels),
        book(6, [["99", "0"]], [["100.5", "3"]], levels=levels),
    )
    script.stream.subscribe("book:BTC-USD", None)
    connected, first, second = script.play()
    assert connected == Connected(account=None, is_again=False)
    assert isinstance(first, BookChanged)
    assert isinstance(second, BookChanged)
    assert (first.is_snapshot, second.is_snapshot, second.sequence) == (True, False, 6)
    kept = second.book
    assert [(str(price), str(quantity)) for price, quantity in kept.asks()] == [("100.5", "3"), ("101", "1")]
    assert kept.best_bid is not None
    assert str(kept.best_bid.price) == "100"
    assert len(kept.bids(10)) == 1


@pytest.mark.parametrize("is_wrong", ["sequence", "checksum"])
def test_what_is_missing_or_wrong_is_told_and_made_good(is_wrong: str) -> None:
    levels = Levels()
    snapshot = book(5, [["100", "1"]], (), "snapshot", levels)
    bad = book(7 if is_wrong == "sequence" else 6, [["99", "1"]], levels=levels)
    if is_wrong == "checksum":
        bad["checksum"] ^= 1
    stale = book(8, [["98", "1"]], levels=levels)
    again = book(8, [["98", "1"], ["97", "4"]], (), "snapshot")
    script = Script(OPENED, snapshot, bad, stale, again)
    script.stream.subscribe("book:BTC-USD")
    told = script.play()
    assert [type(event) for event in told] == [Connected, BookChanged, Gap, BookChanged]
    assert [str(level.price) for level in told[-1].book.bids()] == ["98", "97"]
    assert asked(script) == [("book:BTC-USD", None)] * 2


def test_a_connection_with_many_gaps_is_given_up() -> None:
    mistaken = [heard("ticker:B", 1, None, "snapshot"), heard("ticker:B", 9, None)] * (limits.GAPS_MAX + 1)
    script = Script(OPENED, *mistaken)
    script.stream.subscribe("ticker:B")
    told = script.play()
    assert (script.hung, isinstance(told[-1], Disconnected)) == (1, True)
    assert sum(isinstance(event, Gap) for event in told) == limits.GAPS_MAX + 1


def test_a_connection_that_is_lost_goes_on_where_it_was() -> None:
    script = Script(
        OPENED,
        heard("orders:alice", 3, [], "snapshot"),
        heard("orders:alice", 4, REPORT, message="A sentence."),
        CLOSED,
        OPENED,
        heard("orders:alice", 5, REPORT),
    )
    script.stream.subscribe("orders")
    told = script.play()
    assert [type(event) for event in told] == [
        *(Connected, OpenOrders, OrderUpdated, Disconnected, Connected, OrderUpdated)
    ]
    assert told[2].message == "A sentence."
    assert told[4].is_again
    assert asked(script) == [("orders", None), ("orders", 4)]


def test_a_book_goes_on_with_its_levels() -> None:
    levels = Levels()
    script = Script(
        OPENED,
        book(5, [["100", "1"]], (), "snapshot", levels),
        CLOSED,
        OPENED,
        book(6, [["99", "1"]], levels=levels),
        CLOSED,
        OPENED,
        book(3, [["7", "1"]], (), "snapshot"),
    )
    script.stream.subscribe("book:BTC-USD", None)
    told = [event for event in script.play() if isinstance(event, BookChanged)]
    assert asked(script) == [("book:BTC-USD", None), ("book:BTC-USD", 5), ("book:BTC-USD", 6)]
    assert [str(level.price) for level in told[-1].book.bids()] == ["7"]


def test_trades_are_told_once_and_those_that_were_missed_are_counted() -> None:
    script = Script(
        OPENED,
        heard("trades:B", 10, [trade(9), trade(10)], "snapshot"),
        heard("trades:B", 11, trade(11)),
        CLOSED,
        OPENED,
        heard("trades:B", 20, [trade(18), trade(19), trade(20)], "snapshot"),
        heard("trades:B", 19, [trade(18), trade(19)], "snapshot"),
        heard("trades:B", 20, trade(20)),
        heard("trades:B", 21, trade(21)),
    )
    script.stream.subscribe("trades:B", None)
    told = [event for event in script.play() if isinstance(event, TradesHappened)]
    assert [[trade.trade_id for trade in event.trades] for event in told] == [
        *(["9", "10"], ["11"], ["18", "19", "20"], ["21"])
    ]
    assert [event.missed for event in told] == [0, 0, 6, 0]


def test_a_program_may_go_on_where_it_was() -> None:
    script = Script(OPENED, heard("trades:B", 12, trade(12), offset=700), CLOSED, OPENED)
    script.stream.subscribe("trades:B", 11, 690)
    _, event, *_ = script.play()
    assert asked(script) == [("trades:B", 11), ("trades:B", 12)]
    assert [message["from_offset"] for message in script.said] == [690, 700]
    assert (event.missed, event.offset) == (0, 700)


def test_an_offset_is_enough_to_go_on() -> None:
    script = Script(OPENED, heard("orders:alice", 12, REPORT, offset=700))
    script.stream.subscribe("orders", None, 690)
    _, event = script.play()
    assert isinstance(event, OrderUpdated)
    assert script.said[-1].get("from_sequence") is None


def test_halts_come_with_the_alerts_of_an_account() -> None:
    time = "2030-01-31T12:00:00Z"
    halt = {"symbol": "B", "halted": True, "killed": False, "status": "halted", "phase": None, "time": time}
    alert = {"account": "alice", "sequence": 2, "status": "reducing", "reason": "MARGIN_CALL", "time": time}
    script = Script(
        OPENED,
        heard("alerts:alice", 1, [], "snapshot"),
        heard("halts:B", 5, None, "snapshot"),
        heard("halts:B", 6, halt),
        heard("alerts:alice", 2, alert, message="A sentence."),
        CLOSED,
        OPENED,
    )
    script.stream.subscribe("alerts")
    told = script.play()
    assert [type(event) for event in told[1:4]] == [Alerted, HaltChanged, Alerted]
    assert (told[3].alerts[0].reason, told[3].message) == ("MARGIN_CALL", "A sentence.")
    assert asked(script) == [("alerts", None), ("alerts", 2), ("halts:B", 6)]
    script = Script(OPENED, heard("halts:B", 6, halt))
    script.stream.subscribe("orders")
    assert len(script.play()) == 1


def test_a_portfolio_is_typed() -> None:
    worth = {"currency": "USD", "equity": None, "exposure": None, "maintenance_margin": None}
    portfolio = {
        "account": "alice",
        "kind": "margin",
        "leverage": "5",
        "balances": [{"currency": "USD", "balance": "10.5"}],
        "positions": [],
        "margin": [worth | {"realised": "1", "unrealised": "0", "fees": "0.1"}],
        "complete": True,
        "time": "2030-01-31T12:00:00Z",
    }
    script = Script(OPENED, heard("portfolio:alice", 3, portfolio, "snapshot"))
    script.stream.subscribe("portfolio")
    _, event = script.play()
    assert isinstance(event, PortfolioChanged)
    assert str(event.portfolio.balances[0].balance) == "10.5"


def test_channels_that_are_refused_are_given_up_and_those_that_could_not_be_read_are_not() -> None:
    refused = {"type": "error", "request_id": "book:NO", "error": {"code": "NOT_FOUND", "message": "No."}}
    away = {"type": "error", "request_id": "orders", "error": {"code": "SERVICE_UNAVAILABLE", "message": "No."}}
    script = Script(OPENED, refused, away, TIME, heard("orders:alice", 1, [], "snapshot"), CLOSED, OPENED)
    script.stream.subscribe("book:NO", None)
    script.stream.subscribe("orders")
    told = script.play()
    assert isinstance(told[1], Refused)
    assert (told[1].channel, told[1].error.code) == ("book:NO", "NOT_FOUND")  # type: ignore[attr-defined]
    assert asked(script) == [("book:NO", None), ("orders", None), ("orders", None), ("orders", 1)]


def test_pauses_double_to_a_limit_and_begin_anew_once_something_was_heard() -> None:
    away = Lost("connection refused")
    script = Script(*[away] * 8, OPENED, heard("ticker:B", 1, None, "snapshot"), CLOSED)
    script.stream.subscribe("ticker:B", None)
    waits = [event.wait_s for event in script.play() if isinstance(event, Disconnected)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.1]


def test_a_gateway_that_is_full_is_asked_again_when_it_says() -> None:
    script = Script(failed("SERVICE_UNAVAILABLE", 503, "2"))
    (event,) = script.play()
    assert event.wait_s == 2.0


def test_subscriptions_and_their_end_are_said_while_it_is_open() -> None:
    script = Script(OPENED)
    assert script.stream.subscribe("ticker:B", None) == []
    script.play()
    assert json.loads(*script.stream.subscribe("ticker:C", None))["channel"] == "ticker:C"
    assert json.loads(*script.stream.unsubscribe("ticker:B")) == {
        "type": "marketdata.unsubscribe",
        "channel": "ticker:B",
    }
    assert script.stream.unsubscribe("ticker:B") == []
    with pytest.raises(ValueError, match="no name"):
        script.stream.subscribe("x" * 65, None)


def test_channels_may_change_while_they_are_asked_for() -> None:
    script = Script(OPENED)
    script.stream.subscribe("ticker:B")
    script.stream.subscribe("ticker:C")
    opening, *first = (script.steps.send(None) for _ in range(2))
    assert isinstance(opening, Open)
    (added,) = script.stream.subscribe("ticker:D")
    said = [step.text for step in [*first, script.steps.send(None)]]
    assert isinstance(script.steps.send(None), Connected)
    assert [json.loads(text)["channel"] for text in [*said, added]] == ["ticker:B", "ticker:C", "ticker:D"]
    script = Script(OPENED)
    away = {"type": "error", "error": {"code": "SERVICE_UNAVAILABLE", "message": "No."}}
    for name in ("ticker:B", "ticker:C"):
        script.stream.subscribe(name)
        script.answers.append(away | {"request_id": name})
    script.play()
    script.now_s = 100.0
    assert isinstance(script.steps.send(None), Say)
    script.stream.unsubscribe("ticker:C")
    while not isinstance(script.steps.send(None), Hear):
        pass


# Who it is


def people() -> Session:
    session = Session(Password("alice", "secret"))
    call, _ = session.next_call()
    logged_in: LoggedIn = call.result(login(1))
    session.took(logged_in, 0.0)
    return session


def test_the_first_message_says_who_it_is_and_the_rest_follows() -> None:
    script = Script(OPENED, LOGGED_IN, session=people())
    script.stream.subscribe("orders", None)
    script.stream.cancel_on_disconnect(enabled=True)
    (connected,) = script.play()
    assert connected.account == "alice"
    assert [message["type"] for message in script.said] == [
        *("auth", "session.cancel_on_disconnect", "marketdata.subscribe")
    ]
    assert script.said[0]["token"] == "token-1"
    assert script.opened == ["/ws"]


def test_a_ticket_says_it_in_the_address() -> None:
    script = Script(OPENED, session=people(), with_ticket=True)
    (connected,) = script.play()
    assert (script.opened, script.said, connected.account) == (["/ws?ticket=once%2F1"], [], "alice")


def test_a_token_that_is_refused_is_replaced_once() -> None:
    script = Script(OPENED, NO_TOKEN, OPENED, LOGGED_IN, session=people())
    script.play()
    assert script.refused == [None, "token-1"]
    assert [message["token"] for message in script.said] == ["token-1", "token-2"]
    script = Script(OPENED, NO_TOKEN, OPENED, NO_TOKEN, session=people())
    with pytest.raises(UnauthorizedError):
        script.play()


def test_a_key_that_is_refused_ends_the_stream() -> None:
    with pytest.raises(UnauthorizedError):
        Script(OPENED, NO_TOKEN, session=Session(ApiKey("tsk_1"))).play()
    with pytest.raises(UnauthorizedError):
        Script(OPENED, LOGGED_IN, Lost("the session has ended", 4001), session=Session(ApiKey("tsk_1"))).play()


def test_a_connection_whose_token_has_ended_is_opened_with_another() -> None:
    script = Script(OPENED, LOGGED_IN, Lost("the token has expired", 4001), OPENED, LOGGED_IN, session=people())
    script.play()
    assert script.refused == [None, "token-1"]


def test_a_token_is_replaced_before_it_ends_on_the_open_connection() -> None:
    session = people()
    script = Script(OPENED, LOGGED_IN, TIME, session=session)
    script.stream.subscribe("ticker:B", None)
    due_s = session.due_s()
    assert due_s is not None
    before = script._token

    def token() -> Any:
        if script.now_s < due_s:
            return before()
        session.postpone(script.now_s)
        return "token-2", None

    script._token = token  # type: ignore[method-assign]
    told = script.play()
    assert [type(event) for event in told] == [Connected]
    assert script.said[-1] == {"type": "auth", "token": "token-2"}
    assert script.now_s == due_s


def test_no_token_to_be_had_is_tried_again() -> None:
    script = Script(OPENED, LOGGED_IN, session=people())
    outcomes = iter([(None, UnreachableError("away")), ("token-1", None)])
    script._token = lambda: next(outcomes)  # type: ignore[method-assign]
    told = script.play()
    assert [type(event) for event in told] == [Disconnected, Connected]


def test_who_may_not_is_told_at_once() -> None:
    with pytest.raises(ForbiddenError):
        Script(failed("FORBIDDEN", 403)).play()


@pytest.mark.parametrize("text", ["<html>", '{"type":"auth","data":{}}'])
def test_what_is_no_gateway_is_said_to_be(text: str) -> None:
    with pytest.raises(ProtocolError):
        Script(OPENED, text, session=people()).play()


def test_a_message_that_cannot_be_read_ends_the_stream() -> None:
    script = Script(OPENED, heard("ticker:B", 1, {"last": 5}, "snapshot"))
    script.stream.subscribe("ticker:B", None)
    with pytest.raises(ProtocolError):
        script.play()


def test_a_handshake_that_is_refused_by_something_else_is_tried_again() -> None:
    (event,) = Script(Answer(502, {}, b"<html>")).play()
    assert "502" in event.why
