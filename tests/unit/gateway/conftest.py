"""A gateway in this process on a free port: real HTTP and WebSocket; log and stores are stand-ins."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from gateway import limits
from gateway.admin.desk import AdminDesk
from gateway.app import Gateway
from gateway.auth.passwords import Passwords
from gateway.auth.revocations import Revocations
from gateway.auth.signing_keys import SigningKeys
from gateway.auth.token_keys import TokenKeys, shared_secret
from gateway.auth.tokens import Tokens
from gateway.auth.totp import Vault
from gateway.decisions import DecisionDesk
from gateway.guard import Budgets
from gateway.idempotency import Repeats
from gateway.market.symbols import Symbols
from gateway.metrics import Metrics
from gateway.orders.answers import Answers
from gateway.pairs.pairs import Pairs
from gateway.pressure import Pressure
from gateway.rates import Charge, LocalWindows, Rates
from gateway.server import server_config
from gateway.stream.channel import Place
from gateway.stream.hub import Hub
from gateway.stream.replays import Replays
from gateway.wiring import Parts, assemble
from schemas.codec import local_codec
from schemas.messages import Command, Control, ControlKind, Frame, FrameKind, SymbolStatus

if TYPE_CHECKING:
    from gateway.errors import ApiError

SECRET = "a secret of this test, and of nothing else"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests may stand still for seconds; what is asked in them answers at once."""
    for name in ("DECIDE_S", "RATE_ASK_S", "HEALTH_TIMEOUT_S"):
        monkeypatch.setattr(limits, name, 60.0)


class StandInLog:
    """Acknowledges every command at once, unless told otherwise."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.error: ApiError | None = None
        self.first_id = 1_000

    def send(self, account: str, value: bytes, correlation_id: str) -> asyncio.Future[int]:
        if self.error is not None:
            raise self.error
        command = local_codec().decode(value, "Command")
        assert isinstance(command, Command)
        assert (command.account, command.correlation_id) == (account, correlation_id)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_result(self.first_id + len(self.commands))
        self.commands.append(command)
        return future


class StandInDatabase:
    """Gives the rows it was told to give."""

    def __init__(self) -> None:
        self.answers: list[Sequence[Any]] = []
        self.error: Exception | None = None

    async def rows(self, _statement: Any) -> Sequence[Any]:
        if self.error is not None:
            raise self.error
        return self.answers.pop(0) if self.answers else []

    async def transact(self, _change: Any) -> Any:
        return await self.rows(None)

    async def page(self, statement: Any, _page: int, _page_size: int) -> tuple[Sequence[Any], int]:
        rows = await self.rows(statement)
        return rows, len(rows)


class StandInStores:
    """Counts no attempts, and gives tickets that open nothing."""

    async def begin(self, _username: str, _address: str) -> None:
        return None

    async def forget(self, _attempt: None) -> None:
        return None

    async def issue(self, _identity: Any) -> str:
        return "ticket"


class StandInValkey:
    """Keeps values, and for how long."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.seconds: list[int] = []
        self.error: Exception | None = None

    async def set(self, name: str, value: bytes, *, ex: int, nx: bool = False) -> bool | None:
        if self.error is not None:
            raise self.error
        if nx and name in self.values:
            return None
        self.values[name] = value
        self.seconds.append(ex)
        return True

    async def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def delete(self, name: str) -> None:
        self.values.pop(name, None)


@dataclass
class Served:
    """A running gateway and what stands behind it."""

    log: StandInLog
    database: StandInDatabase
    answers: Answers
    hub: Hub
    tokens: Tokens
    revocations: Revocations
    signing_keys: SigningKeys
    pairs: Pairs
    admin: AdminDesk
    decisions: DecisionDesk
    decided: list[Control]
    port: int = 0
    gateway: Gateway | None = None
    checks: dict[str, Any] = field(default_factory=dict)
    budgets: Budgets = Budgets()  # noqa: RUF009 - immutable
    windows: LocalWindows = field(default_factory=lambda: LocalWindows(lambda: time.monotonic_ns() // 1_000_000))
    pressure: Pressure = field(default_factory=lambda: Pressure(1))
    store_error: Exception | None = None
    in_log: Sequence[tuple[int, Frame]] | None = None
    """What is found in the log of any channel after any place."""
    log_error: Exception | None = None
    log_read: list[tuple[str, Place]] = field(default_factory=list)
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set for a gateway that is served; a test that clears it goes back to its beginning."""
    kept: Any = field(default_factory=StandInValkey)
    admin_networks: list[Any] = field(default_factory=lambda: [ip_network("127.0.0.0/8")])
    totp_keys: Sequence[bytes] = ()
    decision_error: Exception | None = None
    is_current: bool = True
    """Whether all decisions were read."""
    others: dict[int, list[Control]] = field(default_factory=dict)
    """What others decided just before the decision of this number, counted from 1."""
    guard: Any = None
    symbols: Symbols = field(default_factory=Symbols)

    async def take(self, wanted: int, charges: Sequence[Charge]) -> list[int]:
        """The store of rates."""
        if self.store_error is not None:
            raise self.store_error
        return self.windows.take(wanted, charges)

    def read_back(self, channel: str, place: Place) -> Sequence[tuple[int, Frame]] | None:
        """The older part of the log."""
        self.log_read.append((channel, place))
        if self.log_error is not None:
            raise self.log_error
        return self.in_log

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def token(self, account: str = "alice", role: str = "trader") -> str:
        return self.tokens.issue(account, account, role, f"session of {account}")[0]

    def bearer(self, account: str = "alice", role: str = "trader") -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(account, role)}"}


async def stand_ins() -> Served:
    """What stands behind a gateway that knows one symbol; it is not served yet."""
    answers = Answers()
    decided: list[Control] = []
    loop = asyncio.get_running_loop()

    def read_back(controls: Sequence[Control]) -> None:
        for fold in (behind.symbols, behind.signing_keys, behind.pairs, behind.admin, behind.decisions):
            fold.apply_all(controls)

    def write(values: Sequence[bytes]) -> list[int]:
        """In a thread of its own; the log's reader gets it a moment later."""
        controls = [
            decoded for value in values if isinstance(decoded := local_codec().decode(value, "Control"), Control)
        ]
        if behind.decision_error is not None:
            raise behind.decision_error
        offsets = range(len(decided), len(decided) + len(controls))
        decided.extend(controls)
        loop.call_soon_threadsafe(read_back, [*behind.others.get(len(decided), ()), *controls])
        return list(offsets)

    desk = DecisionDesk(local_codec(), write, lambda: behind.log.error is None and behind.is_current)
    behind = Served(
        StandInLog(),
        StandInDatabase(),
        answers,
        Hub(answers.saw),
        Tokens(TokenKeys([shared_secret(SECRET)]), 3_600),
        Revocations(3_600),
        SigningKeys(desk, "gateway-1"),
        Pairs(desk),
        AdminDesk(desk),
        desk,
        decided,
    )
    await behind.revocations.look(behind.database)  # type: ignore[arg-type] # it has what is used
    behind.symbols.apply(make_symbol("BTC-USD"))
    behind.hub.searched()
    return behind


def make_gateway(behind: Served) -> Gateway:
    """The gateway over its stand-ins; in a running event loop."""
    passwords = Passwords()
    replays = Replays(behind.hub, behind.read_back, {0: 1_000}, behind.caught_up, 1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await replays.close()
        passwords.close()

    behind.caught_up.set()
    parts: Any = {
        "log": behind.log,
        "codec": local_codec(),
        "answers": behind.answers,
        "pressure": behind.pressure,
        "hub": behind.hub,
        "replays": replays,
        "symbols": behind.symbols,
        "signing_keys": behind.signing_keys,
        "pairs": behind.pairs,
        "admin": behind.admin,
        "admin_networks": behind.admin_networks,
        "tokens": behind.tokens,
        "revocations": behind.revocations,
        "passwords": passwords,
        "attempts": StandInStores(),
        "vault": Vault(behind.totp_keys),
        "tickets": StandInStores(),
        "database": behind.database,
        "identity": behind.database,
        "metrics": Metrics(),
        "rates": Rates(behind.take),
        "repeats": Repeats(behind.kept, "t."),
        "budgets": behind.budgets,
        "origins": ["https://app.example.com"],
        "checks": behind.checks,
    }
    behind.gateway = assemble(Parts(**parts), lifespan)
    behind.guard = behind.gateway._guard
    return behind.gateway


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """As uvicorn serves it, but for its looking ten times a second whether it is to end."""
    behind = await stand_ins()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    behind.port = listening.getsockname()[1]
    config = server_config(lambda: make_gateway(behind))
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    await server.on_tick(0)
    yield behind
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110 - uvicorn gives no event
        await asyncio.sleep(0.005)
    await server.lifespan.shutdown()
    listening.close()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.http, trust_env=False, timeout=60) as opened:
        yield opened


@pytest.fixture
async def ask(served: Any, client: Any) -> Any:
    """Ask as an admin, about a venue with two accounts and a symbol."""

    async def asked(method: str, path: str, body: Any = None, **headers: str) -> Any:
        return await client.request(
            method, "/api/v1/admin" + path, json=body, headers=served.bearer("root", "admin") | headers
        )

    rules = {"tick": "0.01", "lot": "0.0001", "maker_fee": "0.001"}
    for account in ("alice", "bob"):
        assert (await asked("PATCH", f"/accounts/{account}", {"kind": "cash"})).status_code == 200
    assert (await asked("PATCH", "/symbols/BTC-USD", rules)).status_code == 200
    served.decided.clear()
    return asked


@pytest.fixture(name="make_symbol")
def _make_symbol() -> Callable[[str], Control]:
    return make_symbol


def make_symbol(name: str) -> Control:
    return Control(
        kind=ControlKind.SYMBOL,
        control_id=f"symbol-{name}",
        symbol=name,
        symbol_status=SymbolStatus.TRADING,
        base="BTC",
        quote="USD",
        tick_e8=1_000_000,
        lot_e8=10_000,
        times_in_force="GTC,IOC",
        open_orders_max=7,
        maker_fee_e8=100_000,
        taker_fee_e8=200_000,
        fee_tiers="100000000000/-10000/20000",
    )


@pytest.fixture
def frame() -> Callable[..., Frame]:
    def make(
        channel: str, sequence: int, payload: bytes, *, snapshot: bool = False, checksum: int | None = None
    ) -> Frame:
        kind = FrameKind.SNAPSHOT if snapshot else FrameKind.UPDATE
        return Frame(
            channel=channel,
            sequence=sequence,
            kind=kind,
            payload=payload,
            checksum=checksum,
            ts_us=1_700_000_000_000_000,
        )

    return make
