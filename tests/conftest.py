"""For all tests: what they need not wait for, and what is not worth measuring the coverage of."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from coverage import Coverage
from hypothesis import settings

UNMEASURED = ("chaos/", "property/", "simulation/")
"""They run lines that other tests have run before, millions of times, or kill who would count them."""

# As processes write it: a traceback for people, which is the default, is drawn for seconds.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)
settings.register_profile("tradsys", deadline=None)
settings.load_profile("tradsys")


def pytest_collection_finish() -> None:
    """What is there by now stays, and is a lot to look through for garbage while tests run."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(autouse=True, scope="session")
def children() -> Iterator[None]:
    """Start processes that need less than those that live longer.

    They do not count coverage, which adds up to two thirds to what they need, and a broker is compiled once, not better
    and better: that pays after a minute.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        environment.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1", prepend=" ")
        yield


@pytest.fixture(autouse=True, scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop counting during the tests above."""
    coverage = Coverage.current()
    if coverage is None or not request.path.relative_to(Path(__file__).parent).as_posix().startswith(UNMEASURED):
        yield
        return
    coverage.stop()
    yield
    coverage.start()
