"""Mistakes in the books: orders that wait, pairs, and orders for an amount."""

from typing import Final

from tests.mutations.mutation import Mutation

TRIGGERS = "workers/matching/triggers.py"
STOPS = "workers/matching/stops.py"
TRAILING = "workers/matching/trailing.py"
GROUPS = "workers/matching/groups.py"
SPENDING = "workers/matching/spending.py"

TRIGGER_MUTATIONS: Final = (
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
        "what is due may be moved",
        STOPS,
        "if waiting.due and order.trigger_price_e8 not in {None, trigger_e8}:",
        "if False:",
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
    Mutation(
        "triggered orders enter a book that has halted",
        STOPS,
        "and book.session.trades and trades_left(matcher)",
        "and trades_left(matcher)",
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
    Mutation(
        "triggered orders enter without end",
        STOPS,
        "book.session.trades and trades_left(matcher)",
        "book.session.trades",
    ),
    Mutation(
        "bracket: the stop is of another group",
        GROUPS,
        "member_id(pair.group_id, STOP_MEMBER)",
        "member_id(pair.order_id, STOP_MEMBER)",
    ),
    Mutation("bracket: the stop has a name of its own", GROUPS, "attached=is_attached(pair)", "attached=False"),
)
