"""What an account may read: whether it may trade, its orders, positions and balances, from the read models."""

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row, select

from gateway import limits
from gateway.auth.routes import BEARER, Caller
from gateway.cursors import Cursor, MaybeLimit, answer_newest
from gateway.database import Database
from gateway.envelope import Pagination
from gateway.errors import ApiError, Code
from gateway.market.symbols import Symbols
from gateway.orders.fees import add_fees
from gateway.orders.values import SYMBOL, parse_order_id
from gateway.pages import Page, PageSize, answer, require_window
from gateway.rows import Renderer
from gateway.searches import Filter, newest_that_fit
from schemas.tables import (
    EXECUTION_IS_OF_A_REPEATED_COMMAND,
    ORDER_AGE,
    ORDER_IS_OPEN,
    account_states,
    balances,
    executions,
    orders,
    positions,
)

_ORDER: Final = Renderer(orders)
_EXECUTION: Final = Renderer(executions)
_POSITION: Final = Renderer(positions)
_BALANCE: Final = Renderer(balances)
_STATE: Final = Renderer(account_states)


class _Aged:
    """Orders with what they are sorted by, which is not shown."""

    order = (ORDER_AGE[0].label("age"), orders.c.order_id)
    columns = (*_ORDER.columns, order[0])

    def __call__(self, row: Sequence[Any]) -> dict[str, Any]:
        return _ORDER(row[:-1])


_AGED: Final = _Aged()

Status = Literal["open", "new", "partially_filled", "filled", "cancelled", "rejected", "expired"]
EXECUTIONS_OF_ORDER_MAX: Final = limits.PAGE_SIZE_MAX


def router(database: Database, symbols: Symbols) -> APIRouter:
    """The routes under /api/v1 that belong to an account."""
    routes = APIRouter(prefix="/api/v1", dependencies=[BEARER])

    _add_orders(routes, database)

    @routes.get("/orders/{order_id}", tags=["orders"])
    async def get_order(identity: Caller, order_id: str) -> Response:
        """One order of the account, with its newest executions.

        The id that a repeated order was answered with names the order that was placed first.
        """
        number = parse_order_id(order_id)
        order = await _order(database, identity.account, number) if number is not None else None
        if order is None:
            raise ApiError(Code.NOT_FOUND, "There is no such order.")
        happened = await database.rows(
            select(*_EXECUTION.columns)
            .where(
                executions.c.order_id == order.order_id,
                executions.c.account == identity.account,
                # 0 is an order's id, and stands for none where a command named none.
                executions.c.client_order_id == order.client_order_id,
            )
            .order_by(executions.c.execution_id.desc())
            .limit(EXECUTIONS_OF_ORDER_MAX)
        )
        return answer(_ORDER(order) | {"executions": [_EXECUTION(row) for row in happened]})

    @routes.get("/positions", tags=["positions"])
    async def list_positions(
        identity: Caller, page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT
    ) -> Response:
        """What the account holds, by symbol."""
        require_window(page, page_size)
        statement = (
            select(*_POSITION.columns).where(positions.c.account == identity.account).order_by(positions.c.symbol)
        )
        rows, total = await database.page(statement, page, page_size)
        return answer([_POSITION(row) for row in rows], Pagination.of(page, page_size, total))

    @routes.get("/balances", tags=["positions"])
    async def list_balances(
        identity: Caller, page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT
    ) -> Response:
        """What the account has of each currency."""
        require_window(page, page_size)
        statement = (
            select(*_BALANCE.columns).where(balances.c.account == identity.account).order_by(balances.c.currency)
        )
        rows, total = await database.page(statement, page, page_size)
        return answer([_BALANCE(row) for row in rows], Pagination.of(page, page_size, total))

    _add_account(routes, database)
    add_fees(routes, database, symbols)
    return routes


def _add_orders(routes: APIRouter, database: Database) -> None:
    """The route of an account's orders."""

    @routes.get("/orders", tags=["orders"])
    async def list_orders(
        identity: Caller,
        status: Status | None = None,
        symbol: Annotated[str | None, Query(pattern=SYMBOL)] = None,
        client_order_id: Annotated[str | None, Query(min_length=1, max_length=limits.CLIENT_ORDER_ID_MAX)] = None,
        side: Literal["buy", "sell"] | None = None,
        page: Page = 1,
        page_size: PageSize = limits.PAGE_SIZE_DEFAULT,
        cursor: Cursor = None,
        limit: MaybeLimit = None,
    ) -> Response:
        """The account's orders, newest first.

        In pages, which move as orders are placed: a `symbol`, a `side` and a `status` other than open are then looked
        for among the newest 20,000. With a `limit` or a `cursor` all of them, 20,000 looked through for an answer.
        """
        reached = select(orders).where(orders.c.account == identity.account)
        filters = []
        if status == "open":
            reached = reached.where(ORDER_IS_OPEN)
        elif status is not None:
            filters.append(Filter("status", operator.eq, status.upper()))
        if symbol is not None:
            filters.append(Filter("symbol", operator.eq, symbol))
        if client_order_id is not None:
            reached = reached.where(orders.c.client_order_id == _storable(client_order_id))
        if side is not None:
            filters.append(Filter("side", operator.eq, side.upper()))
        if cursor is not None or limit is not None:
            rows_max = limits.PAGE_SIZE_DEFAULT if limit is None else limit
            return await answer_newest(database, _AGED, reached, filters, _AGED.order, cursor, rows_max)
        require_window(page, page_size)
        newest_first = newest_that_fit(reached, filters, _ORDER.columns, ORDER_AGE)
        rows, total = await database.page(newest_first, page, page_size)
        return answer([_ORDER(row) for row in rows], Pagination.of(page, page_size, total))


def _add_account(routes: APIRouter, database: Database) -> None:
    """The route of how the account stands."""

    @routes.get("/account", tags=["positions"])
    async def get_account(identity: Caller) -> Response:
        """Whether the account is active, reducing or suspended, and the loss that made it reducing."""
        statement = select(*_STATE.columns).where(account_states.c.account == identity.account)
        rows = await database.rows(statement)
        if not rows:
            raise ApiError(Code.NOT_FOUND, "The operator has not made this account.")
        return answer(_STATE(rows[0]))


async def _order(database: Database, account: str, order_id: int) -> Row[Any] | None:
    """The order of this id, or the one that was placed before the command of this id repeated it."""
    repeated = select(executions.c.order_id).where(
        executions.c.command_id == order_id, EXECUTION_IS_OF_A_REPEATED_COMMAND
    )
    for named in (order_id, repeated.scalar_subquery()):
        statement = select(*_ORDER.columns).where(orders.c.order_id == named, orders.c.account == account)
        if rows := await database.rows(statement):
            return rows[0]
    return None


def _storable(text: str) -> str:
    """PostgreSQL's text holds no NUL, so nothing has that name. Raises ApiError."""
    if "\0" in text:
        raise ApiError(Code.VALIDATION_FAILED, "client_order_id holds a NUL character.", field="client_order_id")
    return text
