"""Lists that come in pieces, also while rows are written: as their reader sees them."""

import json
from typing import Any

from tests.unit.client.test_rules import REPORT
from tradsys.client import limits, other_calls
from tradsys.client.listings import Listing
from tradsys.client.wire import Answer

POSITION = {
    **dict.fromkeys(("quantity", "cost", "average_price", "realised", "unrealised", "fees", "mark_price"), "0"),
    "account": "alice",
    "symbol": "A",
    "sequence": 1,
    "time": "2030-01-31T12:00:00Z",
}


def read(listing: Listing[Any], answers: list[tuple[list[Any], dict[str, Any]]]) -> tuple[list[Any], list[Any]]:
    """All rows, and the queries that they were asked with."""
    rows: list[Any] = []
    queries = []
    call: Any = listing.first
    while call is not None:
        queries.append(dict(call.query))
        data, pagination = answers.pop(0)
        body = json.dumps({"success": True, "data": data, "pagination": pagination}).encode()
        piece = call.result(Answer(200, {}, body))
        rows += listing.unseen(piece)
        call = listing.following(piece)
    assert not answers
    return rows, queries


def page(number: int, total_pages: int) -> dict[str, Any]:
    return {"page": number, "page_size": 100, "total": 1, "total_pages": total_pages}


def positions(*symbols: str) -> list[Any]:
    return [POSITION | {"symbol": symbol} for symbol in symbols]


def test_what_moved_to_a_later_page_is_told_once() -> None:
    pages = [(positions("A", "B"), page(1, 2)), (positions("B", "C"), page(2, 3)), (positions("D"), page(3, 3))]
    rows, queries = read(other_calls.positions(), pages)
    assert [row.symbol for row in rows] == ["A", "B", "C", "D"]
    assert queries[0] == {"page_size": "100"}
    assert [query.get("page") for query in queries] == [None, "2", "3"]


def test_an_empty_list_is_one_answer() -> None:
    assert read(other_calls.balances(), [([], page(1, 0))]) == ([], [{"page_size": "100"}])


def test_pages_end_where_the_gateway_gives_no_more() -> None:
    last = limits.PAGE_WINDOW // limits.PAGE_SIZE
    answers: list[Any] = [(positions(f"S{number}"), page(number, 500)) for number in range(1, last + 1)]
    assert len(read(other_calls.positions(), answers)[0]) == last


def test_a_cursor_is_followed_to_its_end() -> None:
    answers: list[Any] = [
        ([REPORT], {"limit": 100, "next_cursor": "a-1"}),
        ([REPORT], {"limit": 100, "next_cursor": None}),
    ]
    rows, queries = read(other_calls.executions(None, "5", None, None, None), answers)
    assert len(rows) == 2  # a cursor tells no row twice, so all count
    assert queries == [{"order_id": "5", "limit": "100"}, {"order_id": "5", "limit": "100", "cursor": "a-1"}]
