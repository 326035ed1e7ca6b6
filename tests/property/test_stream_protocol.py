"""The WebSocket's protocol: whatever clients say, in whatever order, each message gets one answer of the protocol, and
no connection ends without a code and a reason.
"""

import asyncio
import json
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway import limits
from gateway.errors import CATALOGUE, unavailable
from gateway.pressure import Look
from gateway.rights import ACTIONS, CHANNELS
from gateway.stream.session import REFUSED, SLOW
from schemas.messages import Frame, FrameKind
from tests.oracle.stream_wire import Connection
from tests.unit.gateway.conftest import Served, make_gateway, stand_ins

REQUEST_IDS = st.one_of(st.none(), st.text(max_size=8))
PLACES = st.one_of(st.none(), st.integers(0, 12), st.integers())
NAMES = st.sampled_from(
    [
        *(f"{kind}:BTC-USD" for kind in ("book", "trades", "ticker", "session", "halts")),
        "candles:BTC-USD:1m",
        *("orders", "positions", "portfolio", "alerts", "orders:alice", "portfolio:alice"),
        *("orders:bob", "book:NO-SUCH", "candles:BTC-USD", "pairs:X", "", ":", "book:BTC-USD:1m"),
    ]
)
SYMBOLS = st.sampled_from(["BTC-USD", "NO-SUCH", "", "BTC-USD\n"])
DECIMALS = st.sampled_from(["1", "0.5", "0", "-1", "1e5", "", "x", "99999999999999999999", 5, None])
ORDERS = st.fixed_dictionaries(
    {
        "symbol": SYMBOLS,
        "side": st.sampled_from(["buy", "sell", "hold"]),
        "type": st.sampled_from(["limit", "market", "stop", "x"]),
    },
    optional={
        "quantity": DECIMALS,
        "price": DECIMALS,
        "notional": DECIMALS,
        "oco": st.fixed_dictionaries({}, optional={"trigger_price": DECIMALS, "price": DECIMALS, "odd": DECIMALS}),
        "odd": DECIMALS,
    },
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["token", "channel", "channels", "symbol", "order", "order_id", "changes", "side", "timeout", "enabled", "x"]
)
ANSWERS = frozenset(
    {
        *("pong", "auth", "order.status", "error", "marketdata.subscribed", "marketdata.unsubscribed"),
        "session.cancel_on_disconnect",
    }
)


def is_answer(message: dict[str, Any]) -> bool:
    """Whether it is no message of a channel."""
    return "channel" not in message


class Protocol(RuleBasedStateMachine):
    """One client after the other, at one gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sequences = dict.fromkeys((*(f"{kind}:BTC-USD" for kind in ("trades", "ticker")), "orders:alice"), 0)

    @initialize()
    def open(self) -> None:
        self.served: Served = self.loop.run_until_complete(stand_ins())
        self.gateway = self.loop.run_until_complete(self._make())
        self.served.in_log = None
        self.connect()

    async def _make(self) -> Any:
        return make_gateway(self.served)

    def connect(self) -> None:
        self.refusals = 0
        self.account: str | None = None
        self.channels: dict[str, int | None] = {}
        """Those that the client listens to, with the newest sequence that it heard."""

        async def begin() -> Connection:
            connection = Connection(self.gateway)
            await connection.settle()
            return connection

        self.connection = self.loop.run_until_complete(begin())

    def settle(self, **event: Any) -> list[dict[str, Any]]:
        async def go() -> list[dict[str, Any]]:
            said = await self.connection.say(**event) if event else []
            door = self.gateway._door
            return said + await self.connection.settle(lambda: bool(door.replays._asked))

        return self.loop.run_until_complete(go())

    def say(self, message: Any) -> dict[str, Any]:
        """Say a message; its one answer."""
        return self.say_text(json.dumps(message), message.get("request_id") if isinstance(message, dict) else None)

    def say_text(self, text: str, request_id: Any = None) -> dict[str, Any]:
        heard = self.settle(text=text)
        answers = [message for message in heard if is_answer(message)]
        assert len(answers) == 1, (text, answers)
        (answer,) = answers
        assert answer["type"] in ANSWERS
        if isinstance(request_id, str) and len(request_id) <= 64:
            assert answer["request_id"] == request_id
        if answer["type"] == "error":
            assert answer["success"] is False
            assert answer["error"]["code"] in CATALOGUE
            assert answer["error"]["code"] != "INTERNAL_ERROR", answer
            assert answer["error"]["message"]
            assert isinstance(answer["correlation_id"], str)
        if answer["type"] == "marketdata.subscribed":
            self.channels |= dict.fromkeys(answer["channels"])
        if answer["type"] == "marketdata.unsubscribed":
            self.channels = {name: at for name, at in self.channels.items() if name not in answer["channels"]}
        self.listen([message for message in heard if not is_answer(message)])
        return answer

    def listen(self, frames: list[dict[str, Any]]) -> None:
        for message in frames:
            name = message["channel"]
            assert name in self.channels, f"{name} was not asked for"
            last = self.channels[name]
            if message["kind"] == "update" and last is not None:
                assert message["sequence"] == last + 1
            self.channels[name] = message["sequence"]

    @rule(request_id=REQUEST_IDS)
    def ping(self, request_id: str | None) -> None:
        named = {} if request_id is None else {"request_id": request_id}
        assert self.say({"type": "ping", **named})["type"] == "pong"

    @rule(account=st.sampled_from(["alice", "alice", "bob"]), role=st.sampled_from(["trader", "viewer"]))
    def log_in(self, account: str, role: str) -> None:
        answer = self.say({"type": "auth", "token": self.served.token(account, role)})
        if self.account in {None, account}:
            assert answer["data"] == {"account": account, "role": role}
            self.account = account
        else:
            assert answer["error"]["code"] == "INVALID_REQUEST"

    @rule(token=st.text(max_size=20))
    def guess(self, token: str) -> None:
        assert self.say({"type": "auth", "token": token})["error"]["code"] == "UNAUTHORIZED"
        self.refusals += 1
        if self.refusals >= limits.WS_AUTH_ATTEMPTS_MAX:
            self.settle()
            assert self.connection.closed is not None
            assert self.connection.closed[0] == REFUSED

    @rule(name=NAMES, sequence=PLACES, offset=PLACES, request_id=REQUEST_IDS)
    def subscribe(self, name: str, sequence: int | None, offset: int | None, request_id: str | None) -> None:
        given = {"request_id": request_id, "from_sequence": sequence, "from_offset": offset}
        place = {field: value for field, value in given.items() if value is not None}
        answer = self.say({"type": "marketdata.subscribe", "channel": name, **place})
        if answer["type"] == "error":
            assert answer["error"]["code"] in {"NOT_FOUND", "UNAUTHORIZED", "VALIDATION_FAILED"}
        else:
            assert ("resumed" in answer) == bool({"from_sequence", "from_offset"} & place.keys())

    @rule(symbol=SYMBOLS, channels=st.lists(st.sampled_from([*CHANNELS, "candles:1m", "x"]), max_size=3))
    def subscribe_to_some(self, symbol: str, channels: list[str]) -> None:
        self.say({"type": "marketdata.subscribe", "symbol": symbol, "channels": channels})

    @rule(name=NAMES)
    def unsubscribe(self, name: str) -> None:
        self.say({"type": "marketdata.unsubscribe", "channel": name})

    @rule(kind=st.sampled_from(["order.submit", "order.check"]), order=ORDERS, request_id=REQUEST_IDS)
    def place(self, kind: str, order: dict[str, Any], request_id: str | None) -> None:
        before = len(self.served.log.commands)
        named = {} if request_id is None else {"request_id": request_id}
        answer = self.say({"type": kind, "order": order, **named})
        assert (len(self.served.log.commands) > before) == (answer["type"] == "order.status")

    @rule(
        message=st.one_of(
            st.fixed_dictionaries({"type": st.just("order.cancel"), "order_id": st.sampled_from(["1", "x", "", 5])}),
            st.fixed_dictionaries(
                {
                    "type": st.just("order.amend"),
                    "order_id": st.sampled_from(["1", "x"]),
                    "changes": st.fixed_dictionaries({}, optional={"price": DECIMALS, "side": DECIMALS}),
                }
            ),
            st.fixed_dictionaries({"type": st.just("order.cancel_all")}, optional={"symbol": SYMBOLS, "side": NAMES}),
            st.fixed_dictionaries({"type": st.just("order.cancel_after"), "timeout": st.integers(-1, 90_000)}),
            st.fixed_dictionaries(
                {"type": st.just("session.cancel_on_disconnect"), "enabled": st.sampled_from([True, False, 1])}
            ),
        )
    )
    def command(self, message: dict[str, Any]) -> None:
        self.say(message)

    @rule(kind=st.sampled_from([*ACTIONS, "", "pong"]), fields=st.dictionaries(FIELDS, ANY_JSON, max_size=4))
    def half_sense(self, kind: str, fields: dict[str, Any]) -> None:
        answer = self.say({"type": kind, **fields})
        if kind == "auth" and answer["error"]["code"] == "UNAUTHORIZED":
            self.refusals += 1

    @rule(message=ANY_JSON)
    def nonsense(self, message: Any) -> None:
        assert self.say(message)["error"]["code"] in {"VALIDATION_FAILED", "INVALID_JSON"}

    @rule(text=st.one_of(st.text(max_size=40), st.sampled_from(['{"type":"ping","type":"ping"}', "[" * 5_000, "NaN"])))
    def no_json(self, text: str) -> None:
        self.say_text(text)

    @rule(data=st.binary(max_size=20))
    def binary(self, data: bytes) -> None:
        (answer,) = self.settle(bytes=data)
        assert answer["error"]["code"] == "INVALID_REQUEST"

    @rule(name=st.sampled_from(["trades:BTC-USD", "ticker:BTC-USD", "orders:alice"]), count=st.integers(1, 5))
    def happen(self, name: str, count: int) -> None:
        self.publish(name, count)
        self.listen(self.settle())
        if name in self.channels:
            assert self.channels[name] == self.sequences[name]

    def publish(self, name: str, count: int) -> None:
        async def apply() -> None:
            for _ in range(count):
                self.sequences[name] += 1
                number, payload = self.sequences[name], b'{"kind":"status","command_id":null}'
                frame = Frame(channel=name, sequence=number, kind=FrameKind.UPDATE, payload=payload, ts_us=1)
                self.served.hub.apply([frame], [10 * number])

        self.loop.run_until_complete(apply())

    @rule(is_away=st.booleans())
    def log_goes(self, *, is_away: bool) -> None:
        self.served.log.error = unavailable("The log") if is_away else None

    @rule(is_behind=st.booleans())
    def risk_hangs(self, *, is_behind: bool) -> None:
        self.served.pressure.unknown()
        now_s = 0.0
        self.served.pressure._clock_s = lambda: now_s
        for now_s in (0.0, 9.0) if is_behind else ():  # noqa: B007 - the clock reads it
            self.served.pressure.saw(Look({0: 5}, {0: 1}), lambda *_: True)

    @rule()
    def stop_reading(self) -> None:
        self.say({"type": "marketdata.subscribe", "channel": "trades:BTC-USD"})
        first = self.sequences["trades:BTC-USD"] + 1
        self.connection.reads.clear()
        self.publish("trades:BTC-USD", limits.WS_QUEUE_FRAMES_MAX + limits.WS_CONFLATE_FRAMES)
        said = self.settle()
        assert self.connection.closed is not None
        assert self.connection.closed[0] == SLOW
        assert said[-1]["type"] == "session.slow"
        (place,) = [one for one in said[-1]["resume"] if one["channel"] == "trades:BTC-USD"]
        assert first - 1 <= place["from_sequence"] < self.sequences["trades:BTC-USD"]
        assert place["from_offset"] == 10 * (place["from_sequence"] + 1) - 1

    @rule()
    def leave(self) -> None:
        self.go()
        self.connect()

    def go(self) -> None:
        self.loop.run_until_complete(self.connection.leave())
        shares = self.gateway._door.shares
        assert not shares._accounts._counts + shares._connections._counts + shares._channels._counts
        assert not any(channel.subscribers for channel in self.served.hub._channels.values())

    @precondition(lambda self: hasattr(self, "connection") and self.connection.closed is not None)
    @rule()
    def come_again(self) -> None:
        self.leave()

    @invariant()
    def no_connection_is_dead_without_a_reason(self) -> None:
        if not hasattr(self, "connection"):
            return
        if self.connection.closed is not None:
            code, reason = self.connection.closed
            assert code in {REFUSED, SLOW}
            assert reason
            self.go()
            self.connect()
        assert not self.connection.task.done()

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.go()
        with asyncio.Runner(loop_factory=lambda: self.loop):
            pass  # it ends what is left, and closes the loop


TestProtocol = Protocol.TestCase
# What explains a failure traces every line of the gateway, for minutes.
PHASES = set(Phase) - {Phase.explain}
TestProtocol.settings = settings(max_examples=30, stateful_step_count=25, deadline=None, phases=PHASES)
