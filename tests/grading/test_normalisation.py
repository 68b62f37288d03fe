"""The trimmed mean and deviation."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.errors import PopulationError
from quba_check.grading import Normalisation, normalisation


def test_drops_a_tenth_at_either_end():
    assert normalisation([*range(1, 10), 1000]) == Normalisation(5.5, math.sqrt(5.25))


@pytest.mark.parametrize(("m", "kept"), [(10, 8), (19, 17), (20, 16), (29, 25)])
def test_number_dropped_is_rounded_down(m, kept):
    lowest = (m - kept) // 2
    middle = range(lowest, m - lowest)
    assert normalisation(range(m)).sigma == pytest.approx(statistics.pstdev(middle))
    assert len(middle) == kept


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(-1000, 1000), min_size=10, max_size=60))
def test_equals_the_slow_way(values):
    cut = len(values) // 10
    kept = sorted(values)[cut : len(values) - cut]
    if len(set(kept)) == 1:
        with pytest.raises(PopulationError):
            normalisation(values)
        return
    found = normalisation(values)
    assert found.mu == pytest.approx(statistics.fmean(kept), abs=1e-9)
    assert found.sigma == pytest.approx(statistics.pstdev(kept), abs=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (range(9), "too few models to compare with, got 9. Allowed: 10 or more."),
        ([0, *[2.5] * 9, 7], "no spread to compare with: 9 of 11 models have 2.5"),
        ([math.nan, *range(12)], "a value is not a finite number"),
    ],
)
def test_refuses_what_cannot_be_compared_with(values, message):
    with pytest.raises(PopulationError) as raised:
        normalisation(values)
    assert str(raised.value) == message
