"""`Idempotency-Key`: a POST that is sent again with the same key is answered as the first one was, and done once.

An answer is kept in Valkey for a day, under a hash of who asked and the key, and encrypted with what only the key
gives: some answers hold secrets. Without Valkey a request with a key is refused, for nobody could keep the promise.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Protocol

import msgspec
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, Request
from valkey.exceptions import ValkeyError

from gateway import limits
from gateway.asgi import Reply
from gateway.auth.routes import Caller
from gateway.errors import ApiError, Code, unavailable

HEADER: Final = "Idempotency-Key"
DECIDED_ONCE: Final = "tradsys.decided_once"
"""In the scope of a request that may be asked again, whatever became of it."""
REPLAYED: Final = (b"idempotency-replayed", b"true")
_KEY: Final = re.compile(rb"[!-~]{16,128}")
_KEPT: Final = frozenset({b"location", b"etag", b"cache-control"})
_NONCE_BYTES: Final = 12
_SUCCESS: Final = range(200, 300)

_log: Final = structlog.get_logger("gateway.idempotency")


class Store(Protocol):
    """As much of Valkey as this needs."""

    def set(self, name: str, value: bytes, *, ex: int, nx: bool = False) -> Awaitable[Any]:
        """Keep a value for so many seconds; with nx None is answered where there is one."""

    def get(self, name: str) -> Awaitable[bytes | None]:
        """A value."""

    def delete(self, name: str) -> Awaitable[Any]:
        """Forget a value."""


class _Entry(msgspec.Struct):
    fingerprint: bytes
    """Of method, path, query and body."""
    answer: bytes | None = None
    """A Reply, encrypted; None while the request is under way."""
    is_unknown: bool = False
    """Whether nobody knows what became of the request."""


class Repeats:
    """What was answered to whom."""

    def __init__(self, store: Store, prefix: str) -> None:
        """The store, and what its keys begin with."""
        self._store = store
        self._prefix = prefix

    async def answer(
        self,
        who: str,
        key: bytes,
        content: bytes,
        ask: Callable[[], Awaitable[Reply]],
        may_have_acted: Callable[[], bool],
    ) -> Reply:
        """The answer of `ask`, or the one that the same content with this key had before. Raises ApiError.

        After an `ask` without success it is asked whether something may have been done that a repeat would do again.
        """
        if not _KEY.fullmatch(key):
            raise ApiError(
                Code.VALIDATION_FAILED,
                f"{HEADER} must be 16 to 128 printable ASCII characters without spaces, such as a UUID.",
                field=HEADER,
            )
        name = f"{self._prefix}idempotency:{_digest(who.encode(), key).hex()}"
        cipher, fingerprint = AESGCM(_digest(b"answer", who.encode(), key)), _digest(content)
        pending = msgspec.msgpack.encode(_Entry(fingerprint))
        try:
            is_first = await self._store.set(name, pending, nx=True, ex=limits.IDEMPOTENCY_PENDING_S)
            stored = None if is_first else await self._store.get(name)
        except (ValkeyError, OSError) as error:
            raise unavailable("The store of repeated requests") from error
        if not is_first:
            return _repeated(stored, fingerprint, cipher)
        try:
            reply = await ask()
        except ApiError:  # before anything was begun
            await self._keep(name, None)
            raise
        except BaseException:
            await self._keep(name, _Entry(fingerprint, is_unknown=True) if may_have_acted() else None)
            raise
        if reply.status not in _SUCCESS:
            await self._keep(name, _Entry(fingerprint, is_unknown=True) if may_have_acted() else None)
            return reply
        nonce = os.urandom(_NONCE_BYTES)
        kept = Reply(reply.status, reply.body, [head for head in reply.headers if head[0] in _KEPT], reply.content_type)
        answer = nonce + cipher.encrypt(nonce, msgspec.msgpack.encode(kept), None)
        await self._keep(name, _Entry(fingerprint, answer))
        return reply

    async def _keep(self, name: str, entry: _Entry | None) -> None:
        """Keep an answer, or nothing of a request that did nothing."""
        try:
            if entry is None:
                await self._store.delete(name)
            else:
                await self._store.set(name, msgspec.msgpack.encode(entry), ex=limits.IDEMPOTENCY_S)
        except (ValkeyError, OSError) as error:
            _log.warning("answer_not_kept", detail=str(error) or type(error).__name__)


def _repeated(stored: bytes | None, fingerprint: bytes, cipher: AESGCM) -> Reply:
    entry = _Entry(fingerprint) if stored is None else msgspec.msgpack.decode(stored, type=_Entry)
    if entry.fingerprint != fingerprint:
        raise ApiError(Code.CONFLICT, f"This {HEADER} was sent with another request; take a new one.", field=HEADER)
    if entry.is_unknown:
        raise ApiError(
            Code.OUTCOME_UNKNOWN,
            f"The first request with this {HEADER} may have been done; look how things stand, then take a new key.",
        )
    if entry.answer is None:
        raise ApiError(
            Code.CONFLICT,
            f"The first request with this {HEADER} is still under way; ask again in a moment.",
            field=HEADER,
            retry_after_s=1,
        )
    kept = cipher.decrypt(entry.answer[:_NONCE_BYTES], entry.answer[_NONCE_BYTES:], None)
    reply = msgspec.msgpack.decode(kept, type=Reply)
    return Reply(reply.status, reply.body, [*reply.headers, REPLAYED], reply.content_type)


async def decision_token(request: Request, identity: Caller) -> str:
    """A dependency: what makes the id of a decision, 32 hexadecimal digits. The same request gives the same one.

    So the log itself does what was decided once, even where the answer could not be kept.
    """
    request.scope[DECIDED_ONCE] = True
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return secrets.token_hex(16)
    path, body = request.url.path.encode(), await request.body()
    return _digest(identity.username.encode(), path, key.encode(), body).hex()[:32]


DecisionToken = Annotated[str, Depends(decision_token)]


def _digest(*parts: bytes) -> bytes:
    summed = hashlib.sha256()
    for part in parts:
        summed.update(len(part).to_bytes(4) + part)
    return summed.digest()
