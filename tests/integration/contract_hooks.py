"""What schemathesis cannot know of the gateway: who asks, and the secrets that stand in the examples' places."""

import itertools
import os
import secrets
from typing import Any

import httpx
import schemathesis
from schemathesis import AuthContext, Case, HookContext

PASSWORD_IN_EXAMPLE = "as the operator gave it"
REFRESH_TOKEN_IN_EXAMPLE = "as the last answer gave it"
KEY_IN_EXAMPLE = "5f0cbd0e-6c1f-4c1e-9a53-0c2d8c1f0e11"
KEYS = itertools.count()


class Sessions:
    """One session for all that is asked, and one of another user for each logout that may end it.

    They are begun from another address than schemathesis has, whose failed logins are counted.
    """

    def __init__(self) -> None:
        aside = httpx.HTTPTransport(local_address="127.0.0.2")
        self._client = httpx.Client(base_url=os.environ["CONTRACT_URL"], transport=aside, timeout=60)
        admin = {"username": os.environ["CONTRACT_USERNAME"], "password": os.environ["CONTRACT_PASSWORD"]}
        self._token = self.begun(admin)["token"]
        self._leaving: str | None = None

    def get(self, case: Case, context: AuthContext) -> str:
        if case.path != "/auth/logout":
            return self._token
        if self._leaving is None:
            self._leaving = self.begun(self.somebody())["token"]
        return self._leaving

    def set(self, case: Case, token: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {token}"

    def logged_out(self) -> None:
        self._leaving = None

    def somebody(self) -> dict[str, str]:
        """The login of a new user: who is known to schemathesis may be disabled, or locked out."""
        login = {"username": f"contract-{secrets.token_hex(8)}", "password": secrets.token_urlsafe(12)}
        headers = {"authorization": f"Bearer {self._token}"}
        made = self._client.post("/api/v1/admin/users", json=login | {"role": "viewer"}, headers=headers)
        assert made.status_code == 201, made.text
        return login

    def begun(self, login: dict[str, str]) -> dict[str, str]:
        answer = self._client.post("/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        data: dict[str, str] = answer.json()["data"]
        return data


SESSIONS = Sessions()


@schemathesis.auth(refresh_interval=None)
class Asking:
    """The header of whoever asks."""

    get, set = SESSIONS.get, SESSIONS.set


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Put secrets of now where the examples have words, and a key of its own into each request that has one."""
    if case.headers.get("Idempotency-Key") == KEY_IN_EXAMPLE:
        case.headers["Idempotency-Key"] = f"contract-{next(KEYS):016}"
    if not isinstance(case.body, dict):
        return
    if case.body.get("password") == PASSWORD_IN_EXAMPLE:
        case.body |= SESSIONS.somebody()
    if case.body.get("refresh_token") == REFRESH_TOKEN_IN_EXAMPLE:
        case.body["refresh_token"] = SESSIONS.begun(SESSIONS.somebody())["refresh_token"]


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: schemathesis.Response) -> None:
    """Begin another session once a logout has ended the one before."""
    if case.path == "/auth/logout" and response.status_code == 200:
        SESSIONS.logged_out()
