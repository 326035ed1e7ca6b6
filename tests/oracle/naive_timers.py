"""A naive model of dead man's timers: a dict of deadlines, and a look at all of them and all open orders each tick."""

from collections.abc import Iterable


class NaiveTimers:
    """What each tick must take out."""

    def __init__(self) -> None:
        self.deadlines: dict[str, int] = {}
        self.leaving: set[int] = set()
        """Orders that were taken out already, whether or not the book has said so."""

    def ask(self, account: str, at_us: int, timeout_s: int) -> int | None:
        """The deadline from now on."""
        self.deadlines.pop(account, None)
        if timeout_s:
            self.deadlines[account] = at_us + timeout_s * 1_000_000
        return self.deadlines.get(account)

    def cancel_all(self, account: str, open_orders: Iterable[tuple[int, str]]) -> list[int]:
        """The account's orders that nobody has taken out, of all (order id, account), oldest first."""
        meant = [number for number, owner in open_orders if owner == account and number not in self.leaving]
        self.leaving.update(meant)
        return meant

    def tick(self, now_us: int, open_orders: Iterable[tuple[int, str]]) -> list[tuple[str, list[int]]]:
        """The accounts whose timers have run out, soonest first, and their orders."""
        known = list(open_orders)
        over = sorted((deadline, account) for account, deadline in self.deadlines.items() if deadline <= now_us)
        for _, account in over:
            del self.deadlines[account]
        return [(account, self.cancel_all(account, known)) for _, account in over]
