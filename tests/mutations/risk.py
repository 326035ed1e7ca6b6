"""Mistakes in pre-trade risk: commands, answers, what the operator decides, and the state."""

from typing import Final

from tests.mutations.mutation import Mutation

SEALS = "workers/risk/seals.py"
PLACING = "workers/risk/placing.py"
CHANGES = "workers/risk/changes.py"
OUTCOMES = "workers/risk/outcomes.py"
RISK = "workers/risk/core.py"
ANSWERS = "workers/risk/answers.py"
RISK_STATE = "workers/risk/state.py"
CONTROLS = "schemas/controls.py"

RISK_MUTATIONS: Final = (
    Mutation(
        "an order that ended is cancelled again",
        CHANGES,
        "if order.status in FINAL:\n            return self._answers.report",
        "if False:\n            return self._answers.report",
    ),
    Mutation(
        "a suspended account trades",
        PLACING,
        "status not in TRADES or account.kind is AccountKind.UNKNOWN:\n"
        "            refusal = stopped(account)\n"
        "        if",
        "account.kind is AccountKind.UNKNOWN:\n            refusal = stopped(account)\n        if",
    ),
    Mutation(
        "a repeated command places again",
        PLACING,
        "if first is not None or order.stop is not None:",
        "if order.stop is not None:",
    ),
    Mutation(
        "one open order too many",
        PLACING,
        "if open_count >= account.open_orders_max:",
        "if open_count > account.open_orders_max:",
    ),
    Mutation(
        "two amendments at a time",
        CHANGES,
        "    if order.amend_id:\n        return Ref",
        "    if False:\n        return Ref",
    ),
    Mutation("what was received is not there", RISK, "        account.move(half.currency, half.amount_e8)\n", ""),
    Mutation(
        "a stopped strategy amends",
        CHANGES,
        "            if refusal is None and account.strategies:\n",
        "            if False:\n",
    ),
    Mutation(
        "a strategy's kill takes all of the account",
        RISK,
        "gone = account.take_out() if strategy is None else account.take_out_strategy(strategy)",
        "gone = account.take_out()",
    ),
    Mutation("a strategy is forgotten", RISK_STATE, "        sorted(account.strategies.items()),\n", "        [],\n"),
    Mutation(
        "liquidations are numbered anew",
        RISK_STATE,
        "            history.dump(),\n            liquidations,\n",
        "            history.dump(),\n            0,\n",
    ),
    Mutation("a liquidation is forgotten", RISK_STATE, "        account.liquidating,\n", "        False,\n"),
    Mutation(
        "a repeated command has today's default",
        PLACING,
        "default = account.self_trade_prevention if first is None else first.self_trade_prevention",
        "default = account.self_trade_prevention",
    ),
    Mutation("a refusal is numbered as the last one", ANSWERS, "        self.sequence += 1\n", ""),
    Mutation(
        "a forged seal passes",
        SEALS,
        "return None if verify_hmac(secret, record.value, seal) else Reason.SEAL_INVALID",
        "return None",
    ),
    Mutation(
        "a withdrawal leaves what may only reduce",
        RISK,
        "lost = overtaken(account, self._venue) if account.reduce_only else []",
        "lost: list[RiskOrder] = []",
    ),
    Mutation("an older state holds nothing", RISK_STATE, "    if behaviour < RESERVES_MARGIN:\n", "    if False:\n"),
    Mutation(
        "a repeated order forgets that it may only reduce",
        ANSWERS,
        "=order.notional_e8,\n            group_id=order.group_id,\n            reduce_only=order.reduce_only,",
        "=order.notional_e8,\n            group_id=order.group_id,",
    ),
    Mutation(
        "limit: an amendment takes no token",
        CHANGES,
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
    Mutation(
        "loss: a fill is not looked at", OUTCOMES, "if kind is _TRADE and self._losses.on else ()", "if False else ()"
    ),
    Mutation(
        "loss: one that reduces may place all",
        PLACING,
        "if status is _REDUCING or order.reduce_only or",
        "if order.reduce_only or",
    ),
    Mutation(
        "loss: an amendment of one that reduces",
        CHANGES,
        "if refusal is None and (account.status is _REDUCING or",
        "if refusal is None and (False or",
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
        "a timer that was called off runs out",
        CHANGES,
        "deadline_us = record.ts_us + command.timeout_s * SECOND_US if command.timeout_s else None",
        "deadline_us = record.ts_us + (command.timeout_s or 0) * SECOND_US",
    ),
    Mutation("a state has no timers", RISK_STATE, "    account.cancel_after_us = item.cancel_after_us\n", ""),
    Mutation("check: a token is taken", PLACING, "if refusal is None and holds:", "if refusal is None:"),
    Mutation(
        "check: it is remembered",
        PLACING,
        "            )\n        if checks:\n",
        "            )\n        account.remember(order)\n        if checks:\n",
    ),
    Mutation("check: losses are looked at", RISK, " and command.kind is not _CHECK_COMMAND:", ":"),
    Mutation("check: a loss is not foreseen", PLACING, "if checks else account.status", "if False else account.status"),
    Mutation(
        "check: a repetition is a status",
        PLACING,
        "        if command.kind is _CHECK_COMMAND:\n            return self._answers.refuse(record, command, why)\n",
        "",
    ),
    Mutation("var: the history is forgotten", RISK_STATE, "    history.load(state.history)\n", ""),
    Mutation(
        "oco: what was decided is still held",
        OUTCOMES,
        "            part(account, order, rules)\n",
        "            pass\n",
    ),
    Mutation(
        "oco: an amendment decides a pair",
        OUTCOMES,
        "_UNDECIDED: Final = (ExecutionKind.NEW, _AMENDED)",
        "_UNDECIDED: Final = (ExecutionKind.NEW,)",
    ),
    Mutation("oco: the second one is not asked", PLACING, "enumerate((order, stop)):", "enumerate((order,)):"),
    Mutation("oco: one open order is counted", PLACING, "holds=False, ahead=ahead)", "holds=False)"),
    Mutation(
        "oco: a quantity is amended",
        CHANGES,
        "if order.group_id is not None and command.quantity_e8 is not None and not order.brings():",
        "if False:",
    ),
    Mutation("oco: the dead one is amended", CHANGES, "    if not order.leaves_e8:\n", "    if False:\n"),
    Mutation(
        "oco: a snapshot forgets pairs",
        RISK_STATE,
        "                join(account, first, order)\n",
        "                pass\n",
    ),
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
        "the symbol's open orders are not counted",
        PLACING,
        "if rules.open_orders_max is not None:",
        "if rules.open_orders_max:",
    ),
    Mutation("a restart forgets what it looks at", RISK, "        self._sweeps.pending = sweeps\n", ""),
    Mutation(
        "a slid price is off the tick",
        OUTCOMES,
        "elif kind is _AMENDED or (order.slide and kind is _NEW):",
        "elif kind is _AMENDED:",
    ),
    Mutation("ticks do not go on", RISK, "        outputs += self._sweeps.go_on(record.ts_us)\n", ""),
    Mutation("a tier is not told to the book", ANSWERS, "if order.taker_fee_e8 is not None:", "if order.taker_fee_e8:"),
    Mutation(
        "a restart forgets volumes",
        RISK_STATE,
        "    account.volumes = {volume.currency: volume for volume in item.volumes}\n",
        "",
    ),
    Mutation("bracket: its names are anybody's", PLACING, "        account.promised.update(names_of(order))\n", ""),
    Mutation(
        "bracket: a restart forgets its names",
        RISK_STATE,
        "            account.promised.update(names_of(order))\n",
        "            pass\n",
    ),
    Mutation(
        "bracket: an amendment need not lie between",
        CHANGES,
        "                refusal = apart_refusal(order, command.price_e8)\n",
        "                pass\n",
    ),
    Mutation("bracket: off the new tick it stays", OUTCOMES, '("takes", "tick")', '("takes",)'),
    Mutation("bracket: of a type not taken it stays", OUTCOMES, '("takes", "tick")', '("tick",)'),
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
)
