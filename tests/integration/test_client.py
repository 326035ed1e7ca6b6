"""`tradsys.client` on a whole platform: docs/client.md as it stands there, and gateways that are killed meanwhile."""

import contextlib
import io
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.venue import Venue, open_venue
from tradsys.client import (
    Book,
    BookChanged,
    Client,
    Connected,
    Disconnected,
    Gap,
    NewOrder,
    OpenOrders,
    OrderUpdated,
    Password,
)

pytestmark = pytest.mark.timeout(300)

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ORDER = NewOrder(symbol="BTC-USD", side="buy", type="limit", quantity=Decimal("0.01"), price=Decimal(30_000))
ANSWER_S = 120.0


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
