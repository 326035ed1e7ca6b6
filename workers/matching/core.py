"""The matching stage: orders in; executions, trades, changes of levels and of sessions out."""

from collections import ChainMap
from collections.abc import Sequence
from typing import Final

from schemas.messages import (
    Control,
    ControlKind,
    Mark,
    Order,
    OrderKind,
    Phase,
    Reason,
    Side,
    SymbolStatus,
    Tick,
    TimeInForce,
    TriggerBy,
)
from schemas.sessions import PLANNED_MAX
from schemas.units import DAY_US, E8, INT64_MAX, US_E8
from stream_topology.sharding import partition_of
from workers.kernel.controls import ControlGate, whole_lots
from workers.kernel.stage import Input, Output
from workers.matching.amend import amend, refuse
from workers.matching.book import Book
from workers.matching.breaker import breaker_of
from workers.matching.expiry import Expiries
from workers.matching.groups import both, is_attached, settle, unasked
from workers.matching.matcher import Matcher
from workers.matching.phases import collect, hold_auction, tell, turn
from workers.matching.placing import overflow
from workers.matching.remove import clear, expire, remove
from workers.matching.spending import spend
from workers.matching.state import BookState, ShardState, decode, encode
from workers.matching.stops import amend_waiting, proceed, wait
from workers.matching.triggers import WAITING_MAX

OLDEST_READ: Final = 2
"""The first behaviour version whose states are still read."""

HAS_SESSIONS: Final = 7
"""The first behaviour version whose books say themselves why they stand apart; before it, they had been killed."""

_NEW: Final = OrderKind.NEW
_CANCEL: Final = OrderKind.CANCEL
_AMEND: Final = OrderKind.AMEND
_ENDING: Final = frozenset({TimeInForce.GTD, TimeInForce.DAY})
_REMOVE: Final = OrderKind.REMOVE
_OCO: Final = OrderKind.OCO
_SELDOM: Final = (_NEW, _AMEND, _REMOVE, _OCO)
_PLACES: Final = (_NEW, _OCO)
_GTC: Final = TimeInForce.GTC
_DAY: Final = TimeInForce.DAY


class MatchingCore:
    """All books of one shard.

    Every order is answered first: NEW or REJECTED; a cancel CANCELLED or CANCEL_REJECTED; an amendment AMENDED,
    CANCELLED or AMEND_REJECTED; a removal not at all. Then follow its fills, what ends its remainder, and the levels
    that it changed (see Matcher).

    An order that is good till a date ends with the first tick of the log's clock that is not before it. One that is
    good for the day ends when its symbol closes; where no close is planned, with the first tick of the next day in UTC.

    An order that waits for its trigger is not in the book; it enters, as TRIGGERED, when a trade or a mark meets it
    while the symbol trades continuously.

    A symbol's book begins with its Control record. Orders of a halted symbol are refused by pre-trade risk, not here:
    what risk let pass before the halt still trades, and cancels go on. What a phase does not take, and what comes for a
    killed symbol until it is TRADING again and its book, which is cleared in pieces, is empty, is refused here.
    """

    behaviour = 7

    def __init__(self, shard: int, shards: int) -> None:
        self.books: dict[str, Book] = {}
        """Those that trade continuously, by symbol; for others to read."""
        self.apart: dict[str, Book] = {}
        """All others: their phase is another, or they were killed."""
        self._all = ChainMap(self.books, self.apart)
        self._plans_due_us = INT64_MAX
        """No planned change of phase is due before this."""
        self._shard = shard
        self._shards = shards
        self._gate = ControlGate("matching")
        self._matcher = matcher = Matcher(shard)
        self._expiries = Expiries(self._all)
        self._enter, self._cancel = matcher.enter, matcher.cancel  # looked up once: they are called for every order

    def apply(self, record: Input) -> Sequence[Output]:
        """Fold one record of `orders`, `control`, `clock` or `marks`."""
        message = record.message
        if type(message) is Order and record.topic == "orders":
            try:
                book = self.books[message.symbol]
            except KeyError:
                return self._on_order_apart(message, record.ts_us)
            kind = message.kind
            if kind is _NEW and message.time_in_force is _GTC and message.trigger_by is None:
                if not book.waiting and book.breaker is None:
                    return self._enter(book, message, record.ts_us)
                self._matcher.begin()
                return self._follow(book, self._enter(book, message, record.ts_us), record.ts_us)
            if kind is _CANCEL:
                return self._cancel(book, message, record.ts_us)
            if kind in _SELDOM:
                return self._seldom(book, message, record.ts_us)
        return self._on_others(record)

    def dump(self) -> bytes:
        """The books as MessagePack, symbols sorted, orders as they came to rest; and which controls were seen."""
        books, apart = ([BookState.of(by[symbol]) for symbol in sorted(by)] for by in (self.books, self.apart))
        counters = self._matcher.execution_id, self._matcher.trade_id
        expiries = self._expiries
        return encode(ShardState(*counters, books, self._gate.dump(), apart, expiries.now_us, expiries.days_over()))

    def load(self, state: bytes, behaviour: int) -> None:
        """Replace everything by what `dump` gave. Raises ValueError for a state that this release cannot read."""
        if not OLDEST_READ <= behaviour <= self.behaviour:
            versions = f"{OLDEST_READ} to {self.behaviour}"
            message = f"matching reads states of behaviour versions {versions}, this one is of {behaviour}"
            raise ValueError(message)
        shard = decode(state)
        for book in self._all.values():
            book.clear()
        self._matcher.execution_id, self._matcher.trade_id = shard.execution_id, shard.trade_id
        self.books = {book.symbol: book.book() for book in shard.books}
        self.apart = {book.symbol: book.book() for book in shard.apart}
        if behaviour < HAS_SESSIONS:
            for killed in shard.apart:
                session = self.apart[killed.symbol].session
                session.killed, session.resumes = True, killed.resumes
        self._all = ChainMap(self.books, self.apart)
        self._plans_due_us = 0
        self._gate.load(shard.gate)
        self._expiries = Expiries(self._all, shard.now_us, shard.days_over)

    def _on_others(self, record: Input) -> Sequence[Output]:
        """What is no order."""
        self._matcher.begin()
        message = record.message
        if record.topic == "control":
            return self._on_control(record)
        if record.topic == "clock" and type(message) is Tick:
            return self._on_tick(message, record.ts_us)
        if record.topic == "marks" and type(message) is Mark:
            return self._on_mark(message, record.ts_us)
        complaint = f"matching knows nothing to do with {message} from {record.topic}"
        raise AssertionError(complaint)

    def _seldom(self, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
        """A new order that is not good till cancelled or waits for a trigger, an amendment, or a removal."""
        if order.kind is _REMOVE:
            return remove(self._matcher, book, order, ts_us)
        self._matcher.begin()
        found = book.find(order.order_id)
        late = order.expire_us is not None and order.expire_us <= self._expiries.now_us
        if late and order.kind in _PLACES:
            return self._matcher.refuse(order, Reason.EXPIRY_INVALID, ts_us, *self._times(order))
        if late and found is not None and found.account == order.account:
            return refuse(self._matcher, book, found, order, Reason.EXPIRY_INVALID, ts_us, *self._times(order))
        if order.kind is _OCO:
            return self._come_together(book, order, ts_us)
        outputs = self._come(book, order, ts_us) if order.kind is _NEW else self._amend(book, order, ts_us)
        self._await_end(book, order)
        return self._follow(book, outputs, ts_us) if book.waiting or book.breaker else outputs

    def _come_together(self, book: Book, pair: Order, ts_us: int) -> Sequence[Output]:
        """Two new orders of which one cancels the other. Both are taken, the one that waits first; or none is."""
        order, stop = both(pair)
        beyond = overflow(book, order)
        if len(book.waiting) >= WAITING_MAX:
            beyond = WAITING_MAX * E8, (WAITING_MAX + 1) * E8
        if beyond is not None:
            return self._matcher.refuse(pair, Reason.BOOK_FULL, ts_us, *beyond)
        outputs = unasked(wait(self._matcher, book, stop, ts_us))
        assert pair.group_id is not None
        book.pairs[pair.group_id] = order.order_id, stop.order_id
        if book.session.trades:
            outputs += self._matcher.take(book, book.asks if order.side is Side.BUY else book.bids, order, ts_us)
        else:
            outputs += collect(self._matcher, book, order, ts_us)
        for each in (stop, order):
            self._await_end(book, each)
        return self._follow(book, outputs, ts_us)

    def _await_end(self, book: Book, order: Order) -> None:
        """Note when an order ends that has come to rest or to wait, or was amended."""
        if order.time_in_force not in _ENDING:
            return
        found = book.find(order.order_id)
        if found is not None and found.expire_us is not None:
            self._expiries.add(found.expire_us, order.order_id, order.symbol)
        elif found is not None:
            self._expiries.add_day(order.order_id, book)

    def _follow(self, book: Book, outputs: Sequence[Output], ts_us: int) -> Sequence[Output]:
        """What was done and what follows: orders that meet their triggers, the halt that a circuit breaker makes."""
        if book.pairs:
            outputs = list(outputs)
            settle(self._matcher, book, outputs, ts_us)
        if book.symbol in self.apart:
            return outputs
        if book.waiting:
            outputs = proceed(self._matcher, book, outputs, ts_us)
        if book.breaker is None or book.session.phase is not Phase.HALTED:
            return outputs
        halted_us, halt_us = self._expiries.now_us, book.breaker.halt_us
        for number, phase in enumerate((Phase.AUCTION, Phase.CONTINUOUS), 1):
            book.session.reopening.set(halted_us + number * halt_us, phase)
        self._plans_due_us = min(self._plans_due_us, halted_us + halt_us)
        return [*outputs, *self._place(book, tell(book, ts_us), ts_us)]

    def _come(self, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
        if order.trigger_by is not None:
            return wait(self._matcher, book, order, ts_us)
        if book.session.trades:
            if order.notional_e8 is not None:
                return spend(self._matcher, book, order, order.notional_e8, ts_us)
            return self._enter(book, order, ts_us)
        return collect(self._matcher, book, order, ts_us)

    def _amend(self, book: Book, order: Order, ts_us: int) -> Sequence[Output]:
        if order.order_id in book.waiting:
            return amend_waiting(self._matcher, book, order, ts_us)
        return amend(self._matcher, book, order, ts_us)

    def _times(self, order: Order) -> tuple[int, int]:
        """Now, and when the order ends: 10^-8 s since 1970 UTC."""
        return self._expiries.now_us * US_E8, (order.expire_us or 0) * US_E8

    def _on_order_apart(self, order: Order, ts_us: int) -> Sequence[Output]:
        """For a book that does not trade continuously, or for none."""
        book, kind = self.apart.get(order.symbol), order.kind
        if book is None:
            return self._without_book(order, ts_us)
        if kind is _CANCEL:
            return self._matcher.cancel_seldom(book, order, ts_us)
        reason = book.session.refusal()
        protects = kind is _OCO and is_attached(order) and not book.session.killed  # in any phase: it trades later
        if kind is _REMOVE or reason is None or protects:
            return self._seldom(book, order, ts_us)
        if kind in _PLACES:
            return self._matcher.refuse(order, reason, ts_us)
        found = book.find(order.order_id)
        if found is None or found.account != order.account:
            return self._matcher.refuse_change(order, ts_us)
        return refuse(self._matcher, book, found, order, reason, ts_us)

    def _without_book(self, order: Order, ts_us: int) -> Sequence[Output]:
        """Risk may know a symbol a moment earlier than this shard."""
        if order.kind in _PLACES:
            return self._matcher.refuse(order, Reason.SYMBOL_UNKNOWN, ts_us)
        return () if order.kind is _REMOVE else self._matcher.refuse_change(order, ts_us)

    def _on_tick(self, tick: Tick, ts_us: int) -> Sequence[Output]:
        """End what is due, change the phases whose time has come, and go on with what takes more than one record."""
        expiries = self._expiries
        before_us, expiries.now_us = expiries.now_us, max(expiries.now_us, tick.ts_us)
        if expiries.now_us // DAY_US > before_us // DAY_US:
            for symbol in expiries.symbols():
                if not self._all[symbol].session.plan.closes():
                    expiries.end_day(self._all[symbol])
        outputs = expire(self._matcher, expiries, ts_us)
        for book in list(self.books.values()):
            if book.breaker is not None:
                book.breaker.see(expiries.now_us, book.last_e8)
            if book.triggers.has_due():
                outputs += self._follow(book, (), ts_us)
        if self.apart:
            outputs += self._go_on(ts_us)
        if expiries.now_us >= self._plans_due_us:
            outputs += self._follow_plans(ts_us)
        return outputs

    def _on_mark(self, mark: Mark, ts_us: int) -> Sequence[Output]:
        book = self._all.get(mark.symbol)
        if book is None:
            return ()
        book.mark_e8 = mark.price_e8
        if not book.waiting:
            return ()
        book.triggers.see(TriggerBy.MARK, mark.price_e8)
        return self._follow(book, (), ts_us)

    def _go_on(self, ts_us: int) -> list[Output]:
        """Empty the killed books, and hold the auctions that have begun; what is ready for it trades again."""
        books = [self.apart[symbol] for symbol in sorted(self.apart)]
        outputs = clear(self._matcher, (book for book in books if book.session.killed), ts_us)
        for book in books:
            if book.session.resumes and book.is_empty():
                book.session.killed = book.session.resumes = False
            changes = hold_auction(self._matcher, self._expiries, book, ts_us) + tell(book, ts_us)
            outputs += self._place(book, changes, ts_us)
        return outputs

    def _follow_plans(self, ts_us: int) -> list[Output]:
        outputs: list[Output] = []
        for symbol in sorted(self._all):
            session = self._all[symbol].session
            for phase in session.plan.due(self._expiries.now_us):
                session.reopening.withdraw(None)
                outputs += self._turn(self._all[symbol], phase, ts_us)
            for phase in session.reopening.due(self._expiries.now_us):
                outputs += self._turn(self._all[symbol], phase, ts_us)
        plans = (plan for book in self._all.values() for plan in (book.session.plan, book.session.reopening))
        self._plans_due_us = min((plan.steps[0][0] for plan in plans if plan.steps), default=INT64_MAX)
        return outputs

    def _turn(self, book: Book, phase: Phase, ts_us: int) -> list[Output]:
        """A book's phase changes now."""
        changes = turn(self._matcher, self._expiries, book, phase, ts_us) + tell(book, ts_us)
        return self._place(book, changes, ts_us) + expire(self._matcher, self._expiries, ts_us)

    def _place(self, book: Book, changes: list[Output], ts_us: int) -> list[Output]:
        """Where orders find a book follows from its session.

        When it trades, those that have met their triggers enter. Returns the changes and what follows from them.
        """
        if book.breaker is not None and book.session.trades and book.symbol not in self.books:
            book.breaker.begin(self._expiries.now_us, book.last_e8 or book.reference_e8)
        here, there = (self.books, self.apart) if book.session.trades else (self.apart, self.books)
        there.pop(book.symbol, None)
        here[book.symbol] = book
        return [*self._follow(book, changes, ts_us)]

    def _on_control(self, record: Input) -> Sequence[Output]:
        control = self._gate.admit(record)
        if not isinstance(control, Control):
            return control
        symbol = control.symbol
        if not symbol or partition_of(symbol, self._shards) != self._shard:
            return ()
        if control.kind is ControlKind.SYMBOL:
            return self._set_symbol(symbol, control, record.ts_us)
        if control.kind is ControlKind.SESSION:
            return self._set_session(self._all[symbol], control, record)
        return ()

    def _set_symbol(self, symbol: str, control: Control, ts_us: int) -> Sequence[Output]:
        book = self._all.get(symbol)
        if book is None:
            book = self.books[symbol] = Book(symbol)
        book.tick_e8, book.reference_e8 = control.tick_e8 or 1, control.reference_price_e8
        book.lot_e8, (book.quantity_min_e8, _) = control.lot_e8 or 1, whole_lots(control)
        book.maker_fee_e8 = control.maker_fee_e8 or 0
        book.taker_fee_e8 = control.taker_fee_e8 or 0
        book.breaker = breaker_of(control, book.breaker)
        if book.breaker is not None:
            book.breaker.see(self._expiries.now_us, book.last_e8 or book.reference_e8)
        session = book.session
        session.changed = True
        session.killed = session.killed or control.cancel_open
        session.resumes = session.killed and control.symbol_status is SymbolStatus.TRADING
        outputs = self._place(book, [], ts_us)
        return [*outputs, *self._go_on(ts_us)] if session.killed else outputs

    def _set_session(self, book: Book, control: Control, record: Input) -> Sequence[Output]:
        phase, effective_us, plan = control.phase, control.effective_us, book.session.plan
        if phase is None:
            plan.withdraw(effective_us)
        elif effective_us is None or effective_us <= self._expiries.now_us:
            book.session.reopening.withdraw(None)
            return self._turn(book, phase, record.ts_us)
        elif plan.set(effective_us, phase):
            self._plans_due_us = min(self._plans_due_us, effective_us)
        else:
            detail = f"control {control.control_id!r} (SESSION): {PLANNED_MAX} changes are planned, which is the most"
            return (self._gate.dead_letter(record, detail),)
        return ()
