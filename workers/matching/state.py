"""The books as bytes and back: what a snapshot holds."""

from sys import intern
from typing import NamedTuple, Self

import msgspec

from schemas.messages import OrderType, TimeInForce
from workers.matching.book import Book, BookSide, OpenOrder


class OrderState(NamedTuple):
    """A resting order. Side, price and place follow from where it stands."""

    order_id: int
    account: str
    client_order_id: str
    order_type: OrderType
    time_in_force: TimeInForce
    quantity_e8: int
    command_us: int
    correlation_id: str | None
    leaves_e8: int
    cumulative_notional_e8: int


class LevelState(NamedTuple):
    """A level and its queue, oldest first."""

    price_e8: int
    orders: list[OrderState]


class BookState(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's book; each side's best level first."""

    symbol: str
    maker_fee_e8: int
    taker_fee_e8: int
    change_sequence: int
    bids: list[LevelState]
    asks: list[LevelState]

    @classmethod
    def of(cls, book: Book) -> Self:
        """The state of a book."""
        return cls(
            book.symbol,
            book.maker_fee_e8,
            book.taker_fee_e8,
            book.change_sequence,
            _levels(book.bids),
            _levels(book.asks),
        )

    def book(self) -> Book:
        """A book in this state."""
        book = Book(intern(self.symbol))
        book.maker_fee_e8, book.taker_fee_e8 = self.maker_fee_e8, self.taker_fee_e8
        book.change_sequence = self.change_sequence
        for side, levels in ((book.bids, self.bids), (book.asks, self.asks)):
            for price_e8, orders in levels:
                for order in orders:
                    book.rest(
                        OpenOrder(
                            order.order_id,
                            intern(order.account),
                            order.client_order_id,
                            side.side,
                            order.order_type,
                            order.time_in_force,
                            price_e8,
                            order.quantity_e8,
                            order.command_us,
                            order.correlation_id,
                            order.leaves_e8,
                            order.cumulative_notional_e8,
                        )
                    )
        return book


class ShardState(msgspec.Struct, frozen=True, array_like=True):
    """Everything that a shard of the matching stage knows."""

    execution_id: int
    trade_id: int
    books: list[BookState]


def _levels(side: BookSide) -> list[LevelState]:
    return [
        LevelState(
            level.price_e8,
            [
                OrderState(
                    order.order_id,
                    order.account,
                    order.client_order_id,
                    order.order_type,
                    order.time_in_force,
                    order.quantity_e8,
                    order.command_us,
                    order.correlation_id,
                    order.leaves_e8,
                    order.cumulative_notional_e8,
                )
                for order in level.orders()
            ],
        )
        for level in side.best_first()
    ]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ShardState).decode
