"""Decisions of admins: checked and written as the operator's commands do it, on what this gateway has read."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import structlog
from msgspec.structs import replace

from gateway.auth.tokens import Identity
from gateway.decisions import DecisionDesk
from gateway.errors import ApiError, Code
from schemas.controls import CONTROL_ID_CHARACTERS_MAX
from schemas.decided import ChangeError, Decided, Stop
from schemas.messages import Control, ControlKind

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

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Fold decisions in their order."""
        now_us = time.time_ns() // 1_000
        for control in controls:
            self.decided.apply(control, now_us)

    async def decide(self, identity: Identity, token: str, kind: ControlKind, fields: Mapping[str, Any]) -> Decision:
        """Make a decision, once for a token. Raises ApiError."""
        return await self._made(identity, [Control(kind=kind, control_id=_id(kind, token), **fields)])

    async def stop(self, identity: Identity, token: str, stops: Iterable[Stop]) -> Decision:
        """Stop things, all of them or none. Raises ApiError."""
        controls = []
        for number, stop in enumerate(stops):
            control_id = f"{_id(stop.kind, token)}-{number}"
            before = stop.before or Control(kind=stop.kind, control_id=control_id)
            controls.append(replace(before, control_id=control_id, **stop.fields))
        return await self._made(identity, controls)

    async def plan(self, identity: Identity, token: str, fields: Mapping[str, Any]) -> Decision:
        """Set, plan or withdraw a phase of a symbol. Raises ApiError."""
        kind = ControlKind.SESSION
        control = Control(kind=kind, control_id=_id(kind, token), **fields)
        self.asked(lambda: self.decided.require_room([control], time.time_ns() // 1_000))
        return await self._made(identity, [control])

    def asked(self, change: Callable[[], Any]) -> Any:
        """What a change comes to. Raises ApiError where it cannot be as things stand."""
        try:
            return change()
        except ChangeError as error:
            code = Code.NOT_FOUND if str(error).startswith("There is no") else Code.VALIDATION_FAILED
            raise ApiError(code, f"{error}.") from error

    async def _made(self, identity: Identity, controls: list[Control]) -> Decision:
        first = controls[0].control_id
        if self.decided.gate.knows(first):
            return Decision(first, None)
        signed = {"issued_us": time.time_ns() // 1_000, "issued_by": identity.username}
        controls = [replace(control, **signed) for control in controls]
        for control in controls:
            if error := self.decided.gate.error(control):
                raise _refused(error)
        position = await self._desk.decide(*controls)
        kinds = sorted({control.kind.lower() for control in controls})
        _log.info("decided", by=identity.username, decision_id=first, kinds=kinds, count=len(controls))
        return Decision(first, str(position))


def _id(kind: ControlKind, token: str) -> str:
    made = f"{kind.lower()}-{token}"
    assert len(made) < CONTROL_ID_CHARACTERS_MAX
    return made


def _refused(error: str) -> ApiError:
    """What a record cannot be, in the words of requests: `control '...' (SYMBOL): tick_e8 is 0: it must ...`."""
    detail = error.partition("): ")[2] or error
    name, _, rest = detail.partition(" ")
    field = name.removesuffix("_e8")
    return ApiError(Code.VALIDATION_FAILED, f"{field} {rest}.", field=field)
