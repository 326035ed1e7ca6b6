"""Where one symbol stands in its day: its phase, what is planned, and whether it was killed."""

from typing import Final

import msgspec

from schemas.messages import Phase, Reason
from schemas.sessions import Plan

_CONTINUOUS: Final = Phase.CONTINUOUS
_REFUSES: Final = {Phase.HALTED: Reason.SYMBOL_HALTED, Phase.CLOSED: Reason.SYMBOL_CLOSED}


Told = tuple[Phase, int | None, int | None, int | None]
"""Phase, and of an auction the price, the volume and the surplus."""


class SessionState(msgspec.Struct, frozen=True, array_like=True):
    """A session at rest."""

    phase: Phase
    steps: list[tuple[int, Phase]]
    killed: bool
    resumes: bool
    target: Phase | None
    price_e8: int
    sequence: int
    told: Told | None
    reopening: list[tuple[int, Phase]] = []


class Session:
    """One symbol's session."""

    __slots__ = ("changed", "killed", "phase", "plan", "price_e8", "reopening", "resumes", "sequence", "target", "told")

    def __init__(self) -> None:
        self.phase = _CONTINUOUS
        self.plan = Plan()
        self.reopening = Plan()
        """After its circuit breaker has halted it. Any other change of phase takes its place."""
        self.changed = True
        """Its orders are not those any more that its auction was last reckoned with."""
        self.killed = False
        """It takes nothing before its symbol trades again and its book is empty."""
        self.resumes = False
        """Of one that is killed: whether its symbol trades again."""
        self.target: Phase | None = None
        """The phase that follows when an auction that has begun, or the emptying of a killed book, is done."""
        self.price_e8 = 0
        """At which that auction trades."""
        self.sequence = 0
        """Of the last SessionChange."""
        self.told: Told | None = None
        """What that said."""

    @property
    def trades(self) -> bool:
        """Whether orders are matched as they come."""
        return self.phase is _CONTINUOUS and not self.killed

    def refusal(self) -> Reason | None:
        """Why new orders and amendments are refused, None if they are taken."""
        if self.killed or self.target is not None:
            return Reason.SYMBOL_HALTED
        return _REFUSES.get(self.phase)

    def state(self) -> SessionState:
        """What a snapshot keeps."""
        ahead = self.target, self.price_e8, self.sequence, self.told
        return SessionState(self.phase, self.plan.steps, self.killed, self.resumes, *ahead, self.reopening.steps)

    @classmethod
    def from_state(cls, state: SessionState) -> "Session":
        """The session that gave the state."""
        session = cls()
        session.phase, session.plan, session.killed = state.phase, Plan(state.steps), state.killed
        session.resumes, session.target, session.price_e8 = state.resumes, state.target, state.price_e8
        session.sequence, session.told = state.sequence, state.told
        session.reopening = Plan(state.reopening)
        return session
