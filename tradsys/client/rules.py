"""What the client does, as pure code: a generator yields what is to be done, and is sent what came of it.

The shells, one for threads and one for asyncio, do it and know nothing else; so both keep the same rules:

- What changed nothing is repeated: the gateway said so (429, 503 SERVICE_UNAVAILABLE), or nothing was sent.
- What may have been done is repeated only where twice is the same as once. If it is a change and no answer ever says
  what became of it, the call ends with OutcomeUnknownError, whatever a later attempt was refused with.
- A token that is refused is replaced once; nothing was done, so that every call may then be sent again.
- Pauses double up to a limit and are at least what Retry-After says. Nothing is left to chance.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from tradsys.client import limits
from tradsys.client.errors import (
    MAY_BE_DONE,
    ApiError,
    ClientError,
    OutcomeUnknownError,
    ProtocolError,
    UnauthorizedError,
    UnreachableError,
)
from tradsys.client.session import Session
from tradsys.client.wire import OK, Answer, Call, Failure, Request, unknown_outcome

T = TypeVar("T")


class Send(NamedTuple):
    """Send a request; the generator wants its Answer, or a Failure."""

    request: Request


class Pause(NamedTuple):
    """Wait so long; the generator wants None."""

    seconds: float


class Authorise(NamedTuple):
    """Run `authorised` while nobody else does; the generator wants its result, or what it raised."""

    refused: str | None


Steps = Generator[Send | Pause | Authorise, Any, T]

_NOTHING_DONE: Final = frozenset({"RATE_LIMITED", "SERVICE_UNAVAILABLE", "REQUEST_TIMEOUT"})
"""Codes that pass: the same request may be sent again."""
_DECISIVE: Final = frozenset({"VALIDATION_FAILED", "CONFLICT", "NOT_FOUND"})
_SERVER_FAILED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the rules take from outside."""

    clock_s: Callable[[], float]
    """Seconds that never go back."""
    make_id: Callable[[], str]
    """A name that nobody else makes."""
    timeout_s: float = limits.TIMEOUT_S
    patience_s: float = limits.PATIENCE_S


def perform(call: Call[T], session: Session | None, means: Means) -> Steps[T]:
    """Do a call, logged in where it needs that. Raises ClientError."""
    if not call.needs_login:
        return (yield from attempts(call, None, means, means.patience_s))
    if session is None:
        raise UnauthorizedError("UNAUTHORIZED", f"{call.method} {call.path} needs a Password or an ApiKey.")
    return (yield from attempts(call, session, means, means.patience_s))


def authorised(session: Session, means: Means, refused: str | None) -> Steps[str]:
    """The token to send, which is another than the one that was refused. Raises ClientError.

    A token that is about to end is replaced ahead of time. Where that fails it is used on, and nobody waits for it.
    """
    while True:
        now_s = means.clock_s()
        token = session.token(refused, now_s)
        due_s = session.due_s()
        if token is not None and (due_s is None or now_s < due_s):
            return token
        call, uses_up = session.next_call()
        try:
            new = yield from attempts(call, None, means, means.patience_s if token is None else 0.0)
        except ClientError as error:
            if uses_up and isinstance(error, OutcomeUnknownError | UnauthorizedError | ProtocolError):
                session.drop_refresh_token()
                if session.can_renew:
                    continue
            if token is None:
                raise
            session.postpone(means.clock_s())
            return token
        session.took(new, means.clock_s())


def attempts(call: Call[T], session: Session | None, means: Means, patience_s: float) -> Steps[T]:
    """Send a call until it is answered, or nothing more may be done. Raises ClientError."""
    correlation_id = means.make_id()
    ends_s = means.clock_s() + patience_s
    backoff_s = limits.BACKOFF_MIN_S
    may_be_done = False
    refused: str | None = None
    for attempt in range(1, limits.ATTEMPTS_MAX + 1):
        asked = call.repeated if may_be_done and call.repeated is not None else call
        try:
            token = None if session is None else (yield Authorise(refused))
        except ClientError as error:  # of another request: this one was not sent
            if may_be_done and call.changes:
                raise unknown_outcome(call, error, correlation_id) from error
            raise
        heard = yield Send(asked.request(token, correlation_id, means.timeout_s))
        try:
            return _read(asked, heard, correlation_id)
        except ClientError as error:
            happened = _verdict(error)
            may_be_done = may_be_done or happened in {_UNKNOWN, _UNREADABLE}
            is_last = attempt == limits.ATTEMPTS_MAX
            if _is_token_refused(error, session) and refused is None and not is_last:
                refused = token
                continue
            may_repeat = happened is _PASSES or (happened is _UNKNOWN and call.is_repeatable)
            asked_s = error.retry_after_s if isinstance(error, ApiError) else None
            pause_s = max(backoff_s, asked_s or 0.0)
            if not may_repeat or is_last or means.clock_s() + pause_s >= ends_s:
                if may_be_done and call.changes and not _is_decisive(error):
                    raise unknown_outcome(call, error, correlation_id) from error
                raise
        yield Pause(pause_s)
        backoff_s = min(2 * backoff_s, limits.BACKOFF_MAX_S)
    raise AssertionError("the last attempt returns or raises")


def _is_token_refused(error: ClientError, session: Session | None) -> bool:
    """Whether another token may help."""
    return isinstance(error, UnauthorizedError) and session is not None and session.can_renew


def _is_decisive(error: ClientError) -> bool:
    """Whether an error says how things stand even where an earlier attempt may have been done."""
    return isinstance(error, ApiError) and error.code in _DECISIVE and not _is_under_way(error)


def _is_under_way(error: ApiError) -> bool:
    """Whether an earlier request with the same Idempotency-Key is not answered yet."""
    return error.code == "CONFLICT" and error.retry_after_s is not None


_PASSES: Final = "nothing was done, and it may be tried again"
_UNKNOWN: Final = "it may have been done"
_UNREADABLE: Final = "it was done, and the answer cannot be read"
_FINAL: Final = "nothing was done, and trying again changes nothing"


def _verdict(error: ClientError) -> str:
    """What an error says of the attempt that it ended."""
    if isinstance(error, ApiError):
        if error.code in _NOTHING_DONE or _is_under_way(error):
            return _PASSES
        return _UNKNOWN if error.code in MAY_BE_DONE else _FINAL
    if isinstance(error, _LostError):
        return _UNKNOWN if error.was_sent else _PASSES
    if isinstance(error, ProtocolError):
        status = error.status or 0
        return _UNKNOWN if status >= _SERVER_FAILED else _UNREADABLE if status in OK else _FINAL
    return _FINAL


class _LostError(UnreachableError):
    """An attempt without an answer."""

    def __init__(self, message: str, was_sent: bool, correlation_id: str) -> None:  # noqa: FBT001 - as Failure has it
        super().__init__(message, correlation_id=correlation_id)
        self.was_sent = was_sent


def _read(call: Call[T], heard: Answer | Failure, correlation_id: str) -> T:
    if isinstance(heard, Failure):
        raise _LostError(f"{call.method} {call.path}: {heard.why}", heard.was_sent, correlation_id)
    return call.result(heard)
