"""GET /openapi.json, and Swagger UI at /swagger/index.html: with all its files from here."""

import gzip
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from gateway import limits
from gateway.asgi import POLICY
from gateway.errors import ApiError, Code
from gateway.pages import entity_tag, unchanged

_PAGE: Final = b"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TradSys API</title>
<link rel="icon" href="favicon.png">
<link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""
_START: Final = b"""\
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""
_BUNDLED: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_OURS: Final = {"index.html": (_PAGE, "text/html"), "start.js": (_START, "text/javascript")}
_PAGE_POLICY: Final = POLICY.replace("default-src 'self'", "default-src 'self'; img-src 'self' data:")
"""Swagger UI's style sheet draws its icons from data: addresses."""


class Asset:
    """Bytes that do not change while the process lives, as they are and compressed."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self.body = body
        self.media_type = media_type
        self.packed = gzip.compress(body, mtime=0) if len(body) >= limits.GZIP_BYTES_MIN else None
        self.tag = entity_tag(body)

    def answer(self, request: Request, policy: str | None = None) -> Response:
        """The bytes, or 304 for a client that has them."""
        headers = {"etag": self.tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if policy is not None:
            headers["content-security-policy"] = policy
        if unchanged(request, self.tag):
            return Response(None, HTTPStatus.NOT_MODIFIED, headers)
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(self.packed, headers=headers, media_type=self.media_type)
        return Response(self.body, headers=headers, media_type=self.media_type)


def router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes; what makes the OpenAPI document is asked once."""
    routes = APIRouter(include_in_schema=False)

    @cache
    def described() -> Asset:
        return Asset(msgspec.json.encode(document()), "application/json")

    # Not coroutines: what is compressed for the first time does not hold up the others.

    @routes.get("/openapi.json")
    def openapi(request: Request) -> Response:
        return described().answer(request)

    @routes.get("/swagger/{name}")
    def swagger(request: Request, name: str) -> Response:
        if name not in _BUNDLED and name not in _OURS:
            raise ApiError(Code.NOT_FOUND, "There is no such file; the page is /swagger/index.html.")
        return _asset(name).answer(request, _PAGE_POLICY)

    return routes


@cache
def _asset(name: str) -> Asset:
    if name in _OURS:
        return Asset(*_OURS[name])
    return Asset((files("fastapi_offline") / "static" / name).read_bytes(), _BUNDLED[name])
