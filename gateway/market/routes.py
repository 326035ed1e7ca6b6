"""Public market data: symbols from memory, trades and candles from the read models."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select

from gateway import limits
from gateway.cursors import Cursor, MaybeLimit, Since, Until, answer_newest
from gateway.database import Database
from gateway.envelope import Pagination
from gateway.fields import Moment
from gateway.market.symbols import Symbols
from gateway.orders.values import SYMBOL
from gateway.pages import Page, PageSize, answer, answer_or_unchanged, require_window
from gateway.rows import Renderer
from schemas.tables import candles, trades

INTERVALS_S: Final = {"1s": 1, "1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
_TRADE: Final = Renderer(
    trades, without=("symbol", "maker_order_id", "taker_order_id", "maker_account", "taker_account")
)
_TRADE_AGE: Final = (trades.c.ts_us, trades.c.trade_id)
"""A symbol's trades are of one shard: later ones have larger ids, and no earlier times."""
_CANDLE: Final = Renderer(candles, without=("symbol", "interval_s"))

SymbolPath = Annotated[str, Path(pattern=SYMBOL, description="The instrument, such as BTC-USD")]
SymbolQuery = Annotated[str, Query(pattern=SYMBOL, description="The instrument, such as BTC-USD")]


def router(*, database: Database, symbols: Symbols) -> APIRouter:
    """The routes under /api/v1 that everybody may read."""
    routes = APIRouter(prefix="/api/v1", tags=["market"])

    @routes.get("/symbols")
    async def list_symbols(request: Request) -> Response:
        """Every instrument with its rules."""
        return answer_or_unchanged(request, symbols.all())

    @routes.get("/trades")
    async def list_trades(
        symbol: SymbolQuery,
        since: Since = None,
        until: Until = None,
        page: Page = 1,
        page_size: PageSize = limits.PAGE_SIZE_DEFAULT,
        cursor: Cursor = None,
        limit: MaybeLimit = None,
    ) -> Response:
        """The trades of an instrument, newest first, of all times or of a range.

        In pages, which reach the newest 10,000 and move as trades happen; with a `limit` or a `cursor` all of them.
        """
        symbols.require(symbol)
        reached = select(trades).where(trades.c.symbol == symbol)
        if since is not None:
            reached = reached.where(trades.c.ts_us >= since)
        if until is not None:
            reached = reached.where(trades.c.ts_us < until)
        if cursor is not None or limit is not None:
            rows_max = limits.PAGE_SIZE_DEFAULT if limit is None else limit
            return await answer_newest(database, _TRADE, reached, (), _TRADE_AGE, cursor, rows_max)
        require_window(page, page_size)
        newest_first = reached.with_only_columns(*_TRADE.columns).order_by(*(age.desc() for age in _TRADE_AGE))
        rows, total = await database.page(newest_first, page, page_size)
        return answer([_TRADE(row) for row in rows], Pagination.of(page, page_size, total))

    @routes.get("/candles")
    async def list_candles(
        symbol: SymbolQuery,
        interval: Literal["1s", "1m", "5m", "1h", "1d"] = "1m",
        since: Annotated[Moment | None, Query(description="Only candles that open at this time or later")] = None,
        before: Annotated[Moment | None, Query(description="Only candles that open before this time")] = None,
        limit: Annotated[int, Query(ge=1, le=limits.CANDLES_MAX)] = limits.PAGE_SIZE_MAX,
    ) -> Response:
        """The newest candles of an instrument, or of a range, newest first.

        Where a range has more than `limit`, ask again with `before` the oldest one's `open_time`.
        """
        symbols.require(symbol)
        statement = select(*_CANDLE.columns).where(
            candles.c.symbol == symbol, candles.c.interval_s == INTERVALS_S[interval]
        )
        if since is not None:
            statement = statement.where(candles.c.open_us >= since)
        if before is not None:
            statement = statement.where(candles.c.open_us < before)
        rows = await database.rows(statement.order_by(candles.c.open_us.desc()).limit(limit))
        return answer([{"symbol": symbol, "interval": interval} | _CANDLE(row) for row in rows])

    return routes
