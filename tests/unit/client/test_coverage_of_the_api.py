"""The client knows all that the gateway offers, in the same words."""

import inspect
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from gateway.admin import bodies, sessions
from gateway.openapi_admin import ADMIN_SCHEMAS
from gateway.openapi_objects import SCHEMAS
from gateway.orders.groups import BracketRequest, StopRequest
from gateway.orders.requests import AmendRequest, OrderRequest
from gateway.pairs.routes import NewPair
from gateway.rights import ACTIONS, CHANNELS, ROUTES
from tradsys.client import (
    AsyncClient,
    Bracket,
    Changes,
    Client,
    NewOrder,
    Password,
    StopOrder,
    admin_calls,
    channels,
    door,
    messages,
    pairs,
    portfolio,
)
from tradsys.client.admin import Admin
from tradsys.client.async_admin import AsyncAdmin
from tradsys.client.async_streaming import AsyncOpenStream
from tradsys.client.stream import Stream
from tradsys.client.streaming import OpenStream
from tradsys.client.transport import means
from workers.fanout import frames
from workers.portfolios import payloads

URL = "http://127.0.0.1:1"

NOT_IN_THE_CLIENT = {
    ("GET", "/health/live"): "a probe of orchestrators: whoever gets any answer knows as much",
    ("GET", "/.well-known/jwks.json"): "for services that verify tokens themselves",
    ("GET", "/metrics"): "for Prometheus",
    ("GET", "/openapi.json"): "for generators of clients",
    ("GET", "/swagger/{name}"): "for browsers",
    ("GET", "/errors/{code}"): "for people who follow the link of a problem; `errors` has all of them",
}
OVER_HTTP = {"order.check", "order.cancel_all", "order.cancel_after"}
"""What the client asks over HTTP only, where the answer says what became of it."""
BY_ITSELF = {"ping": "websockets has its own", "auth": "the first message"}

OBJECTS = {
    "Order": messages.Order,
    "Execution": messages.Execution,
    "LedgerEntry": messages.LedgerEntry,
    "Position": messages.Position,
    "Balance": messages.Balance,
    "Account": messages.Account,
    "Pair": pairs.Pair,
    "PairVersion": pairs.PairVersion,
    "Fees": messages.Fees,
    "Limits": messages.Limits,
    "AccountRules": admin_calls.AccountRules,
    "Next": admin_calls.NextPhase,
    "Strategy": admin_calls.StrategyStatus,
    "User": admin_calls.User,
    "Trade": messages.Trade,
    "Candle": messages.Candle,
    "Report": messages.Execution,
    "Symbol": messages.Symbol,
    "Book": messages.BookView,
    "Login": door.Login,
    "ApiKey": door.KeyInfo,
    "SigningKey": door.SigningKey,
    "ErrorEntry": door.ErrorEntry,
    "Health": door.Health,
}
OF_THE_STREAM = {
    frames.TradePayload: messages.Trade,
    frames.TickerPayload: messages.Ticker,
    frames.SessionPayload: messages.Phase,
    frames.CandlePayload: messages.Candle,
    frames.OrderPayload: messages.Execution,
    frames.PositionPayload: messages.Position,
    payloads.BalancePayload: portfolio.Holding,
    payloads.WorthPayload: portfolio.Worth,
    payloads.PortfolioPayload: portfolio.Portfolio,
    payloads.AlertPayload: portfolio.Alert,
    payloads.HaltPayload: portfolio.Halt,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_field_of_the_openapi_document_is_typed(name: str) -> None:
    assert {*(SCHEMAS | ADMIN_SCHEMAS)[name]["properties"]} == {*OBJECTS[name].__struct_fields__} - {"executions"}


@pytest.mark.parametrize("payload", OF_THE_STREAM)
def test_every_field_of_a_frame_is_typed(payload: Any) -> None:
    assert {*payload.__struct_fields__} == {*OF_THE_STREAM[payload].__struct_fields__}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(NewOrder, OrderRequest), (Changes, AmendRequest), (StopOrder, StopRequest), (Bracket, BracketRequest)],
)
def test_every_field_of_a_request_can_be_said(mine: Any, theirs: Any) -> None:
    assert [field.name for field in fields(mine)] == [*theirs.__struct_fields__]
    hints, wanted = get_type_hints(mine), get_type_hints(theirs)
    for name, hint in hints.items():
        words = {word for word in _words(hint) if isinstance(word, str)}
        assert words == {word for word in _words(wanted[name]) if isinstance(word, str)}


def _words(hint: Any) -> set[Any]:
    """The words of a Literal, however deep."""
    arguments = get_args(hint)
    return {hint} if not arguments else set().union(*(_words(argument) for argument in arguments))


def test_every_field_of_a_timetable_can_be_said() -> None:
    assert [*TIMETABLE.__struct_fields__] == [*sessions.TimetableBody.model_fields]
    sent = msgspec.json.decode(msgspec.json.encode(admin_calls.plan_days("B", TIMETABLE).body))
    assert sessions.TimetableBody.model_validate(sent).model_dump(mode="json") == sent


def test_every_field_of_a_pair_can_be_said() -> None:
    assert [*PAIR.__struct_fields__] == [*NewPair.model_fields]
    NewPair.model_validate(PAIR.as_json())


BODIES = {
    admin_calls.SymbolChange(
        tick=Decimal("1E-2"),
        price_band=None,
        max_open_orders=5,
        breaker=admin_calls.Breaker(move=Decimal("0.1"), window_s=60, halt_s=300),
        fee_tiers=(admin_calls.Tier(volume=10, maker_fee=0, taker_fee=Decimal("0.001")),),
        order_types=("limit",),
    ): bodies.SymbolChange,
    admin_calls.AccountChange(kind="margin", leverage=3, open_orders_max=None): bodies.AccountChange,
    messages.Limits(account="alice", max_leverage=Decimal(3), trade_frequency=5): bodies.LimitsBody,
}


@pytest.mark.parametrize("body", BODIES)
def test_every_field_that_an_admin_decides_can_be_said(body: Any) -> None:
    theirs = BODIES[body]
    assert {*body.__struct_fields__} == {*theirs.model_fields}
    said = admin_calls._body(body)
    read = theirs.model_validate(said)
    assert read.model_fields_set == said.keys()
    assert read.fields()
    assert all(value is not msgspec.UNSET for value in said.values())


def test_nothing_is_a_float_and_every_moment_has_a_zone() -> None:
    kinds = [
        kind for module in (messages, door, pairs, portfolio) for kind in vars(module).values() if inspect.isclass(kind)
    ]
    structs = [kind for kind in kinds if issubclass(kind, msgspec.Struct)]
    assert len(structs) > 15
    for kind in structs:
        for hint in get_type_hints(kind).values():
            assert float not in _words(hint)
    trade = msgspec.json.decode(
        b'{"trade_id":"1","price":"0.10","quantity":"1","notional":"0.1","aggressor_side":"buy",'
        b'"time":"2030-01-31T12:00:00.000001Z"}',
        type=messages.Trade,
    )
    assert (trade.price, type(trade.price)) == (Decimal("0.1"), Decimal)
    assert trade.time == datetime.fromisoformat("2030-01-31T12:00:00.000001+00:00")


class Recorder:
    """Stands where calls are performed."""

    def __init__(self, client: Client) -> None:
        self.asked: set[tuple[str, str]] = set()
        client._perform = self  # type: ignore[method-assign,assignment] # what every method asks for

    def __call__(self, call: Any) -> Any:
        self.asked.add((call.method, call.path.replace("/X1", "/{X}").replace("/7", "/{X}")))
        raise LookupError


TIMETABLE = admin_calls.Timetable(
    timetable=(admin_calls.PhaseOfDay(at="09:00", phase="auction"),), holidays=(date(2090, 12, 25),)
)
PAIR = pairs.NewPair(symbol1="B", symbol2="C", status="active", lookback_period=20)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "place": (NewOrder(symbol="B", side="buy", type="market", quantity=1),),
    "place_all": ([NewOrder(symbol="B", side="buy", type="market", quantity=1)],),
    "check": (NewOrder(symbol="B", side="buy", type="market", quantity=1, client_order_id="c"),),
    "amend": ("X1", Changes(price=1)),
    "cancel_after": (7,),
    "put_limits": (messages.Limits(),),
    "change_symbol": ("X1", admin_calls.SymbolChange()),
    "plan_days": ("X1", TIMETABLE),
    "change_account": ("X1", admin_calls.AccountChange()),
    "deposit": ("a", "USD", 1),
    "withdraw": ("a", "USD", 1),
    "transfer": ("a", "b", "USD", 1),
    "create_pair": (PAIR,),
    "update_pair": ("X1", 1, PAIR),
    "confirm_codes": (door.Enrolment(secret="S", uri="U", enrolment="E"), "123456"),
    "make_api_key": ("n", ["read"]),
    "register_signing_key": ("X1", bytes(32)),
}


def test_every_route_can_be_asked() -> None:
    client = Client(URL, Password("a", "b"))
    recorder = Recorder(client)
    client.admin._perform = recorder
    methods = [(client, *member) for member in inspect.getmembers(Client, inspect.isfunction)]
    methods += [(client.admin, *member) for member in inspect.getmembers(Admin, inspect.isfunction)]
    for owner, name, method in methods:
        if name.startswith("_") or name in {"close", "stream"}:
            continue
        wanted = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty][1:]
        positional = [p for p in wanted if p.kind is p.POSITIONAL_OR_KEYWORD]
        with pytest.raises(LookupError):
            _ask(getattr(owner, name), ARGUMENTS.get(name, ("X1",) * len(positional)))
    client.close()
    expected = {(method, _template(path)) for method, path in ROUTES} - {
        (method, _template(path)) for method, path in NOT_IN_THE_CLIENT
    }
    by_itself = {("POST", "/auth/login"), ("POST", "/auth/refresh"), ("POST", "/auth/ticket")}
    missing = expected - recorder.asked - by_itself
    assert not missing, "add a method to tradsys.client.Client and AsyncClient, or the reason to NOT_IN_THE_CLIENT"
    assert recorder.asked <= expected


def _ask(method: Any, arguments: tuple[Any, ...]) -> None:
    asked = method(*arguments)
    next(asked)  # a list is asked for with its first row


def _template(path: str) -> str:
    return "/".join("{X}" if part.startswith("{") else part for part in path.split("/"))


def test_every_channel_and_action_is_known() -> None:
    stream = Stream(None, means(1, 1), with_ticket=False)
    stream._is_open = True
    said = [*stream.subscribe("book:B", None), *stream.unsubscribe("book:B")]
    said += stream.cancel_on_disconnect(enabled=True)
    order = NewOrder(symbol="B", side="buy", type="market", quantity=1)
    commands = stream.commands
    said += [
        text for _, text in (commands.submit(order), commands.amend("1", Changes(price=1)), commands.cancel("1", None))
    ]
    types = {msgspec.json.decode(text)["type"] for text in said}
    assert types | OVER_HTTP | BY_ITSELF.keys() == set(ACTIONS)
    source = inspect.getsource(channels)
    assert all(f'case "{kind}"' in source for kind in CHANNELS)


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (OpenStream, AsyncOpenStream), (Admin, AsyncAdmin)])
def test_both_clients_offer_the_same(one: type, other: type) -> None:
    def offered(kind: type) -> dict[str, tuple[list[str], str | None]]:
        return {
            name: ([str(p) for p in inspect.signature(method).parameters.values()], method.__doc__)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert offered(one) == offered(other)
