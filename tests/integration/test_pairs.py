"""Pairs of which one cancels the other, and brackets, from a request to the rows, with the whole platform running."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from schemas.messages import ExecutionKind, Reason
from tests.integration.venue import Venue, open_venue, until
from tradsys.audit.contents import Contents
from tradsys.audit.groups import groups
from tradsys.audit.orders import answers

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with open_venue() as opened:
        yield opened


def placed(venue: Venue) -> tuple[int, str]:
    """A sell above the market with a stop below it: the group's id, and the client_order_id of its first order."""
    client_order_id = venue.unique()
    answer = venue.place(
        "alice", client_order_id, side="sell", price="60500", oco={"trigger_price": "59000", "price": "58900"}
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["order_id"]), client_order_id


def rows(venue: Venue, group: int, *statuses: str) -> list[tuple[Any, ...]]:
    """Both orders in the database, once they have these statuses."""
    query = (
        "SELECT order_id - group_id, client_order_id, order_type, status, leaves_e8"
        " FROM orders WHERE account = 'alice' AND group_id = %s ORDER BY order_id"
    )

    def look() -> list[tuple[Any, ...]] | None:
        found = connection.execute(query, (group,)).fetchall()
        return found if tuple(row[3] for row in found) == statuses else None

    with psycopg.connect(venue.settings.db_dsn, autocommit=True) as connection:
        found: list[tuple[Any, ...]] = until(look, f"rows of group {group} with {statuses}")
    return found


def test_a_fill_in_part_cancels_the_stop(venue: Venue) -> None:
    group, first = placed(venue)
    assert rows(venue, group, "NEW", "NEW") == [
        (0, first, "LIMIT", "NEW", 1_000_000),
        (1 << 45, f"{first}:stop", "STOP_LIMIT", "NEW", 1_000_000),
    ]
    taken = venue.place("bob", venue.unique(), side="buy", price="60500", quantity="0.004", time_in_force="ioc")
    assert taken.status_code == 200, taken.text
    assert [row[4] for row in rows(venue, group, "PARTIALLY_FILLED", "CANCELLED")] == [600_000, 0]
    stop = venue.get(f"/api/v1/orders/{group + (1 << 45)}").json()["data"]
    assert stop["group_id"] == str(group)
    ended = stop["executions"][0]
    assert (ended["kind"].upper(), ended["reason"].upper()) == (ExecutionKind.CANCELLED, Reason.ONE_CANCELS_OTHER)


def test_the_cancel_of_the_stop_cancels_both_and_the_audit_agrees(venue: Venue) -> None:
    group, _ = placed(venue)
    cancelled = venue.cancel("alice", group + (1 << 45))
    assert cancelled.status_code == 200, cancelled.text
    assert [row[4] for row in rows(venue, group, "CANCELLED", "CANCELLED")] == [0, 0]
    open_orders = {order["order_id"] for order in venue.get("/api/v1/orders?status=open").json()["data"]}
    assert not open_orders & {str(group), str(group + (1 << 45))}
    assert list(groups(Contents.read(venue.log.records, venue.codec))) == []


def test_a_pair_of_which_one_cannot_be_is_refused_whole(venue: Venue) -> None:
    answer = venue.place("alice", venue.unique(), side="sell", price="60500", oco={"trigger_price": "60500"})
    assert answer.status_code == 200, answer.text
    report = answer.json()["data"]
    assert (report["kind"], report["reason"], report["limit"]) == ("rejected", Reason.GROUP_INVALID, "60500")
    assert "group_id" not in report


def test_what_was_filled_of_a_bracket_is_protected(venue: Venue) -> None:
    """A part of the entry is filled; what is left of it is cancelled, and a pair of that part comes."""
    sold = venue.place("bob", venue.unique(), side="sell", price="60010", quantity="0.006")
    assert sold.status_code == 200, sold.text
    bracket = {"take_profit_price": "60400", "stop_loss": {"trigger_price": "59500", "price": "59400"}}
    first = venue.unique()
    entry = venue.place("alice", first, side="buy", price="60010", bracket=bracket)
    assert entry.status_code == 200, entry.text
    group = int(entry.json()["data"]["order_id"])
    assert rows(venue, group, "PARTIALLY_FILLED")[0][4] == 400_000
    assert venue.cancel("alice", group).status_code == 200
    assert rows(venue, group, "CANCELLED", "NEW", "NEW") == [
        (0, first, "LIMIT", "CANCELLED", 0),
        (1 << 45, f"{first}:stop", "STOP_LIMIT", "NEW", 600_000),
        (1 << 46, f"{first}:profit", "LIMIT", "NEW", 600_000),
    ]
    profit = venue.get(f"/api/v1/orders/{group + (1 << 46)}").json()["data"]
    assert (profit["group_id"], profit["side"], profit["reduce_only"]) == (str(group), "sell", True)
    taken = venue.place("bob", venue.unique(), side="buy", price="60400", quantity="0.006", time_in_force="ioc")
    assert taken.status_code == 200, taken.text
    rows(venue, group, "CANCELLED", "CANCELLED", "FILLED")
    contents = Contents.read(venue.log.records, venue.codec)
    assert list(groups(contents)) == []
    assert list(answers(contents)) == []


def test_a_bracket_that_would_reduce_is_refused_in_a_sentence(venue: Venue) -> None:
    bracket = {"take_profit_price": "59500", "stop_loss": {"trigger_price": "60500"}}
    answer = venue.place("alice", venue.unique(), side="sell", price="60100", bracket=bracket)
    assert answer.status_code == 200, answer.text
    report = answer.json()["data"]
    assert (report["kind"], report["reason"], report["actual"]) == ("rejected", Reason.GROUP_POSITION, "0.01")
    assert "leave nothing to reduce" in answer.text
