"""For all tests: properties without a stop-watch, and what is not worth measuring the coverage of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings

UNMEASURED = ("chaos", "property", "simulation")
"""They run lines that unit and integration tests have run before, millions of times, or kill who would count them."""

settings.register_profile("tradsys", deadline=None)
settings.load_profile("tradsys")


@pytest.fixture(autouse=True, scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop counting during tests of the folders above, and in the processes that they start."""
    coverage = Coverage.current()
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    if coverage is None or folder not in UNMEASURED:
        yield
        return
    coverage.stop()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
    coverage.start()
