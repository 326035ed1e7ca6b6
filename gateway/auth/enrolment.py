"""How a person who has logged in takes on codes beside the password, and gives them up.

A new secret is shown once and kept by nobody: the person holds it, and in `enrolment` encrypted, until a code of it
says that the authenticator has it.
"""

import base64
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.asgi import host_of
from gateway.auth.logins import Logins
from gateway.auth.routes import BEARER, Caller
from gateway.auth.tokens import Identity
from gateway.auth.totp import TotpKeyError, Vault, new_secret, step_of
from gateway.auth.users import Ended, UserError, enroll, find, give_up_codes
from gateway.database import Database
from gateway.errors import ApiError, Code
from gateway.pages import answer
from gateway.rates import address_of

SixDigits = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="Of the authenticator")]

_log: Final = structlog.get_logger("gateway.auth")


class Begin(BaseModel):
    """A token alone is not enough: whoever has found one could lock its user out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    password: Annotated[str, Field(min_length=1, max_length=limits.PASSWORD_MAX)]


class Confirm(BaseModel):
    """The first code."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enrolment: Annotated[
        str, Field(pattern="^[0-9a-f]+$", max_length=limits.ENROLMENT_MAX, description="As it was answered")
    ]
    code: SixDigits


class GiveUp(BaseModel):
    """As at login; the code is used up."""

    model_config = ConfigDict(extra="forbid", strict=True)

    password: Annotated[str, Field(min_length=1, max_length=limits.PASSWORD_MAX)]
    code: SixDigits


class Enrolments:
    """Enrols people for codes."""

    def __init__(
        self,
        database: Database,
        logins: Logins,
        vault: Vault,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Where users are, what looks at passwords and codes, what encrypts, and seconds since 1970 UTC."""
        self._database = database
        self._logins = logins
        self._vault = vault
        self._clock = clock

    async def begin(self, identity: Identity, password: str, address: str) -> dict[str, str]:
        """A new secret, and what confirms it in this session. Raises ApiError."""
        user = await find(self._database, identity.username)
        if user is not None and user.totp_secret is not None:
            raise ApiError(Code.CONFLICT, "You have codes already; give them up first.")
        try:
            await self._logins.user(identity.username, password, address)
        except ApiError as error:
            raise _of_the_body(error, "password", "The password is wrong.") from None
        secret, uri = new_secret(identity.username)
        try:
            enrolment = self._vault.lock(_of_session(identity), secret)
        except TotpKeyError as error:
            _log.error("nobody_can_be_enrolled", detail=str(error))
            raise ApiError(Code.SERVICE_UNAVAILABLE, "Codes cannot be set up here; tell the operator.") from error
        return {"secret": base64.b32encode(secret).decode(), "uri": uri, "enrolment": enrolment}

    async def confirm(self, identity: Identity, enrolment: str, code: str) -> Ended:
        """From now on the user logs in with codes; what has ended. Raises ApiError."""
        try:
            secret, _ = self._vault.unlock(_of_session(identity), enrolment)
        except (TotpKeyError, ValueError) as error:
            raise ApiError(
                Code.VALIDATION_FAILED, "The enrolment was not begun in this session.", field="enrolment"
            ) from error
        step = step_of(secret, code, self._clock())
        if step is None:
            raise ApiError(Code.VALIDATION_FAILED, "The code is wrong, or too old.", field="code")
        locked = self._vault.lock(identity.username, secret)
        try:
            ended = await self._database.transact(
                lambda engine: enroll(engine, identity.username, identity.session_id, locked, step)
            )
        except UserError as error:
            raise ApiError(Code.CONFLICT, str(error)) from error
        _log.info("codes_taken_on", username=identity.username)
        return ended

    async def give_up(self, identity: Identity, password: str, code: str, address: str) -> Ended:
        """From now on the user logs in with the password alone; what has ended. Raises ApiError.

        A token alone may not ask: who has found one could count wrong codes until the user is locked out.
        """
        user = await find(self._database, identity.username)
        if user is None or user.totp_secret is None:
            raise ApiError(Code.CONFLICT, "You have no codes.")
        try:
            shown = await self._logins.user(identity.username, password, address, code)
        except ApiError as error:
            if error.field == "code":
                raise _of_the_body(error, "code", error.message) from None
            raise _of_the_body(error, "password", "The password is wrong.") from None
        try:
            ended = await self._database.transact(
                lambda engine: give_up_codes(engine, identity.username, identity.session_id, shown.totp_secret)
            )
        except UserError as error:
            raise ApiError(Code.CONFLICT, str(error)) from error
        _log.info("codes_given_up", username=identity.username)
        return ended


def router(enrolments: Enrolments) -> APIRouter:
    """The routes under /auth/totp."""
    routes = APIRouter(prefix="/auth/totp", tags=["auth"], dependencies=[BEARER])

    @routes.post("")
    async def begin_codes(request: Request, identity: Caller, body: Begin) -> Response:
        """Make a secret for an authenticator. It is shown this once, and nothing holds until it is confirmed."""
        return answer(await enrolments.begin(identity, body.password, address_of(host_of(request.scope))))

    @routes.post("/confirm")
    async def confirm_codes(identity: Caller, body: Confirm) -> Response:
        """Log in with codes of this secret too from now on. All sessions and keys of the user end."""
        return _told(await enrolments.confirm(identity, body.enrolment, body.code))

    @routes.post("/remove")
    async def remove_codes(request: Request, identity: Caller, body: GiveUp) -> Response:
        """Log in with the password alone from now on. All sessions and keys of the user end."""
        address = address_of(host_of(request.scope))
        return _told(await enrolments.give_up(identity, body.password, body.code, address))

    return routes


def _told(ended: Ended) -> Response:
    shown: dict[str, Any] = {"sessions_ended": ended.sessions, "keys_revoked": ended.keys}
    return answer(shown)


def _of_session(identity: Identity) -> str:
    """Whose an enrolment is; no user has such a name, so none is a secret of a user."""
    return f"session {identity.session_id} of {identity.username}"


def _of_the_body(error: ApiError, field: str, message: str) -> ApiError:
    """Who asks is known: it is the body that is wrong."""
    if error.code is not Code.UNAUTHORIZED:
        return error
    return ApiError(Code.VALIDATION_FAILED, message, field=field)
