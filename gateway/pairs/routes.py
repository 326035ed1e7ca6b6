"""/api/v1/pairs: pairs of symbols that strategies hold against each other. All may read them, admins change them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import SimpleNamespace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from gateway import limits
from gateway.auth.routes import BEARER, Caller
from gateway.cursors import Cursor, Limit, answer_newest
from gateway.database import Database
from gateway.envelope import Pagination
from gateway.errors import ApiError, Code, Violation, violation
from gateway.fields import Decimal, PositiveDecimal
from gateway.idempotency import DecisionToken
from gateway.market.symbols import Symbols
from gateway.orders.values import SYMBOL
from gateway.pages import Page, PageSize, answer, require_window, unchanged
from gateway.pairs.pairs import DELETED, Pair, Pairs, shown, shown_version
from gateway.strict import refused
from schemas.messages import PairStatus
from schemas.pairs import LOOKBACK_PERIOD_MAX, LOOKBACK_PERIOD_MIN, NOTES_CHARACTERS_MAX
from schemas.tables import pair_versions
from schemas.units import UnitError, format_us, parse_e8

Status = Literal["active", "inactive", "monitoring"]
IfMatch = Annotated[
    str | None, Header(max_length=64, description="The `ETag` of the version that is changed; `*`: whichever there is")
]


class NewPair(BaseModel):
    """A pair, whole."""

    model_config = ConfigDict(extra="forbid", strict=True)

    symbol1: Annotated[str, Field(pattern=SYMBOL)]
    symbol2: Annotated[str, Field(pattern=SYMBOL)]
    ratio: Annotated[PositiveDecimal, Field(description="How much of symbol2 stands against one of symbol1")] = "1"
    status: Annotated[Status, Field(description="active: traded; monitoring: only watched; inactive: neither")]
    z_score_threshold_entry: Annotated[
        PositiveDecimal,
        Field(description="Standard deviations of the spread from its mean at which a position is opened"),
    ] = "2"
    z_score_threshold_exit: Annotated[
        Decimal, Field(description="Standard deviations at which it is closed; below the entry, not negative")
    ] = "0.5"
    lookback_period: Annotated[
        int,
        Field(ge=LOOKBACK_PERIOD_MIN, le=LOOKBACK_PERIOD_MAX, description="Observations of which the mean is taken"),
    ]
    notes: Annotated[str, Field(max_length=NOTES_CHARACTERS_MAX, pattern=r"^[^\x00]*$")] = ""


def router(pairs: Pairs, symbols: Symbols, database: Database) -> APIRouter:
    """The routes under /api/v1/pairs."""
    routes = APIRouter(prefix="/api/v1/pairs", tags=["pairs"], dependencies=[BEARER])

    @routes.get("")
    async def list_pairs(
        status: Status | None = None,
        symbol: Annotated[str | None, Query(pattern=SYMBOL, description="With this symbol only")] = None,
        page: Page = 1,
        page_size: PageSize = limits.PAGE_SIZE_DEFAULT,
    ) -> Response:
        """All pairs, oldest first, so that new ones move no page."""
        require_window(page, page_size)
        found = [pair for pair in pairs.all() if _is_meant(pair, status, symbol)]
        begin = (page - 1) * page_size
        data = [shown(pair) for pair in found[begin : begin + page_size]]
        return answer(data, Pagination.of(page, page_size, len(found)))

    @routes.get("/{pair_id}")
    async def get_pair(request: Request, pair_id: str) -> Response:
        """One pair; its `ETag` names its version."""
        pair = pairs.get(pair_id)
        if unchanged(request, pair.tag):
            return Response(None, HTTPStatus.NOT_MODIFIED, _heads(pair))
        return _told(pair)

    @routes.get("/{pair_id}/history")
    async def list_pair_versions(
        pair_id: str, cursor: Cursor = None, limit: Limit = limits.PAGE_SIZE_DEFAULT
    ) -> Response:
        """Every version of a pair, newest first, with who decided it and when; also of one that was taken away.

        The read models have what was decided a moment after it is here.
        """
        if pair_id not in pairs:
            raise ApiError(Code.NOT_FOUND, f"There was never a pair {pair_id[:64]}.")
        reached = select(pair_versions).where(pair_versions.c.pair_id == pair_id)
        order = (pair_versions.c.pair_version, pair_versions.c.pair_version)
        return await answer_newest(database, _VERSION, reached, (), order, cursor, limit)

    _add_changes(routes, pairs, symbols)
    return routes


def _add_changes(routes: APIRouter, pairs: Pairs, symbols: Symbols) -> None:
    """The routes that change pairs."""

    @routes.post("", status_code=201)
    async def create_pair(identity: Caller, token: DecisionToken, new: NewPair) -> Response:
        """Make a pair."""
        pair = await pairs.create(identity, token, _fields(new, symbols))
        return _told(pair, HTTPStatus.CREATED, {"location": f"/api/v1/pairs/{pair.newest.pair_id}"})

    @routes.put("/{pair_id}")
    async def update_pair(identity: Caller, pair_id: str, changed: NewPair, if_match: IfMatch = None) -> Response:
        """Replace all that a pair says, but its two symbols."""
        pair = pairs.get(pair_id)
        if if_match is None:
            raise ApiError(Code.PRECONDITION_REQUIRED, f"Send If-Match with the ETag of the pair, now {pair.tag}.")
        _require_match(pair, if_match)
        return _told(await pairs.change(identity, pair, _fields(changed, symbols, pair)))

    @routes.delete("/{pair_id}")
    async def delete_pair(identity: Caller, pair_id: str, if_match: IfMatch = None) -> Response:
        """Take a pair away; its history stays."""
        pair = pairs.get(pair_id)
        if if_match is not None:
            _require_match(pair, if_match)
        await pairs.change(identity, pair, {"pair_status": DELETED})
        return answer({"pair_id": pair_id, "status": DELETED.lower()})


def _is_meant(pair: Pair, status: str | None, symbol: str | None) -> bool:
    newest = pair.newest
    if status is not None and newest.pair_status != status.upper():
        return False
    return symbol in {None, newest.symbol1, newest.symbol2}


def _fields(body: NewPair, symbols: Symbols, before: Pair | None = None) -> dict[str, Any]:
    """What a record says for it. Raises ApiError with all that is wrong."""
    wrong: list[Violation] = []
    fields: dict[str, Any] = {"lookback_period": body.lookback_period, "notes": body.notes}
    for name in ("symbol1", "symbol2"):
        symbol = fields[name] = getattr(body, name)
        if before is not None and symbol != getattr(before.newest, name):
            wrong.append(violation(name, "a pair keeps its symbols; make another pair", symbol))
        elif symbol not in symbols:
            wrong.append(violation(name, "must be a symbol of GET /api/v1/symbols", symbol))
    if body.symbol1 == body.symbol2:
        wrong.append(violation("symbol2", "must be another than symbol1", body.symbol2))
    for name in ("ratio", "z_score_threshold_entry", "z_score_threshold_exit"):
        text = getattr(body, name)
        try:
            number_e8 = fields[f"{name}_e8"] = parse_e8(text)
        except UnitError as error:
            wrong.append(violation(name, str(error), text))
            continue
        if number_e8 < 0 or (number_e8 == 0 and name != "z_score_threshold_exit"):
            wrong.append(violation(name, f"must {'not be negative' if name.endswith('exit') else 'be positive'}", text))
    if not wrong and fields["z_score_threshold_exit_e8"] >= fields["z_score_threshold_entry_e8"]:
        rule = f"must be below z_score_threshold_entry, {body.z_score_threshold_entry}"
        wrong.append(violation("z_score_threshold_exit", rule, body.z_score_threshold_exit))
    if wrong:
        raise refused(wrong)
    return fields | {"pair_status": PairStatus(body.status.upper())}


def _require_match(pair: Pair, if_match: str) -> None:
    """RFC 9110, section 13.1.1: a strong comparison. Raises ApiError."""
    if if_match.strip() != "*" and pair.tag not in {tag.strip() for tag in if_match.split(",")}:
        raise ApiError(Code.PRECONDITION_FAILED, f"The pair has changed; its ETag is {pair.tag} now.")


def _heads(pair: Pair) -> dict[str, str]:
    return {"etag": pair.tag, "cache-control": "no-cache"}


def _told(pair: Pair, status: int = HTTPStatus.OK, more: Mapping[str, str] | None = None) -> Response:
    return answer(shown(pair), status=status, headers=_heads(pair) | dict(more or {}))


class _Versions:
    """Rows of `pair_versions` as clients see them."""

    columns = tuple(pair_versions.c)

    def __call__(self, row: Sequence[Any]) -> dict[str, Any]:
        version = SimpleNamespace(**dict(zip(pair_versions.c.keys(), row, strict=True)))
        return shown_version(version) | {"changed_by": version.issued_by, "changed_at": format_us(version.issued_us)}


_VERSION: Final = _Versions()
