"""Mistakes that somebody could make in a core: each must be noticed by a test.

A mutation is a piece of a file that stands there once, and what it is replaced by.
"""

from typing import NamedTuple

MATCHER = "workers/matching/matcher.py"
BOOK = "workers/matching/book.py"
SELF_TRADE = "workers/matching/self_trade.py"
AMEND = "workers/matching/amend.py"
REMOVE = "workers/matching/remove.py"
AUCTION = "workers/matching/auction.py"
BREAKER = "workers/matching/breaker.py"
PHASES = "workers/matching/phases.py"
SESSION = "workers/matching/session.py"
PLAN = "workers/kernel/sessions.py"
EXPIRY = "workers/matching/expiry.py"
HEAP = "workers/kernel/heap.py"
TRIGGERS = "workers/matching/triggers.py"
TRAILING = "workers/matching/trailing.py"
STOPS = "workers/matching/stops.py"
PLACING = "workers/matching/placing.py"
MATCHING = "workers/matching/core.py"
MATCHING_STATE = "workers/matching/state.py"
RISK = "workers/risk/core.py"
ANSWERS = "workers/risk/answers.py"
RULES = "workers/risk/rules.py"
PRICES = "workers/risk/prices.py"
ACCOUNTS = "workers/risk/accounts.py"
ORDERS = "workers/risk/orders.py"
LIMITS = "workers/risk/limits.py"
LIMIT_TABLE = "workers/risk/limit_table.py"
USAGE = "workers/risk/usage.py"
LOSSES = "workers/risk/losses.py"
VALUE_AT_RISK = "workers/risk/value_at_risk.py"
MOVES = "workers/risk/moves.py"
TIMERS = "workers/risk/timers.py"
RISK_STATE = "workers/risk/state.py"
HOLDING = "workers/positions/holding.py"
LEDGER = "workers/positions/ledger.py"
POSITIONS = "workers/positions/core.py"
CANDLES = "workers/statistics/candles.py"
CONTROLS = "workers/kernel/controls.py"
UNITS = "schemas/units.py"
TRIGGER_RULES = "schemas/triggers.py"
STATES = "schemas/order_states.py"


class Mutation(NamedTuple):
    """One mistake."""

    name: str
    file: str
    right: str
    wrong: str


MUTATIONS = (
    # Matching
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
        "if order.time_in_force is not _FOK or other.can_fill(order, worst_e8(book, order, other)):",
        "if True:",
    ),
    Mutation(
        "an aggressor trades beyond its limit",
        MATCHER,
        "while leaves_e8 and keys and keys[-1] >= limit_key:",
        "while leaves_e8 and keys:",
    ),
    Mutation("an aggressor stops at its limit", MATCHER, "keys[-1] >= limit_key:", "keys[-1] > limit_key:"),
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
        "-(-last_notional_e8 * maker_fee_e8 // E8)",
    ),
    Mutation(
        "the maker's fee is rounded down",
        MATCHER,
        "-(-last_notional_e8 * maker_fee_e8 // E8)",
        "last_notional_e8 * maker_fee_e8 // E8",
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
    # Amendments, removals, dates
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
        "if entry is None or entry[0] > self.now_us:",
        "if entry is None or entry[0] >= self.now_us:",
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
    Mutation("leftovers are never swept", HEAP, "if len(self._entries) >= self._sweep_at:", "if False:"),
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
    Mutation("an end that has passed rests", MATCHING, "if late and order.kind is _NEW:", "if False:"),
    Mutation(
        "an amendment to an end that has passed is made",
        MATCHING,
        "if late and found is not None and found.account == order.account:",
        "if False:",
    ),
    Mutation("a kill is one record's work, however large", REMOVE, "in islice(meant, room):", "in meant:"),
    Mutation("a date has no limit a tick", REMOVE, "for _ in range(REMOVALS_MAX - matcher.made()):", "while True:"),
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
    # Triggers, icebergs, orders that slide
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
    Mutation("a take-profit is a stop", TRIGGER_RULES, "is not (order_type is OrderType.TAKE_PROFIT)", "is not False"),
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
        "a trigger in the past has a band of its own",
        PRICES,
        "            return max(mark_e8, trigger.price_e8)\n        return min(mark_e8, trigger.price_e8)",
        "            return trigger.price_e8\n        return trigger.price_e8",
    ),
    Mutation(
        "a symbol's change loses what follows from it",
        MATCHING,
        "        outputs = self._place(book, [], ts_us)\n",
        "        outputs = self._place(book, [], ts_us)[:0]\n",
    ),
    Mutation(
        "a moved trigger may be worth anything",
        RULES,
        "(command.price_e8, command.quantity_e8, command.trigger_price_e8) != (None, None, None)",
        "(command.price_e8, command.quantity_e8) != (None, None)",
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
    Mutation(
        "any number enters with one record", STOPS, " if entered < TRIGGERED_MAX and book.session.trades else None", ""
    ),
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
        "missing_e8 -= level.all_e8()",
        "missing_e8 -= level.quantity_e8",
    ),
    Mutation(
        "the shown part is reduced first",
        BOOK,
        "hidden_e8 = min(self.hidden_e8, less_e8)",
        "hidden_e8 = max(less_e8 - self.leaves_e8, 0)",
    ),
    Mutation("another display quantity keeps the place", AMEND, " and shows_as_before:", ":"),
    Mutation(
        "an order slides onto the other side", PLACING, "book.tick_e8 if order.side is _SELL else -book.tick_e8", "0"
    ),
    Mutation(
        "a hidden part is lost in a snapshot", MATCHING_STATE, "                    hidden_e8=order.hidden_e8,\n", ""
    ),
    Mutation("a date is lost in a snapshot", MATCHING_STATE, "                    expire_us=order.expire_us,\n", ""),
    # Sessions and auctions
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
        "notional_e8 * max(book.maker_fee_e8, 0)",
        "notional_e8 * book.maker_fee_e8",
    ),
    Mutation("an auction trades with oneself", AUCTION, "if buy.account == sell.account:", "if False:"),
    Mutation(
        "an auction without end",
        AUCTION,
        "for _ in range(max(TRADES_MAX - numbers.made() // 2, 0)):",
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
    Mutation("a plan begins too late", PLAN, "self.steps[0][0] <= now_us", "self.steps[0][0] < now_us"),
    Mutation(
        "a plan keeps what was replaced", PLAN, "        self.withdraw(effective_us)\n        if len", "        if len"
    ),
    Mutation("a plan without a limit", PLAN, "if len(self.steps) >= PLANNED_MAX:", "if False:"),
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
        "workers/matching/breaker.py",
        "return min(order.price_e8, self.high_e8)",
        "return min(order.price_e8, self.high_e8 + 1_234_567)",
    ),
    Mutation(
        "the breaker forgets the price with which its window begins",
        "workers/matching/breaker.py",
        "while len(prices) > begun + 1 and prices[begun + 1][0] <= now_us - self.window_us:",
        "while len(prices) > begun + 1:",
    ),
    Mutation(
        "fill or kill trips the breaker", PLACING, "if order.time_in_force is not _FOK and other.keys", "if other.keys"
    ),
    Mutation(
        "fill or kill looks beyond the breaker",
        MATCHER,
        "other.can_fill(order, worst_e8(book, order, other))",
        "other.can_fill(order, order.price_e8)",
    ),
    Mutation(
        "triggered orders enter a book that has halted",
        "workers/matching/stops.py",
        "and book.session.trades else None",
        "else None",
    ),
    Mutation(
        "the breaker reopens what the operator closed",
        MATCHING,
        "            book.session.reopening.withdraw(None)\n",
        "",
    ),
    # Risk
    Mutation(
        "an order that ended is cancelled again",
        RISK,
        "if order.status in FINAL:\n            return self._answers.report",
        "if False:\n            return self._answers.report",
    ),
    Mutation(
        "a suspended account trades",
        RISK,
        "status not in _TRADES or account.kind is AccountKind.UNKNOWN:\n            return self._answers",
        "account.kind is AccountKind.UNKNOWN:\n            return self._answers",
    ),
    Mutation("a repeated command places again", RISK, "        if first is not None:\n", "        if False:\n"),
    Mutation(
        "one open order too many",
        RISK,
        "if open_count >= account.open_orders_max:",
        "if open_count > account.open_orders_max:",
    ),
    Mutation("two amendments at a time", RISK, "        elif order.amend_id:\n", "        elif False:\n"),
    Mutation("a fee is not taken", MOVES, "    quote.total_e8 -= execution.fee_e8 or 0\n", ""),
    Mutation("cancel all takes the other side too", ACCOUNTS, " and side in {None, way}]", "]"),
    Mutation(
        "cancel all takes an order twice",
        ACCOUNTS,
        "            self._forget_removable(order)\n        return orders",
        "        return orders",
    ),
    Mutation(
        "cancel all has no limit",
        ACCOUNTS,
        "list(islice(oldest_first, REMOVALS_MAX if most is None else most))",
        "list(oldest_first)",
    ),
    Mutation(
        "a repeated command has today's default",
        RISK,
        "default = account.self_trade_prevention if first is None else first.self_trade_prevention",
        "default = account.self_trade_prevention",
    ),
    Mutation("a refusal is numbered as the last one", ANSWERS, "        self.sequence += 1\n", ""),
    Mutation(
        "a forged seal passes",
        RISK,
        "return None if verify_hmac(secret, record.value, seal) else Reason.SEAL_INVALID",
        "return None",
    ),
    Mutation("off the tick", PRICES, "    if price_e8 <= 0 or price_e8 % rules.tick_e8:\n", "    if price_e8 <= 0:\n"),
    Mutation("off the lot", RULES, "    if quantity_e8 % rules.lot_e8:\n", "    if False:\n"),
    Mutation("above the band", PRICES, "    if price_e8 > high_e8:\n", "    if False:\n"),
    Mutation(
        "at the edge of the band",
        PRICES,
        "    if price_e8 < low_e8:\n",
        "    if price_e8 <= low_e8:\n",
    ),
    Mutation(
        "a notional that is too small",
        RULES,
        "    if notional_e8 < rules.notional_min_e8:\n",
        "    if notional_e8 <= rules.notional_min_e8:\n",
    ),
    Mutation(
        "an end that has passed",
        RULES,
        "if not now_us < order.expire_us < TIME_US_MAX:",
        "if not now_us <= order.expire_us < TIME_US_MAX:",
    ),
    Mutation(
        "a price that stays is measured again",
        RULES,
        "if refusal is None and (command.price_e8 is not None or command.trigger_price_e8 is not None):",
        "if refusal is None:",
    ),
    Mutation(
        "a trigger off the tick",
        PRICES,
        "if trigger.price_e8 <= 0 or trigger.price_e8 % rules.tick_e8:",
        "if trigger.price_e8 <= 0:",
    ),
    Mutation(
        "both an amount and a rate",
        PRICES,
        "if (amount_e8 is None) is (rate_e8 is None):",
        "if amount_e8 is None and rate_e8 is None:",
    ),
    Mutation(
        "a trail of all there is",
        PRICES,
        "if rate_e8 is not None and not 0 < rate_e8 < E8:",
        "if rate_e8 is not None and not 0 < rate_e8 <= E8:",
    ),
    Mutation(
        "the band lies around the mark for stops too",
        PRICES,
        "            return max(mark_e8, trigger.price_e8)\n        return min(mark_e8, trigger.price_e8)",
        "            return mark_e8\n        return mark_e8",
    ),
    Mutation(
        "other orders overtake what may only reduce",
        LIMITS,
        "        reason = Reason.REDUCE_ONLY_OPEN\n",
        "        return None\n",
    ),
    Mutation(
        "a withdrawal leaves what may only reduce",
        RISK,
        "        lost = overtaken(account, self._venue)\n",
        "        lost = []\n",
    ),
    Mutation(
        "what may only reduce is never forgotten",
        ACCOUNTS,
        "if side.pop(order.order_id, None) is not None and not side:",
        "if False:",
    ),
    Mutation(
        "an iceberg of any number of parts",
        RULES,
        "if display_e8 * DISPLAY_PARTS_MAX < order.quantity_e8:",
        "if False:",
    ),
    Mutation("an iceberg larger than its order", RULES, "if display_e8 > order.quantity_e8:", "if False:"),
    Mutation(
        "an order that slid is held at its old price",
        ORDERS,
        "            self.worst_price_e8 = self.price_e8 or 0\n",
        "",
    ),
    Mutation(
        "a moved trigger is another order",
        ORDERS,
        "(self.placed_trigger if self.placed_as else self.trigger)",
        "self.trigger",
    ),
    Mutation(
        "the last coin cannot be spent",
        ACCOUNTS,
        "        if balance is None or needed_e8 > available_e8:\n",
        "        if balance is None or needed_e8 >= available_e8:\n",
    ),
    Mutation(
        "an amendment is not covered",
        ACCOUNTS,
        "                if more_e8 > available_e8:\n",
        "                if False:\n",
    ),
    Mutation(
        "an amendment holds nothing until it is made", ACCOUNTS, "        if order.amend_id:\n", "        if False:\n"
    ),
    Mutation(
        "the worst cost has no fee",
        ACCOUNTS,
        "return notional_e8 - (-notional_e8 * fee_rate_e8 // E8)",
        "return notional_e8",
    ),
    Mutation(
        "a short position is no exposure",
        ACCOUNTS,
        "return max(abs(position_e8 + bought_e8), abs(position_e8 - sold_e8))",
        "return abs(position_e8 + bought_e8)",
    ),
    Mutation(
        "leverage is not used",
        ACCOUNTS,
        "if exposure_e16 * E8 <= equity_e16 * self.leverage_e8:",
        "if exposure_e16 <= equity_e16:",
    ),
    Mutation(
        "an amendment is held at the order's fee",
        ACCOUNTS,
        "order.amended_leaves_e8(leaves_e8), order.amend_fee_rate_e8",
        "order.amended_leaves_e8(leaves_e8), order.fee_rate_e8",
    ),
    Mutation("ended orders are never forgotten", ACCOUNTS, "if len(self.finals) > FINAL_ORDERS_MAX:", "if False:"),
    Mutation(
        "an amended order is another one",
        ORDERS,
        "price_e8, quantity_e8 = self.placed_as or (self.price_e8, self.quantity_e8)",
        "price_e8, quantity_e8 = self.price_e8, self.quantity_e8",
    ),
    Mutation("an older state holds nothing", RISK_STATE, "    if behaviour < RESERVES_MARGIN:\n", "    if False:\n"),
    # Positions, candles, what all share
    Mutation(
        "a flip keeps the old cost",
        HOLDING,
        "self.cost_e8 = value_e8 - closing_value_e8",
        "self.cost_e8 += value_e8 - closing_value_e8",
    ),
    Mutation("a close realises nothing", HOLDING, "            self.realised_e8 -= value_e8 + closed_cost_e8\n", ""),
    Mutation(
        "an average is rounded down",
        HOLDING,
        "return price_e8 + (2 * rest > quantity_e8 or (2 * rest == quantity_e8 and price_e8 & 1))",
        "return price_e8",
    ),
    Mutation(
        "debit and credit are swapped",
        LEDGER,
        "                account if change_e8 > 0 else other,\n                other if change_e8 > 0 else account,\n",
        "                other if change_e8 > 0 else account,\n                account if change_e8 > 0 else other,\n",
    ),
    Mutation("fees are not added up", POSITIONS, "        holding.fees_e8 += execution.fee_e8 or 0\n", ""),
    Mutation(
        "a high is not raised",
        CANDLES,
        "                candle.high_e8 = price_e8\n            elif",
        "                pass\n            elif",
    ),
    Mutation(
        "a silence has no candles",
        CANDLES,
        "                finals += self._fill(gap, ts_us)\n            else",
        "                pass\n            else",
    ),
    Mutation(
        "a decision is made twice",
        CONTROLS,
        "        if self.knows(control.control_id):\n            return ()\n",
        "",
    ),
    Mutation("a fee is rounded down", UNITS, "return -(-value_e8 * rate_e8 // E8)", "return value_e8 * rate_e8 // E8"),
    Mutation(
        "a filled order may be cancelled", STATES, "    _PARTIAL: _OPEN |", "    _FILLED: _OPEN,\n    _PARTIAL: _OPEN |"
    ),
    # Limits
    Mutation("limit: no order size", LIMITS, "order.quantity_e8 > size_e8 and", "False and"),
    Mutation("limit: fat finger on the better side", LIMITS, "worse = order.worst_price_e8 > edge_e8", "worse = True"),
    Mutation(
        "limit: open orders one too many",
        LIMITS,
        "count * E8) if count > limit else None",
        "count * E8) if count > limit + 1 else None",
    ),
    Mutation(
        "limit: refused orders take tokens",
        LIMITS,
        "    if used <= bucket",
        "    bucket.take(now_us)\n    if used <= bucket",
    ),
    Mutation(
        "limit: a bucket that fills beyond its measure",
        USAGE,
        "return max(self.used - max(now_us - self.at_us, 0) * self.count, 0) + self.window_us",
        "return self.used - max(now_us - self.at_us, 0) * self.count + self.window_us",
    ),
    Mutation("limit: yesterday counts", USAGE, "if self.day >= now_us // DAY_US else 0", ""),
    Mutation("limit: a new day keeps the volume", USAGE, "self.day, self.traded_e8 = day, 0", "self.day = day"),
    Mutation("limit: open orders are no volume", USAGE, "return self.notional_e8 + (", "return ("),
    Mutation(
        "limit: an amendment under way does not count",
        USAGE,
        "open_e8 = max(open_e8, amended_e8)",
        "open_e8 = open_e8 + 0 * amended_e8",
    ),
    Mutation("limit: one symbol's volume for all", LIMITS, "if limits.volume_of else venue", "if False else venue"),
    Mutation(
        "limit: other symbols of the base do not count",
        LIMITS,
        "for name, used in account.usages.items() if venue.symbols[name].base == base]",
        "for name, used in list(account.usages.items())[:1]]",
    ),
    Mutation("limit: what is held does not count", LIMITS, "else sell_e8 - held_e8)", "else sell_e8)"),
    Mutation("limit: a way out is closed", LIMITS, "is not None and after_e8 > 0:", "is not None:"),
    Mutation("limit: equity without the holdings", LIMITS, "equity_e16 += balance.total_e8 * valued.mark_e8", "pass"),
    Mutation("limit: leverage refuses what reduces", LIMITS, "open_e8) <= before_e8:", "open_e8) < 0:"),
    Mutation(
        "limit: the account's before the symbol's",
        LIMIT_TABLE,
        '((account, symbol), (account, ""), ("", symbol), ("", ""))',
        '((account, ""), (account, symbol), ("", symbol), ("", ""))',
    ),
    Mutation("limit: a record that sets nothing stays", LIMIT_TABLE, "self.scopes.pop(scope, None)", "pass"),
    Mutation(
        "limit: what holds is never looked up anew",
        LIMIT_TABLE,
        "for name in SET})\n        self._resolved.clear()",
        "for name in SET})",
    ),
    Mutation(
        "limit: an amendment takes no token",
        RISK,
        "                if limits is not None:\n",
        "                if False:\n",
    ),
    Mutation(
        "limit: every shard keeps every limit",
        RISK,
        "!= self._shard:\n            return ()",
        "!= self._shard and False:\n            return ()",
    ),
    Mutation("limit: the day's volume is forgotten", RISK_STATE, "usage.day, usage.traded_e8 = day, traded_e8", "pass"),
    # Losses
    Mutation("loss: at the limit is beyond it", LOSSES, "lost_e8 > limit_e8:", "lost_e8 >= limit_e8:"),
    Mutation(
        "loss: of the highest, not the opening", LOSSES, "lost_e8 = worth.opening_e8 -", "lost_e8 = worth.highest_e8 -"
    ),
    Mutation(
        "loss: a drawdown of the equity that is left",
        LOSSES,
        "fallen_e16 <= worth.highest_e8 * limit_e8",
        "fallen_e16 <= worth.equity_e8 * limit_e8",
    ),
    Mutation("loss: a drawdown ends with the day", LOSSES, "loss.reason is _DAILY and now_us", "now_us"),
    Mutation("loss: a daily loss never ends", LOSSES, "now_us // DAY_US > loss.day", "False"),
    Mutation("loss: a day opens with what it is now", LOSSES, "day, worth.equity_e8\n", "day, equity_e8\n"),
    Mutation("loss: unrealised does not count", LOSSES, "equity_e8 += usage.net_e8 * symbol.mark_e8 // E8", "pass"),
    Mutation(
        "loss: every mark is looked at", LOSSES, "if now_us - rules.assessed_us < ASSESSED_EVERY_US:", "if False:"
    ),
    Mutation("loss: those who are flat are looked at", LOSSES, "        if usage.net_e8:\n", "        if True:\n"),
    Mutation("loss: nothing is taken out", LOSSES, "side, self._venue) > 0:", "side, self._venue) > 0 and False:"),
    Mutation("loss: what reduces is taken out", LOSSES, "side, self._venue) > 0:", "side, self._venue) > -(1 << 62):"),
    Mutation(
        "loss: a fill is not looked at", RISK, "if kind is _TRADE and self._limits.losses else ()", "if False else ()"
    ),
    Mutation("loss: a deposit is a profit", ACCOUNTS, "        if worth is not None:\n", "        if False:\n"),
    Mutation("loss: any decision ends it", MOVES, "        if control.resume:\n", "        if True:\n"),
    Mutation(
        "loss: one that reduces may place all",
        RISK,
        "if status is _REDUCING or order.reduce_only or",
        "if order.reduce_only or",
    ),
    Mutation(
        "loss: an amendment of one that reduces",
        RISK,
        "if refusal is None and (account.status is _REDUCING or",
        "if refusal is None and (False or",
    ),
    Mutation(
        "loss: reducing goes beyond flat",
        LIMITS,
        "if asked.more_e8 <= 0 or beyond_e8 <= 0:",
        "if asked.more_e8 <= 0 or beyond_e8 <= asked.more_e8:",
    ),
    Mutation(
        "loss: how it stands is not said", RISK, "if (account.status, account.loss) == before else (", "if True else ("
    ),
    Mutation("loss: a position is forgotten", RISK_STATE, "account.usage(symbol).net_e8 = net_e8", "pass"),
    Mutation(
        "loss: holders are forgotten",
        RISK,
        "                self._losses.follow(account, symbol, usage)",
        "                pass",
    ),
    # Dead man's timers
    Mutation(
        "a timer runs out late",
        TIMERS,
        "entry is None or entry[0] > now_us else",
        "entry is None or entry[0] >= now_us else",
    ),
    Mutation(
        "a renewed timer still runs out",
        TIMERS,
        "cancel_after_us == entry[0],",
        "cancel_after_us is not None,",
    ),
    Mutation(
        "a timer that was called off runs out",
        RISK,
        "deadline_us = record.ts_us + command.timeout_s * SECOND_US if command.timeout_s else None",
        "deadline_us = record.ts_us + (command.timeout_s or 0) * SECOND_US",
    ),
    Mutation("a timer runs out again and again", TIMERS, "        if not account.removable:", "        if False:"),
    Mutation("a timer takes out all orders in one tick", TIMERS, "take_out(most=room)", "take_out()"),
    Mutation(
        "a restart forgets a timer", RISK, "        self._timers = Timers(self._accounts)\n        for", "        for"
    ),
    Mutation("a state has no timers", RISK_STATE, "    account.cancel_after_us = item.cancel_after_us\n", ""),
    Mutation("a timer of two days", TIMERS, "if not 0 <= timeout_s <= TIMEOUT_S_MAX:", "if timeout_s < 0:"),
    Mutation(
        "a timer of one symbol is one of all",
        TIMERS,
        "if timeout_s is None or command.symbol is not None or command.side is not None:",
        "if timeout_s is None:",
    ),
    Mutation("a timer's removals have no reason", TIMERS, "Reason.TIMER_EXPIRED, now_us", "Reason.NONE, now_us"),
    # Checks
    Mutation("check: funds are held", ACCOUNTS, "        if not holds:\n", "        if False:\n"),
    Mutation("check: margin is held", ACCOUNTS, "if refusal is None and holds:", "if refusal is None:"),
    Mutation("check: a token is taken", RISK, "if refusal is None and holds:", "if refusal is None:"),
    Mutation(
        "check: it is remembered", RISK, "        if checks:\n", "        account.remember(order)\n        if checks:\n"
    ),
    Mutation("check: losses are looked at", RISK, " and command.kind is not _CHECK_COMMAND:", ":"),
    Mutation("check: a loss is not foreseen", RISK, "if checks else account.status", "if False else account.status"),
    Mutation(
        "check: foreseeing remembers",
        LOSSES,
        "passed = self._passed(account, worths, now_us)",
        "passed = self._passed(account, account.worths, now_us)",
    ),
    Mutation(
        "check: a repetition is a status",
        RISK,
        "        if command.kind is _CHECK_COMMAND:\n            return self._answers.refuse(record, command, why)\n",
        "",
    ),
    # Value at risk
    Mutation(
        "var: the hour that is not over counts", VALUE_AT_RISK, "        if at >= hour:\n", "        if at > hour:\n"
    ),
    Mutation("var: the first mark of an hour", VALUE_AT_RISK, "samples[-1] = hour, mark_e8", "pass"),
    Mutation("var: the worst of all scenarios", VALUE_AT_RISK, "[scenarios // SCENARIOS_PER_TAIL]", "[0]"),
    Mutation(
        "var: each symbol on its own",
        VALUE_AT_RISK,
        "losses_e16[number] -= value_e8 * move_e8",
        "losses_e16[number] += abs(value_e8 * move_e8)",
    ),
    Mutation(
        "var: what was counted stays", VALUE_AT_RISK, "if counted is None or counted[0] != hour:", "if counted is None:"
    ),
    Mutation("var: nothing is forgotten", VALUE_AT_RISK, "if samples[0][0] <= hour - HOURS_KEPT:", "if False:"),
    Mutation("var: moves of an hour", VALUE_AT_RISK, "zip(marks, marks[DAY_HOURS:]", "zip(marks, marks[1:]"),
    Mutation(
        "var: an hour without a mark is left out",
        VALUE_AT_RISK,
        "        marks += marks[-1:] * (at - first - len(marks))\n",
        "",
    ),
    Mutation(
        "var: other positions do not count",
        LIMITS,
        "values_e8[valued.symbol] = held_e8",
        "values_e8[valued.symbol] = 0 * held_e8",
    ),
    Mutation("var: a short position is a long one", LIMITS, "key=abs)", "key=lambda held: held)"),
    Mutation(
        "var: what makes it no worse is refused",
        LIMITS,
        "if after_e8 <= limit_e8 or after_e8 <= max(",
        "if after_e8 <= limit_e8 or after_e8 < 0 * max(",
    ),
    Mutation("var: the history is forgotten", RISK_STATE, "    history.load(state.history)\n", ""),
)
