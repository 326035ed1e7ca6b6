"""Mistakes in the books: phases, auctions, circuit breakers, the clock, and the state."""

from typing import Final

from tests.mutations.mutation import Mutation

EXPIRY = "workers/matching/expiry.py"
MATCHING = "workers/matching/core.py"
MATCHING_STATE = "workers/matching/state.py"
AUCTION = "workers/matching/auction.py"
PHASES = "workers/matching/phases.py"
BREAKER = "workers/matching/breaker.py"
SESSION = "workers/matching/session.py"

SESSION_MUTATIONS: Final = (
    Mutation(
        "an order ends a tick late",
        EXPIRY,
        "if entry is not None and entry[0] <= self.now_us and",
        "if entry is not None and entry[0] < self.now_us and",
    ),
    Mutation(
        "the first date counts",
        EXPIRY,
        "return order if order is not None and order.expire_us == expire_us else None",
        "return order",
    ),
    Mutation(
        "dates are forgotten on a restart",
        EXPIRY,
        "            if order.expire_us is not None\n",
        "            if order.expire_us is None\n",
    ),
    Mutation(
        "a killed symbol still trades",
        MATCHING,
        "        session.killed = session.killed or control.cancel_open\n",
        "        session.killed = session.killed\n",
    ),
    Mutation(
        "a killed symbol opens by itself",
        MATCHING,
        "if book.session.resumes and book.is_empty():",
        "if book.is_empty():",
    ),
    Mutation(
        "a killed symbol opens before it is empty",
        MATCHING,
        "if book.session.resumes and book.is_empty():",
        "if book.session.resumes:",
    ),
    Mutation("an end that has passed rests", MATCHING, "if late and order.kind in _PLACES:", "if False:"),
    Mutation(
        "an amendment to an end that has passed is made",
        MATCHING,
        "if late and found is not None and found.account == order.account:",
        "if False:",
    ),
    Mutation(
        "a symbol's change loses what follows from it",
        MATCHING,
        "        outputs = self._place(book, [], ts_us)\n",
        "        outputs = self._place(book, [], ts_us)[:0]\n",
    ),
    Mutation(
        "a hidden part is lost in a snapshot", MATCHING_STATE, "                    hidden_e8=order.hidden_e8,\n", ""
    ),
    Mutation("a date is lost in a snapshot", MATCHING_STATE, "                    expire_us=order.expire_us,\n", ""),
    Mutation(
        "an auction does not look for the largest volume",
        AUCTION,
        "best = max((span.volume_e8, -abs(span.surplus_e8)) for span in spans)",
        "best = min((span.volume_e8, -abs(span.surplus_e8)) for span in spans)",
    ),
    Mutation(
        "an auction looks for the largest surplus",
        AUCTION,
        "best = max((span.volume_e8, -abs(span.surplus_e8)) for span in spans)",
        "best = max((span.volume_e8, abs(span.surplus_e8)) for span in spans)",
    ),
    Mutation(
        "buyers left over do not raise the price",
        AUCTION,
        "price_e8, chosen = spans[-1].high_e8, spans[-1]",
        "price_e8, chosen = spans[0].low_e8, spans[0]",
    ),
    Mutation(
        "prices between those of orders do not compete",
        AUCTION,
        "            if low_e8 <= high_e8:",
        "            if low_e8 > high_e8:",
    ),
    Mutation(
        "the last trade is no reference",
        AUCTION,
        "book.last_e8 or book.reference_e8",
        "book.reference_e8",
    ),
    Mutation(
        "the price lies beside the tick",
        AUCTION,
        "below_e8 = reference_e8 // tick_e8 * tick_e8",
        "below_e8 = reference_e8",
    ),
    Mutation(
        "an auction pays a rebate",
        AUCTION,
        "notional_e8 * max(rate_e8, 0)",
        "notional_e8 * rate_e8",
    ),
    Mutation("an auction trades with oneself", AUCTION, "if buy.account == sell.account:", "if False:"),
    Mutation(
        "an auction without end",
        AUCTION,
        "for _ in range(trades_left(numbers)):",
        "for _ in range(10**9):",
    ),
    Mutation("an auction is forgotten as the last price", AUCTION, "    book.last_e8 = price_e8\n", ""),
    Mutation("a collecting book takes what must trade at once", PHASES, "order.time_in_force not in RESTING", "False"),
    Mutation(
        "no closing auction",
        PHASES,
        "(phase is Phase.CLOSED and session.phase is Phase.AUCTION)",
        "False",
    ),
    Mutation(
        "every close trades",
        PHASES,
        "(phase is Phase.CLOSED and session.phase is Phase.AUCTION)",
        "phase is Phase.CLOSED",
    ),
    Mutation(
        "the day goes on after the closing auction",
        PHASES,
        "        if session.phase is Phase.CLOSED:\n            expiries.end_day(book)",
        "        if session.phase is Phase.CLOSED:\n            pass",
    ),
    Mutation(
        "nobody says that a book trades again",
        PHASES,
        "changed = changed or [",
        "changed = changed and [",
    ),
    Mutation(
        "an auction is told again and again",
        PHASES,
        "    session.told = now\n",
        "",
    ),
    Mutation("a killed book trades in an auction", PHASES, "or (session.killed and not book.is_empty())", ""),
    Mutation(
        "a price that is too good halts nothing",
        BREAKER,
        "return min(order.price_e8, self.high_e8) if best_e8 >= self.low_e8 else 0",
        "return min(order.price_e8, self.high_e8)",
    ),
    Mutation(
        "an auction counts only what is shown",
        AUCTION,
        "quantity_e8 = min(buy.open_e8, sell.open_e8)",
        "quantity_e8 = min(buy.leaves_e8, sell.leaves_e8)",
    ),
    Mutation("a large auction takes orders", SESSION, "if self.killed or self.target is not None:", "if self.killed:"),
    Mutation("a close takes orders", SESSION, ", Phase.CLOSED: Reason.SYMBOL_CLOSED", ""),
    Mutation(
        "the day ends at midnight although a close is planned",
        MATCHING,
        "if not self._all[symbol].session.plan.closes():",
        "if True:",
    ),
    Mutation(
        "the day never ends at midnight",
        MATCHING,
        "if expiries.now_us // DAY_US > before_us // DAY_US:",
        "if False:",
    ),
    Mutation(
        "the breaker is passed by one tick",
        BREAKER,
        "return min(order.price_e8, self.high_e8)",
        "return min(order.price_e8, self.high_e8 + 1_234_567)",
    ),
    Mutation(
        "the breaker forgets the price with which its window begins",
        BREAKER,
        "while len(prices) > begun + 1 and prices[begun + 1][0] <= now_us - self.window_us:",
        "while len(prices) > begun + 1:",
    ),
    Mutation(
        "the breaker reopens what the operator closed",
        MATCHING,
        "            book.session.reopening.withdraw(None)\n",
        "",
    ),
    Mutation("oco: both answer the command", MATCHING, "outputs = unasked(wait(", "outputs = list(wait("),
    Mutation("oco: a book forgets pairs", MATCHING_STATE, "        book.pairs = open_pairs(book.open_orders())\n", ""),
    Mutation("an auction knows no tiers", AUCTION, "if order.maker_fee_e8 is None else order.maker_fee_e8", ""),
    Mutation("a restart forgets tiers", MATCHING_STATE, "                    maker_fee_e8=order.maker_fee_e8,\n", ""),
    Mutation(
        "bracket: a halted symbol takes nothing", MATCHING, "is_attached(order) and not book.session.killed", "False"
    ),
    Mutation(
        "bracket: a killed symbol takes it",
        MATCHING,
        "is_attached(order) and not book.session.killed",
        "is_attached(order)",
    ),
    Mutation("bracket: a halted symbol takes pairs", MATCHING, "kind is _OCO and is_attached(order)", "kind is _OCO"),
    Mutation(
        "bracket: the book lets both trade", MATCHING, "book.pairs[pair.group_id] =", "book.pairs[order.order_id] ="
    ),
    Mutation(
        "older state: an order's fields change places",
        MATCHING_STATE,
        "    leaves_e8: int\n    cumulative_notional_e8: int\n    expire_us",
        "    cumulative_notional_e8: int\n    leaves_e8: int\n    expire_us",
    ),
    Mutation(
        "older state: its orders pay nothing",
        MATCHING_STATE,
        "    maker_fee_e8: int | None = None\n",
        "    maker_fee_e8: int | None = 0\n",
    ),
    Mutation(
        "older state: a lot that nobody has told", MATCHING_STATE, "    lot_e8: int = 1\n", "    lot_e8: int = 10**7\n"
    ),
)
