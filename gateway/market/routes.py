"""Public market data: symbols and books from memory, trades and candles from the read models."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select

from gateway import limits
from gateway.database import Database
from gateway.envelope import Pagination
from gateway.errors import ApiError, Code
from gateway.market.symbols import Symbols
from gateway.orders.values import SYMBOL
from gateway.pages import Page, PageSize, answer, answer_or_unchanged, require_window
from gateway.rows import Renderer
from gateway.stream.hub import Hub
from schemas.tables import candles, trades

INTERVALS_S: Final = {"1s": 1, "1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
_TRADE: Final = Renderer(
    trades, without=("symbol", "maker_order_id", "taker_order_id", "maker_account", "taker_account")
)
_CANDLE: Final = Renderer(candles, without=("symbol", "interval_s"))

SymbolPath = Annotated[str, Path(pattern=SYMBOL, description="The instrument, such as BTC-USD")]
SymbolQuery = Annotated[str, Query(pattern=SYMBOL, description="The instrument, such as BTC-USD")]


def router(*, database: Database, symbols: Symbols, hub: Hub) -> APIRouter:
    """The routes under /api/v1 that everybody may read."""
    routes = APIRouter(prefix="/api/v1", tags=["market"])

    @routes.get("/symbols")
    async def list_symbols(request: Request) -> Response:
        """Every instrument with its rules."""
        return answer_or_unchanged(request, symbols.all())

    @routes.get("/book/{symbol}")
    async def get_book(
        symbol: SymbolPath, depth: Annotated[int, Query(ge=1, le=limits.BOOK_DEPTH_MAX)] = limits.BOOK_DEPTH_DEFAULT
    ) -> Response:
        """The best levels of a book, best first, as [price, quantity]."""
        _require(symbols, symbol)
        return answer(hub.book(symbol, depth))

    @routes.get("/trades")
    async def list_trades(
        symbol: SymbolQuery, page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT
    ) -> Response:
        """The newest trades of an instrument."""
        require_window(page, page_size)
        _require(symbols, symbol)
        statement = select(*_TRADE.columns).where(trades.c.symbol == symbol).order_by(trades.c.trade_id.desc())
        rows, total = await database.page(statement, page, page_size)
        return answer([_TRADE(row) for row in rows], Pagination.of(page, page_size, total))

    @routes.get("/candles")
    async def list_candles(
        symbol: SymbolQuery,
        interval: Literal["1s", "1m", "5m", "1h", "1d"] = "1m",
        before: Annotated[datetime | None, Query(description="Only candles that open before this time")] = None,
        limit: Annotated[int, Query(ge=1, le=limits.CANDLES_MAX)] = limits.PAGE_SIZE_MAX,
    ) -> Response:
        """The newest candles of an instrument, newest first."""
        _require(symbols, symbol)
        statement = select(*_CANDLE.columns).where(
            candles.c.symbol == symbol, candles.c.interval_s == INTERVALS_S[interval]
        )
        if before is not None:
            if before.tzinfo is None:
                raise ApiError(Code.VALIDATION_FAILED, "before needs a time zone, such as Z.", field="before")
            statement = statement.where(candles.c.open_us < int(before.timestamp() * 1_000_000))
        rows = await database.rows(statement.order_by(candles.c.open_us.desc()).limit(limit))
        return answer([{"symbol": symbol, "interval": interval} | _CANDLE(row) for row in rows])

    return routes


def _require(symbols: Symbols, symbol: str) -> None:
    if symbol not in symbols:
        raise ApiError(Code.NOT_FOUND, f"There is no symbol {symbol}; GET /api/v1/symbols lists them.")
