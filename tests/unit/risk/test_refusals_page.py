"""docs/refusals.md describes each code once, and its numbers are those of the code."""

import re
from pathlib import Path

from schemas.messages import Reason
from workers.matching.book import ORDERS_MAX
from workers.risk.accounts import FINAL_ORDERS_MAX, OPEN_ORDERS_MAX_DEFAULT
from workers.risk.rules import CLIENT_ORDER_ID_CHARACTERS_MAX

PAGES = Path(__file__).parents[3] / "docs"
PAGE = (PAGES / "refusals.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]


def test_each_code_stands_in_exactly_one_row() -> None:
    codes = [row[0] for row in ROWS if row[0] != "Code"]
    assert sorted(codes) == sorted(Reason)


def test_each_row_gives_rule_numbers_and_advice() -> None:
    assert [row for row in ROWS if len(row) != 4 or not all(row)] == []


def test_the_pages_limits_are_those_of_the_code() -> None:
    rules = {row[0]: row[1] for row in ROWS}
    assert f"{FINAL_ORDERS_MAX:,} that ended last" in rules["CLIENT_ORDER_ID_REUSED"]
    for page in ("trading", "client"):
        text = (PAGES / f"{page}.md").read_text("utf-8")
        assert re.search(
            rf"\bthe {FINAL_ORDERS_MAX:,} of the account that ended|until {FINAL_ORDERS_MAX:,} other\n", text
        )
    assert f"({OPEN_ORDERS_MAX_DEFAULT:,} unless" in rules["OPEN_ORDERS_LIMIT"]
    assert f"{ORDERS_MAX:,} orders" in rules["BOOK_FULL"]
    assert re.match(rf"1 to {CLIENT_ORDER_ID_CHARACTERS_MAX} printable", rules["CLIENT_ORDER_ID_INVALID"])
