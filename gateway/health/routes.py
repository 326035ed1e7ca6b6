"""GET /health, /health/ready and /metrics; and /health/live, on the lean path."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import limits
from gateway.asgi import Reply, Request
from gateway.envelope import Envelope, encode
from gateway.health.checks import DOWN, UP, Health
from gateway.metrics import Metrics
from gateway.pages import answer

LIVE: Final = "/health/live"
_ALIVE: Final = Reply(200, encode({"status": UP}))


async def live(_: Request) -> Reply:
    """GET /health/live: the process answers."""
    return _ALIVE


def openapi_paths() -> dict[str, Any]:
    """What the OpenAPI document says of it."""
    described = {
        "tags": ["health"],
        "summary": "Live",
        "description": "The process answers.",
        "operationId": "live",
        "responses": {"200": {"description": "It does"}},
    }
    return {LIVE: {"get": described}}


def router(probes: Health, metrics: Metrics) -> APIRouter:
    """The routes for probes and scrapers."""
    routes = APIRouter(tags=["health"])

    @routes.get("/health")
    async def health() -> Response:
        """How everything is; always 200, because it is the answer to a question."""
        is_up, dependencies = await probes.report()
        return answer({"status": UP if is_up else "degraded", "dependencies": dependencies})

    @routes.get("/health/ready")
    async def ready() -> Response:
        """Whether this process can do all its work: 200, or 503."""
        is_up, dependencies = await probes.report()
        body = Envelope(is_up, {"status": UP if is_up else DOWN, "dependencies": dependencies})
        return Response(
            msgspec.json.encode(body),
            200 if is_up else 503,
            {} if is_up else {"retry-after": str(limits.RETRY_AFTER_S)},
            "application/json",
        )

    @routes.get("/metrics", include_in_schema=False)
    async def scrape() -> Response:
        """Metrics in the text format of Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
