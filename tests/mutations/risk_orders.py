"""Mistakes in pre-trade risk: an order's own terms, the rules of its symbol, its strategy and its group."""

from typing import Final

from tests.mutations.mutation import Mutation

PRICES = "workers/risk/prices.py"
RULES = "workers/risk/rules.py"
ORDERS = "workers/risk/orders.py"
STRATEGIES = "workers/risk/strategies.py"
SWEEPS = "workers/risk/sweeps.py"
RISK_GROUPS = "workers/risk/groups.py"
BRACKETS = "workers/risk/brackets.py"

RISK_ORDER_MUTATIONS: Final = (
    Mutation(
        "a trigger in the past has a band of its own",
        PRICES,
        "            return max(mark_e8, trigger.price_e8)\n        return min(mark_e8, trigger.price_e8)",
        "            return trigger.price_e8\n        return trigger.price_e8",
    ),
    Mutation(
        "a moved trigger may be worth anything",
        RULES,
        "(command.price_e8, command.quantity_e8, command.trigger_price_e8) != (None, None, None)",
        "(command.price_e8, command.quantity_e8) != (None, None)",
    ),
    Mutation("a stopped strategy trades", STRATEGIES, "    if status is None:\n", "    if True:\n"),
    Mutation(
        "a suspended strategy may reduce",
        STRATEGIES,
        "    if status is not _REDUCING:\n        return Refusal(Reason.STRATEGY_SUSPENDED)\n",
        "",
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
        "an iceberg of any number of parts",
        RULES,
        "if display_e8 * DISPLAY_PARTS_MAX < order.quantity_e8:",
        "if False:",
    ),
    Mutation("an iceberg larger than its order", RULES, "if display_e8 > order.quantity_e8:", "if False:"),
    Mutation(
        "an order that slid is held at its old price",
        ORDERS,
        "                self.worst_price_e8 = self.price_e8 or 0\n",
        "",
    ),
    Mutation(
        "a moved trigger is another order",
        ORDERS,
        "(self.placed_trigger if self.placed_as else self.trigger)",
        "self.trigger",
    ),
    Mutation(
        "an amended order is another one",
        ORDERS,
        "price_e8, quantity_e8 = self.placed_as or (self.price_e8, self.quantity_e8)",
        "price_e8, quantity_e8 = self.price_e8, self.quantity_e8",
    ),
    Mutation(
        "a notional is held at its worst price",
        ORDERS,
        "return min(notional_e8, self.notional_e8 - self.cumulative_notional_e8)",
        "return notional_e8",
    ),
    Mutation(
        "what was spent stays held",
        ORDERS,
        "return min(notional_e8, self.notional_e8 - self.cumulative_notional_e8)",
        "return min(notional_e8, self.notional_e8)",
    ),
    Mutation(
        "what a notional buys is not learnt",
        ORDERS,
        "            elif self.notional_e8 is not None:\n                self._become(execution)\n",
        "",
    ),
    Mutation(
        "sells spend too",
        RULES,
        "order.side is not _BUY or order.quantity_e8 or",
        "order.quantity_e8 or",
    ),
    Mutation(
        "a notional is counted at the mark",
        RULES,
        "notional_e8 * E8 // rules.low_e8",
        "notional_e8 * E8 // (rules.mark_e8 or 1)",
    ),
    Mutation(
        "another notional is the same order",
        ORDERS,
        "            and self.notional_e8 == other.notional_e8\n",
        "",
    ),
    Mutation("oco: prices may lie anywhere", RISK_GROUPS, "return None if apart else", "return None if True else"),
    Mutation(
        "oco: the other id may be taken", RISK_GROUPS, "if stop.client_order_id in account.by_client_id:", "if False:"
    ),
    Mutation("oco: the stop is another order's", ORDERS, "            and self.stop == other.stop\n", ""),
    Mutation("a type that is not taken", RULES, "if types is not None and order.order_type not in types:", "if False:"),
    Mutation(
        "a time that is not taken", RULES, "if times is not None and order.time_in_force not in times:", "if False:"
    ),
    Mutation(
        "a finer lot takes orders out", SWEEPS, "before.lot_e8 % after.lot_e8 > 0", "before.lot_e8 != after.lot_e8"
    ),
    Mutation("a coarser tick takes nothing out", SWEEPS, "before.tick_e8 % after.tick_e8 > 0", "False"),
    Mutation(
        "a wider size takes orders out",
        SWEEPS,
        "after.quantity_min_e8 > before.quantity_min_e8 or",
        "after.quantity_min_e8 >= before.quantity_min_e8 or",
    ),
    Mutation(
        "the lot is asked of what was filled too",
        SWEEPS,
        "    if order.leaves_e8 % symbol.lot_e8:",
        "    if order.quantity_e8 % symbol.lot_e8:",
    ),
    Mutation(
        "an amendment under way is not judged", SWEEPS, "[order, _amended(order)] if order.amend_id", "[order] if order"
    ),
    Mutation("the rest is never looked at", SWEEPS, "while self.pending and room > 0:", "while self.pending:"),
    Mutation("an order leaves twice", SWEEPS, "    account.let_leave([order])\n", ""),
    Mutation(
        "immediate orders are taken out",
        SWEEPS,
        "if order.removing or not (order.may_rest() or order.waits):",
        "if False:",
    ),
    Mutation(
        "the first of two changes is forgotten",
        SWEEPS,
        "        if under_way is not None:\n",
        "        if False:\n",
    ),
    Mutation("bracket: more comes than would reduce", BRACKETS, "if room_e8 >= end.cumulative_e8 else", "if True else"),
    Mutation("bracket: parts of a lot come", BRACKETS, "else room_e8 // rules.lot_e8 * rules.lot_e8", "else room_e8"),
    Mutation(
        "bracket: what other symbols hold is sold",
        BRACKETS,
        "room_e8 = min(room_e8, balance.total_e8 - balance.reserved_e8)",
        "pass",
    ),
    Mutation("bracket: what comes may turn the position", BRACKETS, "        reduce_only=True,\n", ""),
    Mutation(
        "bracket: nothing comes after a cancel",
        BRACKETS,
        "end.reason is Reason.CANCELLED_BY_CLIENT and end.command_id is None",
        "end.reason is Reason.CANCELLED_BY_CLIENT",
    ),
    Mutation(
        "bracket: it comes after a cancel all",
        BRACKETS,
        "_TAKEN_OUT or with_all:",
        "_TAKEN_OUT:",
    ),
    Mutation("bracket: it comes after a kill", BRACKETS, "frozenset({Reason.KILLED, ", "frozenset({"),
    Mutation(
        "bracket: a suspended account places it",
        BRACKETS,
        "if account.status not in {AccountStatus.ACTIVE, AccountStatus.REDUCING}:",
        "if False:",
    ),
    Mutation(
        "bracket: a reducing account is not protected",
        BRACKETS,
        "{AccountStatus.ACTIVE, AccountStatus.REDUCING}",
        "{AccountStatus.ACTIVE}",
    ),
    Mutation(
        "bracket: a suspended strategy places it",
        BRACKETS,
        'if account.strategies.get(entry.strategy or "") is AccountStatus.SUSPENDED:',
        "if False:",
    ),
    Mutation(
        "bracket: its names are kept for ever",
        BRACKETS,
        "        account.promised.difference_update(names_of(entry))\n",
        "",
    ),
    Mutation(
        "bracket: an entry may close the position",
        BRACKETS,
        "entry.quantity_e8 <= opposite_e8:",
        "entry.quantity_e8 < opposite_e8:",
    ),
    Mutation(
        "bracket: prices lie around the mark",
        BRACKETS,
        "near.set_mark(entry.price_e8 or rules.mark_e8)",
        "near.set_mark(rules.mark_e8)",
    ),
    Mutation(
        "bracket: the price need not lie between",
        BRACKETS,
        " or apart_refusal(entry, near.mark_e8 or 0)\n",
        "\n",
    ),
    Mutation(
        "bracket: both may lie at the price",
        BRACKETS,
        "(away_e8 - price_e8) * way <= 0",
        "(away_e8 - price_e8) * way < 0",
    ),
    Mutation(
        "bracket: fat fingers of the stop",
        BRACKETS,
        "                refusal = fat_finger_refusal(limit_e8, each, near)\n",
        "                pass\n",
    ),
    Mutation(
        "bracket: a stop trades beyond the fat finger limit",
        BRACKETS,
        "            fat_finger_refusal(limit_e8, stop, rules)\n",
        "            pass\n",
    ),
    Mutation(
        "bracket: a late stop looks at its trigger", BRACKETS, "around_e8(rules, stop) or 0", "stop.trigger.price_e8"
    ),
    Mutation("bracket: the profit is not of the pair", BRACKETS, "        join(account, profit, stop)\n", ""),
    Mutation(
        "bracket: the symbol's fee",
        BRACKETS,
        "            take_tier(each, rules, account.volumes.get(rules.quote))\n",
        "",
    ),
    Mutation(
        "bracket: new rules are asked of the entry alone",
        SWEEPS,
        "else (*variants, *brought)",
        "else variants",
    ),
    Mutation("bracket: the profit is another order's", ORDERS, ", command.take_profit_price_e8)\n", ")\n"),
    Mutation(
        "older state: a field stands before those of a symbol that were there",
        RULES,
        "    mark_e8: int | None = None\n",
        "    newer_e8: int | None = None\n    mark_e8: int | None = None\n",
    ),
    Mutation(
        "older state: a field stands before those of an order that were there",
        ORDERS,
        "    worst_price_e8: int = 0\n",
        "    newer_e8: int = 0\n    worst_price_e8: int = 0\n",
    ),
    Mutation("bracket: its entry slides", BRACKETS, " or entry.slide:", ":"),
)
