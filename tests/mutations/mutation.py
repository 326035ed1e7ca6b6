"""A mistake that somebody could make in a core: a test must notice it."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A piece of a file that stands there once, and what it is replaced by."""

    name: str
    file: str
    right: str
    wrong: str
