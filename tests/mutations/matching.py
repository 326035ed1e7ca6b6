"""Mistakes in the books: how orders come, trade, change and go."""

from typing import Final

from tests.mutations.mutation import Mutation

TRADING = "workers/matching/trading.py"
MATCHER = "workers/matching/matcher.py"
EXECUTIONS = "workers/matching/executions.py"
SELF_TRADE = "workers/matching/self_trade.py"
BOOK = "workers/matching/book.py"
PLACING = "workers/matching/placing.py"
AMEND = "workers/matching/amend.py"
REMOVE = "workers/matching/remove.py"

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
        TRADING,
        "while leaves_e8 and keys and keys[-1] >= limit_key and",
        "while leaves_e8 and keys and",
    ),
    Mutation("an aggressor stops at its limit", TRADING, "keys[-1] >= limit_key and", "keys[-1] > limit_key and"),
    Mutation(
        "the newest is filled first",
        TRADING,
        "        maker = level.oldest\n        while",
        "        maker = level.newest\n        while",
    ),
    Mutation(
        "the taker pays the maker's fee",
        TRADING,
        "-(-last_notional_e8 * taker_fee_e8 // E8)",
        "-(-last_notional_e8 * book_fee_e8 // E8)",
    ),
    Mutation(
        "the maker's fee is rounded down",
        TRADING,
        "-(-last_notional_e8 * (book_fee_e8 if maker_fee_e8 is None else maker_fee_e8) // E8)",
        "last_notional_e8 * (book_fee_e8 if maker_fee_e8 is None else maker_fee_e8) // E8",
    ),
    Mutation(
        "the notional is rounded up",
        TRADING,
        "last_notional_e8 = price_e8 * last_e8 // E8",
        "last_notional_e8 = -(-price_e8 * last_e8 // E8)",
    ),
    Mutation(
        "a whole fill leaves the maker in the book",
        TRADING,
        "if last_e8 <= leaves_e8:\n                if maker",
        "if last_e8 < leaves_e8:\n                if maker",
    ),
    Mutation("a level keeps what was traded", TRADING, "                level.quantity_e8 -= last_e8\n", ""),
    Mutation(
        "self-trades happen", TRADING, "if maker_account == account and prevention is not _PREVENT_NONE:", "if False:"
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
        TRADING,
        "matcher.execution_id = execution_id + 1\n            taken",
        "matcher.execution_id = execution_id + 2\n            taken",
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
        "anybody's order is removed",
        REMOVE,
        "if found is None or found.account != order.account:",
        "if found is None:",
    ),
    Mutation(
        "a kill is one record's work, however large",
        REMOVE,
        "        if matcher.made() >= REMOVALS_MAX:\n            break\n",
        "",
    ),
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
        "marks trigger what looks at trades",
        BOOK,
        "return self.mark_e8 if by is TriggerBy.MARK else self.last_e8",
        "return self.mark_e8",
    ),
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
        "fill or kill looks beyond the breaker",
        MATCHER,
        "other.can_fill(order, worst_e8(book, order, other), TRADES_MAX)",
        "other.can_fill(order, order.price_e8, TRADES_MAX)",
    ),
    Mutation(
        "a notional is forgotten in executions",
        EXECUTIONS,
        "        or order.notional_e8 is not None\n",
        "",
    ),
    Mutation(
        "oco: the end of one leaves the other",
        MATCHER,
        "        if book.pairs:\n            settle(self, book, outputs, ts_us)\n",
        "",
    ),
    Mutation("oco: a refusal is of one", MATCHER, "return [*first, *unasked(stop)]", "return first"),
    Mutation("oco: a killed pair ends twice", REMOVE, "book.find(order.order_id) is order", "True"),
    Mutation(
        "an order trades without end",
        TRADING,
        "and keys[-1] >= limit_key and matcher.execution_id < last_id:",
        "and keys[-1] >= limit_key:",
    ),
    Mutation(
        "the parts of one order have no end",
        TRADING,
        "while leaves_e8 and maker is not None and matcher.execution_id < last_id:",
        "while leaves_e8 and maker is not None:",
    ),
    Mutation("an order rests where it would trade on", MATCHER, "why_stopped(self, book, other, order) or why", "why"),
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
        "the numbers of a removal are not told",
        MATCHER,
        "removal.correlation_id, **numbers)",
        "removal.correlation_id)",
    ),
    Mutation(
        "a maker's tier is not paid", TRADING, "book_fee_e8 if maker_fee_e8 is None else maker_fee_e8", "book_fee_e8"
    ),
    Mutation(
        "a tier is paid by who takes at once only", MATCHER, "            0,\n            order.maker_fee_e8,\n", ""
    ),
    Mutation("a taker's tier is not paid", PLACING, "if order.taker_fee_e8 is None else order.taker_fee_e8", ""),
    Mutation("what rests after trading has no tier", PLACING, "        maker_fee_e8=order.maker_fee_e8,\n", ""),
    Mutation(
        "bracket: an entry forgets its group",
        MATCHER,
        " or order.reduce_only or order.group_id is not None or order.strategy",
        " or order.reduce_only or order.strategy",
    ),
    Mutation("executions do not repeat a strategy", EXECUTIONS, "        strategy=terms.strategy,\n", ""),
    Mutation("a strategy alone is not repeated", EXECUTIONS, "        or order.strategy is not None\n", ""),
    Mutation(
        "what rests at once forgets its strategy",
        MATCHER,
        " or order.group_id is not None or order.strategy\n",
        " or order.group_id is not None\n",
    ),
    Mutation("a level beyond the edge is told twice", TRADING, " and not (changed and changed[-1] is level)", ""),
)
