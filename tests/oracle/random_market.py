"""A market of random decisions around pre-trade risk: accounts, orders, fills, marks, funds, changes of rules.

Every step is told to the desk and, if there is one, to the naive model; what the desk answers is compared with it.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random

from msgspec.structs import replace

from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    GroupKind,
    Message,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)
from schemas.units import E8, fee_e8, notional_e8
from tests.oracle.naive_funds import NaiveFunds, OpenOrder
from tests.oracle.naive_limits import DAY, NaiveLimits, Why
from tests.oracle.naive_losses import NaiveLosses
from tests.oracle.naive_timers import NaiveTimers
from tests.oracle.order_stream import members
from tests.oracle.risk_desk import Desk
from workers.kernel.stage import Output

ACCOUNTS = ("cash", "purse", "margin")
SYMBOLS = {"BTC-USD": ("BTC", "USD", 1000), "ETH-USD": ("ETH", "USD", 50), "BTC-EUR": ("BTC", "EUR", 900)}
STRATEGIES = ("trend", "pairs")
CURRENCIES = ("USD", "EUR", "BTC", "ETH")
INITIAL = (None, E8 // 10, E8 // 2, E8, E8)
MAINTENANCE = (None, None, E8 // 20, E8 // 4, E8 * 3 // 4)
ENDS = (*[Reason.CANCELLED_BY_CLIENT] * 5, Reason.KILLED, Reason.TIMER_EXPIRED, Reason.MARGIN_CALL)
RATES = (0, 1, 100_000, 250_000, E8 // 3)


class RandomMarket:
    """Starts with three symbols and three accounts; `step` makes one random decision."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.desk = Desk()
        self.naive = NaiveFunds()
        self.limits = NaiveLimits(self.naive)
        self.losses = NaiveLosses(self.limits)
        self.timers = NaiveTimers()
        self.open: dict[int, Order] = {}
        self.filled: dict[int, int] = {}
        self.placed: dict[int, Order] = {}
        """As they were before amendments."""
        self.amends: dict[int, Order] = {}
        """Amendments that the book has not answered, by order."""
        self.tags: dict[int, str | None] = {}
        """The strategy that each order named."""
        self.stopped: dict[tuple[str, str | None], AccountStatus] = {}
        """What the operator decided about strategies, by account and name."""
        self.refused: dict[str, dict[str, int]] = {}
        """By account and symbol: when the step of a liquidation was placed that the book refused; until others end."""
        self.entries: dict[int, tuple[int, int, int | None]] = {}
        """Of each open entry of a bracket: where its profit is taken, the trigger of its stop, the limit of that."""
        self.rates: dict[str, int] = {}
        self.tiers: dict[str, list[tuple[int, int, int]]] = {}
        """Volume, maker's and taker's fee of each symbol's tiers."""
        self.largest: dict[str, int | None] = {}
        """Largest quantity of each symbol."""
        for symbol, (base, quote, price) in SYMBOLS.items():
            self.naive.pairs[symbol] = (base, quote)
            self.naive.marks[symbol] = price * E8
            self._set_symbol(symbol)
        for account in ACCOUNTS:
            self._set_account(account, 3 if account == "margin" else None)
            for currency in CURRENCIES:
                self._fund(account, currency, rng.randint(1, 5000 * E8))

    def step(self) -> None:
        actions = [
            self._place,
            self._place,
            self._place,
            self._pair,
            self._bracket,
            self._bracket,
            self._end_entry,
            self._fill,
            self._fill,
            self._trigger,
            self._end,
            self._cancel,
            self._amend,
            self._amend,
            self._amended,
            self._repeat,
            self._mark,
            self._funds,
            self._transfer,
            self._stop_strategy,
            self._rules,
            self._kind,
            self._limit,
            self._wait,
            self._cancel_all,
            self._cancel_after,
            self._cancel_after,
            self._tick,
            self._taken_out,
        ]
        self.rng.choice(actions)()

    def end_all(self) -> None:
        """End every open order."""
        while self.open:
            self._end()

    def check(self) -> None:
        """What the desk holds is what the model counts again from all open orders."""
        for account in ACCOUNTS:
            for currency in CURRENCIES:
                expected = (self.naive.total(account, currency), self.naive.reserved(account, currency))
                assert self.desk.balance(account, currency) == expected, (account, currency)
            stands = [state for state in self.desk.stands if state.account == account]
            why = self.losses.lost.get(account, (None, 0))[0]
            said = stands[-1]
            status, reason = "REDUCING" if why else "ACTIVE", why and why[0]
            if account in self.losses.liquidating:
                status, reason = "SUSPENDED", "LIQUIDATION"
            assert (said.status, said.sequence) == (status, len(stands))
            assert (said.reason, (why or (None,) * 4)[1:]) == (
                reason or "NONE",
                (said.currency, said.limit_e8, said.actual_e8),
            )

    # The operator

    def _set_symbol(self, symbol: str) -> None:
        base, quote, price = SYMBOLS[symbol]
        maker, taker = self.rng.choice(RATES), self.rng.choice(RATES)
        self.rates[symbol] = max(maker, taker)
        maintenance = self.losses.maintenance[symbol] = self.rng.choice(MAINTENANCE)
        initial = self.rng.choice(INITIAL)
        initial = self.naive.initial[symbol] = None if initial is None else max(initial, maintenance or 0)
        volumes = {self.rng.randint(1, 20_000 * E8) for _ in range(self.rng.choice((0, 0, 1, 3)))}
        tiers = self.tiers[symbol] = [
            (volume, self.rng.choice(RATES), self.rng.choice(RATES)) for volume in sorted(volumes)
        ]
        self.timers.leaving.update(order.order_id for order in self.desk.removed)
        before, known = self.largest.get(symbol), symbol in self.largest
        largest = self.largest[symbol] = self.rng.choice((None, None, None, 3 * E8, 2 * E8))
        removed = self.desk.symbol(
            symbol=symbol,
            base=base,
            quote=quote,
            tick_e8=1,
            lot_e8=1,
            quantity_min_e8=None,
            notional_min_e8=None,
            notional_max_e8=None,
            quantity_max_e8=largest,
            price_band_e8=9 * E8 // 10,
            reference_price_e8=price * E8,
            maker_fee_e8=maker,
            taker_fee_e8=taker,
            maintenance_margin_e8=maintenance,
            initial_margin_e8=initial,
            fee_tiers=",".join("/".join(map(str, tier)) for tier in tiers) or None,
        )
        narrower = known and largest is not None and (before is None or largest < before)
        expected = self._beyond(symbol, largest) if narrower and largest is not None else []
        assert sorted(map(_why_removed, removed), key=_by_age) == expected
        self.timers.leaving.update(order_id for _, order_id, *_ in expected)

    def _beyond(self, symbol: str, largest: int) -> list[tuple[str, int, str, int | None, int | None]]:
        """Resting orders that are larger than that, or would become so: account by account, oldest first."""
        found = []
        for order_id, order in self.open.items():
            rests = order.order_type is OrderType.LIMIT or order.trigger_by is not None
            if order.symbol == symbol and rests and order_id not in self.timers.leaving:
                amend = self.amends.get(order_id)
                quantities = [order.quantity_e8, *([amend.quantity_e8] if amend else [])]
                too_large = [quantity for quantity in quantities if quantity > largest]
                if too_large:
                    found.append((order.account, order_id, "QUANTITY_TOO_LARGE", largest, too_large[0]))
        return sorted(found, key=_by_age)

    def _at_most(self, symbol: str, quantity_e8: int) -> int:
        largest = self.largest[symbol]
        return quantity_e8 if largest is None else max(min(quantity_e8, largest), -largest)

    def _too_large(self, symbol: str, quantity_e8: int) -> Why:
        largest = self.largest[symbol]
        return None if largest is None or quantity_e8 <= largest else ("QUANTITY_TOO_LARGE", largest, quantity_e8)

    def _set_account(self, account: str, leverage: int | None, *, resume: bool = False) -> None:
        kind = AccountKind.CASH if leverage is None else AccountKind.MARGIN
        self.naive.leverage[account] = None if leverage is None else leverage * E8
        leverage_e8 = None if leverage is None else leverage * E8
        status = AccountStatus.ACTIVE
        self.desk.account(account, account_kind=kind, account_status=status, leverage_e8=leverage_e8, resume=resume)
        if resume:
            self.losses.resume(account, self.desk.ts_us)
        elif self.losses.margins():
            self.losses.look(account, self.desk.ts_us)

    def _fund(self, account: str, currency: str, amount_e8: int) -> None:
        before = len(self.desk.removed)
        self.desk.aside(self.desk.funds(account, currency, amount_e8))
        self.naive.move(account, currency, amount_e8)
        self.losses.paid.append((account, currency, amount_e8))
        if self.losses.margins():
            self.losses.look(account, self.desk.ts_us)
        self._overtaken(before, account)

    def _overtaken(self, before: int, *accounts: str) -> None:
        """Funds have moved: reduce-only orders that would do more are taken out, if nothing else has done that."""
        taken = self.desk.removed[before:]
        others = [order for order in self.desk.removed if order not in taken or order.reason is not Reason.REDUCE_ONLY]
        self.timers.leaving.update(order.order_id for order in others)
        expected = {
            order_id
            for order_id, naive in self.naive.orders.items()
            if naive.account in accounts and naive.reduces and self.limits.room(naive) < 0
        }
        found = {order.order_id for order in taken if order.reason is Reason.REDUCE_ONLY}
        assert found == expected - self.timers.leaving
        self.timers.leaving |= found

    def _funds(self) -> None:
        amount_e8 = self.rng.randint(-1000 * E8, 1000 * E8) or 1
        self._fund(self.rng.choice(ACCOUNTS), self.rng.choice(CURRENCIES), amount_e8)

    def _transfer(self) -> None:
        """From one account to another, of what is often about all that it has."""
        giver, taker = self.rng.sample(ACCOUNTS, 2)
        currency = self.rng.choice(CURRENCIES)
        free_e8 = max(self.naive.total(giver, currency) - self.naive.reserved(giver, currency), 1)
        amount_e8 = self.rng.choice((free_e8, free_e8 + 1, self.rng.randint(1, free_e8), self.rng.randint(1, 10**12)))
        expected = self.naive.transfer_refusal(giver, currency, amount_e8)
        before = len(self.desk.removed)
        refusal = self.desk.transfer(giver, taker, currency, amount_e8)
        assert refusal == expected
        if refusal is None:
            for account, moved_e8 in ((giver, -amount_e8), (taker, amount_e8)):
                self.naive.move(account, currency, moved_e8)
                self.losses.paid.append((account, currency, moved_e8))
        if self.losses.margins():
            self.losses.look(giver, self.desk.ts_us)
        if self.losses.margins() and refusal is None:
            self.losses.look(taker, self.desk.ts_us)
        self._overtaken(before, *(() if refusal is not None else (giver, taker)))

    def _stop_strategy(self) -> None:
        """A strategy is stopped, in some cases with what rests of it, or goes on."""
        account, strategy = self.rng.choice(ACCOUNTS), self.rng.choice(STRATEGIES)
        status = self.rng.choice((AccountStatus.ACTIVE, AccountStatus.REDUCING, AccountStatus.SUSPENDED))
        self.stopped[account, strategy] = status
        kills = status is not AccountStatus.ACTIVE and not self.rng.randint(0, 1)
        fields = {"account": account, "strategy": strategy, "account_status": status, "cancel_open": kills}
        outputs = self.desk.control(ControlKind.STRATEGY, **fields)
        removed = [o.message for o in outputs if isinstance(o.message, Order) and o.message.reason is Reason.KILLED]
        self.desk.aside([output for output in outputs if output.message not in removed])
        if self.losses.margins():
            self.losses.look(account, self.desk.ts_us)
        self.timers.leaving.update(order.order_id for order in self.desk.removed)
        owners = [(number, account) for number, owner in self._owners() if owner == account and kills]
        meant = [(number, owner) for number, owner in owners if self.tags[number] == strategy]
        assert [each.order_id for each in removed] == self.timers.cancel_all(account, meant)

    def _strategy_refusal(self, strategy: str | None, new: OpenOrder, before: OpenOrder | None) -> Why:
        status = self.stopped.get((new.account, strategy), AccountStatus.ACTIVE)
        if status is AccountStatus.SUSPENDED:
            return "STRATEGY_SUSPENDED", None, None
        reducing = status is AccountStatus.REDUCING
        reduces = self.limits.reducing_refusal(new, before, lost=True) if reducing else None
        return None if reduces is None else ("STRATEGY_REDUCING", *reduces[1:])

    def _rules(self) -> None:
        self._set_symbol(self.rng.choice(list(SYMBOLS)))

    def _kind(self) -> None:
        resume = not self.rng.randint(0, 2)
        self._set_account(self.rng.choice(ACCOUNTS), self.rng.choice((None, None, 1, 5)), resume=resume)

    def _limit(self) -> None:
        """Other limits for some accounts and symbols, and most often none."""
        chance = self.rng
        drawn = {
            "max_order_size_e8": chance.randint(E8, 4 * E8),
            "max_position_size_e8": chance.randint(0, 60 * E8),
            "max_daily_volume_e8": chance.randint(0, 20_000 * E8),
            "max_open_orders": chance.randint(0, 8),
            "fat_finger_limit_e8": chance.randint(0, E8),
            "concentration_limit_e8": chance.randint(0, 2 * E8),
            "max_leverage_e8": chance.randint(0, 3 * E8),
        }
        fields = {name: value for name, value in drawn.items() if not chance.randint(0, 5)}
        if not chance.randint(0, 3):
            fields |= {"trade_frequency": chance.randint(1, 5), "trade_frequency_s": chance.choice((1, 7, 60))}
        account, symbol = chance.choice((None, *ACCOUNTS)), chance.choice((None, *SYMBOLS))
        if symbol is None and not chance.randint(0, 1):
            drawn = {"max_daily_loss_e8": chance.randint(0, 2000 * E8), "max_drawdown_e8": chance.randint(0, E8)}
            fields |= {name: value for name, value in drawn.items() if chance.randint(0, 2)}
        self.desk.control(ControlKind.LIMITS, account=account, symbol=symbol, **fields)
        self.limits.records.append((account, symbol, fields))
        if not self.losses.anywhere():
            self.losses.forget()

    def _wait(self) -> None:
        self.desk.ts_us += self.rng.choice((0, 300_000, 2_000_000, 9_000_000, 40_000_000_000, 40_000_000_000, 15 * DAY))

    def _mark(self) -> None:
        symbol = self.rng.choice(list(SYMBOLS))
        price_e8 = SYMBOLS[symbol][2] * self.rng.randint(E8 // 2, 3 * E8 // 2)
        self.naive.marks[symbol] = price_e8
        self.desk.mark(price_e8, symbol)
        self.losses.mark(symbol, self.desk.ts_us)

    # Accounts

    def _place(self) -> None:
        account, symbol = self.rng.choice(ACCOUNTS), self.rng.choice(list(SYMBOLS))
        side = self.rng.choice((Side.BUY, Side.SELL))
        mark_e8 = self.naive.marks[symbol]
        low_e8, high_e8 = -(-mark_e8 // 10), mark_e8 * 19 // 10
        market = not self.rng.randint(0, 4)
        price_e8 = None if market else self.rng.randint(low_e8, high_e8)
        worst_e8 = price_e8 or (high_e8 if side is Side.BUY else low_e8)
        quantity_e8 = self.rng.choice((self.rng.randint(1, 1000), self.rng.randint(1, 4 * E8)))
        spends = market and side is Side.BUY and self.rng.random() < 0.5
        budget_e8 = self.rng.randint(low_e8, 4 * low_e8) if spends else None
        asked: dict[str, int | None] = {"quantity_e8": quantity_e8}
        if budget_e8 is not None:
            asked = {"quantity_e8": None, "notional_e8": budget_e8}
            quantity_e8 = math.floor(Fraction(budget_e8, low_e8) * E8)
        strategy = self.rng.choice((None, *STRATEGIES))
        fields = {
            "client_order_id": f"id-{self.desk.offsets.get('commands', 0)}",
            "symbol": symbol,
            "side": side,
            "order_type": OrderType.MARKET if market else OrderType.LIMIT,
            "time_in_force": TimeInForce.IOC if market else TimeInForce.GTC,
            "price_e8": price_e8,
            **asked,
            "strategy": strategy,
        }
        checked = self.desk.check(account, **fields) if not self.rng.randint(0, 3) else None
        answer = self.desk.place(account, **fields)
        if checked is not None:
            refused = answer if isinstance(answer, Execution) else None
            assert checked == (
                (refused.reason, refused.limit_e8, refused.actual_e8) if refused else (Reason.NONE, None, None)
            )
        new = OpenOrder(account, symbol, side.value, worst_e8, quantity_e8, self.rates[symbol], budget=budget_e8)
        self._pays(answer, new)
        self._compare(answer, new, strategy, priced=not market)

    def _pays(self, answer: Message, *orders: OpenOrder) -> None:
        """New orders of an account in a symbol pay the fees of its tier, if it has reached one."""
        tier = self._tier(orders[0].account, orders[0].symbol)
        for new in orders:
            if tier is not None:
                new.fee_rate, new.tiered = max(tier), True
        if isinstance(answer, Order):
            assert (answer.maker_fee_e8, answer.taker_fee_e8) == (tier or (None, None))

    def _tier(self, account: str, symbol: str) -> tuple[int, int] | None:
        """The fees of what the account traded in the thirty days before today, for the same currency."""
        today, quote = self.desk.ts_us // DAY, self.naive.pairs[symbol][1]
        volume = sum(
            value
            for who, at, value, when in self.limits.fills
            if who == account and self.naive.pairs[at][1] == quote and today - 30 <= when // DAY < today
        )
        reached = [tier for tier in self.tiers[symbol] if tier[0] <= volume]
        return reached[-1][1:] if reached else None

    def _account_refusal(self, new: OpenOrder, strategy: str | None, *, priced: bool, ahead: int = 0) -> Why:
        """Why an account cannot bear a new order."""
        why = self.limits.reducing_refusal(new, None, lost=new.account in self.losses.lost)
        why = why or self._strategy_refusal(strategy, new, None)
        why = why or self.limits.refusal(new, new.leaves, self.desk.ts_us, None, priced=priced, ahead=ahead)
        return why or self.naive.refusal(new)

    def _compare(
        self,
        answer: Message,
        new: OpenOrder,
        strategy: str | None,
        *,
        priced: bool,
        why: Callable[[], Why] | None = None,
    ) -> None:
        """What a new order was answered; `why` says what else may be wrong, before what the account can bear."""
        now_us = self.desk.ts_us
        self.losses.look(new.account, now_us)
        stopped = ("LIQUIDATION", None, None) if new.account in self.losses.liquidating else None
        expected = stopped or self._too_large(new.symbol, new.leaves) or (why and why())
        expected = expected or self._account_refusal(new, strategy, priced=priced)
        if isinstance(answer, Order):
            self.limits.passes(new, now_us)
            assert expected is None
            assert (answer.price_e8, answer.quantity_e8, answer.notional_e8) == (
                new.worst_price,
                new.leaves,
                new.budget,
            )
            assert answer.strategy == strategy
            self.open[answer.order_id] = self.placed[answer.order_id] = answer
            self.filled[answer.order_id] = 0
            self.tags[answer.order_id] = strategy
            self.naive.orders[answer.order_id] = new
        else:
            assert isinstance(answer, Execution)
            if answer.reason is not Reason.LIQUIDATION:
                self._over(new.account)
            assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected

    def _pair(self) -> None:
        """A limit order and a stop order of which one cancels the other."""
        strategy = self.rng.choice((None, *STRATEGIES))
        account, symbol = self.rng.choice(ACCOUNTS), self.rng.choice(list(SYMBOLS))
        side = self.rng.choice((Side.BUY, Side.SELL))
        mark_e8, buys = self.naive.marks[symbol], side is Side.BUY
        low_e8, high_e8 = sorted(self.rng.randint(-(-mark_e8 // 10), mark_e8 * 19 // 10) for _ in range(2))
        price_e8, trigger_e8 = (low_e8, high_e8 + 1) if buys else (high_e8 + 1, low_e8)
        price_e8 = min(price_e8, mark_e8 * 19 // 10)
        near_e8 = max(mark_e8, trigger_e8) if buys else min(mark_e8, trigger_e8)
        worst_e8 = near_e8 * 19 // 10 if buys else -(-near_e8 // 10)
        limited = bool(self.rng.randint(0, 1))
        if limited:
            worst_e8 = self.rng.randint(*sorted((near_e8, worst_e8)))
        quantity_e8 = self.rng.choice((self.rng.randint(1, 1000), self.rng.randint(1, 4 * E8)))
        fields = {
            "client_order_id": f"id-{self.desk.offsets.get('commands', 0)}",
            "symbol": symbol,
            "side": side,
            "price_e8": price_e8,
            "quantity_e8": quantity_e8,
            "group": GroupKind.OCO,
            "strategy": strategy,
            "trigger_price_e8": trigger_e8,
            "stop_price_e8": worst_e8 if limited else None,
        }
        if price_e8 <= trigger_e8 and not buys:
            return  # the highest price that there can be
        checked = self.desk.check(account, **fields) if not self.rng.randint(0, 3) else None
        answer, now_us = self.desk.place(account, **fields), self.desk.ts_us
        first = OpenOrder(account, symbol, side.value, price_e8, quantity_e8, self.rates[symbol])
        stop = OpenOrder(account, symbol, side.value, worst_e8, quantity_e8, self.rates[symbol], near=near_e8)
        self._pays(answer, first, stop)
        self.losses.look(account, now_us)
        expected = ("LIQUIDATION", None, None) if account in self.losses.liquidating else None
        for ahead, (new, priced) in enumerate(((first, True), (stop, limited))):
            expected = expected or self._too_large(symbol, quantity_e8)
            expected = expected or self._account_refusal(new, strategy, priced=priced, ahead=ahead)
        if isinstance(answer, Execution):
            if answer.reason is not Reason.LIQUIDATION:
                self._over(account)
            assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected
            assert checked in {None, expected}
            return
        assert expected is None
        assert checked in {None, (Reason.NONE, None, None)}
        assert isinstance(answer, Order)
        assert (answer.price_e8, answer.stop_price_e8) == (first.worst_price, stop.worst_price)
        assert answer.strategy == strategy
        self.limits.passes(first, now_us)
        first.other, stop.other = stop, first
        for order, naive in zip(members(answer), (first, stop), strict=True):
            self.desk.entered(order)
            self.open[order.order_id] = self.placed[order.order_id] = order
            self.filled[order.order_id], self.tags[order.order_id] = 0, strategy
            self.naive.orders[order.order_id] = naive

    def _bracket(self) -> None:
        """An entry, and what is to come of it, around its price or the mark."""
        rng, strategy = self.rng, self.rng.choice((None, *STRATEGIES))
        account, symbol = rng.choice(ACCOUNTS), rng.choice(list(SYMBOLS))
        mark_e8, base = self.naive.marks[symbol], self.naive.pairs[symbol][0]
        if not rng.randint(0, 2):  # so little that it turns, or that other orders use it up
            self._fund(account, base, (rng.randint(-E8, E8) - self.naive.total(account, base)) or 1)
        held_e8 = self.naive.total(account, base)
        side = rng.choice((Side.BUY, Side.SELL, *[Side.BUY if held_e8 >= 0 else Side.SELL] * 4))
        low_e8, high_e8, buys, market = -(-mark_e8 // 10), mark_e8 * 19 // 10, side is Side.BUY, not rng.randint(0, 2)
        price_e8 = None if market else rng.randint(low_e8, high_e8)
        near_e8 = price_e8 or mark_e8
        above_e8, below_e8 = rng.randint(near_e8 + 1, near_e8 * 19 // 10), rng.randint(-(-near_e8 // 10), near_e8 - 1)
        profit_e8, trigger_e8 = (above_e8, below_e8) if buys else (below_e8, above_e8)
        limit_e8, quantity_e8 = None, rng.choice((rng.randint(1, E8 // 4), rng.randint(1, 4 * E8)))
        worst_e8 = _edge_e8(trigger_e8, sells=buys)
        if rng.randint(0, 1):
            limit_e8 = worst_e8 = rng.randint(*sorted((trigger_e8, worst_e8)))
        budget_e8 = rng.randint(low_e8, 4 * low_e8) if market and buys and rng.randint(0, 1) else None
        fields = {
            "client_order_id": f"id-{self.desk.offsets.get('commands', 0)}",
            "symbol": symbol,
            "side": side,
            "order_type": OrderType.MARKET if market else OrderType.LIMIT,
            "price_e8": price_e8,
            "quantity_e8": quantity_e8 if budget_e8 is None else None,
            "notional_e8": budget_e8,
            "strategy": strategy,
            "group": GroupKind.BRACKET,
            "take_profit_price_e8": profit_e8,
            "trigger_price_e8": trigger_e8,
            "stop_price_e8": limit_e8,
        }
        checked = self.desk.check(account, **fields) if not rng.randint(0, 3) else None
        answer = self.desk.place(account, **fields)
        if budget_e8 is not None:
            quantity_e8 = math.floor(Fraction(budget_e8, low_e8) * E8)
        entry = price_e8 or (high_e8 if buys else low_e8), quantity_e8, self.rates[symbol]
        new = OpenOrder(account, symbol, side.value, *entry, budget=budget_e8)
        stop = OpenOrder(account, symbol, "SELL" if buys else "BUY", worst_e8, quantity_e8, 0, near=trigger_e8)
        opposite_e8 = -held_e8 if buys else held_e8

        def why() -> Why:
            found = self.limits.fat_finger(stop, priced=limit_e8 is not None)
            return found or (("GROUP_POSITION", opposite_e8, quantity_e8) if quantity_e8 <= opposite_e8 else None)

        self._pays(answer, new)
        self._compare(answer, new, strategy, priced=not market, why=why)
        refused = (answer.reason, answer.limit_e8, answer.actual_e8) if isinstance(answer, Execution) else None
        assert checked in {None, refused or (Reason.NONE, None, None)}
        if isinstance(answer, Order):
            assert answer.group_id == answer.order_id
            self.entries[answer.order_id] = profit_e8, trigger_e8, limit_e8

    def _not_between(self, entry: Order, price_e8: int | None) -> Why:
        """Whether an amended price leaves what is to come of an entry on both its sides."""
        if entry.order_id not in self.entries or price_e8 is None:
            return None
        profit_e8, trigger_e8, _ = self.entries[entry.order_id]
        buys = entry.side is Side.BUY
        if profit_e8 <= price_e8 if buys else profit_e8 >= price_e8:
            return "GROUP_INVALID", price_e8, profit_e8
        wrong = trigger_e8 >= price_e8 if buys else trigger_e8 <= price_e8
        return ("GROUP_INVALID", price_e8, trigger_e8) if wrong else None

    def _brought(self, entry: Order, filled_e8: int, reason: Reason = Reason.NONE, *, asked: bool = False) -> None:
        """An order has ended: what came of it, if it was the entry of a bracket."""
        told, self.desk.brought = self.desk.brought, []
        if entry.order_id not in self.entries:
            assert told == []
            return
        profit_e8, trigger_e8, limit_e8 = self.entries.pop(entry.order_id)
        if not filled_e8:
            assert told == []
            return
        account, strategy, sells = entry.account, self.tags[entry.order_id], entry.side is Side.BUY
        near_e8 = (min if sells else max)(trigger_e8, self.naive.marks[entry.symbol])
        where = account, entry.symbol, "SELL" if sells else "BUY"
        rate, reduces = self.rates[entry.symbol], {"reduces": True}
        profit = OpenOrder(*where, profit_e8, 0, rate, **reduces)
        stop = OpenOrder(*where, limit_e8 or _edge_e8(near_e8, sells=sells), 0, rate, near=near_e8, **reduces)
        room_e8 = self.limits.room(profit)
        if sells and self.naive.leverage[account] is None:
            base = self.naive.pairs[entry.symbol][0]
            room_e8 = min(room_e8, self.naive.total(account, base) - self.naive.reserved(account, base))
        why = self._withheld(entry, reason, asked=asked) or (None if room_e8 > 0 else ("REDUCE_ONLY", 0, filled_e8))
        if why is not None:
            assert [_why_not(each) for each in told] == [(entry.order_id + number * 2**45, *why) for number in (2, 1)]
            self._over(account)
            return
        if limit_e8 is None:
            self.limits.fat_finger(stop, priced=False)
        profit.leaves = stop.leaves = min(filled_e8, room_e8)
        (pair,) = told
        assert isinstance(pair, Order)
        assert (pair.price_e8, pair.stop_price_e8, pair.quantity_e8) == (profit_e8, stop.worst_price, stop.leaves)
        assert (pair.stop_limit, pair.trigger_price_e8, pair.reduce_only) == (limit_e8 is not None, trigger_e8, True)
        self._pays(pair, profit, stop)
        profit.other, stop.other = stop, profit
        for order, naive in zip(members(pair), (profit, stop), strict=True):
            self.naive.orders[order.order_id] = naive
            self.open[order.order_id] = self.placed[order.order_id] = order
            self.filled[order.order_id], self.tags[order.order_id] = 0, strategy
        for order in members(pair):
            self.desk.entered(order)

    def _withheld(self, entry: Order, reason: Reason, *, asked: bool) -> Why:
        """Why nothing is to come of an entry that was filled; `asked` is whether a cancel of it was answered."""
        if reason in {Reason.KILLED, Reason.TIMER_EXPIRED} or (reason is Reason.CANCELLED_BY_CLIENT and not asked):
            return str(reason), None, None
        if entry.account in self.losses.liquidating:
            return "LIQUIDATION", None, None
        stopped = self.stopped.get((entry.account, self.tags[entry.order_id])) is AccountStatus.SUSPENDED
        return ("STRATEGY_SUSPENDED", None, None) if stopped else None

    def _trigger(self) -> None:
        waiting = [order for order in self.open.values() if order.trigger_by is not None]
        if waiting and self.naive.orders[(order := self.rng.choice(waiting)).order_id].other is not None:
            self.desk.executed(order, ExecutionKind.TRIGGERED, OrderStatus.NEW, leaves_e8=order.quantity_e8)
            self._cancelled(self.naive.part(order.order_id))

    def _cancelled(self, order_id: int | None) -> None:
        """The book has taken out the other order of a pair."""
        if order_id is None:
            return
        order = self.open.pop(order_id)
        why = Reason.LIQUIDATION if order.account in self.losses.liquidating else Reason.ORDER_FINAL
        assert self.desk.amend(order.account, order_id=order_id, price_e8=1).reason is why
        self.losses.look(order.account, self.desk.ts_us)
        self.desk.ended(order, reason=Reason.ONE_CANCELS_OTHER)
        self._over(order.account, order)
        self.amends.pop(order_id, None)

    def _repeat(self) -> None:
        order = self._any()
        if order is None or order.order_type is OrderType.LIQUIDATION or order.group_id is not None:
            return
        if order.account in self.losses.liquidating:
            return
        market, placed = order.order_type is OrderType.MARKET, self.placed[order.order_id]
        answer = self.desk.place(
            order.account,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            price_e8=None if market else placed.price_e8,
            quantity_e8=placed.quantity_e8 if placed.notional_e8 is None else None,
            notional_e8=placed.notional_e8,
            strategy=self.tags[order.order_id],
        )
        self.losses.look(order.account, self.desk.ts_us)
        assert isinstance(answer, Execution)
        assert answer.order_id == order.order_id
        assert answer.leaves_e8 == self.naive.orders[order.order_id].leaves

    def _cancel(self) -> None:
        order = self._any()
        if order is not None:
            answer = self.desk.cancel(order.account, order_id=order.order_id)
            self.losses.look(order.account, self.desk.ts_us)
            assert isinstance(answer, Order)

    def _owners(self) -> list[tuple[int, str]]:
        return [(number, order.account) for number, order in self.open.items()]

    def _ask(self, command: Command) -> Sequence[Output]:
        """The answer and what follows it; what a loss takes out comes before."""
        outputs = self.desk.send(command)
        first = next(number for number, output in enumerate(outputs) if isinstance(output.message, Execution))
        self.desk.aside(outputs[:first])
        self.losses.look(command.account, self.desk.ts_us)
        self.timers.leaving.update(order.order_id for order in self.desk.removed)
        return outputs[first:]

    def _cancel_all(self) -> None:
        account = self.rng.choice(ACCOUNTS)
        outputs = self._ask(Command(CommandKind.CANCEL_ALL, account))
        expected = self.timers.cancel_all(account, self._owners())
        assert _removed(outputs) == [(ExecutionKind.CANCELLING_ALL, account, Reason.NONE, None, expected)]

    def _cancel_after(self) -> None:
        account, timeout_s = self.rng.choice(ACCOUNTS), self.rng.choice((0, 1, 3, 60, 86_400))
        outputs = self._ask(Command(CommandKind.CANCEL_AFTER, account, timeout_s=timeout_s))
        deadline_us = self.timers.ask(account, self.desk.ts_us, timeout_s)
        assert _removed(outputs) == [(ExecutionKind.CANCEL_AFTER_SET, account, Reason.NONE, deadline_us, [])]

    def _tick(self) -> None:
        outputs = self.desk.tick()
        self.timers.leaving.update(order.order_id for order in self.desk.removed)
        rest = [output for output in outputs if not _of_a_timer(output.message)]
        outputs = [output for output in outputs if _of_a_timer(output.message)]
        expected = self.timers.tick(self.desk.ts_us, self._owners())
        assert _removed(outputs) == [
            (ExecutionKind.CANCELLING_ALL, account, Reason.TIMER_EXPIRED, None, orders) for account, orders in expected
        ]
        self._liquidate(rest)

    def _over(self, account: str, order: Order | None = None, *, refused: bool = False) -> None:
        """An order has ended; None is one that was not accepted."""
        if order is None or order.order_type is not OrderType.LIQUIDATION:
            self.refused.pop(account, None)
        elif refused:
            self.refused.setdefault(account, {})[order.symbol] = order.command_us

    def _refused_lately(self, account: str) -> set[str]:
        refused = self.refused.get(account, {})
        return {symbol for symbol, placed_us in refused.items() if self.desk.ts_us - placed_us < 60_000_000}

    def _liquidate(self, outputs: Sequence[Output]) -> None:
        """What becomes of those whose margin is called, with a tick."""
        placed = [o.message for o in outputs if isinstance(o.message, Order) and o.message.kind is OrderKind.NEW]
        self.desk.aside([output for output in outputs if output.message not in placed])
        orders = [output.message for output in outputs if isinstance(output.message, Order)]
        self.timers.leaving.update(order.order_id for order in orders if order.reason is Reason.MARGIN_CALL)
        removed = [order.order_id for order in orders if order.reason is Reason.LIQUIDATION]
        expected: list[tuple[str, str, int]] = []
        owners = {owner for _, owner in self._owners()}
        for account in sorted(self.losses.called):
            self.losses.look_again(account, self.desk.ts_us)
            quantities = self.losses.to_reduce(account)
            began = account not in self.losses.liquidating
            if bool(quantities) is began:
                self.losses.liquidating ^= {account}
            if quantities and (meant := self.timers.cancel_all(account, self._owners())):
                assert removed[: len(meant)] == meant
                removed = removed[len(meant) :]
            elif quantities and not (began or account in owners):
                steps = self.losses.to_reduce(account, self._refused_lately(account))
                expected += [(account, symbol, self._at_most(symbol, step_e8)) for symbol, step_e8 in steps]
        assert removed == []
        signs = {Side.BUY: 1, Side.SELL: -1}
        assert [(order.account, order.symbol, signs[order.side] * order.quantity_e8) for order in placed] == expected
        for order in placed:
            assert order.order_type is OrderType.LIQUIDATION
            mark_e8 = self.naive.marks[order.symbol]
            assert order.price_e8 == (mark_e8 * 19 // 10 if order.side is Side.BUY else -(-mark_e8 // 10))
            rate = self.rates[order.symbol]
            self.open[order.order_id] = self.placed[order.order_id] = order
            self.filled[order.order_id], self.tags[order.order_id] = 0, None
            self.timers.leaving.add(order.order_id)
            self.limits.asked.add((order.account, order.symbol))
            self.naive.orders[order.order_id] = OpenOrder(
                *(order.account, order.symbol, order.side.value, order.price_e8, order.quantity_e8, rate), reduces=True
            )

    def _amend(self) -> None:
        order = self._any()
        if order is None or order.order_type in {OrderType.MARKET, OrderType.LIQUIDATION}:
            return
        old, mark_e8 = self.naive.orders[order.order_id], self.naive.marks[order.symbol]
        price_e8 = self.rng.choice((None, self.rng.randint(-(-mark_e8 // 10), mark_e8 * 19 // 10)))
        quantity_e8 = self.rng.choice((None, self.rng.randint(1, 4 * E8))) if price_e8 else self.rng.randint(1, 4 * E8)
        if order.trigger_by is not None or (order.group_id is not None and price_e8 is None):
            return  # the limit of one that waits depends on its trigger, and a member of a group keeps its quantity
        if order.group_id is not None:
            quantity_e8 = None
        answer = self.desk.amend(order.account, order_id=order.order_id, price_e8=price_e8, quantity_e8=quantity_e8)
        self.losses.look(order.account, self.desk.ts_us)
        asked_e8, asked_price_e8 = quantity_e8 or 0, price_e8
        price_e8, quantity_e8 = price_e8 or order.price_e8, quantity_e8 or order.quantity_e8
        leaves_e8 = max(quantity_e8 - self.filled[order.order_id], 0)
        expected: Why = ("AMEND_PENDING", None, None)
        if order.account in self.losses.liquidating:
            expected = "LIQUIDATION", None, None
        elif order.order_id not in self.amends:
            new = OpenOrder(old.account, old.symbol, old.side, price_e8, leaves_e8, 0, reduces=old.reduces)
            now_us, changed_e8 = self.desk.ts_us, 0 if quantity_e8 == order.quantity_e8 else quantity_e8
            expected = self._too_large(order.symbol, asked_e8)
            expected = expected or self._not_between(order, asked_price_e8)
            lost = new.account in self.losses.lost
            expected = expected or self.limits.reducing_refusal(new, old, lost=lost)
            expected = expected or self._strategy_refusal(self.tags[order.order_id], new, old)
            expected = expected or self.limits.refusal(new, changed_e8, now_us, old, priced=True)
            rate = 0 if old.tiered else self.rates[order.symbol]
            expected = expected or self.naive.amend_refusal(old, price_e8, leaves_e8, rate)
        if isinstance(answer, Order):
            self.limits.passes(old, self.desk.ts_us)
            assert expected is None
            assert (answer.price_e8, answer.quantity_e8) == (price_e8, asked_e8)
            assert (answer.maker_fee_e8, answer.taker_fee_e8) == (order.maker_fee_e8, order.taker_fee_e8)
            old.amended = price_e8, leaves_e8, max(old.fee_rate, 0 if old.tiered else self.rates[order.symbol])
            self.amends[order.order_id] = replace(answer, quantity_e8=quantity_e8)
        else:
            assert isinstance(answer, Execution)
            assert (answer.reason, answer.limit_e8, answer.actual_e8) == expected

    # The book

    def _amended(self) -> None:
        """The book answers an amendment."""
        if not self.amends:
            return
        order_id = self.rng.choice(sorted(self.amends))
        amended = self.amends.pop(order_id)
        order, naive, filled_e8 = self.open[order_id], self.naive.orders[order_id], self.filled[order_id]
        leaves_e8, (_, _, rate) = amended.quantity_e8 - filled_e8, naive.amended or (0, 0, 0)
        naive.amended = None
        kind = self.rng.choice((ExecutionKind.AMENDED, ExecutionKind.AMENDED, ExecutionKind.AMEND_REJECTED))
        fields = {"command_id": amended.command_id, "price_e8": amended.price_e8, "cumulative_e8": filled_e8}
        if kind is ExecutionKind.AMENDED and leaves_e8 <= 0:
            self.desk.ended(order, command_id=amended.command_id, cumulative_e8=filled_e8)
            del self.open[order_id], self.naive.orders[order_id]
            self._over(order.account, order)
            self._brought(order, filled_e8)
        elif kind is ExecutionKind.AMENDED:
            status = OrderStatus.PARTIALLY_FILLED if filled_e8 else OrderStatus.NEW
            self.desk.executed(amended, kind, status, leaves_e8=leaves_e8, **fields)
            naive.worst_price, naive.leaves, naive.fee_rate = amended.price_e8, leaves_e8, rate
            self.open[order_id] = amended
        else:
            self.desk.executed(order, kind, OrderStatus.UNKNOWN, **fields)

    def _any(self) -> Order | None:
        return self.open[self.rng.choice(sorted(self.open))] if self.open else None

    def _fill(self) -> None:
        order = self._any()
        if order is not None:
            self._fill_one(order)

    def _fill_one(self, order: Order) -> None:
        before_e8 = self.filled[order.order_id]
        naive = self.naive.orders[order.order_id]
        if order.notional_e8 is not None and not before_e8 and order.order_id not in self.desk.in_book:
            # What it buys is found by the book.
            order = replace(order, quantity_e8=order.notional_e8 * E8 // order.price_e8)
            self.open[order.order_id], naive.leaves = order, order.quantity_e8
        quantity_e8 = self.rng.randint(1, order.quantity_e8 - before_e8)
        worse = self.rng.randint(0, 2)
        price_e8 = order.price_e8 * (E8 + (-worse if order.side is Side.BUY else worse) * E8 // 10) // E8
        if naive.budget is not None:
            price_e8 = order.price_e8
        value_e8 = notional_e8(price_e8, quantity_e8)
        fee = fee_e8(value_e8, self.rng.choice((0, self.naive.orders[order.order_id].fee_rate)))
        self.desk.filled(order, quantity_e8, price_e8, before_e8=before_e8, fee_e8=fee)
        other = self.naive.part(order.order_id)
        self.naive.fill(order.order_id, quantity_e8, value_e8, fee)
        self.limits.fills.append((order.account, order.symbol, value_e8, self.desk.ts_us))
        signed_e8 = quantity_e8 if order.side is Side.BUY else -quantity_e8
        self.losses.bought.append((order.account, order.symbol, signed_e8))
        self.losses.paid.append((order.account, self.naive.pairs[order.symbol][0], signed_e8))
        if self.losses.on():
            self.losses.look(order.account, self.desk.ts_us)
        self._cancelled(other)
        self.filled[order.order_id] += quantity_e8
        if order.order_id not in self.naive.orders:
            del self.open[order.order_id]
            self._over(order.account, order)
            self.amends.pop(order.order_id, None)
            self._brought(order, self.filled[order.order_id])

    def _end(self) -> None:
        order = self._any()
        if order is not None:
            self._end_one(order)

    def _end_one(self, order: Order) -> None:
        status = self.rng.choice((OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED))
        if status is OrderStatus.REJECTED and order.order_id in self.desk.in_book:
            status = OrderStatus.CANCELLED
        reason = self.rng.choice(ENDS) if status is OrderStatus.CANCELLED else Reason.NONE
        asked = reason is Reason.CANCELLED_BY_CLIENT and bool(self.rng.randint(0, 3))
        command_id = 1 if asked else None
        self.desk.ended(order, status, cumulative_e8=self.filled[order.order_id], reason=reason, command_id=command_id)
        self._cancelled(self.naive.part(order.order_id))
        del self.open[order.order_id], self.naive.orders[order.order_id]
        self._over(order.account, order, refused=status is OrderStatus.REJECTED)
        self.amends.pop(order.order_id, None)
        self._brought(order, self.filled[order.order_id], reason, asked=asked)

    def _end_entry(self) -> None:
        """The entry of a bracket is filled, in part or whole, and ends."""
        if self.entries:
            order = self.open[self.rng.choice(sorted(self.entries))]
            self._fill_one(order)
            if order.order_id in self.open:
                self._end_one(order)

    def _taken_out(self) -> None:
        """The book answers for accounts that are liquidated: what was taken out ends, of what was placed a part too."""
        for order in [order for order in self.open.values() if order.account in self.losses.liquidating]:
            if order.order_type is OrderType.LIQUIDATION and self.rng.randint(0, 2):
                self._fill_one(order)
            if order.order_id in self.open:
                self._end_one(order)
        self._tick()


def _edge_e8(near_e8: int, *, sells: bool) -> int:
    """Where the band of nine tenths ends."""
    return -(-near_e8 // 10) if sells else near_e8 * 19 // 10


def _by_age(removed: tuple[str, int, str, int | None, int | None]) -> tuple[str, int, int]:
    """Account by account, the oldest first."""
    account, order_id, *_ = removed
    return account, order_id % 2**45, order_id


def _why_not(message: Message) -> tuple[int, str, int | None, int | None]:
    assert isinstance(message, Execution)
    assert (message.kind, message.status) == (ExecutionKind.REJECTED, OrderStatus.REJECTED)
    return message.order_id, str(message.reason), message.limit_e8, message.actual_e8


def _of_a_timer(message: Message) -> bool:
    return isinstance(message, Execution) or (isinstance(message, Order) and message.reason is Reason.TIMER_EXPIRED)


Told = tuple[ExecutionKind, str, Reason, int | None, list[int]]


def _why_removed(output: Output) -> tuple[str, int, str, int | None, int | None]:
    message = output.message
    assert isinstance(message, Order)
    assert message.kind is OrderKind.REMOVE
    return message.account, message.order_id, str(message.reason), message.limit_e8, message.actual_e8


def _removed(outputs: Sequence[Output]) -> list[Told]:
    """What accounts are told, and the orders that are taken out after each answer, for the same reason."""
    found: list[Told] = []
    for output in outputs:
        message = output.message
        if isinstance(message, Execution):
            found.append((message.kind, message.account, message.reason, message.expire_us, []))
            continue
        assert isinstance(message, Order)
        assert message.kind is OrderKind.REMOVE
        kind, account, reason, _, orders = found[-1]
        assert (message.account, message.reason or Reason.NONE) == (account, reason), kind
        orders.append(message.order_id)
    for output, told in zip((o for o in outputs if isinstance(o.message, Execution)), found, strict=True):
        assert isinstance(output.message, Execution)
        assert told[0] is ExecutionKind.CANCEL_AFTER_SET or output.message.actual_e8 == len(told[-1]) * E8
    return found
