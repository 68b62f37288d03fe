from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.stats.intervals import share_limits

examples = settings(deadline=None, derandomize=True, max_examples=80)
rising = st.lists(st.floats(0, 1), min_size=len(SCORES), max_size=len(SCORES)).map(sorted)


def test_limits_of_a_normal_number_at_any_level():
    curve = ConfidenceCurve(tuple(0.5 + 0.1 * score for score in SCORES))
    for confidence in (0.5, 0.8, 0.95, 0.99):
        reach = 0.1 * NormalDist().inv_cdf((1 + confidence) / 2)
        assert curve.interval(confidence) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert curve.at(9) == pytest.approx(0.9)
    assert curve.p_value_above(0.5 - 0.1 * 1.644854) == pytest.approx(0.05)
    assert curve.p_value_above(0.5 + 0.1 * 1.644854) == pytest.approx(0.95)


def test_bounds_beyond_the_curve():
    curve = ConfidenceCurve(tuple(0.5 + 0.1 * score for score in SCORES))
    assert curve.p_value_above(0.0) == 0.0
    assert curve.p_value_above(0.1) == pytest.approx(NormalDist().cdf(-4), rel=1e-12)
    assert curve.p_value_above(0.95) == 1.0


def test_a_curve_of_another_length_is_refused():
    with pytest.raises(ValueError) as caught:
        ConfidenceCurve((0.1, 0.2))
    assert str(caught.value) == "confidence curve: 2 limits instead of 33"


@given(rising, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
@examples
def test_intervals_widen_with_confidence_and_p_values_rise_with_the_bound(limits, one, other):
    curve = ConfidenceCurve(tuple(limits))
    narrow, wide = (curve.interval(confidence) for confidence in sorted((one, other)))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]
    assert curve.p_value_above(min(one, other)) <= curve.p_value_above(max(one, other))


@given(rising, st.sampled_from(np.linspace(-3.9, 3.9, 40).tolist()))
@examples
def test_p_values_invert_the_limits(limits, score):
    curve = ConfidenceCurve(tuple(limit + 0.001 * k for k, limit in enumerate(limits)))
    assert curve.p_value_above(curve.at(score)) == pytest.approx(NormalDist().cdf(score), abs=1e-6)


def test_limits_that_are_equal_to_the_bound():
    """No hit of 400 shows "at least 0", not "at most 0"; a number without noise shows both."""
    none = ConfidenceCurve(tuple(share_limits(0, 400, np.array(SCORES)).tolist()))
    assert none.p_value_below(0.0) == 0.5
    assert none.p_value_above(0.0) < 1e-4
    all_right = ConfidenceCurve(tuple(share_limits(400, 400, np.array(SCORES)).tolist()))
    assert all_right.p_value_above(1.0) == 0.5
    assert all_right.p_value_below(1.0) < 1e-4
    sure = ConfidenceCurve((0.3,) * len(SCORES))
    assert max(sure.p_value_above(0.3), sure.p_value_below(0.3)) < 1e-4
