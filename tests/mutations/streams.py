"""Mistakes in what clients are told: portfolios, alerts, and the gateway's channels."""

from typing import Final

from tests.mutations.mutation import Mutation

PORTFOLIOS = "workers/portfolios/core.py"
VALUATION = "workers/portfolios/valuation.py"
SUBSCRIPTIONS = "gateway/stream/subscriptions.py"
OUTBOX = "gateway/stream/outbox.py"
REPLAYS = "gateway/stream/replays.py"
CHANNEL = "gateway/stream/channel.py"
PRESSURE = "gateway/pressure.py"
DESK = "gateway/orders/desk.py"

STREAM_MUTATIONS: Final = (
    Mutation("a worth without what was bought", VALUATION, "            equity_e16 += value_e16\n", ""),
    Mutation("a short has no exposure", VALUATION, "exposure_e16 += abs(value_e16)", "exposure_e16 += value_e16"),
    Mutation("an exposure is rounded down", VALUATION, "-(-exposure_e16 // E8)", "exposure_e16 // E8"),
    Mutation(
        "what has no mark is worth nothing",
        VALUATION,
        "                is_known = False\n                break",
        "                continue",
    ),
    Mutation("cash accounts maintain margin", VALUATION, "is_known and kind is AccountKind.MARGIN", "is_known"),
    Mutation(
        "profit of the closed is forgotten",
        PORTFOLIOS,
        "portfolio.positions.values()\n        payload",
        "held\n        payload",
    ),
    Mutation(
        "a portfolio is never told again",
        PORTFOLIOS,
        "            self._refreshed[account] = None\n",
        "            pass\n",
    ),
    Mutation("a portfolio of nothing is told for ever", PORTFOLIOS, "if portfolio.holds():", "if True:"),
    Mutation("portfolios of one tick without a limit", PORTFOLIOS, "islice(self._changed, TOLD_MAX)", "self._changed"),
    Mutation("a breaker's halt is not told", PORTFOLIOS, " or self.phase is Phase.HALTED", ""),
    Mutation("the end of a halt is not told", PORTFOLIOS, "not (was_halted or halt.halted())", "not halt.halted()"),
    Mutation("a kill is a halt", PORTFOLIOS, "halt.killed = killed and", "halt.killed = False and"),
    Mutation("all shards tell of all accounts", PORTFOLIOS, " and self._owns(control.account)", ""),
    Mutation(
        "alerts without those of the symbols", SUBSCRIPTIONS, "for name in [*names, *beside]:", "for name in names:"
    ),
    Mutation("a book that waits grows", OUTBOX, "newest.channel.startswith(CONFLATED)", "False"),
    Mutation("trades are left out", OUTBOX, '("book:", "ticker:")', '("book:", "ticker:", "trades:")'),
    Mutation("the newest state never comes", OUTBOX, "                self.deliver(state)\n", ""),
    Mutation("what was left is told", OUTBOX, "        self._conflated.pop(channel, None)\n", "        pass\n"),
    Mutation("a client resumes one too late", OUTBOX, "message.sequence - 1}", "message.sequence}"),
    Mutation("a gap is resumed over", REPLAYS, "if first == sequence + 1 and is_whole", "if later"),
    Mutation("a hub that lags tells twice", REPLAYS, "is_older if heard is None else heard >= newest", "True"),
    Mutation("the log is read without a limit", REPLAYS, "self._asked >= limits.REPLAYS_WAITING_MAX", "False"),
    Mutation("an offset is taken for the next", CHANNEL, "message.offset > offset]", "message.offset >= offset]"),
    Mutation("what waits is as old as the newest look", PRESSURE, "next(at_s for", "max(at_s for"),
    Mutation("marks of transactions wait for ever", PRESSURE, "not is_waiting(shard, done, end)", "False"),
    Mutation("orders leave no room for cancels", PRESSURE, "limits.ORDERS_IN_FLIGHT_MAX", "10**9"),
    Mutation(
        "one shard holds back all",
        PRESSURE,
        "self._behind_s.get(partition_of(account, self._shards), 0.0)",
        "self.behind_s()",
    ),
    Mutation(
        "amendments are not kept back",
        DESK,
        "        self._require_no_pressure(identity.account)\n        command = amend_order",
        "        command = amend_order",
    ),
)
