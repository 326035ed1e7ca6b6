"""Pairs of symbols: what can be asked about them, and what is said."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from tradsys.client.listings import Listing
from tradsys.client.messages import Message
from tradsys.client.requests import Number, as_query, text
from tradsys.client.wire import Call, as_it_is

PAIRS: Final = "/api/v1/pairs"
PairStatus = Literal["active", "inactive", "monitoring"]


class NewPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair to make, or all that one shall say from now on."""

    symbol1: str
    symbol2: str
    ratio: Number = 1
    """How much of symbol2 stands against one of symbol1."""
    status: PairStatus
    z_score_threshold_entry: Number = 2
    """Standard deviations from the mean of the spread at which a position is opened, and next, closed."""
    z_score_threshold_exit: Number = Decimal("0.5")
    lookback_period: int
    """Observations of which the mean is taken."""
    notes: str = ""

    def as_json(self) -> dict[str, Any]:
        """The object in JSON. Raises TypeError for floats."""
        numbers = ("ratio", "z_score_threshold_entry", "z_score_threshold_exit")
        return msgspec.structs.asdict(self) | {name: text(getattr(self, name)) for name in numbers}


class PairTerms(Message, frozen=True, kw_only=True):
    """What every version of a pair says."""

    version: int
    """1, and one more with each change."""
    symbol1: str
    symbol2: str
    ratio: Decimal
    status: str
    z_score_threshold_entry: Decimal
    z_score_threshold_exit: Decimal
    lookback_period: int
    notes: str


class Pair(PairTerms, frozen=True, kw_only=True):
    """A pair as it is now."""

    id: str
    pair_id: str
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


class PairVersion(PairTerms, frozen=True, kw_only=True):
    """A pair as it was."""

    changed_by: str | None = None
    changed_at: datetime


def pairs(status: PairStatus | None, symbol: str | None) -> Listing[Pair]:
    """All pairs, oldest first."""
    return Listing(PAIRS, Pair, as_query({"status": status, "symbol": symbol}), lambda row: row.pair_id)


def pair(pair_id: str) -> Call[Pair]:
    """One pair."""
    return Call(method="GET", path=_one(pair_id), read=as_it_is(Pair))


def versions(pair_id: str) -> Listing[PairVersion]:
    """Every version of a pair, newest first."""
    return Listing(f"{_one(pair_id)}/history", PairVersion, {}, lambda row: row.version, by_cursor=True)


def create(new: NewPair) -> Call[Pair]:
    """Make a pair."""
    return Call(method="POST", path=PAIRS, body=new.as_json(), read=as_it_is(Pair), changes=True, has_key=True)


def update(pair_id: str, version: int, changed: NewPair) -> Call[Pair]:
    """Replace what a version says. A second time it is another version that is there."""
    return Call(
        method="PUT",
        path=_one(pair_id),
        headers={"if-match": f'"{version}"'},
        body=changed.as_json(),
        read=as_it_is(Pair),
        changes=True,
        is_repeatable=False,
    )


def delete(pair_id: str) -> Call[None]:
    """Take a pair away. A second time it is not found."""
    return Call(method="DELETE", path=_one(pair_id), read=lambda *_: None, changes=True, is_repeatable=False)


def _one(pair_id: str) -> str:
    return f"{PAIRS}/{quote(pair_id, safe='')}"
