"""Mistakes in pre-trade risk: limits, and what is used of them."""

from typing import Final

from tests.mutations.mutation import Mutation

LIMITS = "workers/risk/limits.py"
USAGE = "workers/risk/usage.py"
LIMIT_TABLE = "workers/risk/limit_table.py"
LOSSES = "workers/risk/losses.py"
VOLUMES = "workers/risk/volumes.py"
VALUE_AT_RISK = "workers/risk/value_at_risk.py"

RISK_LIMIT_MUTATIONS: Final = (
    Mutation("a margin is called at its edge", LOSSES, "margin[0] < margin[1]:", "margin[0] <= margin[1]:"),
    Mutation("a margin call never ends", LOSSES, "if self._margin_call(account, now_us) is not None:", "if True:"),
    Mutation(
        "cash accounts are called",
        LOSSES,
        "        if account.kind is not AccountKind.MARGIN:\n            return None\n",
        "",
    ),
    Mutation(
        "who holds what was paid in is not looked at",
        LOSSES,
        "            holders = holders | self._margined.get(rules.base, {})\n",
        "            pass\n",
    ),
    Mutation(
        "a fill is not followed",
        LOSSES,
        "            self._hold(account, rules.base, rules.quote)\n",
        "            pass\n",
    ),
    Mutation(
        "funds are no time to look",
        LOSSES,
        "        return self.assess(account, now_us)\n\n    def _hold",
        "        return ()\n\n    def _hold",
    ),
    Mutation("margin began with nobody", LOSSES, "        if began:\n", "        if False:\n"),
    Mutation(
        "a liquidation that a deposit ended goes on",
        LOSSES,
        "account.called = call is not None or account.liquidating",
        "account.called = call is not None",
    ),
    Mutation(
        "other orders overtake what may only reduce",
        LIMITS,
        "        reason = Reason.REDUCE_ONLY_OPEN\n",
        "        return None\n",
    ),
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
    Mutation("loss: every mark is looked at", LOSSES, "if now_us - rules.assessed_us < ASSESSED_EVERY_US or", "if"),
    Mutation("loss: those who are flat are looked at", LOSSES, "        if usage.net_e8:\n", "        if True:\n"),
    Mutation("loss: nothing is taken out", LOSSES, "side, self._venue) > 0:", "side, self._venue) > 0 and False:"),
    Mutation("loss: what reduces is taken out", LOSSES, "side, self._venue) > 0:", "side, self._venue) > -(1 << 62):"),
    Mutation(
        "loss: reducing goes beyond flat",
        LIMITS,
        "if asked.more_e8 <= 0 or beyond_e8 <= 0:",
        "if asked.more_e8 <= 0 or beyond_e8 <= asked.more_e8:",
    ),
    Mutation(
        "check: foreseeing remembers",
        LOSSES,
        "passed = self._passed(account, worths, now_us)",
        "passed = self._passed(account, account.worths, now_us)",
    ),
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
    Mutation("oco: both count in usage", USAGE, "        if partner is not None:\n", "        if False:\n"),
    Mutation("loss: who is left is not assessed", LOSSES, "                rules.assessed_to = name\n", ""),
    Mutation(
        "loss: the next tick assesses the same again",
        LOSSES,
        "(name for name in holders if name > before)",
        "holders",
    ),
    Mutation("loss: what is left stays in the book", LOSSES, "rest=len(removals) >= most)", "rest=False)"),
    Mutation("loss: what is left is forgotten by a restart", LOSSES, "if account.leaves:", "if False:"),
    Mutation("a symbol holds one order more", LIMITS, "if count > limit else None", "if count > limit + 1 else None"),
    Mutation(
        "today counts for the tier",
        VOLUMES,
        "today - FEE_VOLUME_DAYS <= self.day < today",
        "today - FEE_VOLUME_DAYS <= self.day <= today",
    ),
    Mutation("a day too many counts", VOLUMES, "FEE_VOLUME_DAYS <= day <", "FEE_VOLUME_DAYS - 1 <= day <"),
    Mutation(
        "the newest day counts for ever",
        VOLUMES,
        "if today - FEE_VOLUME_DAYS <= self.day < today",
        "if self.day < today",
    ),
    Mutation(
        "a day that was traded on is forgotten",
        VOLUMES,
        "if each[0] >= day - FEE_VOLUME_DAYS - 1]",
        "if each[0] >= day - FEE_VOLUME_DAYS + 1]",
    ),
    Mutation(
        "a tier begins above its volume", VOLUMES, "if tier.volume_e8 <= volume_e8", "if tier.volume_e8 < volume_e8"
    ),
    Mutation("the lowest tier holds", VOLUMES, "reversed(rules.fee_tiers)", "rules.fee_tiers"),
    Mutation(
        "a fill before the newest day is lost", VOLUMES, "        if day > self.day:\n", "        if day != self.day:\n"
    ),
    Mutation("a tier holds the symbol's fee", VOLUMES, "order.fee_rate_e8 = max(tier.maker_e8, tier.taker_e8)", "pass"),
)
