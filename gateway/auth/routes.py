"""POST /auth/login and POST /auth/ticket; and who asks, for all other routes."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from gateway import limits
from gateway.auth.attempts import Attempts
from gateway.auth.passwords import Passwords
from gateway.auth.tickets import Tickets
from gateway.auth.tokens import Identity, Tokens
from gateway.auth.users import find
from gateway.database import Database
from gateway.errors import ApiError, Code
from gateway.pages import answer
from schemas.units import format_us

BEARER: Final = Depends(HTTPBearer(auto_error=False, description="An access token of POST /auth/login"))
"""Only for the OpenAPI document: `Who` reads the header, so that all refusals are alike."""


class Login(BaseModel):
    """Who says they are who."""

    model_config = ConfigDict(extra="forbid", strict=True)

    username: Annotated[str, Field(min_length=1, max_length=limits.USERNAME_MAX)]
    password: Annotated[str, Field(min_length=1, max_length=limits.PASSWORD_MAX)]


class Who:
    """A dependency of routes: the identity in the request's token."""

    def __init__(self, tokens: Tokens) -> None:
        """What verifies tokens."""
        self._tokens = tokens

    def __call__(self, request: Request) -> Identity:
        """Raises ApiError without a good token."""
        header = request.headers.get("authorization")
        return self._tokens.bearer(None if header is None else header.encode("latin-1"))


def router(
    *, database: Database, tokens: Tokens, passwords: Passwords, attempts: Attempts, tickets: Tickets
) -> APIRouter:
    """The routes under /auth."""
    routes = APIRouter(prefix="/auth", tags=["auth"])
    who = Who(tokens)

    @routes.post("/login")
    async def login(request: Request, login: Login) -> Response:
        """Give an access token for a name and a password."""
        address = request.client.host if request.client else "unknown"
        attempt = await attempts.begin(login.username, address)
        try:
            user = await find(database, login.username) if _can_be(login.username) else None
            is_right = await passwords.verify(user.password_hash if user else None, login.password)
        except ApiError:
            await attempts.forget(attempt)  # nobody could look at the password: an outage must lock nobody out
            raise
        if user is None or not is_right:
            raise ApiError(Code.UNAUTHORIZED, "Username or password is wrong.")
        await attempts.forget(attempt)
        token, identity = tokens.issue(login.username, user.account, user.role)
        return answer(
            {
                "token": token,
                "token_type": "Bearer",  # nosec B105
                "expires_at": format_us(identity.expires_s * 1_000_000),
                "account": identity.account,
                "role": identity.role,
            }
        )

    @routes.post("/ticket", dependencies=[BEARER])
    async def ticket(request: Request) -> Response:
        """Give a ticket that opens one WebSocket: /ws?ticket=..."""
        identity = who(request)
        return answer({"ticket": await tickets.issue(identity), "expires_in_s": limits.TICKET_S})

    return routes


def _can_be(username: str) -> bool:
    """PostgreSQL's text holds no NUL."""
    return "\0" not in username
