"""Orders over the stream: each has its answer, a refusal, or is told to be unknown."""

from typing import Any

import msgspec
import pytest

from tests.unit.client.test_stream_rules import CLOSED, LOGGED_IN, OPENED, Script, heard
from tradsys.client import (
    ApiKey,
    Changes,
    CommandAccepted,
    CommandRefused,
    ConflictError,
    Connected,
    Disconnected,
    NewOrder,
    OutcomeUnknownError,
    ProtocolError,
    UnauthorizedError,
    UnreachableError,
    limits,
)
from tradsys.client.channels import Heard
from tradsys.client.commands import Commands
from tradsys.client.errors import ClientError
from tradsys.client.rules import Means
from tradsys.client.session import Session
from tradsys.client.steps import Lost

ORDER = NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=1, price=2)


def commands() -> Commands:
    return Commands(Means(clock_s=lambda: 0.0, make_id=iter(f"made-{number}" for number in range(1_000)).__next__))


def message(**fields: Any) -> Heard:
    return msgspec.convert({"type": "order.status"} | fields, Heard) if "data" not in fields else _with_data(**fields)


def _with_data(data: Any, **fields: Any) -> Heard:
    text = msgspec.json.encode({"type": "order.status", "data": data} | fields)
    return msgspec.json.decode(text, type=Heard)


def test_each_command_is_said_under_names_of_its_own() -> None:
    one = commands()
    said = [
        one.submit(ORDER),
        one.submit(ORDER.named("mine")),
        one.amend("7", Changes(price=3)),
        one.cancel("7", None),
        one.cancel(None, "mine"),
    ]
    told = [msgspec.json.decode(text) for _, text in said]
    assert [each["request_id"] for each in told] == [request_id for request_id, _ in said]
    assert len({each["request_id"] for each in told}) == len({each["correlation_id"] for each in told}) == 5
    assert [each["type"] for each in told] == ["order.submit"] * 2 + ["order.amend"] + ["order.cancel"] * 2
    assert told[0]["order"] == {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "1", "price": "2"} | {
        "client_order_id": "made-0"
    }
    assert told[1]["order"]["client_order_id"] == "mine"
    assert (told[2]["order_id"], told[2]["changes"]) == ("7", {"price": "3"})
    assert (told[3]["order_id"], told[4]["client_order_id"]) == ("7", "mine")
    for wrong in ((None, None), ("7", "mine")):
        with pytest.raises(ValueError, match="either"):
            one.cancel(*wrong)


def test_an_answer_is_told_once_and_that_of_others_is_not() -> None:
    one = commands()
    request_id, _ = one.submit(ORDER.named("mine"))
    assert one.take(message(request_id="another")) is None
    assert one.take(message(channel="orders:alice")) is None
    answer = message(request_id=request_id, data={"order_id": "5", "client_order_id": "mine", "status": "pending"})
    assert one.take(answer) == CommandAccepted(
        request_id=request_id, order_id="5", client_order_id="mine", command_id=None
    )
    assert one.take(answer) is None
    assert one.lost("closed") == []


def test_a_refusal_is_told_and_an_outcome_that_nobody_knows_is_unknown() -> None:
    one = commands()
    unknown = OutcomeUnknownError
    for code, kind in (("CONFLICT", ConflictError), ("OUTCOME_UNKNOWN", unknown), ("INTERNAL_ERROR", unknown)):
        request_id, _ = one.submit(ORDER.named("mine"))
        error = {"code": code, "message": "Why."}
        told = one.take(message(type="error", request_id=request_id, error=error, correlation_id="trace"))
        assert isinstance(told, CommandRefused)
        assert (told.request_id, told.client_order_id, type(told.error)) == (request_id, "mine", kind)
        assert told.error.correlation_id == "trace"
    assert isinstance(told.error, OutcomeUnknownError)
    assert told.error.client_order_ids == ("mine",)


def test_so_many_wait_at_a_time() -> None:
    one = commands()
    for _ in range(limits.STREAM_COMMANDS_MAX):
        request_id, _ = one.submit(ORDER)
    with pytest.raises(ClientError, match="64 commands wait"):
        one.submit(ORDER)
    one.take(message(request_id=request_id, data={}))
    one.submit(ORDER)


def test_what_waits_when_the_connection_is_lost_is_told_before_that() -> None:
    script = Script(OPENED, LOGGED_IN, CLOSED, session=Session(ApiKey("key")))
    with pytest.raises(UnreachableError, match="nothing was sent"):
        _ = script.stream.commands
    script.stream._is_open = True
    request_id, _ = script.stream.commands.submit(ORDER.named("mine"))
    connected, refused, lost = script.play()
    assert isinstance(connected, Connected)
    assert (refused.request_id, refused.client_order_id) == (request_id, "mine")
    assert (type(refused.error), refused.error.client_order_ids) == (OutcomeUnknownError, ("mine",))
    assert isinstance(lost, Disconnected)


def test_what_waits_when_the_stream_cannot_go_on_is_told_before_that() -> None:
    script = Script(OPENED, LOGGED_IN, Lost("ended.", 4001), session=Session(ApiKey("key")))
    script.stream._is_open = True
    request_id, _ = script.stream.commands.submit(ORDER.named("mine"))
    with pytest.raises(UnauthorizedError):
        script.play()
    assert [event.request_id for event in script.told if isinstance(event, CommandRefused)] == [request_id]
    assert script.told[-1].error.message == "No answer came: ended."
    script = Script(OPENED, LOGGED_IN, heard("ticker:B", 1, {"last": 5}, "snapshot"), session=Session(ApiKey("key")))
    script.stream.subscribe("ticker:B")
    script.stream._is_open = True
    request_id, _ = script.stream.commands.submit(ORDER.named("mine"))
    with pytest.raises(ProtocolError):
        script.play()
    connected, refused = script.told
    assert isinstance(connected, Connected)
    assert (refused.request_id, type(refused.error)) == (request_id, OutcomeUnknownError)
    assert script.hung == 1
    with pytest.raises(UnreachableError, match="nothing was sent"):
        _ = script.stream.commands


def test_answers_come_between_what_the_channels_say() -> None:
    answers = [
        heard("ticker:B", None, None, request_id="command-1"),
        {"type": "order.status", "request_id": "command-1", "data": {"order_id": "5", "command_id": "6"}},
        {"type": "error", "request_id": "command-2", "error": {"code": "NOT_FOUND", "message": "None."}},
    ]
    script = Script(OPENED, LOGGED_IN, *answers, session=Session(ApiKey("key")))
    script.stream._is_open = True
    script.stream.commands.cancel("5", None)
    script.stream.commands.amend("9", Changes(price=1))
    _, accepted, refused = script.play()
    assert (accepted.command_id, accepted.order_id) == ("6", "5")
    assert (refused.request_id, refused.error.code) == ("command-2", "NOT_FOUND")


@pytest.mark.parametrize(("is_answered", "held_s", "wait_s"), [(False, 4.9, 0.8), (True, 0.0, 0.1), (False, 5.0, 0.1)])
def test_pauses_begin_anew_once_a_command_was_answered_or_the_connection_has_held(
    is_answered: bool,  # noqa: FBT001 - a parameter of the test
    held_s: float,
    wait_s: float,
) -> None:
    script = Script(*[Lost("connection refused")] * 3, OPENED)
    script.play()
    request_id, _ = script.stream.commands.submit(ORDER)
    if is_answered:
        script.answers.append({"type": "order.status", "request_id": request_id, "data": {}})
    script.now_s += held_s
    script.answers.append(CLOSED)
    waits = [event.wait_s for event in script.play() if isinstance(event, Disconnected)]
    assert waits == [0.1, 0.2, 0.4, wait_s]
