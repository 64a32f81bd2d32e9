"""Every mutation of `tests/mutations.py` can be applied, and is seen."""

import mutate
import pytest
from mutations import MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_a_mutation_fits_the_tree(mutation):
    assert not mutate.misfit(mutation)
    assert mutation.old != mutation.new


def test_names_are_told_apart():
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.slow
def test_every_mutation_dies():
    assert mutate.run(MUTATIONS) == []
