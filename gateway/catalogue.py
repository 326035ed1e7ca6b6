"""The catalogue of errors: at /errors for clients that meet one, and in docs/errors.md for people.

`python -m gateway.catalogue` writes the document, `--check` compares it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from gateway.errors import CATALOGUE, CATALOGUE_PATH, ApiError, Code, Entry
from gateway.pages import answer, answer_or_unchanged

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "errors.md"
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


def main() -> int:
    """Write the document, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    text = render()
    if not check:
        DOCUMENT.write_text(text, "utf-8")
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text("utf-8") == text:
        return 0
    sys.stderr.write("docs/errors.md is stale: run `python -m gateway.catalogue`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
