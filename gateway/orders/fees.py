"""What an account has traded lately, and what it pays therefore."""

import time

from fastapi import APIRouter, Response
from sqlalchemy import func, select

from gateway.auth.routes import Caller
from gateway.database import Database
from gateway.market.symbols import Symbols
from gateway.pages import answer
from schemas.controls import FEE_VOLUME_DAYS
from schemas.tables import account_volumes
from schemas.units import DAY_US, format_e8


def add_fees(routes: APIRouter, database: Database, symbols: Symbols) -> None:
    """The route of an account's fees."""

    @routes.get("/fees", tags=["positions"])
    async def get_fees(identity: Caller) -> Response:
        """By quote currency what the account has traded in the 30 UTC days before today, and its fees in each symbol.

        As far as the database knows its fills. What a new order pays is decided when pre-trade risk lets it pass.
        """
        today_us = time.time_ns() // 1_000 // DAY_US * DAY_US
        statement = (
            select(account_volumes.c.symbol, func.sum(account_volumes.c.traded_e8))
            .where(
                account_volumes.c.account == identity.account,
                account_volumes.c.ts_us >= today_us - FEE_VOLUME_DAYS * DAY_US,
                account_volumes.c.ts_us < today_us,
            )
            .group_by(account_volumes.c.symbol)
        )
        quotes = symbols.quotes()
        volumes_e8 = dict.fromkeys(sorted(set(quotes.values())), 0)
        for row in await database.rows(statement):
            symbol, traded_e8 = tuple(row)
            if symbol in quotes:
                volumes_e8[quotes[symbol]] += int(traded_e8)
        paid = {symbol: symbols.fees(symbol, volumes_e8[quote]) for symbol, quote in quotes.items()}
        return answer(
            {
                "volumes": {quote: format_e8(volume_e8) for quote, volume_e8 in volumes_e8.items()},
                "symbols": {
                    symbol: {"maker_fee": format_e8(tier.maker_e8), "taker_fee": format_e8(tier.taker_e8)}
                    for symbol, tier in paid.items()
                },
            }
        )
