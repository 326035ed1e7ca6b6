"""The routes that are answered without a framework, because they are asked for most."""

from collections.abc import Mapping
from typing import Final

from gateway.asgi import Handler
from gateway.errors import ApiError, Code
from gateway.rights import methods_of

Handlers = Mapping[str, Handler]
"""By method."""


class LeanRoutes:
    """Finds who answers."""

    def __init__(self, handlers: Mapping[str, Handlers]) -> None:
        """By template; the last part of one may be a parameter."""
        self._exact = {template: (template, made) for template, made in handlers.items() if "{" not in template}
        self._under = {
            template.partition("{")[0]: (template, made) for template, made in handlers.items() if "{" in template
        }

    def at(self, path: str) -> tuple[str, Handlers]:
        """The template of a path, and who answers there; nobody at a path that is the framework's alone."""
        return self._exact.get(path) or self._under.get(path[: path.rfind("/") + 1]) or _NOBODY


_NOBODY: Final[tuple[str, Handlers]] = ("unmatched", {})


def require_method(method: str, template: str) -> None:
    """Raises ApiError for a method that a template of the lean path has not."""
    if method not in methods_of(template):
        raise not_allowed(method, template)


def not_allowed(method: str, path: str) -> ApiError:
    """The refusal of a method that a path has not; it names those that it has, whoever answers them."""
    allowed = ", ".join(methods_of(path))
    return ApiError(
        Code.METHOD_NOT_ALLOWED, f"{method} is not allowed here; allowed: {allowed}.", headers={"allow": allowed}
    )
