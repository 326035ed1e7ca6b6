"""Who the client is: a key, or a password and the tokens that it gives. State without I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tradsys.client.door import Login
from tradsys.client.limits import REFRESH_AGAIN_S, REFRESH_BEFORE_S
from tradsys.client.wire import Answer, Call, Envelope, server_time_s

_login: Final = msgspec.json.Decoder(Login).decode


@dataclass(frozen=True, slots=True)
class Password:
    """A user of the gateway, who logs in."""

    username: str
    password: str = field(repr=False)
    code: Callable[[], str] | None = field(default=None, repr=False)
    """Gives a code of the authenticator, for users who have one; asked at each login, because a code is good once."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that a user made for a program."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that was begun or carried on."""

    login: Login
    lifetime_s: float | None
    """Of the access token, from the answer on and by the gateway's clock; None where it does not show its clock."""


class Session:
    """The token to send, and how to come by the next one."""

    def __init__(self, credentials: Password | ApiKey) -> None:
        self._password = credentials if isinstance(credentials, Password) else None
        self._key = credentials.key if isinstance(credentials, ApiKey) else None
        self._login: Login | None = None
        self._refresh_token: str | None = None
        self._due_s: float | None = None
        """When to refresh ahead of time."""
        self._ends_s: float | None = None

    def token(self, refused: str | None, now_s: float) -> str | None:
        """What to send now; None where another token is needed. One that was refused is not good, a key always is."""
        if self._key is not None:
            return self._key
        token = None if self._login is None else self._login.token
        is_over = self._ends_s is not None and now_s >= self._ends_s
        return None if token == refused or is_over else token

    @property
    def can_renew(self) -> bool:
        """Whether a token that was refused can be replaced."""
        return self._password is not None

    @property
    def account(self) -> str | None:
        """Whose, as far as a login has said it."""
        return None if self._login is None else self._login.account

    def due_s(self) -> float | None:
        """When to ask for another token ahead of time; None: never."""
        return self._due_s

    def next_call(self) -> tuple[Call[LoggedIn], bool]:
        """What gives another token, and whether it uses up the refresh token."""
        if self._refresh_token is not None:
            return refresh(self._refresh_token), True
        assert self._password is not None
        return log_in(self._password), False

    def took(self, new: LoggedIn, now_s: float) -> None:
        """Another token has come."""
        self._login, self._refresh_token = new.login, new.login.refresh_token
        if new.lifetime_s is None:
            self._due_s = self._ends_s = None
        else:
            self._ends_s = now_s + new.lifetime_s
            self._due_s = self._ends_s - min(REFRESH_BEFORE_S, new.lifetime_s / 10)

    def drop_refresh_token(self) -> None:
        """It was used, or may have been: to use it twice would end the session."""
        self._refresh_token = None

    def postpone(self, now_s: float) -> None:
        """No other token could be had: go on with this one for a while."""
        self._due_s = now_s + REFRESH_AGAIN_S

    def forget(self) -> None:
        """The session has ended; the next call logs in again."""
        self._login = self._refresh_token = self._due_s = self._ends_s = None


def log_in(who: Password) -> Call[LoggedIn]:
    """Begin a session. One that nobody heard of harms nobody."""
    body = {"username": who.username, "password": who.password}
    if who.code is not None:
        body["code"] = who.code()
    return Call(
        method="POST",
        path="/auth/login",
        body=body,
        read=_logged_in,
        needs_login=False,
        is_repeatable=who.code is None,
    )


def refresh(refresh_token: str) -> Call[LoggedIn]:
    """Carry a session on. The token is good once, so this is never repeated after it may have been done."""
    return Call(
        method="POST",
        path="/auth/refresh",
        body={"refresh_token": refresh_token},
        read=_logged_in,
        needs_login=False,
        changes=True,
        is_repeatable=False,
    )


def _logged_in(answer: Answer, envelope: Envelope) -> LoggedIn:
    login = _login(envelope.data)
    now_s = server_time_s(answer.headers)
    return LoggedIn(login, None if now_s is None else max(0.0, login.expires_at.timestamp() - now_s))
