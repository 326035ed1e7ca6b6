"""Mistakes in pre-trade risk."""

from typing import Final

from tests.mutations.mutation import Mutation

PRICES = "workers/risk/prices.py"
RULES = "workers/risk/rules.py"
RISK = "workers/risk/core.py"
MOVES = "workers/risk/moves.py"
ACCOUNTS = "workers/risk/accounts.py"
ANSWERS = "workers/risk/answers.py"
LIMITS = "workers/risk/limits.py"
ORDERS = "workers/risk/orders.py"
RISK_STATE = "workers/risk/state.py"
USAGE = "workers/risk/usage.py"
LIMIT_TABLE = "workers/risk/limit_table.py"
LOSSES = "workers/risk/losses.py"
TRANSFERS = "workers/risk/transfers.py"
MARGIN = "workers/risk/margin.py"
LIQUIDATION = "workers/risk/liquidation.py"
STRATEGIES = "workers/risk/strategies.py"
TIMERS = "workers/risk/timers.py"
SWEEPS = "workers/risk/sweeps.py"
VOLUMES = "workers/risk/volumes.py"
CONTROLS = "schemas/controls.py"
VALUE_AT_RISK = "workers/risk/value_at_risk.py"
RISK_GROUPS = "workers/risk/groups.py"
BRACKETS = "workers/risk/brackets.py"

RISK_MUTATIONS: Final = (
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
    Mutation(
        "an order that ended is cancelled again",
        RISK,
        "if order.status in FINAL:\n            return self._answers.report",
        "if False:\n            return self._answers.report",
    ),
    Mutation(
        "a suspended account trades",
        RISK,
        "status not in _TRADES or account.kind is AccountKind.UNKNOWN:\n"
        "            refusal = _stopped(account)\n        if",
        "account.kind is AccountKind.UNKNOWN:\n            refusal = _stopped(account)\n        if",
    ),
    Mutation(
        "a repeated command places again",
        RISK,
        "if first is not None or order.stop is not None:",
        "if order.stop is not None:",
    ),
    Mutation(
        "one open order too many",
        RISK,
        "if open_count >= account.open_orders_max:",
        "if open_count > account.open_orders_max:",
    ),
    Mutation(
        "two amendments at a time",
        RISK,
        "    if order.amend_id:\n        return Ref",
        "    if False:\n        return Ref",
    ),
    Mutation(
        "reserved money is moved",
        TRANSFERS,
        "0 if balance is None else balance.total_e8 - balance.reserved_e8",
        "0 if balance is None else balance.total_e8",
    ),
    Mutation("what is sent stays too", TRANSFERS, "    account.move(currency, -amount_e8)\n", ""),
    Mutation("a transfer may take the margin", TRANSFERS, "if account.kind is AccountKind.MARGIN:", "if False:"),
    Mutation(
        "the giver gets it back",
        TRANSFERS,
        "account = taker if kind is TransferKind.RECEIVED else giver",
        "account = giver",
    ),
    Mutation(
        "a transfer keeps its equity",
        MARGIN,
        "(account.held_e8(quote) - (amount_e8 if currency == quote else 0)) * E8",
        "account.held_e8(quote) * E8",
    ),
    Mutation(
        "a transfer of the base leaves it held", MARGIN, "gone_e8 = amount_e8 if base == currency else 0", "gone_e8 = 0"
    ),
    Mutation(
        "a transfer is weighed in one currency", MARGIN, "if currency in {base, quote}})", "if currency == quote})"
    ),
    Mutation("what was received is not there", RISK, "        account.move(half.currency, half.amount_e8)\n", ""),
    Mutation("a stopped strategy trades", STRATEGIES, "    if status is None:\n", "    if True:\n"),
    Mutation(
        "a suspended strategy may reduce",
        STRATEGIES,
        "    if status is not _REDUCING:\n        return Refusal(Reason.STRATEGY_SUSPENDED)\n",
        "",
    ),
    Mutation(
        "a stopped strategy amends",
        RISK,
        "            if refusal is None and account.strategies:\n",
        "            if False:\n",
    ),
    Mutation(
        "a strategy's kill takes all of the account",
        RISK,
        "gone = account.take_out() if strategy is None else account.take_out_strategy(strategy)",
        "gone = account.take_out()",
    ),
    Mutation("a strategy has no end", MOVES, '        account.strategies.pop(control.strategy or "", None)\n', ""),
    Mutation(
        "an order that ended is still its strategy's",
        ACCOUNTS,
        "if tagged is not None and tagged.pop(order.order_id, None) is not None and not tagged:",
        "if False:",
    ),
    Mutation("a strategy is forgotten", RISK_STATE, "        sorted(account.strategies.items()),\n", "        [],\n"),
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
        "a short needs no maintenance",
        MARGIN,
        "abs(value_e16) * valued.maintenance_e8",
        "value_e16 * valued.maintenance_e8",
    ),
    Mutation("a liquidation begins with the call", LIQUIDATION, "LEVEL_PARTS: Final = 2", "LEVEL_PARTS: Final = 1"),
    Mutation("all is liquidated at once", LIQUIDATION, "STEP_PARTS: Final = 4", "STEP_PARTS: Final = 1"),
    Mutation(
        "a liquidation does not wait for what is open",
        LIQUIDATION,
        "if account.open_count() or _refused_lately(account, now_us):",
        "if _refused_lately(account, now_us):",
    ),
    Mutation("a short is sold", LIQUIDATION, "Side.SELL if held_e8 > 0 else Side.BUY", "Side.SELL"),
    Mutation(
        "a liquidation leaves what rests",
        LIQUIDATION,
        "removals = account.take_out(most=max(room, 0)) if holdings else []",
        "removals = []",
    ),
    Mutation(
        "a liquidation goes on to the end",
        LIQUIDATION,
        "margin[0] * (1 if account.liquidating else LEVEL_PARTS) >= margin[1]",
        "(margin[0] * LEVEL_PARTS >= margin[1] and not account.liquidating)",
    ),
    Mutation("a refused step is tried at once", LIQUIDATION, "and now_us - last.command_us < AGAIN_US", "and False"),
    Mutation("less than a lot is liquidated", LIQUIDATION, "abs(held_e8) >= rules.lot_e8:", "held_e8:"),
    Mutation("a halted symbol is liquidated", LIQUIDATION, "            if rules.trading:\n", "            if True:\n"),
    Mutation(
        "two steps turn a holding round", LIQUIDATION, "steps.setdefault(rules.base,", "steps.setdefault(rules.symbol,"
    ),
    Mutation("liquidations have one id", LIQUIDATION, "        self.sequence += 1\n", "        self.sequence = 1\n"),
    Mutation(
        "liquidations are numbered anew",
        RISK_STATE,
        "            history.dump(),\n            liquidations,\n",
        "            history.dump(),\n            0,\n",
    ),
    Mutation("a liquidation is forgotten", RISK_STATE, "        account.liquidating,\n", "        False,\n"),
    Mutation(
        "one that is liquidated trades",
        ACCOUNTS,
        "if self.liquidating and (active or self.decided is AccountStatus.REDUCING):",
        "if False:",
    ),
    Mutation(
        "a liquidation that a deposit ended goes on",
        LOSSES,
        "account.called = call is not None or account.liquidating",
        "account.called = call is not None",
    ),
    Mutation("a cash account is liquidated", LIQUIDATION, " if account.kind is AccountKind.MARGIN else None\n", "\n"),
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
        "lost = overtaken(account, self._venue) if account.reduce_only else []",
        "lost: list[RiskOrder] = []",
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
        MARGIN,
        "return max(abs(position_e8 + bought_e8), abs(position_e8 - sold_e8))",
        "return abs(position_e8 + bought_e8)",
    ),
    Mutation(
        "leverage is not used",
        MARGIN,
        "if exposure_e16 * E8 > equity_e16 * account.leverage_e8:",
        "if exposure_e16 > equity_e16:",
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
    Mutation(
        "a repeated order forgets that it may only reduce",
        "workers/risk/answers.py",
        "=order.notional_e8,\n            group_id=order.group_id,\n            reduce_only=order.reduce_only,",
        "=order.notional_e8,\n            group_id=order.group_id,",
    ),
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
        "loss: a fill is not looked at", RISK, "if kind is _TRADE and self._losses.on else ()", "if False else ()"
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
        "loss: how it stands is not said",
        RISK,
        "if not stands and (account.status, account.loss) != before:",
        "if False:",
    ),
    Mutation("loss: a position is forgotten", RISK_STATE, "account.usage(symbol).net_e8 = net_e8", "pass"),
    Mutation(
        "loss: holders are forgotten",
        RISK,
        "            self._losses.load(account)",
        "            pass",
    ),
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
    Mutation("check: funds are held", ACCOUNTS, "        if not holds:\n", "        if False:\n"),
    Mutation("check: margin is held", ACCOUNTS, "if refusal is None and holds:", "if refusal is None:"),
    Mutation("check: a token is taken", RISK, "if refusal is None and holds:", "if refusal is None:"),
    Mutation(
        "check: it is remembered",
        RISK,
        "            )\n        if checks:\n",
        "            )\n        account.remember(order)\n        if checks:\n",
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
    Mutation(
        "oco: both are held",
        ACCOUNTS,
        "return rise_e8(order.reserved_e8, needed_e8, partner.reserved_e8)",
        "return needed_e8 - order.reserved_e8",
    ),
    Mutation("oco: both count in usage", USAGE, "        if partner is not None:\n", "        if False:\n"),
    Mutation(
        "oco: what was decided is still held", RISK, "            account.part(order, rules)\n", "            pass\n"
    ),
    Mutation(
        "oco: an amendment decides a pair",
        RISK,
        "_UNDECIDED: Final = (ExecutionKind.NEW, _AMENDED)",
        "_UNDECIDED: Final = (ExecutionKind.NEW,)",
    ),
    Mutation("oco: the second one is not asked", RISK, "enumerate((order, stop)):", "enumerate((order,)):"),
    Mutation("oco: one open order is counted", RISK, "holds=False, ahead=ahead)", "holds=False)"),
    Mutation("oco: prices may lie anywhere", RISK_GROUPS, "return None if apart else", "return None if True else"),
    Mutation(
        "oco: the other id may be taken", RISK_GROUPS, "if stop.client_order_id in account.by_client_id:", "if False:"
    ),
    Mutation(
        "oco: a quantity is amended",
        RISK,
        "if order.group_id is not None and command.quantity_e8 is not None and not order.brings():",
        "if False:",
    ),
    Mutation("oco: the dead one is amended", RISK, "    if not order.leaves_e8:\n", "    if False:\n"),
    Mutation(
        "oco: a snapshot forgets pairs",
        RISK_STATE,
        "                account.join(first, order)\n",
        "                pass\n",
    ),
    Mutation("oco: the stop is another order's", ORDERS, "            and self.stop == other.stop\n", ""),
    Mutation("loss: who is left is not assessed", LOSSES, "                rules.assessed_to = name\n", ""),
    Mutation(
        "loss: new rules of a symbol begin its second anew",
        RISK,
        "rules.assessed_us, rules.assessed_to = before.assessed_us, before.assessed_to",
        "rules.assessed_to = before.assessed_to",
    ),
    Mutation(
        "loss: new rules of a symbol leave out who was still to be assessed",
        RISK,
        "rules.assessed_us, rules.assessed_to = before.assessed_us, before.assessed_to",
        "rules.assessed_us = before.assessed_us",
    ),
    Mutation(
        "loss: the next tick assesses the same again",
        LOSSES,
        "(name for name in holders if name > before)",
        "holders",
    ),
    Mutation("loss: what is left stays in the book", LOSSES, "rest=len(removals) >= most)", "rest=False)"),
    Mutation("loss: what is left is forgotten by a restart", LOSSES, "if account.leaves:", "if False:"),
    Mutation("a type that is not taken", RULES, "if types is not None and order.order_type not in types:", "if False:"),
    Mutation(
        "a time that is not taken", RULES, "if times is not None and order.time_in_force not in times:", "if False:"
    ),
    Mutation("a symbol holds one order more", LIMITS, "if count > limit else None", "if count > limit + 1 else None"),
    Mutation(
        "the symbol's open orders are not counted",
        RISK,
        "if rules.open_orders_max is not None:",
        "if rules.open_orders_max:",
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
    Mutation("a restart forgets what it looks at", RISK, "        self._sweeps.pending = sweeps\n", ""),
    Mutation(
        "a slid price is off the tick",
        RISK,
        "elif kind is _AMENDED or (order.slide and kind is _NEW):",
        "elif kind is _AMENDED:",
    ),
    Mutation("ticks do not go on", RISK, "        outputs += self._sweeps.go_on(record.ts_us)\n", ""),
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
    Mutation("an amendment pays the symbol's fee", ACCOUNTS, "if order.taker_fee_e8 is None:", "if order:"),
    Mutation(
        "sells count for no volume", MOVES, "count(account.volumes, rules.quote", "count(account.volumes, rules.base"
    ),
    Mutation("a tier is not told to the book", ANSWERS, "if order.taker_fee_e8 is not None:", "if order.taker_fee_e8:"),
    Mutation(
        "a restart forgets volumes",
        RISK_STATE,
        "    account.volumes = {volume.currency: volume for volume in item.volumes}\n",
        "",
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
        "bracket: its names are anybody's",
        RISK,
        "        account.promised.update(names_of(order))\n",
        "",
    ),
    Mutation(
        "bracket: a restart forgets its names",
        RISK_STATE,
        "            account.promised.update(names_of(order))\n",
        "            pass\n",
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
        "bracket: an amendment need not lie between",
        RISK,
        "                refusal = apart_refusal(order, command.price_e8)\n",
        "                pass\n",
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
    Mutation("bracket: the profit is not of the pair", BRACKETS, "        account.join(profit, stop)\n", ""),
    Mutation(
        "bracket: the symbol's fee",
        BRACKETS,
        "            take_tier(each, rules, account.volumes.get(rules.quote))\n",
        "",
    ),
    Mutation("bracket: off the new tick it stays", RISK, '("takes", "tick")', '("takes",)'),
    Mutation("bracket: of a type not taken it stays", RISK, '("takes", "tick")', '("tick",)'),
    Mutation(
        "bracket: new rules are asked of the entry alone",
        SWEEPS,
        "else (*variants, *brought)",
        "else variants",
    ),
    Mutation("bracket: the profit is another order's", ORDERS, ", command.take_profit_price_e8)\n", ")\n"),
    Mutation(
        "an order needs no initial margin",
        MARGIN,
        "                more_e32 += _more_e32(account, valued, held_e8 * valued.mark_e8)\n",
        "                pass\n",
    ),
    Mutation(
        "a transfer needs no initial margin",
        MARGIN,
        "                more_e32 += _more_e32(account, valued, exposed_e8 * valued.mark_e8)\n",
        "",
    ),
    Mutation(
        "the initial margin comes beside the leverage's",
        MARGIN,
        "account.leverage_e8 - E8 * E8, 0)",
        "account.leverage_e8, 0)",
    ),
    Mutation(
        "a leverage below the initial margin's asks for less",
        MARGIN,
        "max(rules.initial_e8 * account.leverage_e8 - E8 * E8, 0)",
        "(rules.initial_e8 * account.leverage_e8 - E8 * E8)",
    ),
    Mutation(
        "the whole equity covers no initial margin",
        MARGIN,
        "required_e32 <= equity_e16 * E8 * account.leverage_e8",
        "required_e32 < equity_e16 * E8 * account.leverage_e8",
    ),
    Mutation("the initial margin is rounded down", MARGIN, "-(-required_e32 // (", "(required_e32 // ("),
    Mutation(
        "an initial margin may lie below the maintenance margin",
        CONTROLS,
        "not max(margin_e8 or 0, 1) <= initial_e8",
        "not 1 <= initial_e8",
    ),
    Mutation(
        "a repeated order forgets its strategy",
        ANSWERS,
        "strategy=order.strategy,\n            **_terms(order),\n        )\n        return (",
        "**_terms(order),\n        )\n        return (",
    ),
    Mutation(
        "bracket: what does not come forgets its strategy",
        ANSWERS,
        "strategy=order.strategy,\n            **_terms(order),\n        )\n        return Output",
        "**_terms(order),\n        )\n        return Output",
    ),
    Mutation("a refused order forgets its strategy", ANSWERS, "            strategy=_echo(command.strategy),\n", ""),
    Mutation("the book is not told of a strategy", ANSWERS, "        or order.strategy is not None\n", ""),
    Mutation(
        "older state: a field stands before those of a symbol that were there",
        "workers/risk/rules.py",
        "    mark_e8: int | None = None\n",
        "    newer_e8: int | None = None\n    mark_e8: int | None = None\n",
    ),
    Mutation(
        "older state: a field stands before those of an order that were there",
        ORDERS,
        "    worst_price_e8: int = 0\n",
        "    newer_e8: int = 0\n    worst_price_e8: int = 0\n",
    ),
)
