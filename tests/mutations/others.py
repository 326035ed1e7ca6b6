"""Mistakes in what the stages share, in positions and in statistics."""

from typing import Final

from tests.mutations.mutation import Mutation

HEAP = "workers/kernel/heap.py"
TRIGGER_RULES = "schemas/triggers.py"
DECIDED = "schemas/decided.py"
PLAN = "schemas/sessions.py"
HOLDING = "workers/positions/holding.py"
LEDGER = "workers/positions/ledger.py"
POSITIONS = "workers/positions/core.py"
CANDLES = "workers/statistics/candles.py"
CONTROLS = "workers/kernel/controls.py"
UNITS = "schemas/units.py"
STATES = "schemas/order_states.py"

OTHER_MUTATIONS: Final = (
    Mutation("leftovers are never swept", HEAP, "if len(self._entries) >= self._sweep_at:", "if False:"),
    Mutation("who came between is not seen", DECIDED, "self._came_after[control.control_id] = control, before", "pass"),
    Mutation("what came since is written over", DECIDED, " and self.newest(control) is control:", ":"),
    Mutation("what cannot be is written again", DECIDED, "restored if self.gate.error(again) else again", "again"),
    Mutation("who is disturbed twice is not told", DECIDED, "if before is not control:", "if False:"),
    Mutation("a change undoes what came between", DECIDED, "if name not in changes}", "if name in changes}"),
    Mutation("a take-profit is a stop", TRIGGER_RULES, "is not (order_type is OrderType.TAKE_PROFIT)", "is not False"),
    Mutation("a plan begins too late", PLAN, "self.steps[0][0] <= now_us", "self.steps[0][0] < now_us"),
    Mutation(
        "a plan keeps what was replaced", PLAN, "        self.withdraw(effective_us)\n        if len", "        if len"
    ),
    Mutation("a plan without a limit", PLAN, "if len(self.steps) >= PLANNED_MAX:", "if False:"),
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
    Mutation(
        "what is on its way is made twice",
        POSITIONS,
        "{TransferKind.SENT: -1, TransferKind.RECEIVED: 1}",
        "{TransferKind.SENT: -1, TransferKind.RECEIVED: 1, TransferKind.REFUSED: 1}",
    ),
    Mutation(
        "a transfer comes out of nothing",
        LEDGER,
        "return self._post(LedgerKind.TRANSFER, TRANSIT,",
        "return self._post(LedgerKind.TRANSFER, WORLD,",
    ),
    Mutation(
        "a position forgets whose request it was", POSITIONS, "None if fill is None else fill.correlation_id", "None"
    ),
    Mutation(
        "postings forget whose request it was", LEDGER, "correlation_id = fill.correlation_id", "correlation_id = None"
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
)
