"""Mistakes in pre-trade risk: accounts, their funds and their margin."""

from typing import Final

from tests.mutations.mutation import Mutation

HOLDING = "workers/risk/holding.py"
MOVES = "workers/risk/moves.py"
ACCOUNTS = "workers/risk/accounts.py"
TRANSFERS = "workers/risk/transfers.py"
MARGIN = "workers/risk/margin.py"
LIQUIDATION = "workers/risk/liquidation.py"
TIMERS = "workers/risk/timers.py"

RISK_FUNDS_MUTATIONS: Final = (
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
    Mutation("a strategy has no end", MOVES, '        account.strategies.pop(control.strategy or "", None)\n', ""),
    Mutation(
        "an order that ended is still its strategy's",
        ACCOUNTS,
        "if tagged is not None and tagged.pop(order.order_id, None) is not None and not tagged:",
        "if False:",
    ),
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
        "        if account.open_count():\n            return []\n",
        "",
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
    Mutation("a refused step is tried at once", LIQUIDATION, "now_us - order.command_us >= AGAIN_US:", "order:"),
    Mutation("less than a lot is liquidated", LIQUIDATION, "abs(held_e8) >= rules.lot_e8:", "held_e8:"),
    Mutation("a halted symbol is liquidated", LIQUIDATION, "if rules.trading and rules.symbol", "if rules.symbol"),
    Mutation(
        "two steps turn a holding round", LIQUIDATION, "steps.setdefault(rules.base,", "steps.setdefault(rules.symbol,"
    ),
    Mutation("liquidations have one id", LIQUIDATION, "        self.sequence += 1\n", "        self.sequence = 1\n"),
    Mutation(
        "one that is liquidated trades",
        ACCOUNTS,
        "if self.liquidating and (active or self.decided is AccountStatus.REDUCING):",
        "if False:",
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
        "what may only reduce is never forgotten",
        ACCOUNTS,
        "if side.pop(order.order_id, None) is not None and not side:",
        "if False:",
    ),
    Mutation(
        "the last coin cannot be spent",
        HOLDING,
        "    if balance is None or needed_e8 > available_e8:\n",
        "    if balance is None or needed_e8 >= available_e8:\n",
    ),
    Mutation(
        "an amendment is not covered", HOLDING, "            if more_e8 > available_e8:\n", "            if False:\n"
    ),
    Mutation("an amendment holds nothing until it is made", HOLDING, "    if order.amend_id:\n", "    if False:\n"),
    Mutation(
        "the worst cost has no fee",
        HOLDING,
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
        HOLDING,
        "order.amended_leaves_e8(leaves_e8), order.amend_fee_rate_e8",
        "order.amended_leaves_e8(leaves_e8), order.fee_rate_e8",
    ),
    Mutation("ended orders are never forgotten", ACCOUNTS, "if len(self.finals) > FINAL_ORDERS_MAX:", "if False:"),
    Mutation("loss: a deposit is a profit", ACCOUNTS, "        if worth is not None:\n", "        if False:\n"),
    Mutation("loss: any decision ends it", MOVES, "        if control.resume:\n", "        if True:\n"),
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
    Mutation("a timer runs out again and again", TIMERS, "        if not account.removable:", "        if False:"),
    Mutation("a timer takes out all orders in one tick", TIMERS, "take_out(most=room)", "take_out()"),
    Mutation("a timer of two days", TIMERS, "if not 0 <= timeout_s <= TIMEOUT_S_MAX:", "if timeout_s < 0:"),
    Mutation(
        "a timer of one symbol is one of all",
        TIMERS,
        "if timeout_s is None or command.symbol is not None or command.side is not None:",
        "if timeout_s is None:",
    ),
    Mutation("a timer's removals have no reason", TIMERS, "Reason.TIMER_EXPIRED, now_us", "Reason.NONE, now_us"),
    Mutation("check: funds are held", HOLDING, "    if not holds:\n", "    if False:\n"),
    Mutation("check: margin is held", HOLDING, "if refusal is None and holds:", "if refusal is None:"),
    Mutation(
        "oco: both are held",
        HOLDING,
        "return rise_e8(order.reserved_e8, needed_e8, partner.reserved_e8)",
        "return needed_e8 - order.reserved_e8",
    ),
    Mutation("an amendment pays the symbol's fee", HOLDING, "if order.taker_fee_e8 is None:", "if order:"),
    Mutation(
        "sells count for no volume", MOVES, "count(account.volumes, rules.quote", "count(account.volumes, rules.base"
    ),
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
        "a restart forgets a timer",
        TIMERS,
        "((a.cancel_after_us, name) for name, a in accounts.items() if a.cancel_after_us is not None)",
        "()",
    ),
    Mutation(
        "what a bracket brings is as old as its entry",
        ACCOUNTS,
        "(order.command_us, age_of(order.order_id))",
        "age_of(order.order_id)",
    ),
    Mutation("one symbol's refusal holds back all", LIQUIDATION, "and rules.symbol not in refused", "and not refused"),
)
