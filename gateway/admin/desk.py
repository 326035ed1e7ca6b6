"""Decisions of admins: checked and written as the operator's commands do it, on what this gateway has read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import structlog
from msgspec.structs import replace

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.decisions import DecisionDesk
from gateway.errors import ApiError, Code
from schemas.controls import CONTROL_ID_CHARACTERS_MAX
from schemas.decided import ChangeError, Decided, Stop
from schemas.messages import Control, ControlKind, Phase

_log: Final = structlog.get_logger("gateway.admin")


class Decision(NamedTuple):
    """A decision that stands in the log."""

    decision_id: str
    position: str | None
    """Its place in the log, as ids of orders are; None for one that was made before."""

    def told(self) -> dict[str, Any]:
        """As clients see it."""
        return self._asdict()


class AdminDesk:
    """What has been decided, and the way for admins to decide more."""

    def __init__(self, desk: DecisionDesk) -> None:
        """Where decisions are made."""
        self._desk = desk
        self.decided = Decided()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._mending: set[asyncio.Task[None]] = set()

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Fold decisions in their order."""
        now_us = time.time_ns() // 1_000
        for control in controls:
            self.decided.apply(control, now_us)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Around a look at what holds and the decision that builds on it: one after the other. Raises ApiError."""
        if self._waiting >= limits.DECISIONS_WAITING_MAX:
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Too many decisions at once; try again.")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def decide(
        self,
        identity: Identity,
        token: str,
        kind: ControlKind,
        fields: Mapping[str, Any],
        changes: Collection[str] = (),
    ) -> Decision:
        """Make a decision, once for a token; of symbol, account or limits with what it changes. Raises ApiError."""
        return await self._made(identity, [Control(kind=kind, control_id=_id(kind, token), **fields)], changes)

    async def stop(self, identity: Identity, token: str, stops: Iterable[Stop]) -> Decision:
        """Stop things, all of them or none. Raises ApiError."""
        controls: list[Control] = []
        changes: set[str] = set()
        for number, stop in enumerate(stops):
            changes.update(stop.fields)
            control_id = f"{_id(stop.kind, token)}-{number}"
            before = stop.before or Control(kind=stop.kind, control_id=control_id)
            controls.append(replace(before, control_id=control_id, **stop.fields))
        return await self._made(identity, controls, changes)

    async def plan(
        self, identity: Identity, token: str, symbols: Iterable[str], steps: Sequence[tuple[int | None, Phase | None]]
    ) -> Decision:
        """Set, plan or withdraw phases of symbols, all of them or none. Raises ApiError.

        A step is when, in microseconds since 1970 UTC, and which phase begins; None is at once, and none.
        """
        kind = ControlKind.SESSION
        planned = [(symbol, *step) for symbol in symbols for step in steps]
        controls = [
            Control(
                kind=kind, control_id=f"{_id(kind, token)}-{number}", symbol=symbol, phase=phase, effective_us=at_us
            )
            for number, (symbol, at_us, phase) in enumerate(planned)
        ]
        self.asked(lambda: self.decided.require_room(controls, time.time_ns() // 1_000))
        return await self._made(identity, controls)

    def asked(self, change: Callable[[], Any]) -> Any:
        """What a change comes to. Raises ApiError where it cannot be as things stand, or nobody knows how they do."""
        self._desk.require_current()
        try:
            return change()
        except ChangeError as error:
            code = Code.NOT_FOUND if str(error).startswith("There is no") else Code.VALIDATION_FAILED
            raise ApiError(code, f"{error}.") from error

    async def _made(self, identity: Identity, controls: list[Control], changes: Collection[str] = ()) -> Decision:
        """Raises ApiError: with CONFLICT it stands, with OUTCOME_UNKNOWN it may, with any other nothing was done."""
        control_ids = [control.control_id for control in controls]
        first, position = control_ids[0], None
        if not self.decided.gate.knows(first):
            try:
                position = await self._written(identity, controls)
            except ApiError as error:
                if error.code is Code.OUTCOME_UNKNOWN:
                    self._mend_later(control_ids, changes)
                raise
        await self._mend(control_ids, changes)
        if conflict := self.decided.conflict(control_ids, changes):
            self._mend_later(control_ids, changes)
            raise ApiError(Code.CONFLICT, f"{conflict}.")
        return Decision(first, position)

    async def _mend(self, control_ids: Sequence[str], changes: Collection[str]) -> None:
        """Write once more what undid something, on top of that; what comes of it is found in the log."""
        if owed := self.decided.owed(control_ids, changes):
            _log.warning("decided_again", by=owed[0].issued_by, decision_id=control_ids[0], count=len(owed))
            try:
                await self._desk.decide(*owed)
            except ApiError as error:
                _log.warning("not_decided_again", decision_id=control_ids[0], detail=error.message)

    def _mend_later(self, control_ids: Sequence[str], changes: Collection[str]) -> None:
        """Whoever asked has his answer: what decisions undo that are not known yet, or that failed, is mended alone."""

        async def mend() -> None:
            for _ in range(limits.MEND_TRIES):
                await asyncio.sleep(limits.MEND_S)
                async with self._turn:
                    await self._mend(control_ids, changes)
                if self.decided.gate.knows(control_ids[0]) and not self.decided.owed(control_ids, changes):
                    return

        if changes and len(self._mending) < limits.MENDING_MAX:
            task = asyncio.create_task(mend())
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)

    async def _written(self, identity: Identity, controls: list[Control]) -> str:
        """Where decisions stand that were not made before. Raises ApiError."""
        signed = {"issued_us": time.time_ns() // 1_000, "issued_by": identity.username}
        controls = [replace(control, **signed) for control in controls]
        for control in controls:
            if error := self.decided.gate.error(control):
                raise _refused(error)
        position = await self._desk.decide(*controls)
        kinds = sorted({control.kind.lower() for control in controls})
        first = controls[0].control_id
        _log.info("decided", by=identity.username, decision_id=first, kinds=kinds, count=len(controls))
        return str(position)


def _id(kind: ControlKind, token: str) -> str:
    made = f"{kind.lower()}-{token}"
    assert len(made) < CONTROL_ID_CHARACTERS_MAX - len("-again")
    return made


def _refused(error: str) -> ApiError:
    """What a record cannot be, in the words of requests: `control '...' (SYMBOL): tick_e8 is 0: it must ...`."""
    detail = error.partition("): ")[2] or error
    name, _, rest = detail.partition(" ")
    field = name.removesuffix("_e8")
    return ApiError(Code.VALIDATION_FAILED, f"{field} {rest}.", field=field)
