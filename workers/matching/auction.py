"""A call auction: the one price at which most can be traded, and the trades at it.

By the principle of most executable volume (http://www.xetra.com/xetra-en/trading/trading-models/auction): the largest
volume, then the smallest surplus, then market pressure, then nearness to the reference price. All prices on a tick
compete, not only those that orders name.
"""

from itertools import takewhile
from typing import Final, NamedTuple, Protocol

from schemas.messages import ExecutionKind, Liquidity, Reason, Side, Trade
from schemas.units import E8, INT64_MAX
from workers.kernel.stage import Output
from workers.matching.book import Book, Level, OpenOrder
from workers.matching.executions import Counting, ended, standing, traded

TRADES_MAX: Final = 10_000
"""Trades of auctions that one record makes; the next ticks make the rest at the same prices. Also those that one order
makes as it comes, and after which no further one enters with the record that has met its trigger."""

_SELF_TRADE: Final = (ExecutionKind.CANCELLED, Reason.SELF_TRADE)
_UNKNOWN: Final = Side.UNKNOWN
_AUCTION: Final = Liquidity.AUCTION


class TradeCounting(Counting, Protocol):
    """Whoever numbers the trades of a shard too."""

    trade_id: int
    """The last one given."""

    def made(self) -> int:
        """Executions that this record has made."""


class Clearing(NamedTuple):
    """What an auction would do now."""

    price_e8: int
    volume_e8: int
    """What can be traded at the price; 10^-8 base."""
    surplus_e8: int
    """What is wanted at the price beyond that: positive if more would be bought, negative if more would be sold."""


class _Span(NamedTuple):
    """Prices at which the same is wanted: one that orders name, or those on a tick between two such."""

    low_e8: int
    high_e8: int
    demand_e8: int
    supply_e8: int

    @property
    def volume_e8(self) -> int:
        return min(self.demand_e8, self.supply_e8)

    @property
    def surplus_e8(self) -> int:
        return self.demand_e8 - self.supply_e8


def clearing(book: Book) -> Clearing | None:
    """The price at which the book would be uncrossed, None if nothing could trade.

    The largest volume; of those prices the smallest surplus; of those the highest if all leave buyers over, the lowest
    if all leave sellers over; else the nearest to the reference: the last trade, else the symbol's reference price,
    else the middle. Of two that are equally near, the lower. Takes time in proportion to the levels that cross.
    """
    spans = _spans(book)
    if not spans:
        return None
    best = max((span.volume_e8, -abs(span.surplus_e8)) for span in spans)
    spans = [span for span in spans if (span.volume_e8, -abs(span.surplus_e8)) == best]
    if all(span.surplus_e8 > 0 for span in spans):
        price_e8, chosen = spans[-1].high_e8, spans[-1]
    elif all(span.surplus_e8 < 0 for span in spans):
        price_e8, chosen = spans[0].low_e8, spans[0]
    else:
        reference_e8 = book.last_e8 or book.reference_e8 or (spans[0].low_e8 + spans[-1].high_e8) // 2
        _, price_e8, chosen = min(
            (abs(price_e8 - reference_e8), price_e8, span)
            for span in spans
            for price_e8 in _near(span, reference_e8, book.tick_e8)
        )
    return Clearing(price_e8, chosen.volume_e8, chosen.surplus_e8)


def _spans(book: Book) -> list[_Span]:
    """All prices at which something could trade, from the lowest on."""
    lowest_e8, highest_e8, tick_e8 = book.asks.best_e8, book.bids.best_e8, book.tick_e8
    bids = takewhile(lambda level: level.price_e8 >= lowest_e8, book.bids.best_first())
    asks = takewhile(lambda level: level.price_e8 <= highest_e8, book.asks.best_first())
    bought_e8 = {level.price_e8: level.all_e8() for level in bids}
    sold_e8 = {level.price_e8: level.all_e8() for level in asks}
    demand_e8, supply_e8 = sum(bought_e8.values()), 0
    spans: list[_Span] = []
    before_e8: int | None = None
    for price_e8 in sorted(bought_e8.keys() | sold_e8.keys()):
        if before_e8 is not None:
            low_e8, high_e8 = (before_e8 // tick_e8 + 1) * tick_e8, (price_e8 - 1) // tick_e8 * tick_e8
            if low_e8 <= high_e8:
                spans.append(_Span(low_e8, high_e8, demand_e8, supply_e8))
        supply_e8 += sold_e8.get(price_e8, 0)
        spans.append(_Span(price_e8, price_e8, demand_e8, supply_e8))
        demand_e8 -= bought_e8.get(price_e8, 0)
        before_e8 = price_e8
    return spans


def _near(span: _Span, reference_e8: int, tick_e8: int) -> tuple[int, ...]:
    """The prices of a span between which the reference lies."""
    if not span.low_e8 < reference_e8 < span.high_e8:
        return (min(max(reference_e8, span.low_e8), span.high_e8),)
    below_e8 = reference_e8 // tick_e8 * tick_e8
    return below_e8, min(below_e8 + tick_e8, span.high_e8)


def trades_left(numbers: TradeCounting) -> int:
    """Trades that this record may still make."""
    return max(TRADES_MAX - numbers.made() // 2, 0)


def uncross(
    numbers: TradeCounting, book: Book, price_e8: int, ts_us: int, outputs: list[Output], changed: list[Level]
) -> bool:
    """Trade at the price, by price and time on both sides, as far as TRADES_MAX goes; whether that was all.

    Orders of one account do not trade with each other: both become smaller by the smaller one, which ends. Every fill
    pays the maker's fee, and nothing where that is a rebate. What is not shown of an order takes part with what is, as
    on Xetra. Takes time in proportion to the trades.
    """
    bids, asks = book.bids, book.asks
    touched: dict[tuple[Side, int], tuple[Level, tuple[int, int]]] = {}
    done = False
    for _ in range(trades_left(numbers)):
        done = not bids.best_e8 >= price_e8 >= asks.best_e8
        if done:
            break
        levels = bids.levels[bids.best_e8], asks.levels[asks.best_e8]
        for level in levels:
            touched.setdefault((level.side, level.price_e8), (level, level.shown()))
        buy, sell = (level.oldest for level in levels)
        assert buy is not None
        assert sell is not None
        quantity_e8 = min(buy.open_e8, sell.open_e8)
        if buy.account == sell.account:
            outputs += [_decrement(numbers, book, order, quantity_e8, ts_us) for order in (buy, sell)]
        else:
            _trade(numbers, book, buy, sell, price_e8, quantity_e8, ts_us, outputs)
    for side in (asks, bids):
        mine = [level for level, shown in touched.values() if level.side is side.side and level.shown() != shown]
        changed += sorted(mine, key=lambda level: level.price_e8, reverse=side is bids)
    return done or not bids.best_e8 >= price_e8 >= asks.best_e8


def _trade(
    numbers: TradeCounting,
    book: Book,
    buy: OpenOrder,
    sell: OpenOrder,
    price_e8: int,
    quantity_e8: int,
    ts_us: int,
    outputs: list[Output],
) -> None:
    notional_e8 = price_e8 * quantity_e8 // E8
    book.last_e8 = price_e8
    numbers.trade_id += 1
    for order in (buy, sell):
        _take_off(book, order, quantity_e8)
        order.cumulative_notional_e8 = min(order.cumulative_notional_e8 + notional_e8, INT64_MAX)
        numbers.execution_id += 1
        rate_e8 = book.maker_fee_e8 if order.maker_fee_e8 is None else order.maker_fee_e8
        fee_e8 = -(-notional_e8 * max(rate_e8, 0) // E8)
        fill = price_e8, quantity_e8, notional_e8, fee_e8, _AUCTION, numbers.trade_id
        told = traded(order, book.symbol, numbers.execution_id, ts_us, *fill)
        outputs.append(Output("executions", order.account, told))
    trade = Trade(
        numbers.trade_id,
        book.symbol,
        price_e8,
        quantity_e8,
        notional_e8,
        _UNKNOWN,
        sell.order_id,
        buy.order_id,
        sell.account,
        buy.account,
        ts_us,
    )
    outputs.append(Output("trades", book.symbol, trade))


def _decrement(numbers: TradeCounting, book: Book, order: OpenOrder, less_e8: int, ts_us: int) -> Output:
    numbers.execution_id += 1
    leaves_e8 = order.open_e8 - less_e8
    if leaves_e8:
        order.quantity_e8 -= less_e8
        _take_off(book, order, less_e8)
        state = order, book.symbol, numbers.execution_id, leaves_e8, order.cumulative_notional_e8, ts_us
        return Output("executions", order.account, standing(ExecutionKind.AMENDED, *state, Reason.SELF_TRADE))
    book.remove(order)
    state = order, book.symbol, numbers.execution_id, less_e8, order.cumulative_notional_e8, ts_us
    return Output("executions", order.account, ended(_SELF_TRADE, *state))


def _take_off(book: Book, order: OpenOrder, quantity_e8: int) -> None:
    """Less is open of an order; at nothing it leaves the book."""
    if quantity_e8 == order.open_e8:
        book.remove(order)
        order.leaves_e8 = order.hidden_e8 = 0
    else:
        order.reduce(quantity_e8)
