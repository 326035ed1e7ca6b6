"""Loss limits and margin calls: an account whose equity has fallen too far may only reduce what it holds.

The equity in a quote currency is its balance and, at the marks, the positions that fills have made and that are traded
for it, so that it moves with what is realised and with what is not. What is paid in or out, or traded for another
currency, is neither profit nor loss. A margin call is of the equity that covers margin: all that is held.
"""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Final

from msgspec.structs import replace

from schemas.messages import AccountKind, AccountState, AccountStatus, Reason, Side
from schemas.units import DAY_US, E8, SECOND_US
from workers.kernel.stage import Output
from workers.kernel.wide import int64
from workers.risk.accounts import REMOVALS_MAX, Account
from workers.risk.answers import removal
from workers.risk.limit_table import Limits, LimitTable
from workers.risk.limits import Venue, beyond_flat_e8
from workers.risk.margin import maintenance
from workers.risk.rules import SymbolRules
from workers.risk.usage import Loss, Usage, Worth

ASSESSED_EVERY_US: Final = SECOND_US
"""Marks of a symbol are looked at once in so much of the log's time; an order or a fill of the account always."""

ASSESSED_MAX: Final = 1_000
"""Accounts that one record assesses for a mark; the next ticks go on with the others that hold the symbol."""

_BUY: Final = Side.BUY
_DAILY: Final = Reason.DAILY_LOSS_LIMIT
_MARGIN_CALL: Final = Reason.MARGIN_CALL


class LossWatch:
    """Says which accounts of a shard pass a loss limit or are below their margin, and what follows."""

    def __init__(self, limits: LimitTable, venue: Venue, accounts: Mapping[str, Account]) -> None:
        self._limits = limits
        self._venue = venue
        self._accounts = accounts
        self.quotes: list[str] = []
        """Currencies in which a margin must be maintained."""
        self._margined: dict[str, dict[str, Account]] = {}
        """By currency: the margin accounts that have some of it, or owe it; empty while there are no such quotes."""
        self._called = {name: account for name, account in accounts.items() if account.called}
        """Accounts whose margin was called when they were last looked at, or that are liquidated still."""
        self.on = False
        """Whether anything is to be looked at."""
        self._holders: dict[str, dict[str, Account]] = {}
        """By symbol: the accounts whose position is not flat."""
        self._leaving: dict[str, Account] = {}
        """Accounts with more orders to take out than one record does."""
        self.decided()

    def decided(self) -> None:
        """The operator has changed limits or symbols."""
        quotes = sorted({quote for (_, quote), rules in self._venue.pairs.items() if rules.maintenance_e8})
        began, self.quotes = bool(quotes) and not self.quotes, quotes
        if began:
            for account in self._accounts.values():
                self._hold(account, *account.balances)
        elif not quotes:
            self._margined.clear()
        self.on = self._limits.losses or bool(quotes)

    def moved(self, account: Account, now_us: int) -> Sequence[Output]:
        """The operator has moved its funds, or changed its kind: how its margin stands now."""
        if not self.quotes:
            return ()
        self._hold(account, *account.balances)
        return self.assess(account, now_us)

    def _hold(self, account: Account, *currencies: str) -> None:
        for currency in currencies:
            if account.kind is AccountKind.MARGIN and account.held_e8(currency):
                self._margined.setdefault(currency, {})[account.name] = account
            elif currency in self._margined:
                self._margined[currency].pop(account.name, None)

    def follow(self, account: Account, symbol: str, usage: Usage) -> None:
        """An account's position in a symbol has changed."""
        holders = self._holders.setdefault(symbol, {})
        if usage.net_e8:
            holders[account.name] = account
        else:
            holders.pop(account.name, None)
        if self.quotes:
            rules = self._venue.symbols[symbol]
            self._hold(account, rules.base, rules.quote)

    def load(self, account: Account) -> None:
        """Follow an account of a snapshot."""
        for symbol, usage in account.usages.items():
            self.follow(account, symbol, usage)
        if account.leaves:
            self._leaving[account.name] = account

    def marked(self, rules: SymbolRules, now_us: int) -> Sequence[Output]:
        """What a new mark makes of those who hold the symbol, ASSESSED_MAX of them at most."""
        if now_us - rules.assessed_us < ASSESSED_EVERY_US or rules.assessed_to:
            return ()
        rules.assessed_us = now_us
        return self._assess_some(rules, now_us, ASSESSED_MAX)[0]

    def go_on(self, now_us: int) -> list[Output]:
        """With a tick: what records before it have left to do."""
        outputs: list[Output] = []
        for name in sorted(self._leaving):
            account = self._leaving[name]
            if account.loss is None:
                self._leave(account, rest=False)
            elif len(outputs) < REMOVALS_MAX:
                outputs += self._removals(account, account.loss, now_us, REMOVALS_MAX - len(outputs))
        room = ASSESSED_MAX
        for rules in self._venue.symbols.values():
            if rules.assessed_to and room > 0 and len(outputs) < REMOVALS_MAX:
                more, count = self._assess_some(rules, now_us, room)
                outputs += more
                room -= count
        return outputs

    def _assess_some(self, rules: SymbolRules, now_us: int, most: int) -> tuple[list[Output], int]:
        """Assess those who hold a symbol, on from where that was left, by name; how many that were."""
        holders = self._holders.get(rules.symbol, {}) if self._limits.losses else {}
        if self.quotes and self._venue.pairs[rules.base, rules.quote] is rules:
            holders = holders | self._margined.get(rules.base, {})
        before, rules.assessed_to = rules.assessed_to, ""
        names = nsmallest(most + 1, (name for name in holders if name > before))
        outputs: list[Output] = []
        for count, name in enumerate(names[:most], 1):
            outputs += self.assess(holders[name], now_us)
            if (count == most or len(outputs) >= REMOVALS_MAX) and name != names[-1]:
                rules.assessed_to = name
                return outputs, count
        return outputs, len(names)

    def assess(self, account: Account, now_us: int) -> Sequence[Output]:
        """Compare an account with its limits: how it stands from now on, and removals of what would add to a loss."""
        call = self._margin_call(account, now_us)
        account.called = call is not None or account.liquidating
        if account.called:
            self._called[account.name] = account
        else:
            self._called.pop(account.name, None)
        passed, over = self._passed(account, account.worths, now_us) or call, self._over(account, now_us)
        if over:
            account.loss = None
        if account.loss is not None or not (passed or over):
            return ()
        account.lose(passed)
        state = account_state(account, now_us)
        return (state, *self._removals(account, passed, now_us, REMOVALS_MAX)) if passed is not None else (state,)

    def called_accounts(self) -> list[Account]:
        """Those whose margin was called when they were last looked at, or that are liquidated still, by name."""
        return [self._called[name] for name in sorted(self._called)]

    def foreseen(self, account: Account, now_us: int) -> AccountStatus:
        """The status that `assess` would give it. Nothing changes."""
        if not self.on and account.loss is None:
            return account.status
        worths = {currency: replace(worth) for currency, worth in account.worths.items()}
        passed = self._passed(account, worths, now_us) or self._margin_call(account, now_us)
        return account.status_after(passed if account.loss is None or self._over(account, now_us) else account.loss)

    def _passed(self, account: Account, worths: dict[str, Worth], now_us: int) -> Loss | None:
        """The first loss limit that is passed, currencies sorted. Remembers what the equity is, and was at most."""
        limits = self._limits.of(account.name, "")
        if not limits.of_losses():
            worths.clear()
            return None
        found = None
        for quote in sorted({self._venue.symbols[name].quote for name in account.usages}):
            equity_e8, day = self._equity_e8(account, quote), now_us // DAY_US
            if equity_e8 is None:
                continue
            worth = worths.get(quote)
            if worth is None:
                worth = worths[quote] = Worth(quote, day, equity_e8, equity_e8, equity_e8)
            if day > worth.day:
                worth.day, worth.opening_e8 = day, worth.equity_e8
            worth.equity_e8 = equity_e8
            worth.highest_e8 = max(worth.highest_e8, equity_e8)
            found = found or _loss(worth, limits)
        return found

    def _margin_call(self, account: Account, now_us: int) -> Loss | None:
        """The first currency in which a margin account has less equity than it must maintain."""
        if account.kind is not AccountKind.MARGIN:
            return None
        for quote in self.quotes:
            margin = maintenance(account, quote, self._venue.pairs)
            if margin is not None and margin[0] < margin[1]:
                return Loss(_MARGIN_CALL, quote, int64(margin[1]), int64(margin[0]), now_us // DAY_US)
        return None

    def _over(self, account: Account, now_us: int) -> bool:
        """Whether why it may only reduce is over: the day of a daily loss, or that its margin is called."""
        loss = account.loss
        if loss is None or loss.reason is not _MARGIN_CALL:
            return loss is not None and loss.reason is _DAILY and now_us // DAY_US > loss.day
        if self._margin_call(account, now_us) is not None:
            return False
        asked = account.kind is AccountKind.MARGIN and loss.currency in self.quotes
        return not asked or maintenance(account, loss.currency, self._venue.pairs) is not None

    def _equity_e8(self, account: Account, quote: str) -> int | None:
        """Each position rounded down; None while one has no mark: nobody knows what it is worth."""
        equity_e8 = account.held_e8(quote)
        for name, usage in account.usages.items():
            symbol = self._venue.symbols[name]
            if symbol.quote == quote and usage.net_e8:
                if symbol.mark_e8 is None:
                    return None
                equity_e8 += usage.net_e8 * symbol.mark_e8 // E8
        return int64(equity_e8)

    def _removals(self, account: Account, loss: Loss, now_us: int, most: int) -> list[Output]:
        """Take out orders of a symbol's side that, filled together, would do more than reduce what is held.

        So many at most: with the next tick the rest.
        """
        removals: list[Output] = []
        for name, side in sorted(account.removable):
            if beyond_flat_e8(account, self._venue.symbols[name].base, side, self._venue) > 0:
                taken = account.take_out(name, side, most=most - len(removals))
                removals += [removal(account.name, order, loss.reason, now_us) for order in taken]
        self._leave(account, rest=len(removals) >= most)
        return removals

    def _leave(self, account: Account, *, rest: bool) -> None:
        """Whether orders of an account are left to take out."""
        account.leaves = rest
        if rest:
            self._leaving[account.name] = account
        else:
            self._leaving.pop(account.name, None)


def _loss(worth: Worth, limits: Limits) -> Loss | None:
    lost_e8 = worth.opening_e8 - worth.equity_e8
    limit_e8 = limits.max_daily_loss_e8
    if limit_e8 is not None and lost_e8 > limit_e8:
        return Loss(_DAILY, worth.currency, limit_e8, int64(lost_e8), worth.day)
    fallen_e16, limit_e8 = (worth.highest_e8 - worth.equity_e8) * E8, limits.max_drawdown_e8
    if limit_e8 is None or fallen_e16 <= worth.highest_e8 * limit_e8 or worth.highest_e8 <= 0:
        return None
    return Loss(Reason.DRAWDOWN_LIMIT, worth.currency, limit_e8, int64(-(-fallen_e16 // worth.highest_e8)), worth.day)


def account_state(account: Account, now_us: int) -> Output:
    """How an account stands, as the newest record about it."""
    account.states += 1
    by_loss = account.loss if account.liquidating or account.status is AccountStatus.REDUCING else None
    reason = Reason.NONE if by_loss is None else by_loss.reason
    state = AccountState(
        account=account.name,
        sequence=account.states,
        status=account.status,
        reason=Reason.LIQUIDATION if account.liquidating else reason,
        currency=None if by_loss is None else by_loss.currency,
        limit_e8=None if by_loss is None else by_loss.limit_e8,
        actual_e8=None if by_loss is None else by_loss.actual_e8,
        ts_us=now_us,
    )
    return Output("accounts", account.name, state)
