"""/api/v1/admin/users: who may log in, as `tradsys users` does it."""

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import APIRouter, Response

from gateway import limits
from gateway.admin.bodies import NewUserBody, UserChange
from gateway.auth.routes import BEARER, Caller
from gateway.auth.users import Listed, NewUser, UserError, create, disable, enable, listed, set_role
from gateway.database import Database
from gateway.envelope import Pagination
from gateway.errors import ApiError, Code
from gateway.pages import Page, PageSize, answer, require_window
from schemas.units import format_us

_log: Final = structlog.get_logger("gateway.admin")


def users_router(database: Database) -> APIRouter:
    """The routes of users."""
    routes = APIRouter(prefix="/api/v1/admin/users", tags=["admin"], dependencies=[BEARER])

    @routes.get("")
    async def list_users(page: Page = 1, page_size: PageSize = limits.PAGE_SIZE_DEFAULT) -> Response:
        """Who may log in, by name, and how many sessions and keys they have."""
        require_window(page, page_size)
        users = await database.transact(listed)
        begin = (page - 1) * page_size
        data = [_shown(user) for user in users[begin : begin + page_size]]
        return answer(data, Pagination.of(page, page_size, len(users)))

    @routes.post("", status_code=201)
    async def create_user(identity: Caller, new: NewUserBody) -> Response:
        """Make a user."""
        user = NewUser(new.username, new.password, new.account or new.username, new.role)
        try:
            await database.transact(lambda engine: create(engine, user))
        except UserError as error:
            code = Code.CONFLICT if "already" in str(error) else Code.VALIDATION_FAILED
            raise ApiError(code, str(error)) from error
        _log.info("user_made", by=identity.username, username=user.username, role=user.role, account=user.account)
        return answer(
            {"username": user.username, "account": user.account, "role": user.role}, status=HTTPStatus.CREATED
        )

    @routes.patch("/{username}")
    async def change_user(identity: Caller, username: str, change: UserChange) -> Response:
        """Give a user another role, or let him log in no more, or again.

        All but the last ends his sessions and keys.
        """
        change.require_one()
        if username == identity.username:
            raise ApiError(Code.CONFLICT, "Nobody changes himself: another admin does, or `tradsys users`.")
        try:
            if change.role is not None:
                role = change.role
                await database.transact(lambda engine: set_role(engine, username, role))
            elif change.disabled:
                await database.transact(lambda engine: disable(engine, username))
            else:
                await database.transact(lambda engine: enable(engine, username))
        except UserError as error:
            raise ApiError(Code.NOT_FOUND, str(error)) from error
        said = change.model_dump(exclude_none=True)
        _log.info("user_changed", by=identity.username, username=username, **said)
        return answer({"username": username} | said)

    return routes


def _shown(user: Listed) -> dict[str, Any]:
    return {
        "username": user.username,
        "account": user.account,
        "role": user.role,
        "created_time": format_us(user.created_us),
        "disabled_time": None if user.disabled_us is None else format_us(user.disabled_us),
        "sessions": user.sessions,
        "api_keys": user.keys,
        "totp": user.needs_code,
    }
