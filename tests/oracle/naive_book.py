"""The book as a list that is sorted anew for each order: slow, and plain enough to believe.

It shares no code with the engine. Money is multiplied as fractions, levels are found by adding up all orders, and what
changed is found by comparing all levels before and after.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from typing import Any

from msgspec.structs import replace

from schemas.messages import (
    BookChange,
    Execution,
    ExecutionKind,
    Liquidity,
    Mark,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)

Levels = dict[tuple[Side, int], tuple[int, int]]
"""(side, price) -> (quantity, orders)."""


PRICED = {OrderType.LIMIT, OrderType.STOP_LIMIT}
"""Types that name a price, and may rest at it."""


RESTING = {TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY}


@dataclass
class NaiveOrder:
    """An order and what has become of it."""

    order: Order
    arrival: int
    filled: int = 0
    paid: int = 0
    ended: bool = False
    shown: int = 0
    """What of it stands in the book for all to see."""
    waits: bool = False
    best: int | None = None
    """Trailing: the best price since it came."""

    def trigger(self) -> int | None:
        """Where a price has to come."""
        order = self.order
        if order.order_type is not OrderType.TRAILING_STOP or not self.waits:
            return order.trigger_price_e8
        if self.best is None:
            return None
        away = order.trail_e8 or math.ceil(Fraction(self.best * (order.trail_rate_e8 or 0), 10**8))
        return self.best - away if order.side is Side.SELL else self.best + away

    def told_trigger(self) -> int | None:
        """The same, or the nearest price that there can be."""
        trigger = self.trigger()
        return None if trigger is None else min(max(trigger, 1), 2**63 - 1)

    def met(self, price: int | None) -> bool:
        """Whether a price has come there."""
        trigger = self.trigger()
        if price is None or trigger is None:
            return False
        profits = self.order.order_type is OrderType.TAKE_PROFIT
        upwards = (self.order.side is Side.SELL) if profits else (self.order.side is Side.BUY)
        return price >= trigger if upwards else price <= trigger

    def show(self) -> None:
        """The next part, or all."""
        self.shown = min(self.left, self.order.display_quantity_e8 or self.left)

    @property
    def left(self) -> int:
        return 0 if self.ended else self.order.quantity_e8 - self.filled


class NaiveBook:
    """One symbol; everything that it says, in order, with the ids of shard 0."""

    tick = 1
    lot = 1
    smallest = 0

    def __init__(self, maker_fee_e8: int = 0, taker_fee_e8: int = 0) -> None:
        self.resting: list[NaiveOrder] = []
        self.rates = {Liquidity.MAKER: Fraction(maker_fee_e8, 10**8), Liquidity.TAKER: Fraction(taker_fee_e8, 10**8)}
        self.arrivals = self.executions = self.trades = self.changes = 0
        self.said: list[Message] = []
        self.ts_us = self.now_us = 0
        self.waiting: list[NaiveOrder] = []
        """As they came."""
        self.due: list[NaiveOrder] = []
        self.paired: dict[int, NaiveOrder] = {}
        """By order_id: the other order of an open pair."""
        self.settled = 0
        """So much of what was said has ended the others of pairs."""
        self.prices: dict[TriggerBy | None, int | None] = {TriggerBy.LAST: None, TriggerBy.MARK: None}

    def apply(self, order: Order | Tick | Mark, ts_us: int) -> list[Message]:
        self.said, self.ts_us, self.settled = [], ts_us, 0
        if isinstance(order, Tick):
            self._tick(order)
            return self.said
        if isinstance(order, Mark):
            self._see(TriggerBy.MARK, order.price_e8)
            self._let_enter()
            return self.said
        before = self.levels()
        if order.kind is OrderKind.CANCEL:
            self._cancel(order)
        elif order.kind is OrderKind.AMEND:
            self._amend(order)
        else:
            self._new(order)
        self._tell_levels(before, self.levels())
        self._settle()
        self._let_enter()
        return self.said

    def _see(self, by: TriggerBy, price: int) -> None:
        self.prices[by] = price
        for each in self.waiting:
            if each.order.trigger_by is by and each not in self.due:
                if each.order.order_type is OrderType.TRAILING_STOP:
                    better = max if each.order.side is Side.SELL else min
                    each.best = price if each.best is None else better(each.best, price)
                if each.met(price):
                    self.due.append(each)

    def _let_enter(self) -> None:
        """Those that are due, one after the other, and those that they make due."""
        seen = 0
        while True:
            for message in self.said[seen:]:
                if isinstance(message, Trade):
                    self._see(TriggerBy.LAST, message.price_e8)
            seen = len(self.said)
            if not self.due or not self._trades():
                return
            each = self.due.pop(0)
            each.order = replace(each.order, trigger_price_e8=each.told_trigger())
            self.waiting.remove(each)
            each.waits = False
            self.arrivals += 1
            each.arrival = self.arrivals
            before = self.levels()
            self._tell(each, ExecutionKind.TRIGGERED, OrderStatus.NEW, Reason.NONE)
            self._settle()
            before = self.levels()
            self._begin(each)
            self._tell_levels(before, self.levels())
            self._settle()

    def _settle(self) -> None:
        """Who has traded, met its trigger or ended cancels the other one of its pair."""
        while self.settled < len(self.said):
            message = self.said[self.settled]
            self.settled += 1
            if not isinstance(message, Execution) or message.kind in {ExecutionKind.NEW, ExecutionKind.AMENDED}:
                continue
            if message.kind in {ExecutionKind.AMEND_REJECTED, ExecutionKind.CANCEL_REJECTED}:
                continue
            other = self.paired.pop(message.order_id, None)
            if other is None or self.paired.pop(other.order.order_id, None) is None:
                continue
            other = next(e for e in (*self.resting, *self.waiting) if e.order.order_id == other.order.order_id)
            before = self.levels()
            (self.waiting if other.waits else self.resting).remove(other)
            self.due = [each for each in self.due if each is not other]
            self._tell_end(other, ExecutionKind.CANCELLED, Reason.ONE_CANCELS_OTHER)
            self._tell_levels(before, self.levels())

    def _trades(self) -> bool:
        """Whether orders are matched as they come."""
        return True

    def _within(self, maker: NaiveOrder) -> bool:
        """Whether a circuit breaker lets trade at its price."""
        del maker
        return True

    def _halt(self) -> None:
        """The breaker does not let an order trade on."""

    def _wait(self, each: NaiveOrder) -> None:
        """From now on."""
        each.waits = True
        self.waiting.append(each)
        price = self.prices[each.order.trigger_by]
        if each.order.order_type is OrderType.TRAILING_STOP:
            each.best = price
        elif each.met(price):
            self.due.append(each)

    def levels(self) -> Levels:
        levels: Levels = {}
        for resting in self.resting:
            key = (resting.order.side, resting.order.price_e8)
            quantity, count = levels.get(key, (0, 0))
            levels[key] = (quantity + resting.shown, count + 1)
        return levels

    def queue(self, side: Side) -> list[NaiveOrder]:
        """One side's orders by priority."""
        sign = -1 if side is Side.BUY else 1
        mine = [resting for resting in self.resting if resting.order.side is side]
        return sorted(mine, key=lambda resting: (sign * resting.order.price_e8, resting.arrival))

    def _tick(self, tick: Tick) -> None:
        """Orders end one after the other, soonest first, each with its own change of the book."""
        self.now_us = tick.ts_us
        dated = [each for each in (*self.resting, *self.waiting) if each.order.expire_us is not None]
        for each in sorted(dated, key=lambda each: (each.order.expire_us, each.order.order_id)):
            still = each in self.resting or each in self.waiting
            if still and (each.order.expire_us or 0) <= tick.ts_us:
                before = self.levels()
                (self.waiting if each.waits else self.resting).remove(each)
                day = each.order.time_in_force is TimeInForce.DAY
                why = Reason.SESSION_CLOSED if day else Reason.EXPIRY_REACHED
                self._tell_end(each, ExecutionKind.EXPIRED, why)
                self._tell_levels(before, self.levels())
                self._settle()

    def _cancel(self, order: Order) -> None:
        for resting in (*self.resting, *self.waiting):
            if resting.order.order_id == order.order_id and resting.order.account == order.account:
                (self.waiting if resting.waits else self.resting).remove(resting)
                answer = {"command_id": order.command_id, "command_us": order.command_us}
                answer["correlation_id"] = order.correlation_id
                self._tell(
                    resting, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, Reason.CANCELLED_BY_CLIENT, **answer
                )
                return
        answer = {"command_id": order.command_id, "leaves_e8": 0}
        lost = NaiveOrder(order, 0)
        self._tell(lost, ExecutionKind.CANCEL_REJECTED, OrderStatus.UNKNOWN, Reason.ORDER_FINAL, **answer)

    def _amend(self, order: Order) -> None:
        answer: dict[str, Any] = {"command_id": order.command_id, "command_us": order.command_us}
        answer["correlation_id"] = order.correlation_id
        refused = (NaiveOrder(order, 0), ExecutionKind.AMEND_REJECTED, OrderStatus.UNKNOWN)
        mine = [each for each in (*self.resting, *self.waiting) if each.order.order_id == order.order_id]
        if not mine or mine[0].order.account != order.account:
            self._tell(*refused, Reason.ORDER_FINAL, command_id=order.command_id, leaves_e8=0)
            return
        (old,) = mine
        order = replace(order, quantity_e8=order.quantity_e8 or old.order.quantity_e8)
        status = OrderStatus.PARTIALLY_FILLED if old.filled else OrderStatus.NEW
        if self._is_late(order):
            why = Reason.EXPIRY_INVALID
            self._tell(old, ExecutionKind.AMEND_REJECTED, status, why, **answer, **self._times(order))
            return
        if old.waits:
            self._amend_waiting(old, order, answer)
            return
        makers = self._makers(order)
        if order.quantity_e8 <= old.filled:
            self.resting.remove(old)
            why = Reason.AMENDED_BELOW_FILLED
            self._tell(old, ExecutionKind.CANCELLED, OrderStatus.CANCELLED, why, **answer)
            return
        if makers and order.post_only:
            numbers = {"limit_e8": makers[0].order.price_e8, "actual_e8": order.price_e8}
            if not order.slide:
                why = Reason.POST_ONLY_WOULD_TRADE
                self._tell(old, ExecutionKind.AMEND_REJECTED, status, why, **answer, **numbers)
                return
            order = self._slid(order, makers[0].order.price_e8)
        if order.trigger_price_e8 != old.order.trigger_price_e8:
            numbers = {"limit_e8": old.order.trigger_price_e8 or 0, "actual_e8": order.trigger_price_e8 or 0}
            self._tell(old, ExecutionKind.AMEND_REJECTED, status, Reason.TRIGGER_MET, **answer, **numbers)
            return
        keeps = order.price_e8 == old.order.price_e8 and order.quantity_e8 <= old.order.quantity_e8
        keeps = keeps and order.display_quantity_e8 == old.order.display_quantity_e8
        again = NaiveOrder(order, old.arrival, old.filled, old.paid)
        self._tell(again, ExecutionKind.AMENDED, status, Reason.NONE, **answer)
        self.resting.remove(old)
        if keeps:
            again.order = replace(old.order, quantity_e8=order.quantity_e8, expire_us=order.expire_us)
            again.shown = min(old.shown, again.left)
            self.resting.append(again)
        else:
            self.arrivals += 1
            again.arrival = self.arrivals
            self._work(again)

    def _amend_waiting(self, old: NaiveOrder, order: Order, answer: dict[str, Any]) -> None:
        if order.trigger_price_e8 == old.order.trigger_price_e8:
            old.order = order
        else:
            self.waiting.remove(old)
            old = NaiveOrder(order, 0)
            self._wait(old)
        self._tell(old, ExecutionKind.AMENDED, OrderStatus.NEW, Reason.NONE, **answer)

    def _slid(self, order: Order, best: int) -> Order:
        """At the best price on a tick that takes nothing."""
        beyond = best % self.tick
        return replace(order, price_e8=best - (beyond or self.tick if order.side is Side.BUY else beyond - self.tick))

    def _makers(self, order: Order) -> list[NaiveOrder]:
        """Those that it would trade with, by priority."""
        return [maker for maker in self.queue(_other(order.side)) if _agree(order, maker.order)]

    def _is_late(self, order: Order) -> bool:
        return order.expire_us is not None and order.expire_us <= self.now_us

    def _times(self, order: Order) -> dict[str, int]:
        return {"limit_e8": self.now_us * 100, "actual_e8": (order.expire_us or 0) * 100}

    def _pair(self, pair: Order) -> None:
        """Two orders; the one that waits comes first. None if it is too late for both."""
        if self._is_late(pair):
            self._refuse_pair(pair, Reason.EXPIRY_INVALID, **self._times(pair))
            return
        first, stop = self._both(pair)
        self.arrivals += 1
        waiting = NaiveOrder(stop, self.arrivals)
        self._wait(waiting)
        self._tell(waiting, ExecutionKind.NEW, OrderStatus.NEW, Reason.NONE)
        self.arrivals += 1
        resting = NaiveOrder(first, self.arrivals)
        self.paired[first.order_id], self.paired[stop.order_id] = waiting, resting
        self._tell(resting, ExecutionKind.NEW, OrderStatus.NEW, Reason.NONE, command_id=pair.command_id)
        self._begin(resting)

    def _refuse_pair(self, pair: Order, reason: Reason, **numbers: int) -> None:
        refused = (ExecutionKind.REJECTED, OrderStatus.REJECTED, reason)
        for each, command in zip(self._both(pair), (pair.command_id, None), strict=True):
            self._tell(NaiveOrder(each, 0), *refused, command_id=command, leaves_e8=0, **numbers)

    @staticmethod
    def _both(pair: Order) -> tuple[Order, Order]:
        comes_late = pair.group_id != pair.order_id  # as x:profit
        first = replace(
            pair,
            kind=OrderKind.NEW,
            stop_price_e8=None,
            stop_limit=False,
            trigger_price_e8=None,
            trigger_by=None,
        )
        stop = replace(
            first,
            order_id=(pair.group_id or 0) + 2**45,
            client_order_id=(pair.client_order_id[:-7] if comes_late else pair.client_order_id) + ":stop",
            order_type=OrderType.STOP_LIMIT if pair.stop_limit else OrderType.STOP,
            price_e8=pair.stop_price_e8 or 0,
            trigger_price_e8=pair.trigger_price_e8,
            trigger_by=pair.trigger_by,
        )
        return first, stop

    def _new(self, order: Order) -> None:
        if order.kind is OrderKind.OCO:
            self._pair(order)
            return
        self.arrivals += 1
        taker = NaiveOrder(order, self.arrivals)
        if self._is_late(order):
            refused = (ExecutionKind.REJECTED, OrderStatus.REJECTED, Reason.EXPIRY_INVALID)
            self._tell(taker, *refused, command_id=order.command_id, leaves_e8=0, **self._times(order))
            return
        if order.trigger_by is not None:
            self._wait(taker)
            self._tell(taker, ExecutionKind.NEW, OrderStatus.NEW, Reason.NONE, command_id=order.command_id)
            return
        makers = self._makers(order)
        if order.notional_e8 is not None:
            buys = self._bought_for(order, makers)
            order = taker.order = replace(order, quantity_e8=math.floor(buys / self.lot) * self.lot)
            if order.quantity_e8 < max(self.smallest, self.lot):
                numbers = {"limit_e8": max(self.smallest, self.lot), "actual_e8": math.floor(buys)}
                refused = (ExecutionKind.REJECTED, OrderStatus.REJECTED, Reason.QUANTITY_TOO_SMALL)
                self._tell(taker, *refused, command_id=order.command_id, leaves_e8=0, **numbers)
                return
        if makers and order.post_only:
            numbers = {"limit_e8": makers[0].order.price_e8, "actual_e8": order.price_e8}
            if not order.slide:
                refused = (ExecutionKind.REJECTED, OrderStatus.REJECTED, Reason.POST_ONLY_WOULD_TRADE)
                self._tell(taker, *refused, command_id=order.command_id, leaves_e8=0, **numbers)
                return
            order = taker.order = self._slid(order, makers[0].order.price_e8)
        self._tell(taker, ExecutionKind.NEW, OrderStatus.NEW, Reason.NONE, command_id=order.command_id)
        self._begin(taker)

    def _bought_for(self, order: Order, makers: Iterable[NaiveOrder]) -> Fraction:
        """What a notional buys: of each maker in turn what is left of the money pays for, then at the worst price."""
        skips = order.self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST
        offers = [(m.order.price_e8, m.left) for m in makers if not (skips and m.order.account == order.account)]
        money, bought = Fraction(order.notional_e8 or 0), Fraction(0)
        for price, left in [*offers, (order.price_e8, 2**63)]:
            part = min(Fraction(left), money / Fraction(price, 10**8))
            bought, money = bought + part, money - part * Fraction(price, 10**8)
        return min(bought, Fraction(order.quantity_e8))

    def _begin(self, taker: NaiveOrder) -> None:
        """An order comes to the book."""
        order = taker.order
        makers = list(takewhile(self._within, self._makers(order)))
        if order.time_in_force is TimeInForce.FOK and self._tradable(order, makers) < order.quantity_e8:
            self._tell_end(taker, ExecutionKind.EXPIRED, Reason.FILL_OR_KILL_UNFILLABLE)
            return
        self._work(taker)

    def _work(self, taker: NaiveOrder) -> None:
        """Trade what is open of an order, and let the rest rest or end."""
        order = taker.order
        while makers := self._makers(order):
            maker = makers[0]
            if not taker.left:
                return
            own, edge = maker.order.account == order.account, not self._within(maker)
            if edge and not own:
                if order.time_in_force is not TimeInForce.FOK:
                    self._halt()
                break
            if own and (edge or order.self_trade_prevention is not SelfTradePrevention.NONE):
                self._prevent(taker, maker)
                if taker.ended:
                    return
            else:
                self._trade(taker, maker)
        if not taker.left:
            return
        if order.order_type in PRICED and order.time_in_force in RESTING:
            taker.show()
            self.resting.append(taker)
        elif order.order_type not in PRICED and not taker.filled:
            self._tell_end(taker, ExecutionKind.EXPIRED, Reason.NO_LIQUIDITY)
        else:
            self._tell_end(taker, ExecutionKind.EXPIRED, Reason.IMMEDIATE_REMAINDER)

    def _prevent(self, taker: NaiveOrder, maker: NaiveOrder) -> None:
        """Two orders of one account meet."""
        prevention = taker.order.self_trade_prevention
        if prevention is SelfTradePrevention.DECREMENT_AND_CANCEL:
            self._decrement(taker, maker)
            return
        if prevention in {SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.CANCEL_BOTH}:
            self.resting.remove(maker)
            self._tell_end(maker, ExecutionKind.CANCELLED, Reason.SELF_TRADE)
        if prevention is not SelfTradePrevention.CANCEL_OLDEST:
            self._tell_end(taker, ExecutionKind.CANCELLED, Reason.SELF_TRADE)
            taker.ended = True

    @staticmethod
    def _tradable(order: Order, makers: Iterable[NaiveOrder]) -> int:
        """What would be traded, were it enough: of each price first what is shown, then the rest."""
        total, hidden = 0, {}
        for maker in makers:
            price = maker.order.price_e8
            total += sum(hidden.pop(passed) for passed in list(hidden) if passed != price)
            own = maker.order.account == order.account
            if not own or order.self_trade_prevention is SelfTradePrevention.NONE:
                total += maker.shown
                hidden[price] = hidden.get(price, 0) + maker.left - maker.shown
            elif total >= order.quantity_e8 or order.self_trade_prevention is not SelfTradePrevention.CANCEL_OLDEST:
                return total
        return total + sum(hidden.values())

    def _decrement(self, taker: NaiveOrder, maker: NaiveOrder) -> None:
        """Both become smaller by the smaller of them, which ends: its quantity stays what it was."""
        less = min(taker.left, maker.left)
        for each in (maker, taker):
            if each.left == less:
                if each is maker:
                    self.resting.remove(maker)
                self._tell_end(each, ExecutionKind.CANCELLED, Reason.SELF_TRADE)
                each.ended = True
            else:
                each.order = replace(each.order, quantity_e8=each.order.quantity_e8 - less)
                each.shown = min(each.shown, each.left)
                status = OrderStatus.PARTIALLY_FILLED if each.filled else OrderStatus.NEW
                self._tell(each, ExecutionKind.AMENDED, status, Reason.SELF_TRADE)

    def _trade(self, taker: NaiveOrder, maker: NaiveOrder) -> None:
        price, quantity = maker.order.price_e8, min(taker.left, maker.shown)
        notional = math.floor(Fraction(price, 10**8) * quantity)
        self.trades += 1
        for side in (taker, maker):
            side.filled += quantity
            side.paid += notional
        maker.shown -= quantity
        if not maker.left:
            self.resting.remove(maker)
        elif not maker.shown:
            maker.show()
            self.arrivals += 1
            maker.arrival = self.arrivals
        for side, liquidity in ((taker, Liquidity.TAKER), (maker, Liquidity.MAKER)):
            self._tell(
                side,
                ExecutionKind.TRADE,
                OrderStatus.PARTIALLY_FILLED if side.left else OrderStatus.FILLED,
                Reason.NONE,
                last_price_e8=price,
                last_quantity_e8=quantity,
                last_notional_e8=notional,
                fee_e8=math.ceil(notional * self.rate(side.order, liquidity)),
                liquidity=liquidity,
                trade_id=self.trades,
            )
        self.said.append(
            Trade(
                trade_id=self.trades,
                symbol=taker.order.symbol,
                price_e8=price,
                quantity_e8=quantity,
                notional_e8=notional,
                aggressor_side=taker.order.side,
                maker_order_id=maker.order.order_id,
                taker_order_id=taker.order.order_id,
                maker_account=maker.order.account,
                taker_account=taker.order.account,
                ts_us=self.ts_us,
            )
        )

    def rate(self, order: Order, liquidity: Liquidity) -> Fraction:
        """What an order pays: its own where it says so, else the symbol's."""
        own = order.taker_fee_e8 if liquidity is Liquidity.TAKER else order.maker_fee_e8
        return self.rates[liquidity] if own is None else Fraction(own, 10**8)

    def _tell_end(self, naive: NaiveOrder, kind: ExecutionKind, reason: Reason) -> None:
        status = OrderStatus.EXPIRED if kind is ExecutionKind.EXPIRED else OrderStatus.CANCELLED
        self._tell(naive, kind, status, reason)

    def _tell(self, naive: NaiveOrder, kind: ExecutionKind, status: OrderStatus, reason: Reason, **more: Any) -> None:
        self.executions += 1
        order = naive.order
        alive = status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
        fields: dict[str, Any] = {
            "kind": kind,
            "execution_id": self.executions,
            "order_id": order.order_id,
            "account": order.account,
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "order_type": order.order_type,
            "time_in_force": order.time_in_force,
            "price_e8": order.price_e8 if order.order_type in PRICED else None,
            "quantity_e8": order.quantity_e8,
            "status": status,
            "leaves_e8": naive.left if alive else 0,
            "cumulative_e8": naive.filled,
            "cumulative_notional_e8": naive.paid,
            "reason": reason,
            "command_us": order.command_us,
            "ts_us": self.ts_us,
            "correlation_id": order.correlation_id,
            "expire_us": order.expire_us,
            "trigger_price_e8": naive.told_trigger(),
            "trigger_by": order.trigger_by,
            "trail_e8": order.trail_e8,
            "trail_rate_e8": order.trail_rate_e8,
            "waits": naive.waits and alive,
            "display_quantity_e8": order.display_quantity_e8,
            "notional_e8": order.notional_e8,
            "group_id": order.group_id,
            "reduce_only": order.reduce_only,
            "strategy": order.strategy,
        }
        self.said.append(Execution(**(fields | more)))

    def _tell_levels(self, before: Levels, after: Levels) -> None:
        changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        asks = sorted(price for side, price in changed if side is Side.SELL)
        bids = sorted((price for side, price in changed if side is Side.BUY), reverse=True)
        ordered = [(Side.SELL, price) for price in asks] + [(Side.BUY, price) for price in bids]
        for number, (side, price) in enumerate(ordered, 1):
            self.changes += 1
            quantity, count = after.get((side, price), (0, 0))
            self.said.append(
                BookChange(
                    symbol=self._symbol(),
                    sequence=self.changes,
                    side=side,
                    price_e8=price,
                    quantity_e8=quantity,
                    order_count=count,
                    last=number == len(ordered),
                    ts_us=self.ts_us,
                )
            )

    def _symbol(self) -> str:
        (symbol,) = {message.symbol for message in self.said if isinstance(message, Execution)}
        return symbol


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _agree(taker: Order, maker: Order) -> bool:
    if taker.side is Side.BUY:
        return maker.price_e8 <= taker.price_e8
    return maker.price_e8 >= taker.price_e8
