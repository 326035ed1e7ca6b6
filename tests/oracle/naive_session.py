"""The naive book with the phases of a day: it collects, holds auctions, refuses, and ends what is good for the day."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from schemas.messages import (
    BookChange,
    Control,
    ControlKind,
    ExecutionKind,
    Liquidity,
    Mark,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Phase,
    Reason,
    SessionChange,
    Side,
    Tick,
    TimeInForce,
    Trade,
    TriggerBy,
)
from tests.oracle.naive_auction import Wish, best_outcome
from tests.oracle.naive_book import Levels, NaiveBook, NaiveOrder

REFUSING = {Phase.HALTED: Reason.SYMBOL_HALTED, Phase.CLOSED: Reason.SYMBOL_CLOSED}


class NaiveSession(NaiveBook):
    """One symbol, from its first phase on."""

    def __init__(
        self, symbol: str, maker_fee_e8: int = 0, taker_fee_e8: int = 0, tick: int = 1, reference: int | None = None
    ) -> None:
        super().__init__(maker_fee_e8, taker_fee_e8)
        self.symbol, self.tick, self.reference = symbol, tick, reference
        self.phase = Phase.CONTINUOUS
        self.plan: dict[int, Phase] = {}
        self.reopening: dict[int, Phase] = {}
        """After a circuit breaker has halted it."""
        self.breaker: tuple[Fraction, int, int] | None = None
        """The move, as a fraction; the window and the halt, microseconds."""
        self.seen: list[tuple[int, int]] = []
        """The price at each tick since trading began."""
        self.halts = self.told_halts = 0
        self.told: SessionChange | None = None

    def apply(self, message: Order | Tick | Mark | Control, ts_us: int) -> list[Message]:
        if isinstance(message, Control):
            self.said, self.ts_us, self.settled = [], ts_us, 0
            self._decided(message)
            said = self.said
        elif isinstance(message, Order) and (reason := self._refusal(message)) is not None:
            self.said, self.ts_us, self.settled = [], ts_us, 0
            self._refuse(message, reason)
            said = self.said
        else:
            said = super().apply(message, ts_us)
        return said

    def _refusal(self, order: Order) -> Reason | None:
        """Why the phase does not take it."""
        if order.kind is OrderKind.CANCEL:
            return None
        if order.kind is OrderKind.OCO and order.group_id != order.order_id:
            return None  # a bracket's, which rests in any phase
        if self.phase in REFUSING:
            return REFUSING[self.phase]
        if order.kind is OrderKind.REMOVE or order.trigger_by is not None:
            return None
        immediate = order.order_type is OrderType.MARKET or order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
        if self._collects() and order.kind is OrderKind.NEW and immediate:
            return Reason.NOT_CONTINUOUS
        return None

    def _refuse(self, order: Order, reason: Reason) -> None:
        answer = {"command_id": order.command_id, "command_us": order.command_us}
        if order.kind is OrderKind.OCO:
            self._refuse_pair(order, reason)
            return
        if order.kind is OrderKind.NEW:
            refused = NaiveOrder(order, 0)
            self._tell(refused, ExecutionKind.REJECTED, OrderStatus.REJECTED, reason, leaves_e8=0, **answer)
            return
        mine = [each for each in (*self.resting, *self.waiting) if each.order.order_id == order.order_id]
        if not mine or mine[0].order.account != order.account:
            lost = NaiveOrder(order, 0)
            self._tell(
                lost, ExecutionKind.AMEND_REJECTED, OrderStatus.UNKNOWN, Reason.ORDER_FINAL, leaves_e8=0, **answer
            )
            return
        status = OrderStatus.PARTIALLY_FILLED if mine[0].filled else OrderStatus.NEW
        more = {**answer, "correlation_id": order.correlation_id}
        self._tell(mine[0], ExecutionKind.AMEND_REJECTED, status, reason, **more)

    def _collects(self) -> bool:
        return self.phase is not Phase.CONTINUOUS

    def _trades(self) -> bool:
        return not self._collects()

    # The circuit breaker

    def _look(self, price: int | None) -> None:
        if price is not None:
            self.seen.append((self.now_us, price))

    def _within(self, maker: NaiveOrder) -> bool:
        """Not further than the move from the price in force when the window began, of a list of all."""
        if self.breaker is None or not self.seen:
            return True
        (_, reference), *_ = self._window()
        return abs(maker.order.price_e8 - reference) <= self.breaker[0] * reference

    def _window(self) -> list[tuple[int, int]]:
        """What was seen in it, and before that the price with which it began."""
        assert self.breaker is not None
        begin = self.now_us - self.breaker[1]
        return [each for each in self.seen if each[0] <= begin][-1:] + [each for each in self.seen if each[0] > begin]

    def _halt(self) -> None:
        assert self.breaker is not None
        self.phase, halt = Phase.HALTED, self.breaker[2]
        self.reopening = {self.now_us + halt: Phase.AUCTION, self.now_us + 2 * halt: Phase.CONTINUOUS}
        self.halts += 1

    def _last(self) -> int | None:
        """The last trade, else the reference price."""
        last = self.prices[TriggerBy.LAST]
        return self.reference if last is None else last

    def _set_symbol(self, control: Control) -> None:
        """Another tick, and a breaker or none."""
        self.tick = control.tick_e8 or 1
        self.seen = [] if self.breaker is None else self._window()  # a longer window knows no more than that
        window, halt = ((time_s or 0) * 1_000_000 for time_s in (control.breaker_window_s, control.breaker_halt_s))
        if control.breaker_move_e8 is None:
            self.breaker, self.seen = None, []
        else:
            self.breaker = Fraction(control.breaker_move_e8, 10**8), window, halt
            self._look(self._last())
        self._let_enter()

    def _makers(self, order: Order) -> list[NaiveOrder]:
        return [] if self._collects() else super()._makers(order)

    def _let_enter(self) -> None:
        """What is due enters when it may; until then it can be cancelled, or end."""
        self.due = [each for each in self.due if any(each is waits for waits in self.waiting)]
        traded = self._trades()
        super()._let_enter()
        if self._collects() and (traded or self.halts > self.told_halts):
            self.told_halts = self.halts
            self._tell_session()

    def _amend_waiting(self, old: NaiveOrder, order: Order, answer: dict[str, Any]) -> None:
        """A trigger that was met cannot be moved."""
        met = old.order.trigger_price_e8
        if any(old is each for each in self.due):
            if order.trigger_price_e8 not in {None, met}:
                numbers = {"limit_e8": met, "actual_e8": order.trigger_price_e8}
                refused = (ExecutionKind.AMEND_REJECTED, OrderStatus.NEW, Reason.TRIGGER_MET)
                self._tell(old, *refused, **answer, **numbers)
                return
            order = replace(order, trigger_price_e8=met)
        super()._amend_waiting(old, order, answer)

    def _decided(self, control: Control) -> None:
        if control.kind is ControlKind.SYMBOL:
            self._set_symbol(control)
            return
        effective, phase = control.effective_us, control.phase
        if phase is None and effective is None:
            self.plan.clear()
        elif phase is None:
            self.plan.pop(effective or 0, None)
        elif effective is None or effective <= self.now_us:
            self.reopening.clear()
            self._turn(phase)
        else:
            self.plan[effective] = phase

    def _tick(self, tick: Tick) -> None:
        super()._tick(tick)
        if self._collects():
            self._tell_session()
        else:
            self._look(self.prices[TriggerBy.LAST])
            self._let_enter()
        for effective in sorted(self.plan):
            if effective <= tick.ts_us:
                self.reopening.clear()
                self._turn(self.plan.pop(effective))
        for effective in sorted(self.reopening):
            if effective <= tick.ts_us:
                self._turn(self.reopening.pop(effective))

    def _turn(self, phase: Phase) -> None:
        before = self.levels()
        if phase is self.phase:
            self._tell_session()
            return
        if phase is Phase.CONTINUOUS or (phase is Phase.CLOSED and self.phase is Phase.AUCTION):
            self._hold_auction()
        self.phase = phase
        after = self.levels()
        self._tell_levels(before, after)
        if phase is Phase.CONTINUOUS and before == after and after:
            self._repeat_a_level(after)
        self._tell_session()
        self._settle()
        if phase is Phase.CONTINUOUS:
            self.seen = []
            if self.breaker is not None:
                self._look(self._last())
            self._let_enter()
        if phase is Phase.CLOSED:
            for each in (*self.resting, *self.waiting):
                if each.order.time_in_force is TimeInForce.DAY:
                    each.order = replace(each.order, expire_us=self.now_us)
            super()._tick(Tick(sequence=0, ts_us=self.now_us))

    def _tell_session(self) -> None:
        """The phase and the outcome of an auction now, if that is not what was told last."""
        fields: dict[str, int] = {}
        if self.phase is Phase.AUCTION:
            outcome = best_outcome(self._wishes(), self.tick, self._last())
            if outcome is not None:
                fields = {"price_e8": outcome.price, "volume_e8": outcome.volume, "surplus_e8": outcome.surplus}
        sequence = 1 if self.told is None else self.told.sequence + 1
        new = SessionChange(symbol=self.symbol, sequence=sequence, phase=self.phase, ts_us=self.ts_us, **fields)
        if self.told is not None and replace(self.told, sequence=sequence, ts_us=self.ts_us) == new:
            return
        if self.told is None and self.phase is Phase.CONTINUOUS:
            return
        self.told = new
        self.said.append(new)

    def _repeat_a_level(self, levels: Levels) -> None:
        asks = [price for side, price in levels if side is Side.SELL]
        key = (Side.SELL, min(asks)) if asks else (Side.BUY, max(price for _, price in levels))
        self._tell_levels({}, {key: levels[key]})

    def _tell_levels(self, before: Levels, after: Levels) -> None:
        known = len(self.said)
        super()._tell_levels(before, after)
        for at in range(known, len(self.said)):
            change = self.said[at]
            assert isinstance(change, BookChange)
            self.said[at] = replace(change, collecting=self._collects())

    def _symbol(self) -> str:
        return self.symbol

    def _wishes(self) -> Sequence[Wish]:
        return [Wish(each.order.side, each.order.price_e8, each.left) for each in self.resting]

    def _hold_auction(self) -> None:
        outcome = best_outcome(self._wishes(), self.tick, self._last())
        while outcome is not None:
            buy = next((each for each in self.queue(Side.BUY) if each.order.price_e8 >= outcome.price), None)
            sell = next((each for each in self.queue(Side.SELL) if each.order.price_e8 <= outcome.price), None)
            if buy is None or sell is None:
                return
            if buy.order.account == sell.order.account:
                self._decrement_both(buy, sell)
            else:
                self._trade_at(outcome.price, buy, sell)
                self._see(TriggerBy.LAST, outcome.price)

    def _decrement_both(self, buy: NaiveOrder, sell: NaiveOrder) -> None:
        less = min(buy.left, sell.left)
        for each in (buy, sell):
            if each.left == less:
                self.resting.remove(each)
                self._tell_end(each, ExecutionKind.CANCELLED, Reason.SELF_TRADE)
            else:
                each.order = replace(each.order, quantity_e8=each.order.quantity_e8 - less)
                each.shown = min(each.shown, each.left)
                status = OrderStatus.PARTIALLY_FILLED if each.filled else OrderStatus.NEW
                self._tell(each, ExecutionKind.AMENDED, status, Reason.SELF_TRADE)

    def _trade_at(self, price: int, buy: NaiveOrder, sell: NaiveOrder) -> None:
        quantity = min(buy.left, sell.left)
        notional = price * quantity // 10**8
        self.trades += 1
        for each in (buy, sell):
            each.filled += quantity
            each.paid += notional
            each.shown = min(each.shown, each.left)
            if not each.left:
                self.resting.remove(each)
            self._tell(
                each,
                ExecutionKind.TRADE,
                OrderStatus.PARTIALLY_FILLED if each.left else OrderStatus.FILLED,
                Reason.NONE,
                last_price_e8=price,
                last_quantity_e8=quantity,
                last_notional_e8=notional,
                fee_e8=math.ceil(notional * max(self.rate(each.order, Liquidity.MAKER), 0)),
                liquidity=Liquidity.AUCTION,
                trade_id=self.trades,
            )
        self.said.append(
            Trade(
                trade_id=self.trades,
                symbol=self.symbol,
                price_e8=price,
                quantity_e8=quantity,
                notional_e8=notional,
                aggressor_side=Side.UNKNOWN,
                maker_order_id=sell.order.order_id,
                taker_order_id=buy.order.order_id,
                maker_account=sell.order.account,
                taker_account=buy.order.account,
                ts_us=self.ts_us,
            )
        )
