"""Orders as the read models in PostgreSQL have them: what an operator looks up."""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import Select, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.orders.answers import Report
from gateway.orders.refusals import sentence
from gateway.rows import Renderer
from schemas.tables import ORDER_IS_OPEN, executions, orders
from tradsys.errors import CommandError

CONNECT_S: Final = 5
STATEMENT_MS: Final = 30_000
"""A question that the database has not answered by then is given up."""
EXECUTIONS_MAX: Final = 1_000
"""Newest executions of an order that are shown."""

OPEN: Final = "open"

_ORDER: Final = Renderer(orders)
_EXECUTION: Final = Renderer(executions)

Object = dict[str, Any]
"""What clients see of a row: decimals, ids and times as strings."""


class Orders:
    """Reads orders from a database."""

    def __init__(self, conninfo: str) -> None:
        """Connects when it is asked."""
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(
                conninfo, connect_timeout=CONNECT_S, options=f"-c statement_timeout={STATEMENT_MS}"
            ),
            poolclass=NullPool,
        )

    def newest(self, limit: int, account: str | None, symbol: str | None, status: str | None) -> list[Object]:
        """Orders, those first whose state is newest. Raises CommandError when the database cannot be read."""
        statement = select(*_ORDER.columns)
        if account is not None:
            statement = statement.where(orders.c.account == account)
        if symbol is not None:
            statement = statement.where(orders.c.symbol == symbol)
        if status == OPEN:
            statement = statement.where(ORDER_IS_OPEN)
        elif status is not None:
            statement = statement.where(orders.c.status == status.upper())
        newest_first = statement.order_by(orders.c.ts_us.desc(), orders.c.order_id.desc())
        return [_ORDER(row) for row in self._rows(newest_first.limit(limit))]

    def life(self, order_id: int) -> Object | None:
        """One order, and under `executions` what happened to it, oldest first, each with its sentence as `message`.

        None if there is no such order. Raises CommandError when the database cannot be read.
        """
        found = self._rows(select(*_ORDER.columns).where(orders.c.order_id == order_id))
        if not found:
            return None
        order = _ORDER(found[0])
        happened = (
            select(*_EXECUTION.columns)
            .where(
                executions.c.order_id == order_id,
                executions.c.account == order["account"],
                # 0 is an order's id, and stands for none where a command named none.
                executions.c.client_order_id == order["client_order_id"],
            )
            .order_by(executions.c.ts_us.desc(), executions.c.execution_id.desc())
            .limit(EXECUTIONS_MAX)
        )
        life = [_EXECUTION(row) for row in reversed(self._rows(happened))]
        return order | {"executions": [execution | {"message": why(execution)} for execution in life]}

    def _rows(self, statement: Select[Any]) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(statement))
        except SQLAlchemyError as error:
            detail = str(getattr(error, "orig", error)).strip()
            raise CommandError(f"The database cannot be read: {detail}") from error


def why(report: Mapping[str, Any]) -> str | None:
    """Why an order or an execution is not what was hoped for, as clients are told it."""
    return sentence(Report(**{name: report[name] for name in Report.__struct_fields__ if name in report}))
