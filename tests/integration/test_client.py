"""`tradsys.client` on a whole platform: docs/client.md as it stands there, and gateways that are killed meanwhile."""

import contextlib
import io
import itertools
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.venue import PEOPLE, Venue, open_venue, until
from tradsys.client import (
    ApiError,
    Book,
    BookChanged,
    Client,
    ConflictError,
    Connected,
    Disconnected,
    Gap,
    NewOrder,
    NotFoundError,
    OpenOrders,
    OrderUpdated,
    OutcomeUnknownError,
    Password,
    UnavailableError,
    UnreachableError,
)

pytestmark = pytest.mark.timeout(300)

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ORDER = NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=Decimal("0.01"), price=Decimal(30_000))
ANSWER_S = 120.0
PAUSE_S = 0.05
ERROR_S = 1.0
"""An error is answered within so long: most, for the machine may be busy."""
PATIENCES_S = (0.0, 60.0)
KILLS = 3


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue() as opened:
        yield opened


@pytest.fixture
def client(venue: Venue) -> Iterator[Client]:
    with client_of(venue, patience_s=60) as opened:
        yield opened
        opened.cancel_all()


def client_of(venue: Venue, username: str = "alice", **more: Any) -> Client:
    who = Password(username, venue.passwords[username])
    return Client(venue.settings.gateway_url, who, uses_proxies=False, **more)


def test_the_page_says_what_happens(venue: Venue) -> None:
    known: dict[str, Any] = {"URL": venue.settings.gateway_url, "PASSWORD": venue.passwords["alice"]}
    assert len(BLOCKS) > 10
    for (language, text), (following, expected) in zip(BLOCKS[::2], BLOCKS[1::2], strict=True):
        assert (language, following) == ("python", "text")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(text, "docs/client.md", "exec"), known)  # noqa: S102 - our own page
        assert printed.getvalue() == expected, text
        venue.until_projected()


def test_a_stream_goes_on_over_the_death_of_its_gateway(venue: Venue, client: Client) -> None:
    """What happened meanwhile is in the stream, or in the executions that are read after the snapshot."""
    placed: set[str] = set()
    told: set[str] = set()
    events: list[Any] = []
    book = None
    deadline_s = time.monotonic() + ANSWER_S
    with client.stream("book:BTC-USD", "orders") as stream:
        while len(placed) < 6 or not placed <= told or book is None or not _is_the_gateways(client, book):
            assert time.monotonic() < deadline_s, (placed, told, events[-20:])
            event = stream.receive(0.2)
            events.append(event)
            match event:
                case Connected(is_again=False):
                    placed |= {client.place(ORDER).order_id for _ in range(3)}
                    venue.kill("gateway")
                    placed |= {client.place(ORDER).order_id for _ in range(3)}
                case OpenOrders(orders=orders):
                    told |= {order.order_id for order in orders}
                    told |= {execution.order_id for execution in client.executions()}
                case OrderUpdated(execution=execution):
                    told.add(execution.order_id)
                case BookChanged(book=changed):
                    book = changed
    assert sum(isinstance(event, Connected) for event in events) == 2
    assert any(isinstance(event, Disconnected) for event in events)
    assert not any(isinstance(event, Gap) for event in events)


def _is_the_gateways(client: Client, book: Book) -> bool:
    return client.book("BTC-USD").checksum == book.checksum()


@dataclass
class Trader:
    """Places an order and cancels it, again and again, until told to stop."""

    username: str
    client: Client
    unique: Callable[[], str]
    ends: threading.Event
    accepted: list[str] = field(default_factory=list)
    """Of which the gateway said that the log has them."""
    errors: list[tuple[str, float]] = field(default_factory=list)
    """Code and seconds of each error that the gateway answered with."""

    def trade(self) -> None:
        while not self.ends.is_set():
            name = self.unique()
            placed = self._insist(lambda name=name: self.client.place(replace(ORDER, client_order_id=name)))  # type: ignore[misc]
            self.accepted.append(f"{self.username} {placed.client_order_id}")
            assert placed.report is None or placed.report.reason in {"NONE", "REPEATED_COMMAND"}, placed
            with contextlib.suppress(ConflictError, NotFoundError):  # the first cancel did it; an id of a repetition
                self._insist(lambda order_id=placed.order_id: self.client.cancel(order_id))  # type: ignore[misc]

    def _insist(self, ask: Callable[[], Any]) -> Any:
        """As docs/client.md says: what is safe to repeat, until it is answered."""
        while True:
            began_s = time.monotonic()
            try:
                return ask()
            except (OutcomeUnknownError, UnavailableError, UnreachableError) as error:
                answered = error if isinstance(error, ApiError) else error.__cause__
                if isinstance(answered, ApiError):
                    self.errors.append((answered.code, time.monotonic() - began_s))
                time.sleep(PAUSE_S)


@contextlib.contextmanager
def trading(venue: Venue) -> Iterator[list[Trader]]:
    """Traders who leave the patience to the client, and some who have it themselves; ends with what must be true."""
    ends, numbers = threading.Event(), itertools.count()
    with ExitStack() as opened, ThreadPoolExecutor(2 * len(PATIENCES_S)) as threads:
        traders = [
            Trader(
                username,
                opened.enter_context(client_of(venue, username, patience_s=patience_s)),
                lambda: f"{secrets.token_hex(4)}-{next(numbers)}",
                ends,
            )
            for username in PEOPLE
            for patience_s in PATIENCES_S
        ]
        running = [threads.submit(trader.trade) for trader in traders]
        try:
            yield traders
        finally:
            ends.set()
        for one in running:
            one.result(ANSWER_S)
    accepted = {name for trader in traders for name in trader.accepted}
    until(lambda: accepted <= counted(venue).keys(), "orders that were accepted are not in the log", ANSWER_S)
    assert set(counted(venue).values()) == {1}


def counted(venue: Venue) -> Counter[str]:
    """How often each client_order_id went to a book."""
    return Counter(f"{order.account} {order.client_order_id}" for order in venue.new_orders())


def all_trade_on(traders: list[Trader]) -> None:
    """Wait until each has been served twice more: the second order began after this was asked."""
    before = [len(trader.accepted) for trader in traders]
    until(
        lambda: all(len(trader.accepted) > count + 1 for trader, count in zip(traders, before, strict=True)),
        "trading does not go on",
        ANSWER_S,
    )


@pytest.mark.parametrize("part", ["postgres", "valkey", "kafka"])
def test_a_part_is_killed_under_load(venue: Venue, part: str) -> None:
    """No order is lost, none is there twice; errors come soon, and the gateway recovers without a restart."""
    gateway = venue.pids()["gateway"]
    with trading(venue) as traders:
        all_trade_on(traders)
        venue.kill(part)
        all_trade_on(traders)
        venue.until_ready()
        all_trade_on(traders)
    assert venue.pids()["gateway"] == gateway
    answered_s = sorted(seconds for trader in traders for _, seconds in trader.errors)
    assert not answered_s or answered_s[len(answered_s) // 2] <= ERROR_S


def test_gateways_are_killed_under_load(venue: Venue) -> None:
    """kill -9 with POSTs under way."""
    with trading(venue) as traders:
        for _ in range(KILLS):
            all_trade_on(traders)
            venue.kill("gateway")
            venue.until_ready()
        all_trade_on(traders)
