"""Correlation ids in answers, commands and the lines of the log."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.correlation import add_correlation


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What is logged, as the last processor gets it."""
    logged: list[Any] = []

    def keep(_logger: Any, _method: str, event: Any) -> Any:
        logged.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[add_correlation, keep], cache_logger_on_first_use=False)
    yield logged
    structlog.configure(**before)


@pytest.mark.parametrize("given", ["a", "Trace-7_x.y:z", "x" * 64])
async def test_a_well_formed_id_comes_back(client: Any, given: str) -> None:
    for path in ("/health/live", "/no/such/route", "/openapi.json"):
        assert (await client.get(path, headers={"x-correlation-id": given})).headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", 'a"b', "<script>"])
async def test_another_is_replaced_by_a_new_one(client: Any, given: str) -> None:
    headers = {"x-correlation-id": given}
    made = {(await client.get("/health/live", headers=headers)).headers["x-correlation-id"] for _ in "ab"}
    assert len(made) == 2
    assert all(len(one) == 32 for one in made)


async def test_every_line_of_a_request_has_its_id_and_no_other(served: Any, client: Any, lines: list[Any]) -> None:
    served.database.error = RuntimeError("a bug")
    for number in range(3):
        headers = served.bearer() | {"x-correlation-id": f"trace-{number}"}
        await client.get("/api/v1/orders/5", headers=headers)
    told = [line["correlation_id"] for line in lines if line["event"] == "request_failed"]
    assert told == ["trace-0", "trace-1", "trace-2"]
    structlog.get_logger("gateway").warning("outside")
    assert "correlation_id" not in lines[-1]
