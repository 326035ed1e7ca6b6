"""PostgreSQL: the read models, through a bounded pool. The gateway writes nothing that a projection owns.

Queries run in threads beside the event loop: psycopg waits without the interpreter's lock, and SQLAlchemy's own asyncio
bridge would cost another dependency.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import (
    URL,
    ColumnElement,
    CompoundSelect,
    Connection,
    Engine,
    Row,
    Select,
    create_engine,
    func,
    literal_column,
    select,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from gateway import limits
from gateway.breakers import Breaker, BusyError
from gateway.errors import ApiError, Code, unavailable

T = TypeVar("T")

NOW_US: Final[ColumnElement[int]] = literal_column("(extract(epoch FROM statement_timestamp()) * 1000000)::bigint")
"""The database's time in microseconds since 1970 UTC, so that gateways with different clocks agree: the statement's, as
no index is asked for a time that may differ from row to row."""

Statement = Select[Any] | CompoundSelect[Any] | ReturningInsert[Any] | ReturningUpdate[Any] | ReturningDelete[Any]


def database_is_away(error: Exception) -> bool:
    """For its breaker: no connection, no answer, or one that says that it starts, ends or takes no more of us."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, OSError)  # TimeoutError is one
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError) and (state is None or state.startswith(("08", "53", "57P")))
    )


class Database:
    """Queries with a limit on connections, on time and on those who wait."""

    def __init__(
        self,
        url: URL,
        breaker: Breaker | None = None,
        connections: int = limits.DB_CONNECTIONS,
        *,
        answer_ms: int,
    ) -> None:
        """Connects when it is first asked; so many queries run at a time, each for so long. A breaker of its own
        unless one is shared.
        """
        self._answer_s = answer_ms / 1_000 + limits.ANSWER_MARGIN_S
        self._breaker = breaker or Breaker("postgresql", database_is_away)
        self._engine = create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=limits.DB_WAIT_S,
            pool_pre_ping=True,
            hide_parameters=True,  # errors are logged, and a parameter may be the hash of a password
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": int(limits.DB_WAIT_S),
                "options": f"-c statement_timeout={answer_ms}",
                "application_name": "tradsys-gateway",
                "keepalives_idle": limits.DB_KEEPALIVE_S,
                "keepalives_interval": limits.DB_KEEPALIVE_S,
                "keepalives_count": 2,
                "tcp_user_timeout": 2_000 * limits.DB_KEEPALIVE_S,
            },
        )
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="database")
        self._waiting = 0

    async def rows(self, statement: Statement) -> Sequence[Row[Any]]:
        """What a query gives, or a change returns.

        Raises ApiError when the database is away, too slow or too busy. Then nothing was done; except with
        OUTCOME_UNKNOWN, when the connection was lost, or the time was over, while the database made a change.
        """
        try:
            return await self._run(lambda connection: connection.execute(statement).all())
        except ApiError as error:
            if statement.is_dml:
                _require_an_outcome(error)
            raise

    async def page(self, statement: Select[Any], page: int, page_size: int) -> tuple[Sequence[Row[Any]], int]:
        """One page of a query that is ordered, and how many rows there are (counted up to the window that pages reach).

        Raises ApiError when the database is away, too slow or too busy.
        """
        # With its order, so that the index that gives it is counted: else all of a large table may be read for it.
        window = select(func.count()).select_from(statement.limit(limits.PAGE_WINDOW_MAX).subquery())
        shown = statement.limit(page_size).offset((page - 1) * page_size)

        def read(connection: Connection) -> tuple[Sequence[Row[Any]], int]:
            return connection.execute(shown).all(), connection.execute(window).scalar_one()

        return await self._run(read)

    async def transact(self, change: Callable[[Engine], T]) -> T:
        """What a change gives that begins its own transactions. Raises ApiError, and what the change raises."""
        whole = self._engine.execution_options(isolation_level="READ COMMITTED")
        try:
            return await self._answered(lambda: change(whole), max(limits.DB_CHANGE_S, self._answer_s))
        except ApiError as error:
            _require_an_outcome(error)
            raise

    def close(self) -> None:
        """Close all connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    async def _run(self, read: Callable[[Connection], T]) -> T:
        return await self._answered(lambda: self._read(read), self._answer_s)

    async def _answered(self, ask: Callable[[], T], within_s: float) -> T:
        if self._waiting >= limits.DB_WAITING_MAX:
            raise _too_many()
        self._waiting += 1
        has_begun = False

        def begin() -> T:
            nonlocal has_begun
            has_begun = True
            return ask()

        try:
            with self._breaker.attempt():
                try:
                    async with asyncio.timeout(within_s):
                        return await asyncio.get_running_loop().run_in_executor(self._threads, begin)
                except TimeoutError:
                    if not has_begun:
                        raise BusyError from None
                    raise
        except BusyError:
            raise _too_many() from None
        except (SQLAlchemyError, OSError) as error:
            raise unavailable("The database") from error
        finally:
            self._waiting -= 1

    def _read(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)


def _too_many() -> ApiError:
    return ApiError(Code.SERVICE_UNAVAILABLE, "Too many queries at once; try again.")


def _require_an_outcome(error: ApiError) -> None:
    """Raises ApiError when it was the connection that was lost, or the time that was over, while a change was made."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError) or (isinstance(cause, DBAPIError) and cause.connection_invalidated):
        raise ApiError(
            Code.OUTCOME_UNKNOWN, "The database was lost meanwhile, so the outcome is unknown; look how things stand."
        ) from error
