"""Limits of the smallest of several numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from quba_check.stats.intervals import share_limits, smallest_limits

Z = np.array([-norm.ppf(0.975), 0.0, norm.ppf(0.975)])
NORMALS = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=1, max_size=6)


def normals(numbers):
    return [lambda z, mean=mean, error=error: mean + error * z for mean, error in numbers]


def test_two_numbers_by_hand():
    """At 0 the smaller number, at 1.96 half of 2.5 % each; the lower limit is not corrected."""
    limits = smallest_limits(normals([(0.7, 0.1), (0.9, 0.1)]), Z)
    eightieth = norm.ppf(1 - 0.0125)
    assert limits == pytest.approx([0.7 - 0.196, 0.7, 0.7 + 0.1 * eightieth], abs=1e-4)


@given(NORMALS)
def test_limits_ascend_and_hold_for_each_order(numbers):
    scores = np.linspace(-4, 4, 33)
    limits = smallest_limits(normals(numbers), scores)
    assert (np.diff(limits) >= 0).all()
    assert limits[-1] >= min(mean for mean, _ in numbers)
    np.testing.assert_array_equal(limits, smallest_limits(normals(numbers[::-1]), scores))


@given(NORMALS)
def test_one_number_keeps_its_limits(numbers):
    (one,) = normals(numbers[:1])
    np.testing.assert_allclose(smallest_limits([one], Z), one(Z), atol=1e-9)


@pytest.mark.parametrize(
    "shares", [[0.8] * 20, [0.9] * 20, [0.6, *[0.9] * 9]], ids=["0.8", "0.9", "one is worse"]
)
def test_limits_of_the_worst_slice_err_as_rarely_as_promised(shares):
    """The exact probability for slices of 50 images: no upper limit may be below the smallest true value."""
    n, bound = 50, min(shares)
    same = [[lambda z, hits=hits: share_limits(hits, n, z)] * len(shares) for hits in range(n + 1)]
    low, _, high = np.transpose([smallest_limits(numbers, Z) for numbers in same])
    chance = binom.pmf(np.arange(n + 1), n, np.array(shares)[:, np.newaxis])
    assert 1 - np.prod(1 - chance @ (high < bound)) <= 0.025
    assert np.prod(chance @ (low > bound)) <= 0.025
