"""Mistakes in the books."""

from typing import Final

from tests.mutations.mutation import Mutation

MATCHER = "workers/matching/matcher.py"
EXECUTIONS = "workers/matching/executions.py"
SELF_TRADE = "workers/matching/self_trade.py"
BOOK = "workers/matching/book.py"
PLACING = "workers/matching/placing.py"
AMEND = "workers/matching/amend.py"
EXPIRY = "workers/matching/expiry.py"
REMOVE = "workers/matching/remove.py"
MATCHING = "workers/matching/core.py"
TRIGGERS = "workers/matching/triggers.py"
STOPS = "workers/matching/stops.py"
TRAILING = "workers/matching/trailing.py"
MATCHING_STATE = "workers/matching/state.py"
AUCTION = "workers/matching/auction.py"
PHASES = "workers/matching/phases.py"
BREAKER = "workers/matching/breaker.py"
SESSION = "workers/matching/session.py"
GROUPS = "workers/matching/groups.py"
SPENDING = "workers/matching/spending.py"

MATCHING_MUTATIONS: Final = (
    Mutation(
        "a buy at the best ask rests",
        MATCHER,
        "crosses = price_e8 >= other.best_e8",
        "crosses = price_e8 > other.best_e8",
    ),
    Mutation(
        "a sell at the best bid rests",
        MATCHER,
        "crosses = price_e8 <= other.best_e8",
        "crosses = price_e8 < other.best_e8",
    ),
    Mutation("post-only takes", MATCHER, "if crosses and order.post_only:", "if False:"),
    Mutation(
        "fill or kill fills in part",
        MATCHER,
        "if order.time_in_force is not _FOK or other.can_fill(order, worst_e8(book, order, other), TRADES_MAX):",
        "if True:",
    ),
    Mutation(
        "an aggressor trades beyond its limit",
        MATCHER,
        "while leaves_e8 and keys and keys[-1] >= limit_key and",
        "while leaves_e8 and keys and",
    ),
    Mutation("an aggressor stops at its limit", MATCHER, "keys[-1] >= limit_key and", "keys[-1] > limit_key and"),
    Mutation(
        "the newest is filled first",
        MATCHER,
        "            maker = level.oldest\n            while",
        "            maker = level.newest\n            while",
    ),
    Mutation(
        "the taker pays the maker's fee",
        MATCHER,
        "-(-last_notional_e8 * taker_fee_e8 // E8)",
        "-(-last_notional_e8 * book_fee_e8 // E8)",
    ),
    Mutation(
        "the maker's fee is rounded down",
        MATCHER,
        "-(-last_notional_e8 * (book_fee_e8 if maker_fee_e8 is None else maker_fee_e8) // E8)",
        "last_notional_e8 * (book_fee_e8 if maker_fee_e8 is None else maker_fee_e8) // E8",
    ),
    Mutation(
        "the notional is rounded up",
        MATCHER,
        "last_notional_e8 = price_e8 * last_e8 // E8",
        "last_notional_e8 = -(-price_e8 * last_e8 // E8)",
    ),
    Mutation(
        "a whole fill leaves the maker in the book",
        MATCHER,
        "if last_e8 <= leaves_e8:\n                    if maker",
        "if last_e8 < leaves_e8:\n                    if maker",
    ),
    Mutation("a level keeps what was traded", MATCHER, "                    level.quantity_e8 -= last_e8\n", ""),
    Mutation(
        "self-trades happen", MATCHER, "if maker_account == account and prevention is not _PREVENT_NONE:", "if False:"
    ),
    Mutation(
        "cancel oldest ends the aggressor too",
        SELF_TRADE,
        "if both_e8 else prevention is not _OLDEST",
        "if both_e8 else True",
    ),
    Mutation(
        "cancel both leaves the maker",
        SELF_TRADE,
        "prevention in {_OLDEST, _BOTH}",
        "prevention is _OLDEST",
    ),
    Mutation("decrement leaves the level as it was", BOOK, "        self.level.quantity_e8 -= shown_e8\n", ""),
    Mutation(
        "decrement tells the maker nothing",
        SELF_TRADE,
        "        tell(maker, maker.open_e8, maker.cumulative_notional_e8, ends=False)\n",
        "",
    ),
    Mutation(
        "decrement keeps the aggressor's quantity",
        SELF_TRADE,
        "quantity_e8=order.quantity_e8 - both_e8)",
        "quantity_e8=order.quantity_e8)",
    ),
    Mutation(
        "a market order rests",
        PLACING,
        "    if not has_limit(order.order_type):\n        return ExecutionKind.EXPIRED",
        "    if False:\n        return ExecutionKind.EXPIRED",
    ),
    Mutation("anybody cancels", MATCHER, "resting is None or resting.account != account or", "resting is None or"),
    Mutation(
        "anybody cancels what is special",
        MATCHER,
        "if found is None or found.account != order.account:",
        "if found is None:",
    ),
    Mutation(
        "an execution id is skipped",
        MATCHER,
        "self.execution_id = execution_id + 1\n                taken",
        "self.execution_id = execution_id + 2\n                taken",
    ),
    Mutation(
        "levels are told from the worst",
        MATCHER,
        "changed.insert(0 if order.side is _SELL else len(changed), level)",
        "changed.append(level)",
    ),
    Mutation("the last change is not marked", PLACING, "            sequence == final,\n", "            False,\n"),
    Mutation(
        "own orders count for fill or kill",
        BOOK,
        "                if maker.account != account:\n",
        "                if True:\n",
    ),
    Mutation(
        "the best price is not found again",
        BOOK,
        "        keys.pop()\n        if keys:\n            self.best_e8 = keys[-1] * self.sign",
        "        keys.pop()\n        if keys:\n            self.best_e8 = keys[0] * self.sign",
    ),
    Mutation("a crossed book goes on", BOOK, "if self.bids.best_e8 >= self.asks.best_e8:", "if False:"),
    Mutation(
        "a larger quantity keeps its place",
        AMEND,
        "if order.price_e8 == resting.price_e8 and leaves_e8 <= resting.open_e8 and shows_as_before:",
        "if order.price_e8 == resting.price_e8 and shows_as_before:",
    ),
    Mutation(
        "a smaller quantity loses its place", AMEND, "and leaves_e8 <= resting.open_e8 and", "and leaves_e8 < 0 and"
    ),
    Mutation(
        "what was filled does not count",
        AMEND,
        "leaves_e8 = order.quantity_e8 - (resting.quantity_e8 - resting.open_e8)",
        "leaves_e8 = order.quantity_e8",
    ),
    Mutation("an amendment to what was filled goes on", AMEND, "if leaves_e8 <= 0:", "if leaves_e8 < 0:"),
    Mutation(
        "a post-only order is amended into a trade",
        AMEND,
        "if order.post_only and book.session.trades and",
        "if False and",
    ),
    Mutation("anybody amends", AMEND, "if resting is None or resting.account != order.account:", "if resting is None:"),
    Mutation("the level that was amended is not told", AMEND, "[resting.level] if shown_less else []", "[]"),
    Mutation(
        "the level that was left is not told",
        AMEND,
        "    mine = {before.price_e8: before}\n",
        "    mine: dict[int, Level] = {}\n",
    ),
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
        "anybody's order is removed",
        REMOVE,
        "if found is None or found.account != order.account:",
        "if found is None:",
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
    Mutation("a kill is one record's work, however large", REMOVE, "in islice(meant, room):", "in meant:"),
    Mutation("a date has no limit a tick", REMOVE, "while matcher.made() < REMOVALS_MAX and (due", "while (due"),
    Mutation(
        "a book takes more than it may",
        MATCHER,
        "        if len(orders) >= ORDERS_MAX:\n",
        "        if False:\n",
    ),
    Mutation(
        "an amendment without a quantity takes all",
        AMEND,
        "        order = replace(order, quantity_e8=resting.quantity_e8)\n",
        "        order = replace(order, quantity_e8=resting.leaves_e8)\n",
    ),
    Mutation(
        "a stop waits for more than its trigger",
        TRIGGERS,
        "is not None and entry[0] <= limit:",
        "is not None and entry[0] < limit:",
    ),
    Mutation(
        "a met trigger waits on when it comes late",
        TRIGGERS,
        "return price_e8 >= trigger_e8 if rises",
        "return price_e8 > trigger_e8 if rises",
    ),
    Mutation(
        "the last that came is triggered first",
        TRIGGERS,
        "key=lambda waiting: waiting.arrival)",
        "key=lambda waiting: -waiting.arrival)",
    ),
    Mutation(
        "a restart mixes up who trails",
        TRIGGERS,
        "sorted(waiting, key=_seen, reverse=True)",
        "sorted(waiting, key=_seen)",
    ),
    Mutation(
        "a symbol's change loses what follows from it",
        MATCHING,
        "        outputs = self._place(book, [], ts_us)\n",
        "        outputs = self._place(book, [], ts_us)[:0]\n",
    ),
    Mutation(
        "what is due may be moved",
        STOPS,
        "if waiting.due and order.trigger_price_e8 not in {None, trigger_e8}:",
        "if False:",
    ),
    Mutation(
        "marks trigger what looks at trades",
        BOOK,
        "return self.mark_e8 if by is TriggerBy.MARK else self.last_e8",
        "return self.mark_e8",
    ),
    Mutation(
        "a trail is rounded towards the price",
        TRAILING,
        "return -(-abs(self.best) * rate_e8 // E8)",
        "return abs(self.best) * rate_e8 // E8",
    ),
    Mutation("a trailing stop does not follow", TRAILING, "            merged.best = now\n", ""),
    Mutation(
        "all trailing stops share one price",
        TRAILING,
        "if not self._pools or self._pools[-1].best != best:",
        "if not self._pools:",
    ),
    Mutation(
        "an amended trail begins anew",
        TRIGGERS,
        "            waiting.order = replace(order, trigger_price_e8=trigger_e8)\n",
        "            del self.orders[order.order_id]\n            self.add(order, newest_e8)\n",
    ),
    Mutation("any number enters with one record", STOPS, "enters = entered < TRIGGERED_MAX and ", "enters = "),
    Mutation("any number waits", STOPS, "if len(book.waiting) >= WAITING_MAX:", "if False:"),
    Mutation("what one trades triggers no other", STOPS, "        shown = len(told)\n", "        shown = 1 << 60\n"),
    Mutation("a met trigger can be moved", AMEND, "order.trigger_price_e8 != terms.trigger_price_e8:", "False:"),
    Mutation("a triggered order overfills the book", BOOK, "return len(self.orders) < ORDERS_MAX and", "return"),
    Mutation(
        "an iceberg keeps its place",
        BOOK,
        "        if newer is not None and newest is not None:\n",
        "        if False:\n",
    ),
    Mutation(
        "fill or kill counts only what is shown",
        BOOK,
        "                missing_e8 -= maker.hidden_e8\n",
        "",
    ),
    Mutation(
        "the shown part is reduced first",
        BOOK,
        "hidden_e8 = min(self.hidden_e8, less_e8)",
        "hidden_e8 = max(less_e8 - self.leaves_e8, 0)",
    ),
    Mutation("another display quantity keeps the place", AMEND, " and shows_as_before:", ":"),
    Mutation(
        "an order slides onto the other side",
        PLACING,
        "if order.side is _SELL else (best_e8 - 1) //",
        "if order.side is _SELL else best_e8 //",
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
        "an amendment trades while orders are collected",
        AMEND,
        "    continuous = book.session.trades",
        "    continuous = True",
    ),
    Mutation(
        "changes of a collecting book look like those of one that trades",
        PLACING,
        "book.session.phase is not _CONTINUOUS",
        "False",
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
    Mutation("fill or kill trips the breaker", PLACING, "if order.time_in_force is _FOK or not would", "if not would"),
    Mutation(
        "fill or kill looks beyond the breaker",
        MATCHER,
        "other.can_fill(order, worst_e8(book, order, other), TRADES_MAX)",
        "other.can_fill(order, order.price_e8, TRADES_MAX)",
    ),
    Mutation(
        "triggered orders enter a book that has halted",
        STOPS,
        "and book.session.trades and trades_left(matcher)",
        "and trades_left(matcher)",
    ),
    Mutation(
        "the breaker reopens what the operator closed",
        MATCHING,
        "            book.session.reopening.withdraw(None)\n",
        "",
    ),
    Mutation(
        "a notional is spent twice",
        SPENDING,
        "        rest_e16 -= level.price_e8 * open_e8\n",
        "",
    ),
    Mutation(
        "a notional buys parts of a lot",
        SPENDING,
        "most_e8 // book.lot_e8 * book.lot_e8,",
        "most_e8,",
    ),
    Mutation(
        "a notional buys beyond the order's limit",
        SPENDING,
        "if level.price_e8 > order.price_e8 or",
        "if",
    ),
    Mutation(
        "a notional buys more than risk let pass",
        SPENDING,
        "    return min(bought_e8 + rest_e16 // order.price_e8, most_e8)",
        "    return bought_e8 + rest_e16 // order.price_e8",
    ),
    Mutation(
        "a notional pays for orders that are taken out",
        SPENDING,
        "if order.self_trade_prevention is not SelfTradePrevention.CANCEL_OLDEST:",
        "if order:",
    ),
    Mutation(
        "a notional buys less than the smallest quantity",
        SPENDING,
        "if lots_e8 < least_e8:",
        "if not lots_e8:",
    ),
    Mutation(
        "a notional is forgotten in executions",
        "workers/matching/executions.py",
        "        or order.notional_e8 is not None\n",
        "",
    ),
    Mutation(
        "oco: a fill does not cancel the other",
        GROUPS,
        "{ExecutionKind.TRADE, ExecutionKind.TRIGGERED,",
        "{ExecutionKind.TRIGGERED,",
    ),
    Mutation(
        "oco: a trigger does not cancel the other",
        GROUPS,
        "{ExecutionKind.TRADE, ExecutionKind.TRIGGERED,",
        "{ExecutionKind.TRADE,",
    ),
    Mutation(
        "oco: the end of one leaves the other",
        MATCHER,
        "        if book.pairs:\n            settle(self, book, outputs, ts_us)\n",
        "",
    ),
    Mutation(
        "oco: the triggered one trades before the other has left",
        STOPS,
        "        if book.pairs:\n            settle(matcher, book, told, ts_us, shown)\n        matcher",
        "        matcher",
    ),
    Mutation(
        "oco: a price meets the stop of an order that it filled",
        STOPS,
        "        if book.pairs:\n            settle(matcher, book, told, ts_us, shown)\n        for",
        "        for",
    ),
    Mutation("oco: both answer the command", MATCHING, "outputs = unasked(wait(", "outputs = list(wait("),
    Mutation("oco: a refusal is of one", MATCHER, "return [*first, *unasked(stop)]", "return first"),
    Mutation("oco: a book forgets pairs", MATCHING_STATE, "        book.pairs = open_pairs(book.open_orders())\n", ""),
    Mutation("oco: a killed pair ends twice", REMOVE, "book.find(order.order_id) is order", "True"),
    Mutation(
        "an order trades without end",
        MATCHER,
        "and keys[-1] >= limit_key and self.execution_id < last_id:",
        "and keys[-1] >= limit_key:",
    ),
    Mutation(
        "the parts of one order have no end",
        MATCHER,
        "while leaves_e8 and maker is not None and self.execution_id < last_id:",
        "while leaves_e8 and maker is not None:",
    ),
    Mutation("an order rests where it would trade on", MATCHER, "self.why_stopped(book, other, order) or why", "why"),
    Mutation(
        "fill or kill counts no trades", BOOK, "                if trades < 0:\n                    return False\n", ""
    ),
    Mutation("fill or kill counts no parts", BOOK, "trades -= maker.parts()", "trades -= 0"),
    Mutation(
        "own orders halt a symbol",
        PLACING,
        "if maker is not None and maker.account == order.account:",
        "if False:",
    ),
    Mutation(
        "one slides off the tick",
        PLACING,
        "else (best_e8 - 1) // tick_e8) * tick_e8",
        "else best_e8 // tick_e8 - 1) * tick_e8",
    ),
    Mutation(
        "triggered orders enter without end",
        STOPS,
        "book.session.trades and trades_left(matcher)",
        "book.session.trades",
    ),
    Mutation(
        "the numbers of a removal are not told",
        MATCHER,
        "removal.correlation_id, **numbers)",
        "removal.correlation_id)",
    ),
    Mutation(
        "a maker's tier is not paid", MATCHER, "book_fee_e8 if maker_fee_e8 is None else maker_fee_e8", "book_fee_e8"
    ),
    Mutation(
        "a tier is paid by who takes at once only", MATCHER, "            0,\n            order.maker_fee_e8,\n", ""
    ),
    Mutation("a taker's tier is not paid", PLACING, "if order.taker_fee_e8 is None else order.taker_fee_e8", ""),
    Mutation("what rests after trading has no tier", PLACING, "        maker_fee_e8=order.maker_fee_e8,\n", ""),
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
        "bracket: an entry forgets its group",
        MATCHER,
        " or order.reduce_only or order.group_id is not None or order.strategy",
        " or order.reduce_only or order.strategy",
    ),
    Mutation(
        "bracket: the book lets both trade", MATCHING, "book.pairs[pair.group_id] =", "book.pairs[order.order_id] ="
    ),
    Mutation(
        "bracket: the stop is of another group",
        GROUPS,
        "member_id(pair.group_id, STOP_MEMBER)",
        "member_id(pair.order_id, STOP_MEMBER)",
    ),
    Mutation("bracket: the stop has a name of its own", GROUPS, "attached=is_attached(pair)", "attached=False"),
    Mutation("executions do not repeat a strategy", EXECUTIONS, "        strategy=terms.strategy,\n", ""),
    Mutation("a strategy alone is not repeated", EXECUTIONS, "        or order.strategy is not None\n", ""),
    Mutation(
        "what rests at once forgets its strategy",
        MATCHER,
        " or order.group_id is not None or order.strategy\n",
        " or order.group_id is not None\n",
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
