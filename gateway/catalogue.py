"""The catalogue of errors: at /errors for clients that meet one, and in docs/errors.md for people.

`python -m gateway.catalogue` writes the document, `--check` compares it.
"""

import sys
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gateway.errors import CATALOGUE, CATALOGUE_PATH, ApiError, Code, Entry
from gateway.pages import answer, answer_or_unchanged
from schemas import generated

_HEAD: Final = """\
# Errors

Made from the code by `python -m gateway.catalogue`. [api.md](api.md#errors) shows what an error looks like. The codes
are a closed list: a client may switch on them. Why the venue refused an order is not an error of the API: the answer is
a report with a reason, and [refusals.md](refusals.md) lists those.

| code | status | means | what to do |
|---|---|---|---|
"""


def render() -> str:
    """The document."""
    rows = sorted(CATALOGUE.items(), key=lambda item: item[1].status)
    lines = [f"| `{code}` | {entry.status} | {entry.meaning} | {entry.remedy} |\n" for code, entry in rows]
    return _HEAD + "".join(lines)


def router() -> APIRouter:
    """GET /errors and /errors/{code}: where the `type` of a problem points to."""
    routes = APIRouter(prefix=CATALOGUE_PATH, tags=["errors"])

    @routes.get("")
    async def list_errors(request: Request) -> Response:
        """Every error code, with its status, its meaning and what to do."""
        return answer_or_unchanged(request, [_told(code, entry) for code, entry in CATALOGUE.items()])

    @routes.get("/{code}")
    async def get_error(code: str) -> Response:
        """One error code."""
        if code not in Code.__members__:
            raise ApiError(Code.NOT_FOUND, f"There is no error code {code[:64]}; GET {CATALOGUE_PATH} lists them.")
        return answer(_told(Code[code], CATALOGUE[Code[code]]))

    return routes


def _told(code: Code, entry: Entry) -> dict[str, Any]:
    return {"code": code, **entry._asdict()}


if __name__ == "__main__":
    sys.exit(generated.main("docs/errors.md", render, "gateway.catalogue"))
