"""Ed25519 public keys with which bots seal the commands that they write to the log themselves.

What counts is the log: a key is registered by a Control record, which pre-trade risk reads, and this reads it too.
"""

import secrets
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway import limits
from gateway.auth.tokens import Identity
from gateway.decisions import DecisionDesk
from gateway.errors import ApiError, Code
from schemas.controls import control_error
from schemas.messages import Control, ControlKind

DAY_US: Final = 86_400 * 1_000_000


class SigningKeys:
    """The keys of every account, folded from the control topic."""

    def __init__(self, desk: DecisionDesk, own_key_id: str) -> None:
        """Where decisions are made, and the id under which this gateway seals, which nobody else may have."""
        self._desk = desk
        self._own_key_id = own_key_id
        self._keys: dict[str, dict[str, bytes]] = {}
        self._changed_us: dict[str, deque[int]] = {}
        """Per account: when its newest changes were decided."""

    def apply_all(self, controls: Iterable[Control]) -> None:
        """Fold decisions in their order; the stages ignore what cannot be, and so does this."""
        for control in controls:
            if control.kind is ControlKind.KEY and control_error(control) is None:
                self._apply(control.account or "", control.key_id or "", control)

    def of_account(self, account: str) -> dict[str, bytes]:
        """Public keys by their ids, in the order in which they were registered."""
        return dict(self._keys.get(account, {}))

    async def register(self, identity: Identity, key_id: str, public_key: bytes) -> None:
        """Register a key for the caller's account. Raises ApiError."""
        keys = self._keys.get(identity.account, {})
        if key_id == self._own_key_id or keys.get(key_id, public_key) != public_key:
            raise ApiError(Code.CONFLICT, f"There is another key {key_id!r}; take another id.", field="key_id")
        if key_id not in keys and len(keys) >= limits.SIGNING_KEYS_PER_ACCOUNT:
            raise ApiError(
                Code.LIMIT_EXCEEDED, f"An account may have {limits.SIGNING_KEYS_PER_ACCOUNT} keys; revoke one."
            )
        await self._decide(identity, key_id, public_key)

    async def revoke(self, identity: Identity, key_id: str) -> None:
        """Revoke a key of the caller's account. Raises ApiError."""
        if key_id not in self._keys.get(identity.account, {}):
            raise ApiError(Code.NOT_FOUND, "The account has no such key.")
        await self._decide(identity, key_id, None)

    async def _decide(self, identity: Identity, key_id: str, public_key: bytes | None) -> None:
        now_us = time.time_ns() // 1_000
        changed = self._changed_us.get(identity.account, deque())
        if len(changed) == limits.SIGNING_KEY_CHANGES_PER_DAY and changed[0] > now_us - DAY_US:
            raise ApiError(
                Code.RATE_LIMITED,
                f"An account may change its keys {limits.SIGNING_KEY_CHANGES_PER_DAY} times a day.",
                retry_after_s=(changed[0] + DAY_US - now_us) // 1_000_000 + 1,
            )
        control = Control(
            kind=ControlKind.KEY,
            control_id=f"key-{secrets.token_hex(8)}",
            issued_us=now_us,
            issued_by=identity.username,
            account=identity.account,
            key_id=key_id,
            public_key=public_key,
        )
        await self._desk.decide(control)

    def _apply(self, account: str, key_id: str, control: Control) -> None:
        keys = self._keys.setdefault(account, {})
        if control.public_key is None:
            keys.pop(key_id, None)
        else:
            keys[key_id] = control.public_key
        changed = self._changed_us.setdefault(account, deque(maxlen=limits.SIGNING_KEY_CHANGES_PER_DAY))
        changed.append(control.issued_us)
