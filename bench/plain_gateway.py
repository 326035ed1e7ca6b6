"""The gateway's routes in plain FastAPI with pydantic: what bench.gateway compares with."""

import os
from typing import Annotated, Literal

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.auth.tokens import Identity, Tokens
from gateway.orders.answers import Answers
from gateway.orders.desk import OrderDesk
from gateway.orders.requests import OrderRequest
from gateway.pressure import Pressure
from gateway.producer import CommandProducer
from gateway.rights import Right, require
from gateway.settings import load
from schemas.registry import connect
from stream_topology.subjects import subjects

SYMBOL = "BTC-USD"
BIDS = range(43_210, 43_110, -1)
ASKS = range(43_211, 43_311)
"""Prices of the book, best first; each level has 1.5."""


class OrderBody(BaseModel):
    """The order as pydantic checks it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    quantity: str
    price: str | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] | None = None
    client_order_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:+/=@-]{1,64}$")] | None = None
    post_only: bool = False
    self_trade_prevention: Literal["cancel_newest", "cancel_oldest", "cancel_both", "none"] | None = None


class Placed(BaseModel):
    """What is answered."""

    order_id: str
    client_order_id: str
    status: str = "pending"


class PlacedAnswer(BaseModel):
    """The envelope."""

    success: bool = True
    data: Placed


class Live(BaseModel):
    """That it answers."""

    status: str = "up"


class LiveAnswer(BaseModel):
    """The envelope."""

    success: bool = True
    data: Live


class Book(BaseModel):
    """The best levels of a book."""

    symbol: str
    sequence: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    checksum: int
    time: str | None


class BookAnswer(BaseModel):
    """The envelope."""

    success: bool = True
    data: Book


def plain() -> FastAPI:
    """The endpoints as FastAPI's documentation would have them written."""
    settings = load()
    tokens = Tokens(settings.token_keys, settings.jwt_expiry_s)
    desk = OrderDesk(
        CommandProducer(settings),
        connect(settings.schema_registry_url, subjects(settings.prefix)),
        Answers(),
        Pressure(settings.shards),
    )
    application = FastAPI()
    books = {SYMBOL: ([(str(price), "1.5") for price in BIDS], [(str(price), "1.5") for price in ASKS])}

    async def who(request: Request) -> Identity:
        return tokens.verify(request.headers.get("authorization", "").removeprefix("Bearer "))

    @application.get("/health/ready")
    async def ready() -> dict[str, bool]:
        return {"success": True}

    @application.get("/health/live")
    async def live() -> LiveAnswer:
        return LiveAnswer(data=Live())

    @application.get("/api/v1/book/{symbol}")
    async def book(
        symbol: Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,32}$")],
        depth: Annotated[int, Query(ge=1, le=5_000)] = 20,
    ) -> BookAnswer:
        if symbol not in books:
            raise HTTPException(404)
        bids, asks = books[symbol]
        return BookAnswer(
            data=Book(symbol=symbol, sequence=1, bids=bids[:depth], asks=asks[:depth], checksum=0, time=None)
        )

    @application.post("/api/v1/orders", status_code=202)
    async def place(order: OrderBody, identity: Annotated[Identity, Depends(who)]) -> PlacedAnswer:
        require(identity.rights, Right.TRADE)
        acknowledged, client_order_id = desk.place(identity, OrderRequest(**order.model_dump()), os.urandom(16).hex())
        return PlacedAnswer(data=Placed(order_id=str(await acknowledged), client_order_id=client_order_id))

    return application


if __name__ == "__main__":
    uvicorn.run(
        plain,
        factory=True,
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
