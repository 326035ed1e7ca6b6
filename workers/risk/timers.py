"""Dead man's timers: accounts whose open orders end unless they ask again in time, by the log's clock."""

from collections.abc import Mapping
from typing import Final

from schemas.messages import Command, Reason
from schemas.units import E8
from workers.kernel.heap import Heap
from workers.kernel.stage import Output
from workers.risk.accounts import REMOVALS_MAX, Account
from workers.risk.answers import Answers, removal
from workers.risk.refusal import Refusal

TIMEOUT_S_MAX: Final = 86_400
"""Longest time until a timer runs out."""


class Timers:
    """Which account's timer runs out next. One that is set anew, or called off, leaves a dead entry behind."""

    __slots__ = ("_due",)

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """Begin with the timers that the accounts have."""
        self._due: Heap[tuple[int, str]] = Heap(
            lambda entry: accounts[entry[1]].cancel_after_us == entry[0],
            ((a.cancel_after_us, name) for name, a in accounts.items() if a.cancel_after_us is not None),
        )
        """(microseconds since 1970 UTC, account)."""

    def set(self, account: Account, deadline_us: int | None) -> None:
        """The account's timer runs out then; None calls it off."""
        account.cancel_after_us = deadline_us
        if deadline_us is not None:
            self._due.push((deadline_us, account.name))

    def due(self, now_us: int) -> str | None:
        """The account whose timer ran out first, until it is called off; None when there is no more."""
        entry = self._due.first()
        return None if entry is None or entry[0] > now_us else entry[1]


def run_out(timers: Timers, now_us: int, accounts: Mapping[str, Account], answers: Answers) -> list[Output]:
    """What each account whose timer has run out is told, and the removals of its open orders.

    There are REMOVALS_MAX of them at most; an account that has more keeps its timer, and the next tick goes on with it.
    """
    outputs: list[Output] = []
    room = REMOVALS_MAX
    while room > 0 and (name := timers.due(now_us)) is not None:
        account = accounts[name]
        taken = account.take_out(most=room)
        outputs.append(answers.ran_out(account.name, len(taken), now_us))
        outputs += [removal(account.name, order, Reason.TIMER_EXPIRED, now_us) for order in taken]
        if not account.removable:
            timers.set(account, None)
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
