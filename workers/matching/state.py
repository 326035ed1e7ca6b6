"""The books as bytes and back: what a snapshot holds."""

from sys import intern
from typing import Self

import msgspec
from msgspec.structs import astuple

from schemas.messages import Order, OrderType, Side, TimeInForce
from workers.kernel.controls import Pair
from workers.matching.book import Book, OpenOrder
from workers.matching.breaker import Breaker
from workers.matching.expiry import DaysOver
from workers.matching.groups import open_pairs
from workers.matching.session import Session, SessionState
from workers.matching.triggers import Kept, KeptOrder, Triggers


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A resting order."""

    order_id: int
    account: str
    client_order_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price_e8: int
    quantity_e8: int
    command_us: int
    correlation_id: str | None
    leaves_e8: int
    cumulative_notional_e8: int
    expire_us: int | None = None
    terms: KeptOrder | None = None
    hidden_e8: int = 0
    maker_fee_e8: int | None = None


class BookState(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's book. Its orders stand as they came to rest, and with that in the order of each queue.

    In that order they mostly lie in memory, too: from queue to queue a dump takes twice as long.
    """

    symbol: str
    maker_fee_e8: int
    taker_fee_e8: int
    change_sequence: int
    orders: list[OrderState]
    resumes: bool = False
    """Read of states before behaviour version 7; a session has it since."""
    last_e8: int | None = None
    mark_e8: int | None = None
    waiting: Kept = Kept()
    session: SessionState | None = None
    tick_e8: int = 1
    reference_e8: int | None = None
    breaker: Breaker | None = None
    lot_e8: int = 1
    quantity_min_e8: int = 0

    @classmethod
    def of(cls, book: Book) -> Self:
        """The state of a book."""
        orders = [
            OrderState(
                order.order_id,
                order.account,
                order.client_order_id,
                order.side,
                order.order_type,
                order.time_in_force,
                order.price_e8,
                order.quantity_e8,
                order.command_us,
                order.correlation_id,
                order.leaves_e8,
                order.cumulative_notional_e8,
                order.expire_us,
                None if order.terms is None else KeptOrder(*astuple(order.terms)),
                order.hidden_e8,
                order.maker_fee_e8,
            )
            for order in book.orders.values()
        ]
        return cls(
            book.symbol,
            book.maker_fee_e8,
            book.taker_fee_e8,
            book.change_sequence,
            orders,
            last_e8=book.last_e8,
            mark_e8=book.mark_e8,
            waiting=book.triggers.kept(),
            session=book.session.state(),
            tick_e8=book.tick_e8,
            reference_e8=book.reference_e8,
            breaker=book.breaker,
            lot_e8=book.lot_e8,
            quantity_min_e8=book.quantity_min_e8,
        )

    def book(self) -> Book:
        """A book in this state."""
        book = Book(intern(self.symbol))
        book.maker_fee_e8, book.taker_fee_e8 = self.maker_fee_e8, self.taker_fee_e8
        book.change_sequence = self.change_sequence
        book.tick_e8, book.reference_e8, book.breaker = self.tick_e8, self.reference_e8, self.breaker
        book.lot_e8, book.quantity_min_e8 = self.lot_e8, self.quantity_min_e8
        if self.session is not None:
            book.session = Session.from_state(self.session)
        for order in self.orders:
            book.append(
                OpenOrder(
                    order.order_id,
                    intern(order.account),
                    order.client_order_id,
                    order.side,
                    order.order_type,
                    order.time_in_force,
                    order.price_e8,
                    order.quantity_e8,
                    order.command_us,
                    order.correlation_id,
                    order.leaves_e8,
                    order.cumulative_notional_e8,
                    book.level(order.side, order.price_e8),
                    expire_us=order.expire_us,
                    terms=None if order.terms is None else Order(*astuple(order.terms)),
                    hidden_e8=order.hidden_e8,
                    maker_fee_e8=order.maker_fee_e8,
                )
            )
        book.last_e8, book.mark_e8 = self.last_e8, self.mark_e8
        book.wait(Triggers.of(self.waiting))
        book.pairs = open_pairs(book.open_orders())
        return book


class ShardState(msgspec.Struct, frozen=True, array_like=True):
    """Everything that a shard of the matching stage knows."""

    execution_id: int
    trade_id: int
    books: list[BookState]
    gate: tuple[list[str], list[tuple[str, Pair]]]
    apart: list[BookState] = []
    """Those that do not trade continuously; before behaviour version 7, those that were killed."""
    now_us: int = 0
    days_over: DaysOver = []


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ShardState).decode
