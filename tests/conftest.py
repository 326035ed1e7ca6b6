"""For all tests: properties without a stop-watch, and what is not worth measuring the coverage of."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings

UNMEASURED = (
    "chaos/",
    "property/",
    "simulation/",
    "integration/test_client.py",
    "integration/test_contract.py",
    "integration/test_documents.py",
    "integration/test_outages.py",
    "integration/test_pairs.py",
    "integration/test_stack_life.py",
    "integration/test_streams.py",
)
"""They run lines that other tests have run before, millions of times, or kill who would count them, or start whole
platforms: a dozen processes each, to which counting adds two thirds of what they need."""

settings.register_profile("tradsys", deadline=None)
settings.load_profile("tradsys")


@pytest.fixture(autouse=True, scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop counting during the tests above, and in the processes that they start."""
    coverage = Coverage.current()
    if coverage is None or not request.path.relative_to(Path(__file__).parent).as_posix().startswith(UNMEASURED):
        yield
        return
    coverage.stop()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
    coverage.start()
