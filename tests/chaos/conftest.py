"""The same stack as the integration tests'."""

from tests.integration.conftest import stack, topic_prefix

__all__ = ["stack", "topic_prefix"]
