"""What is sent, how often, and what a call ends with: the rules as pure code, without a network."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tradsys.client import (
    ApiError,
    ApiKey,
    Bracket,
    Changes,
    ClientError,
    ConflictError,
    NewOrder,
    NewPair,
    OutcomeUnknownError,
    Password,
    ProtocolError,
    RateLimitedError,
    StopOrder,
    UnauthorizedError,
    UnreachableError,
    ValidationError,
    limits,
    order_calls,
    other_calls,
    pairs,
)
from tradsys.client.order_calls import place_all
from tradsys.client.rules import Authorise, Means, Pause, Send, authorised, perform
from tradsys.client.session import Session
from tradsys.client.wire import Answer, Failure, Request

NOT_SENT, LOST = Failure(False, "connection refused"), Failure(True, "the connection was lost")
ORDER = NewOrder(
    symbol="BTC-USD", side="buy", type="limit", quantity=Decimal(1), price=Decimal(100), client_order_id="c1"
)
NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
REPORT = {
    "order_id": "5",
    "account": "alice",
    "client_order_id": "c1",
    "symbol": "BTC-USD",
    "side": "buy",
    "order_type": "limit",
    "time_in_force": "gtc",
    "quantity": "1",
    "status": "new",
    "leaves": "1",
    "cumulative": "0",
    "cumulative_notional": "0",
    "reason": "NONE",
    "command_time": "2030-01-31T12:00:00Z",
    "time": "2030-01-31T12:00:00Z",
    "execution_id": "9",
    "kind": "new",
}

TRADE = {
    "trade_id": "1",
    "price": "1",
    "quantity": "1",
    "notional": "1",
    "aggressor_side": "buy",
    "time": "2030-01-31T12:00:00Z",
}


def said(data: Any = None, status: int = 200, **more: Any) -> Answer:
    return Answer(status, {"x-correlation-id": "theirs"}, json.dumps({"success": True, "data": data, **more}).encode())


def failed(code: str, status: int = 400, retry_after: str | None = None, details: Any = None) -> Answer:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    error = {"code": code, "message": "A sentence.", "details": details}
    body = {"success": False, "error": error, "correlation_id": "theirs"}
    return Answer(status, headers, json.dumps(body).encode())


PENDING = said({"order_id": "5", "client_order_id": "c1", "status": "pending"}, 202)
PLACED = said(REPORT)
UNKNOWN = failed("OUTCOME_UNKNOWN", 503, "1")
AWAY = failed("SERVICE_UNAVAILABLE", 503, "1")


class World:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: Answer | Failure | BaseException, patience_s: float = 15.0) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.pauses: list[float] = []
        self.now_s = 0.0
        self.names = 0
        self.session: Session | None = Session(ApiKey("tsk_1"))
        self.means = Means(clock_s=lambda: self.now_s, make_id=self._name, patience_s=patience_s)

    def _name(self) -> str:
        self.names += 1
        return f"name-{self.names}"

    def do(self, call: Any) -> Any:
        return self.run(perform(call, self.session, self.means))

    def run(self, steps: Any) -> Any:
        result: Any = None
        error: ClientError | None = None
        while True:
            try:
                step = steps.send(result) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            result = error = None
            match step:
                case Send(request):
                    self.requests.append(request)
                    result = self.answers.pop(0)
                case Pause(seconds):
                    self.pauses.append(seconds)
                    self.now_s += seconds
                case Authorise(refused):
                    assert self.session is not None
                    try:
                        result = self.run(authorised(self.session, self.means, refused))
                    except ClientError as refusal:
                        error = refusal

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body or b"null") for request in self.requests]


# What is sent


def test_an_order_is_sent_as_the_gateway_reads_it() -> None:
    world = World(PLACED)
    order = NewOrder(
        symbol="BTC-USD",
        side="sell",
        type="limit",
        quantity=Decimal("1E+3"),
        price=Decimal("0.00000001"),
        post_only=True,
        client_order_id="c1",
        time_in_force="gtd",
        expire_time=datetime(2030, 1, 31, 14, tzinfo=UTC).astimezone(),
        oco=StopOrder(trigger_price=99),
    )
    world.do(order_calls.place(order, 1.5))
    (request,) = world.requests
    assert (request.method, request.path, request.query) == ("POST", "/api/v1/orders", {"wait": "1500"})
    assert request.headers["authorization"] == "Bearer tsk_1"
    assert request.timeout_s == limits.TIMEOUT_S + 1.5
    assert world.bodies == [
        {
            "symbol": "BTC-USD",
            "side": "sell",
            "type": "limit",
            "quantity": "1000",
            "price": "0.00000001",
            "time_in_force": "gtd",
            "expire_time": "2030-01-31T14:00:00Z",
            "client_order_id": "c1",
            "post_only": True,
            "oco": {"trigger_price": "99"},
        }
    ]


def test_a_bracket_is_sent_with_its_stop_order() -> None:
    world = World(PLACED)
    bracket = Bracket(take_profit_price=105, stop_loss=StopOrder(trigger_price=Decimal("98.5"), trigger_by="mark"))
    order = NewOrder(symbol="BTC-USD", side="buy", type="market", quantity=1, client_order_id="c1", bracket=bracket)
    world.do(order_calls.place(order, 0))
    assert world.bodies[0]["bracket"] == {
        "take_profit_price": "105",
        "stop_loss": {"trigger_price": "98.5", "trigger_by": "mark"},
    }


@pytest.mark.parametrize("wrong", [0.1, Decimal("NaN"), Decimal("Infinity")])
def test_a_float_and_what_is_no_number_is_not_sent(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        order_calls.amend("5", Changes(price=wrong), 0)


def test_a_time_without_a_zone_is_not_sent() -> None:
    with pytest.raises(ValueError, match="zone"):
        other_calls.candles("BTC-USD", "1m", None, datetime(2030, 1, 31), 5)  # noqa: DTZ001 - what is refused


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    assert order_calls.cancel("../../auth/logout", 0).path == "/api/v1/orders/..%2F..%2Fauth%2Flogout"


def test_what_everybody_may_read_is_asked_without_a_token() -> None:
    world = World(said([]))
    world.session = None
    assert world.do(other_calls.symbols()) == []
    assert "authorization" not in world.requests[0].headers
    with pytest.raises(UnauthorizedError):
        world.do(other_calls.account())
    assert len(world.requests) == 1


# What is repeated


@pytest.mark.parametrize(
    ("call", "answers", "requests"),
    [
        (order_calls.place(ORDER, 0), [LOST, PLACED], 2),
        (order_calls.place(ORDER, 0), [UNKNOWN, UNKNOWN, PLACED], 3),
        (order_calls.place(ORDER, 0), [failed("INTERNAL_ERROR", 500), PLACED], 2),
        (order_calls.place(ORDER, 0), [Answer(502, {}, b"<html>"), PLACED], 2),
        (order_calls.cancel("5", 0), [LOST, PLACED], 2),
        (order_calls.cancel_after(5, 0), [LOST, PLACED], 2),
        (order_calls.amend("5", Changes(price=1), 0), [NOT_SENT, AWAY, failed("RATE_LIMITED", 429, "1"), PLACED], 4),
        (order_calls.cancel_all(None, None, 0), [NOT_SENT, AWAY, PLACED], 3),
        (order_calls.order("5"), [LOST, AWAY, Answer(504, {}, b""), PLACED], 4),
    ],
)
def test_what_is_safe_is_repeated(call: Any, answers: Sequence[Any], requests: int) -> None:
    world = World(*answers)
    world.do(call)
    assert len(world.requests) == requests
    assert len({request.headers["x-correlation-id"] for request in world.requests}) == 1
    assert len({request.body for request in world.requests}) == 1


@pytest.mark.parametrize(
    "call",
    [
        order_calls.amend("5", Changes(price=1), 0),
        order_calls.cancel_all(None, None, 0),
        other_calls.revoke_api_key("k"),
    ],
)
@pytest.mark.parametrize("answer", [LOST, UNKNOWN, failed("INTERNAL_ERROR", 500)])
def test_what_is_not_safe_to_repeat_is_said_to_be_unknown(call: Any, answer: Any) -> None:
    world = World(answer)
    with pytest.raises(OutcomeUnknownError) as told:
        world.do(call)
    assert (len(world.requests), told.value.client_order_ids) == (1, ())
    assert isinstance(told.value.__cause__, ClientError)


def test_what_has_an_idempotency_key_is_repeated_with_it() -> None:
    made = {"key_id": "k", "name": "n", "scopes": [], "addresses": [], "key": "tsk_2"}
    under_way = failed("CONFLICT", 409, "1")
    world = World(LOST, under_way, said(made | {"created_time": "2030-01-31T12:00:00Z"}, 201))
    assert world.do(other_calls.make_api_key("n", ["read"], [])).key == "tsk_2"
    assert [request.headers["idempotency-key"] for request in world.requests] == ["name-1"] * 3
    with pytest.raises(OutcomeUnknownError):
        World(LOST, *[under_way] * 30).do(other_calls.make_api_key("n", ["read"], []))


def test_a_pair_is_changed_as_it_was_read() -> None:
    changed = NewPair(symbol1="B", symbol2="C", ratio=Decimal("1E+1"), status="active", lookback_period=20)
    world = World(failed("PRECONDITION_FAILED", 412))
    with pytest.raises(ConflictError):
        world.do(pairs.update("pair-1", 3, changed))
    assert (world.requests[0].headers["if-match"], world.bodies[0]["ratio"]) == ('"3"', "10")


def test_an_order_that_may_have_been_placed_is_asked_for_with_patience() -> None:
    """Only an execution names the order that was placed first."""
    world = World(UNKNOWN, PLACED)
    placed = world.do(order_calls.place(ORDER, 0))
    assert [request.query["wait"] for request in world.requests] == ["0", "2000"]
    assert (placed.order_id, placed.report.kind) == ("5", "new")


@pytest.mark.parametrize("last", [NOT_SENT, AWAY, failed("UNAUTHORIZED", 401), failed("FORBIDDEN", 403)])
def test_an_order_of_which_no_answer_ever_came_is_unknown_whatever_came_later(last: Any) -> None:
    world = World(LOST, *[last] * 30)
    with pytest.raises(OutcomeUnknownError) as told:
        world.do(order_calls.place(ORDER, 0))
    assert told.value.client_order_ids == ("c1",)
    assert "same client_order_id" in str(told.value)


def test_an_order_of_which_nothing_was_sent_is_not_unknown() -> None:
    world = World(*[NOT_SENT] * 30)
    with pytest.raises(UnreachableError) as told:
        world.do(order_calls.place(ORDER, 0))
    assert told.value.correlation_id == "name-1"


def test_a_change_whose_answer_cannot_be_read_is_unknown_and_not_repeated() -> None:
    world = World(Answer(202, {}, b"<html>"))
    with pytest.raises(OutcomeUnknownError):
        world.do(order_calls.place(ORDER, 0))
    assert len(world.requests) == 1


def test_what_the_venue_says_of_a_repetition_counts() -> None:
    conflict = failed("CONFLICT", 409, details=REPORT | {"kind": "cancel_rejected", "reason": "ORDER_FINAL"})
    world = World(LOST, conflict)
    with pytest.raises(ConflictError) as told:
        world.do(order_calls.cancel("5", 0))
    assert told.value.report is not None
    assert told.value.report.reason == "ORDER_FINAL"


@pytest.mark.parametrize("code", ["VALIDATION_FAILED", "NOT_FOUND", "FORBIDDEN", "LIMIT_EXCEEDED", "NEW_CODE"])
def test_what_stays_wrong_is_not_repeated(code: str) -> None:
    world = World(failed(code))
    with pytest.raises(ApiError) as told:
        world.do(order_calls.order("5"))
    assert (told.value.code, len(world.requests)) == (code, 1)


def test_pauses_double_to_a_limit_and_are_at_least_what_the_gateway_asks() -> None:
    world = World(*[NOT_SENT] * 7, failed("RATE_LIMITED", 429, "3"), PLACED)
    world.do(order_calls.order("5"))
    assert world.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 3.0]


def test_patience_has_an_end() -> None:
    world = World(*[NOT_SENT] * 30, patience_s=1.0)
    with pytest.raises(UnreachableError):
        world.do(order_calls.order("5"))
    assert sum(world.pauses) < 1.0


def test_a_wait_that_is_longer_than_the_patience_is_left_to_the_program() -> None:
    world = World(failed("RATE_LIMITED", 429, "60"))
    with pytest.raises(RateLimitedError) as told:
        world.do(order_calls.order("5"))
    assert (told.value.retry_after_s, world.pauses) == (60.0, [])


def test_attempts_have_a_limit_too() -> None:
    world = World(*[NOT_SENT] * 30, patience_s=1_000)
    with pytest.raises(UnreachableError):
        world.do(order_calls.order("5"))
    assert len(world.requests) == limits.ATTEMPTS_MAX
    world = people(login(1), *[AWAY] * (limits.ATTEMPTS_MAX - 1), failed("UNAUTHORIZED", 401), patience_s=1_000)
    with pytest.raises(UnauthorizedError):
        world.do(READ)


# What errors carry


def test_an_error_carries_all_that_the_gateway_says() -> None:
    details = [{"path": "side", "rule": "must be one of buy, sell", "value": "hold"}]
    world = World(failed("VALIDATION_FAILED", 422, details=details))
    with pytest.raises(ValidationError) as told:
        world.do(order_calls.order("5"))
    error = told.value
    assert (error.status, error.correlation_id, error.violations[0].path) == (422, "theirs", "side")
    assert str(error) == "VALIDATION_FAILED: A sentence."


def test_an_answer_that_is_none_of_the_gateway_is_said_to_be() -> None:
    for answer in (Answer(200, {}, b"<html>"), said({"order_id": 5}), Answer(404, {}, b'{"success":false}')):
        with pytest.raises(ProtocolError):
            World(answer).do(order_calls.order("5"))


def test_a_batch_is_answered_one_by_one() -> None:
    def error(code: str) -> dict[str, Any]:
        return {"success": False, "error": {"code": code, "message": "A sentence."}}

    good = {"success": True, "data": {"order_id": "5", "client_order_id": "c1", "status": "pending"}}
    answers = [good, *map(error, ("VALIDATION_FAILED", "OUTCOME_UNKNOWN", "INTERNAL_ERROR"))]
    placed, wrong, unknown, failed_inside = World(said(answers, 202)).do(place_all([ORDER] * 4))
    assert (placed.order_id, placed.report) == ("5", None)
    assert isinstance(wrong, ValidationError)
    for may_be_done in (unknown, failed_inside):
        assert isinstance(may_be_done, OutcomeUnknownError)
        assert may_be_done.client_order_ids == ("c1",)


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_a_size(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        place_all([ORDER] * count)


def test_a_refusal_by_the_venue_is_no_error() -> None:
    placed = World(said(REPORT | {"kind": "rejected", "status": "rejected", "reason": "FAT_FINGER"})).do(
        order_calls.place(ORDER, 1)
    )
    assert placed.is_refused
    assert placed.report.reason == "FAT_FINGER"


# Sessions


def login(number: int, lifetime_s: int = 1_000) -> Answer:
    data = {
        "token": f"token-{number}",
        "token_type": "Bearer",
        "expires_at": (NOW + timedelta(seconds=lifetime_s)).isoformat(),
        "refresh_token": f"refresh-{number}",
        "refresh_expires_at": "2031-01-31T12:00:00Z",
        "account": "alice",
        "role": "trader",
    }
    body = json.dumps({"success": True, "data": data}).encode()
    return Answer(200, {"date": "Thu, 31 Jan 2030 12:00:00 GMT"}, body)


def people(*answers: Any, patience_s: float = 15.0) -> World:
    world = World(*answers, patience_s=patience_s)
    world.session = Session(Password("alice", "secret"))
    return world


READ = order_calls.order("5")
TOKEN = "authorization"


def test_one_login_serves_all_calls() -> None:
    world = people(login(1), PLACED, PLACED)
    world.do(READ)
    world.do(READ)
    assert world.paths == ["/auth/login", READ.path, READ.path]
    assert world.bodies[0] == {"username": "alice", "password": "secret"}
    assert world.requests[2].headers[TOKEN] == "Bearer token-1"


def test_a_token_is_refreshed_before_it_ends_and_each_refresh_token_is_used_once() -> None:
    world = people(login(1), PLACED, login(2), PLACED, login(3), PLACED)
    for _ in range(3):
        world.do(READ)
        world.now_s += 940
    refreshes = [body for path, body in zip(world.paths, world.bodies, strict=True) if path == "/auth/refresh"]
    assert refreshes == [{"refresh_token": "refresh-1"}, {"refresh_token": "refresh-2"}]
    assert world.requests[-1].headers[TOKEN] == "Bearer token-3"


def test_a_token_that_is_refused_is_replaced_once() -> None:
    refused = failed("UNAUTHORIZED", 401)
    world = people(login(1), refused, login(2), PLACED)
    world.do(order_calls.amend("5", Changes(price=1), 0))
    assert world.paths == ["/auth/login", READ.path, "/auth/refresh", READ.path]
    world = people(login(1), refused, login(2), refused)
    with pytest.raises(UnauthorizedError):
        world.do(READ)


def test_a_refresh_whose_answer_is_lost_is_not_repeated_and_the_password_helps() -> None:
    world = people(login(1), PLACED, LOST, login(2), PLACED)
    world.do(READ)
    world.now_s += 2_000
    world.do(READ)
    assert world.paths[2:] == ["/auth/refresh", "/auth/login", READ.path]


def test_a_session_that_was_ended_begins_anew() -> None:
    world = people(login(1), PLACED, failed("UNAUTHORIZED", 401), login(2), PLACED)
    world.do(READ)
    world.now_s += 2_000
    world.do(READ)
    assert world.paths[2:] == ["/auth/refresh", "/auth/login", READ.path]


def test_a_refresh_ahead_of_time_that_fails_holds_nobody_up() -> None:
    world = people(login(1), PLACED, AWAY, PLACED, PLACED, login(2), PLACED)
    world.do(READ)
    world.now_s += 950
    world.do(READ)
    world.do(READ)
    assert world.pauses == []
    assert world.paths[2:] == ["/auth/refresh", READ.path, READ.path]
    world.now_s += limits.REFRESH_AGAIN_S
    world.do(READ)
    assert world.bodies[-2] == {"refresh_token": "refresh-1"}  # nothing was done, so it is still good
    assert world.requests[-1].headers[TOKEN] == "Bearer token-2"


def test_a_wrong_password_is_not_tried_again() -> None:
    world = people(failed("UNAUTHORIZED", 401))
    with pytest.raises(UnauthorizedError):
        world.do(READ)
    assert world.paths == ["/auth/login"]


def test_a_login_is_tried_again_while_the_gateway_is_away() -> None:
    world = people(NOT_SENT, AWAY, LOST, login(1), PLACED)
    world.do(READ)
    assert world.paths == ["/auth/login"] * 4 + [READ.path]


def test_each_login_has_a_code_of_its_own_that_is_sent_once() -> None:
    codes = iter(["111111", "222222"])
    world = people(NOT_SENT, LOST, login(1), PLACED)
    world.session = Session(Password("ann", "secret", code=lambda: next(codes)))
    with pytest.raises(UnreachableError):
        world.do(READ)
    world.do(READ)
    assert [body["code"] for body in world.bodies[:3]] == ["111111", "111111", "222222"]


def test_a_key_is_sent_as_it_is_and_not_replaced() -> None:
    world = World(failed("UNAUTHORIZED", 401))
    with pytest.raises(UnauthorizedError):
        world.do(READ)
    assert world.paths == [READ.path]


def test_a_login_that_fails_after_an_order_was_lost_leaves_it_unknown() -> None:
    world = people(
        login(1), LOST, failed("UNAUTHORIZED", 401), failed("UNAUTHORIZED", 401), failed("UNAUTHORIZED", 401)
    )
    with pytest.raises(OutcomeUnknownError):
        world.do(order_calls.place(ORDER, 0))


def test_secrets_are_not_shown() -> None:
    for shown in (Password("alice", "secret"), ApiKey("secret")):
        assert "secret" not in repr(shown)
    world = people(login(1), PLACED)
    world.do(READ)
    assert world.session is not None
    assert "refresh-1" not in repr(world.session._login)
