import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.paired import paired_difference

examples = settings(deadline=None, derandomize=True, max_examples=60)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=50))
@examples
def test_equals_the_standard_library(pairs):
    differences = [int(first) - int(second) for first, second in pairs]
    difference = paired_difference(*np.array(pairs).T)
    assert difference.mean == pytest.approx(statistics.fmean(differences))
    assert difference.standard_error == pytest.approx(statistics.stdev(differences) / math.sqrt(len(pairs)))


def test_one_pair_has_no_standard_error():
    difference = paired_difference(np.array([True]), np.array([False]))
    assert difference.mean == 1
    assert math.isnan(difference.standard_error)
