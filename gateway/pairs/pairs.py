"""Pairs of symbols, folded from the control topic, and how they are changed.

Each record is a whole version of a pair. Of two that were decided at once, the first of a version in the log counts.
"""

import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.decisions import DecisionDesk
from gateway.errors import ApiError, Code
from schemas.controls import control_error
from schemas.messages import Control, ControlKind, PairStatus
from schemas.units import format_e8, format_us

DELETED: Final = PairStatus.DELETED


class Pair(NamedTuple):
    """A pair as it stands."""

    number: int
    """The first pair of the log is 1."""
    created: Control
    newest: Control

    @property
    def tag(self) -> str:
        """The strong entity tag of its version."""
        return f'"{self.newest.pair_version}"'


class Pairs:
    """Every pair, and the way to change them."""

    def __init__(self, desk: DecisionDesk) -> None:
        """Where decisions are made."""
        self._desk = desk
        self._pairs: dict[str, Pair] = {}
        self._made: dict[str, Pair | None] = {}
        """By the id of a decision that is under way here: the pair that it made, once it counts."""

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Fold decisions in their order; what cannot be applied is passed over."""
        for control in controls:
            if control.kind is ControlKind.PAIR and control_error(control) is None:
                self._apply(control)

    def all(self) -> list[Pair]:
        """Those that were not taken away, oldest first."""
        return [pair for pair in self._pairs.values() if pair.newest.pair_status is not DELETED]

    def get(self, pair_id: str) -> Pair:
        """A pair that was not taken away. Raises ApiError."""
        pair = self._pairs.get(pair_id)
        if pair is None or pair.newest.pair_status is DELETED:
            raise ApiError(Code.NOT_FOUND, f"There is no pair {pair_id[:64]}; GET /api/v1/pairs lists them.")
        return pair

    def __contains__(self, pair_id: str) -> bool:
        """Whether there is, or was, such a pair."""
        return pair_id in self._pairs

    async def create(self, identity: Identity, token: str, fields: Mapping[str, Any]) -> Pair:
        """Make a pair, once for a token, 32 hexadecimal digits. Raises ApiError."""
        pair_id = str(uuid.UUID(token, version=4))
        if (before := self._pairs.get(pair_id)) is not None:
            return before._replace(newest=before.created)  # it was answered so, and the answer was lost
        if len(self.all()) >= limits.PAIRS_MAX:
            raise ApiError(Code.LIMIT_EXCEEDED, f"There may be {limits.PAIRS_MAX} pairs; take one away.")
        return await self._decide(
            Control(
                kind=ControlKind.PAIR,
                control_id=f"pair-{token}",
                **_signed(identity),
                pair_id=pair_id,
                pair_version=1,
                **fields,
            )
        )

    async def change(self, identity: Identity, pair: Pair, fields: Mapping[str, Any]) -> Pair:
        """Make the next version of a pair. Raises ApiError, also when somebody else made it first."""
        before = pair.newest
        assert before.pair_version is not None
        return await self._decide(
            replace(
                before,
                control_id=_new_id(),
                pair_version=before.pair_version + 1,
                **_signed(identity),
                **fields,
            )
        )

    async def _decide(self, control: Control) -> Pair:
        self._made[control.control_id] = None
        try:
            await self._desk.decide(control)
            made = self._made[control.control_id]
        finally:
            del self._made[control.control_id]
        if made is None:
            raise ApiError(
                Code.PRECONDITION_FAILED, "Somebody else changed the pair at the same time; read it, and decide again."
            )
        return made

    def _apply(self, control: Control) -> None:
        assert control.pair_id is not None
        assert control.pair_version is not None
        pair = self._pairs.get(control.pair_id)
        if pair is None:
            pair = Pair(len(self._pairs) + 1, control, control)
        elif control.pair_version > (pair.newest.pair_version or 0):
            pair = pair._replace(newest=control)
        else:
            return
        self._pairs[control.pair_id] = pair
        if control.control_id in self._made:
            self._made[control.control_id] = pair


def shown(pair: Pair) -> dict[str, Any]:
    """A pair as clients see it."""
    return {
        "id": str(pair.number),
        "pair_id": pair.newest.pair_id,
        **shown_version(pair.newest),
        "created_by": pair.created.issued_by,
        "created_at": format_us(pair.created.issued_us),
        "updated_at": format_us(pair.newest.issued_us),
    }


def shown_version(version: Any) -> dict[str, Any]:
    """What a version says of its pair: a Control, or a row of `pair_versions`."""
    return {
        "version": version.pair_version,
        "symbol1": version.symbol1,
        "symbol2": version.symbol2,
        "ratio": format_e8(version.ratio_e8),
        "status": version.pair_status.lower(),
        "z_score_threshold_entry": format_e8(version.z_score_threshold_entry_e8),
        "z_score_threshold_exit": format_e8(version.z_score_threshold_exit_e8),
        "lookback_period": version.lookback_period,
        "notes": version.notes or "",
    }


def _new_id() -> str:
    return f"pair-{secrets.token_hex(8)}"


def _signed(identity: Identity) -> dict[str, Any]:
    return {"issued_us": time.time_ns() // 1_000, "issued_by": identity.username}
