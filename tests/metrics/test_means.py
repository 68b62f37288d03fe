import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.stats.estimate import geometric_mean

examples = settings(deadline=None, derandomize=True, max_examples=60)
positive = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=8)


@given(positive)
@examples
def test_is_the_root_of_the_product(values):
    assert geometric_mean(values) == pytest.approx(math.prod(values) ** (1 / len(values)))
    assert min(values) * (1 - 1e-12) <= geometric_mean(values) <= max(values) * (1 + 1e-12)


@given(positive, st.integers(0, 8))
@examples
def test_one_zero_makes_it_zero(values, position):
    assert geometric_mean([*values[:position], 0.0, *values[position:]]) == 0.0


@pytest.mark.parametrize("values", [[], [0.5, -0.1]])
def test_none_and_negative_values_are_refused(values):
    with pytest.raises(ValueError) as caught:
        geometric_mean(values)
    assert str(caught.value) == f"geometric mean: of {values}. Allowed: one or more values >= 0."
