"""/api/v1/admin: the phases of symbols, at once or ahead of time, as `tradsys sessions` decides them."""

import time
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Response
from pydantic import Field

from gateway import limits
from gateway.admin.bodies import Body
from gateway.admin.desk import AdminDesk
from gateway.auth.routes import BEARER, Caller
from gateway.envelope import Pagination
from gateway.fields import Day, Moment
from gateway.idempotency import DecisionToken
from gateway.orders.values import SYMBOL
from gateway.pages import Page, PageSize, answer, require_window
from schemas.messages import Phase
from schemas.timetable import DAYS_MAX, changes, clock_of, require_order, weekdays_of, zone_of
from schemas.units import format_us

SymbolPath = Annotated[str, Path(pattern=SYMBOL)]
PhaseName = Literal["pre_open", "auction", "continuous", "halted", "closed"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WORKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri")
Step = tuple[int | None, Phase | None]
"""Microseconds since 1970 UTC, None at once; and the phase from then on, None withdraws what is planned."""


class Session(Body):
    """A phase, at once or at a time; without a phase what is planned is withdrawn."""

    phase: PhaseName | None = None
    at: Annotated[Moment | None, Field(description="With its zone; null: at once, or all")] = None

    def step(self) -> Step:
        """As a record says it."""
        return self.at, None if self.phase is None else Phase(self.phase.upper())


class PhaseOfDay(Body):
    """A phase, and when it begins."""

    at: Annotated[str, Field(max_length=8, description="Local time, such as 09:00 or 09:00:30", examples=["09:00"])]
    phase: PhaseName


class TimetableBody(Body):
    """A day's phases, for the next days that have not begun."""

    timetable: Annotated[
        list[PhaseOfDay], Field(min_length=1, max_length=limits.TIMETABLE_PHASES_MAX, description="In their order")
    ]
    zone: Annotated[str, Field(max_length=64, description="Whose local time it is", examples=["Europe/Berlin"])] = "UTC"
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 1
    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7)] = [*WORKDAYS]  # noqa: RUF012 - it is copied
    holidays: Annotated[list[Day], Field(max_length=limits.HOLIDAYS_MAX, description="Left out")] = []  # noqa: RUF012 - it is copied

    def steps(self) -> list[Step]:
        """The changes of phase that it stands for. Raises ChangeError."""
        timetable = [(clock_of(each.at), Phase(each.phase.upper())) for each in self.timetable]
        require_order(timetable)
        zone, weekdays = zone_of(self.zone), weekdays_of([*self.weekdays])
        return [*changes(timetable, zone, self.days, weekdays, frozenset(self.holidays), _now_us())]


def router(desk: AdminDesk) -> APIRouter:
    """The routes of sessions."""
    routes = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[BEARER])

    @routes.get("/sessions")
    async def list_sessions(page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT) -> Response:
        """What is planned next for each symbol, by name; null where nothing is."""
        require_window(page, page_size)
        names = sorted(desk.decided.symbols)
        begin = (page - 1) * page_size
        shown = [{"symbol": name, "next": _next(desk, name)} for name in names[begin : begin + page_size]]
        return answer(shown, Pagination.of(page, page_size, len(names)))

    @routes.post("/sessions")
    async def set_every_session(identity: Caller, token: DecisionToken, body: Session) -> Response:
        """Set or plan a phase of every symbol of the venue, or withdraw what is planned for them."""
        async with desk.turn():
            names = desk.asked(desk.decided.every_symbol)
            decision = await desk.plan(identity, token, names, [body.step()])
        return answer(decision.told() | {"symbols": names})

    @routes.get("/symbols/{symbol}/sessions")
    async def get_sessions(symbol: SymbolPath) -> Response:
        """What is planned for a symbol, soonest first. Its phase of now is on the channel `session:SYMBOL`."""
        desk.asked(partial(desk.decided.require, "symbol", symbol))
        return answer(_planned(desk, symbol))

    @routes.post("/symbols/{symbol}/sessions")
    async def set_session(identity: Caller, token: DecisionToken, symbol: SymbolPath, body: Session) -> Response:
        """Set or plan a phase of a symbol, or withdraw what is planned."""
        async with desk.turn():
            desk.asked(partial(desk.decided.require, "symbol", symbol))
            decision = await desk.plan(identity, token, [symbol], [body.step()])
        return answer(decision.told() | _planned(desk, symbol))

    @routes.post("/symbols/{symbol}/timetable")
    async def plan_days(identity: Caller, token: DecisionToken, symbol: SymbolPath, body: TimetableBody) -> Response:
        """Plan a day's phases for so many days. What is planned for the same times is replaced."""
        async with desk.turn():
            desk.asked(partial(desk.decided.require, "symbol", symbol))
            decision = await desk.plan(identity, token, [symbol], desk.asked(body.steps))
        return answer(decision.told() | _planned(desk, symbol))

    return routes


def _planned(desk: AdminDesk, symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "planned": [_shown(*step) for step in desk.decided.planned(symbol, _now_us())]}


def _next(desk: AdminDesk, symbol: str) -> dict[str, str] | None:
    planned = desk.decided.planned(symbol, _now_us())
    return _shown(*planned[0]) if planned else None


def _shown(at_us: int, phase: Phase) -> dict[str, str]:
    return {"at": format_us(at_us), "phase": phase.lower()}


def _now_us() -> int:
    return time.time_ns() // 1_000
