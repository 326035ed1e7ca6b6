"""FastAPI as the gateway uses it: guarded, with the lean path in its document, and with our shape for its errors."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from gateway import limits
from gateway.asgi import Heads, error_reply, host_of
from gateway.auth.callers import Callers
from gateway.correlation import CORRELATION
from gateway.errors import CATALOGUE, ApiError, Code, Violation, violation
from gateway.health import routes as health_routes
from gateway.lean import not_allowed
from gateway.market import books
from gateway.openapi import complete
from gateway.orders.lean import openapi_paths
from gateway.rights import EVERYBODY, ROUTES
from gateway.strict import MISSING, UNKNOWN, refused

REFUSED_AS: Final = "tradsys.refused_as"
"""In the scope of a request that was refused: the code."""
_WITH_SECRETS: Final = ("/auth/", "/api/v1/admin/users")
"""Where a whole body, or a field that we do not know, may be a password that stands in the wrong place."""
_CODES: Final = {entry.status: code for code, entry in reversed(CATALOGUE.items())}


def make_application(lifespan: Any, callers: Callers) -> FastAPI:
    """FastAPI without routes, with the guard of all routes, our errors, and the lean path in its document."""

    async def guard(request: Request) -> None:
        """Raises ApiError for one who may not. A route that is not in the table is not served."""
        right = ROUTES[request.method, request.scope["route"].path]
        if right is not EVERYBODY:
            authorization = Heads.of(request.scope["headers"]).authorization
            request.state.identity = await callers.admit(authorization, right, host_of(request.scope))

    application = FastAPI(
        title="TradSys",
        version="0.1.0",
        description="A trading venue whose truth is a log. Money and quantities are decimal strings; ids are strings.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guard)],
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    application.add_exception_handler(ApiError, _api_error)
    application.add_exception_handler(HTTPException, _http_error)
    application.add_exception_handler(RequestValidationError, _validation_error)
    application.add_exception_handler(Exception, _unexpected)
    application.add_middleware(GZipMiddleware, minimum_size=limits.GZIP_BYTES_MIN, compresslevel=limits.GZIP_LEVEL)
    _document(application)
    return application


def _document(application: FastAPI) -> None:
    """Put the lean path into the OpenAPI document."""
    describe: Callable[[], dict[str, Any]] = application.openapi

    def with_lean_path() -> dict[str, Any]:
        if application.openapi_schema is None:
            document = describe()
            orders, schemas = openapi_paths()
            for path, operations in (orders | books.openapi_paths() | health_routes.openapi_paths()).items():
                document["paths"].setdefault(path, {}).update(operations)
            document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
            application.openapi_schema = complete(document)
        return application.openapi_schema

    application.openapi = with_lean_path  # type: ignore[method-assign] # FastAPI's documented way


def _render(request: Request, error: ApiError) -> Response:
    request.scope[REFUSED_AS] = error.code
    accept = request.headers.get("accept")
    reply = error_reply(error, CORRELATION.get(), None if accept is None else accept.encode("latin-1"))
    named = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, named, reply.content_type.decode())


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _render(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such route, another method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _render(request, ApiError(Code.NOT_FOUND, f"There is nothing at {request.url.path[:200]}."))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _render(request, not_allowed(request.method, request.url.path))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _render(request, ApiError(Code.INVALID_JSON, "The body is not JSON that we can read."))
    code = _CODES.get(error.status_code, Code.INVALID_REQUEST)
    return _render(request, ApiError(code, str(error.detail)))


async def _validation_error(request: Request, error: Exception) -> Response:
    """Query, path or body are not as they should be: the first problem as the error, all of them in details."""
    assert isinstance(error, RequestValidationError)
    has_secrets = request.url.path.startswith(_WITH_SECRETS)
    return _render(request, refused([_violation(problem, has_secrets) for problem in error.errors()]))


def _violation(problem: Mapping[str, Any], has_secrets: bool) -> Violation:  # noqa: FBT001 - of its route
    path = ".".join(str(part) for part in problem["loc"][1:])
    if problem["type"] == "missing":
        return violation(path, MISSING)
    if problem["type"] == "extra_forbidden":
        return violation(path, UNKNOWN, msgspec.UNSET if has_secrets else problem["input"])
    rule = str(problem["msg"])
    is_hidden = has_secrets and not path
    return violation(path, rule[0].lower() + rule[1:], msgspec.UNSET if is_hidden else problem["input"])


async def _unexpected(request: Request, _: Exception) -> Response:
    return _render(request, internal())


def internal() -> ApiError:
    """What a client is told of a mistake of ours."""
    return ApiError(Code.INTERNAL_ERROR, "Something went wrong on our side; the correlation id finds it in our log.")
