"""POST /auth/login, /auth/refresh, /auth/logout and /auth/ticket; and who asks, for all other routes."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.asgi import host_of
from gateway.auth.logins import Logins
from gateway.auth.sessions import Session, Sessions
from gateway.auth.tickets import Tickets
from gateway.auth.tokens import Identity, Tokens
from gateway.pages import answer
from gateway.rates import address_of
from schemas.units import format_us

BEARER: Final = Depends(HTTPBearer(auto_error=False, description="An access token of POST /auth/login"))
"""Only for the OpenAPI document: the application's guard reads the header, so that all refusals are alike."""


JWKS: Final = "/.well-known/jwks.json"


class LoginBody(BaseModel):
    """Who says they are who."""

    model_config = ConfigDict(extra="forbid", strict=True)

    username: Annotated[str, Field(min_length=1, max_length=limits.USERNAME_MAX)]
    password: Annotated[str, Field(min_length=1, max_length=limits.PASSWORD_MAX)]
    code: Annotated[
        str | None, Field(pattern=r"^[0-9]{6}$", description="Of the authenticator, for users who have one")
    ] = None


class Refresh(BaseModel):
    """A refresh token, which is used up."""

    model_config = ConfigDict(extra="forbid", strict=True)

    refresh_token: Annotated[str, Field(min_length=1, max_length=limits.REFRESH_TOKEN_CHARACTERS_MAX)]


class Logout(BaseModel):
    """Which sessions end."""

    model_config = ConfigDict(extra="forbid", strict=True)

    everywhere: Annotated[bool, Field(description="All sessions of the user, not only this one")] = False


async def who(request: Request) -> Identity:
    """A dependency of routes that need a right: who asks, as the application's guard has found out."""
    identity: Identity = request.state.identity
    return identity


Caller = Annotated[Identity, Depends(who)]
"""Who asks, in routes that need a right."""


def router(
    *,
    logins: Logins,
    sessions: Sessions,
    tokens: Tokens,
    tickets: Tickets,
) -> APIRouter:
    """The routes under /auth, and the public keys of tokens."""
    routes = APIRouter(tags=["auth"])

    @routes.post("/auth/login")
    async def login(request: Request, login: LoginBody) -> Response:
        """Give an access token and a refresh token for a name and a password."""
        user = await logins.user(login.username, login.password, address_of(host_of(request.scope)), login.code)
        return _told(await sessions.begin(login.username, user))

    @routes.post("/auth/refresh")
    async def refresh(refresh: Refresh) -> Response:
        """Give a new access token and a new refresh token for a refresh token that was not used before.

        One that was used ends its session: somebody else has it too.
        """
        return _told(await sessions.refresh(refresh.refresh_token))

    @routes.post("/auth/logout", dependencies=[BEARER])
    async def logout(identity: Caller, logout: Logout | None = None) -> Response:
        """End the session of the access token, or all of its user: access, refresh and WebSocket."""
        if logout is not None and logout.everywhere:
            return answer({"sessions_ended": await sessions.end_all(identity.username)})
        return answer({"sessions_ended": await sessions.end(identity.session_id)})

    @routes.get(JWKS, include_in_schema=False)
    async def public_keys() -> Response:
        """The public keys of access tokens, for those who verify them elsewhere."""
        kept = {"cache-control": "public, max-age=300"}
        return Response(msgspec.json.encode(tokens.keys.public_set()), 200, kept, "application/jwk-set+json")

    @routes.post("/auth/ticket", dependencies=[BEARER])
    async def ticket(identity: Caller) -> Response:
        """Give a ticket that opens one WebSocket: /ws?ticket=..."""
        return answer({"ticket": await tickets.issue(identity), "expires_in_s": limits.TICKET_S})

    def _told(session: Session) -> Response:
        token, expires_s = tokens.issue(session.username, session.account, session.role, session.session_id)
        told: dict[str, Any] = {
            "token": token,
            "token_type": "Bearer",  # nosec B105
            "expires_at": format_us(expires_s * 1_000_000),
            "refresh_token": session.refresh_token,
            "refresh_expires_at": format_us(session.expires_us),
            "account": session.account,
            "role": session.role,
        }
        return answer(told)

    return routes
