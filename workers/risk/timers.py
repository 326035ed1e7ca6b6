"""Dead man's timers: accounts whose open orders end unless they ask again in time, by the log's clock."""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

from schemas.messages import Command, Reason
from schemas.units import E8
from workers.kernel.stage import Output
from workers.risk.accounts import REMOVALS_MAX, Account
from workers.risk.answers import Answers, removal
from workers.risk.refusal import Refusal

TIMEOUT_S_MAX: Final = 86_400
"""Longest time until a timer runs out."""

SWEEP_FROM: Final = 1_024
"""So many entries of timers that were set anew or called off are always kept."""


class Timers:
    """Which account's timer runs out next. A timer that is set anew leaves its entry behind until it would be due.

    Entries are swept when most may be such leftovers, so there are never much more of them than timers.
    """

    __slots__ = ("_due", "_sweep_at")

    def __init__(self) -> None:
        self._due: list[tuple[int, str]] = []
        """(microseconds since 1970 UTC, account), a heap."""
        self._sweep_at = SWEEP_FROM

    def set(self, account: Account, deadline_us: int | None, accounts: Mapping[str, Account]) -> None:
        """The account's timer runs out then; None calls it off."""
        account.cancel_after_us = deadline_us
        if deadline_us is None:
            return
        heappush(self._due, (deadline_us, account.name))
        if len(self._due) >= self._sweep_at:
            self._due = [entry for entry in set(self._due) if accounts[entry[1]].cancel_after_us == entry[0]]
            heapify(self._due)
            self._sweep_at = 2 * len(self._due) + SWEEP_FROM

    def due(self, now_us: int, accounts: Mapping[str, Account]) -> Account | None:
        """The account whose timer ran out first, until it is called off; None when there is no more."""
        due = self._due
        while due and due[0][0] <= now_us:
            deadline_us, name = due[0]
            account = accounts[name]
            if account.cancel_after_us == deadline_us:
                return account
            heappop(due)
        return None

    def load(self, accounts: Mapping[str, Account]) -> None:
        """Begin anew with the timers that the accounts have."""
        self._due = [
            (account.cancel_after_us, name) for name, account in accounts.items() if account.cancel_after_us is not None
        ]
        heapify(self._due)
        self._sweep_at = 2 * len(self._due) + SWEEP_FROM


def run_out(timers: Timers, now_us: int, accounts: Mapping[str, Account], answers: Answers) -> list[Output]:
    """What each account whose timer has run out is told, and the removals of its open orders.

    There are REMOVALS_MAX of them at most; an account that has more keeps its timer, and the next tick goes on with it.
    """
    outputs: list[Output] = []
    room = REMOVALS_MAX
    while room > 0 and (account := timers.due(now_us, accounts)) is not None:
        taken = account.take_out(most=room)
        outputs.append(answers.ran_out(account.name, len(taken), now_us))
        outputs += [removal(account.name, order, Reason.TIMER_EXPIRED, now_us) for order in taken]
        if not account.removable:
            timers.set(account, None, accounts)
        room -= len(taken) + 1
    return outputs


def timeout_refusal(command: Command) -> Refusal | None:
    """Why a CANCEL_AFTER cannot set a timer. It is of the whole account: a symbol or a side would not narrow it."""
    timeout_s = command.timeout_s
    if timeout_s is None or command.symbol is not None or command.side is not None:
        return Refusal(Reason.MALFORMED)
    if not 0 <= timeout_s <= TIMEOUT_S_MAX:
        return Refusal(Reason.TIMEOUT_INVALID, TIMEOUT_S_MAX * E8, timeout_s * E8)
    return None
