"""What has happened to an account: its executions and its ledger, newest first, page by page with a cursor."""

import operator
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from gateway import limits
from gateway.auth.routes import BEARER, Caller
from gateway.cursors import Cursor, Limit, Since, Until, answer_newest
from gateway.database import Database
from gateway.errors import ApiError, Code
from gateway.orders.values import ORDER_ID, SYMBOL, parse_order_id
from gateway.rows import Renderer
from gateway.searches import Filter
from schemas.messages import ExecutionKind, LedgerKind
from schemas.tables import ENTRY_IS_SELDOM, OFTEN_POSTED, executions, ledger

_EXECUTION: Final = Renderer(executions)
_ENTRY: Final = Renderer(ledger)


def _one_of(kinds: Iterable[str]) -> str:
    """A pattern for the names of an enum as clients read them."""
    return f"^({'|'.join(kind.lower() for kind in kinds if kind != 'UNKNOWN')})$"


Kind = Annotated[str | None, Query(pattern=_one_of(ExecutionKind), description="Of this kind only")]
EntryKind = Annotated[str | None, Query(pattern=_one_of(LedgerKind), description="Of this kind only")]
Symbol = Annotated[str | None, Query(pattern=SYMBOL, description="Of this instrument only")]


def router(database: Database) -> APIRouter:
    """The routes of an account's past."""
    routes = APIRouter(prefix="/api/v1", dependencies=[BEARER])

    @routes.get("/executions", tags=["orders"])
    async def list_executions(
        identity: Caller,
        symbol: Symbol = None,
        order_id: Annotated[str | None, Query(description="Of this order only", json_schema_extra=ORDER_ID)] = None,
        kind: Kind = None,
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: Limit = limits.PAGE_SIZE_DEFAULT,
    ) -> Response:
        """All that has happened to the account's orders and commands, newest first.

        What `symbol` and `kind` leave is looked for in 20,000 rows at a time: an answer may have few rows, or none, and
        yet a `next_cursor`.
        """
        reached = select(executions).where(executions.c.account == identity.account)
        filters = _equal(symbol=symbol, kind=kind and kind.upper())
        if order_id is not None:
            number = parse_order_id(order_id)
            if number is None:
                raise ApiError(Code.VALIDATION_FAILED, "order_id is no id.", field="order_id", value=order_id)
            if number:
                reached = reached.where(executions.c.order_id == number)
            else:  # stands for none, too, where a command named none: the index has too many of it
                filters += _equal(order_id=number)
        for condition in _times(since, until):
            reached = reached.where(condition.compare(executions.c.ts_us, condition.value))
        order = (executions.c.ts_us, executions.c.execution_id)
        return await answer_newest(database, _EXECUTION, reached, filters, order, cursor, limit)

    @routes.get("/ledger", tags=["positions"])
    async def list_ledger(
        identity: Caller,
        symbol: Symbol = None,
        currency: Annotated[str | None, Query(pattern=SYMBOL, description="Of this currency only")] = None,
        kind: EntryKind = None,
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: Limit = limits.PAGE_SIZE_DEFAULT,
    ) -> Response:
        """Every posting to the account, newest first, each with the balance after it.

        What filters leave is looked for in 20,000 rows at a time: an answer may have few rows, or none, and yet a
        `next_cursor`. Of deposits, withdrawals and transfers only those are looked through.
        """
        reached = select(ledger).where(ledger.c.account == identity.account)
        if kind is not None and kind.upper() not in OFTEN_POSTED:
            reached = reached.where(ENTRY_IS_SELDOM)
        filters = _equal(symbol=symbol, currency=currency, kind=kind and kind.upper()) + _times(since, until)
        # An account's entries are of one shard, so their ids are in the order in which they were posted.
        return await answer_newest(
            database, _ENTRY, reached, filters, (ledger.c.entry_id, ledger.c.entry_id), cursor, limit
        )

    return routes


def _equal(**values: Any) -> list[Filter]:
    return [Filter(column, operator.eq, value) for column, value in values.items() if value is not None]


def _times(since: int | None, until: int | None) -> list[Filter]:
    times = []
    if since is not None:
        times.append(Filter("ts_us", operator.ge, since))
    if until is not None:
        times.append(Filter("ts_us", operator.lt, until))
    return times
