"""The mistakes of `make mutations` can still be made: whoever moves a line takes its mistake along."""

import ast
from pathlib import Path

import pytest

from tests.mutations.mutation import Mutation
from tests.mutations.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_it_changes_stands_there_once_and_is_code_afterwards(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text("utf-8")
    assert text.count(mutation.right) == 1
    ast.parse(text.replace(mutation.right, mutation.wrong))


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
