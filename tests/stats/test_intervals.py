"""Limits of shares, numbers, ratios and quantiles, of the smallest of several, and of differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from quba_check.stats import intervals as limits
from quba_check.stats.estimate import Estimate

examples = settings(deadline=None, derandomize=True, max_examples=60)
Z = np.array([-1, 0, 1]) * stats.norm.ppf(0.975)
Z95 = Z[[0, 2]]
SCORES = np.linspace(-4, 4, 33)
counts = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.floats(0.5, 0.999))
@examples
def test_limits_of_shares_are_scipys_exact_ones(count, confidence):
    hits, n = count
    z = np.array([-1, 1]) * stats.norm.ppf((1 + confidence) / 2)
    exact = stats.binomtest(hits, n).proportion_ci(confidence, "exact")
    assert limits.share_limits(hits, n, z) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(counts, st.floats(1, 20))
@examples
def test_a_design_effect_never_narrows_a_share(count, effect):
    hits, n = count
    alone, grouped = (limits.share_limits(hits / one, n / one, Z95) for one in (1.0, effect))
    assert grouped[0] <= alone[0] + 1e-12
    assert grouped[1] >= alone[1] - 1e-12


@given(counts)
@examples
def test_limits_rise_with_the_score_and_meet_the_share_at_0(count):
    right, n = count
    found = limits.share_limits(right, n, SCORES)
    assert np.all(np.diff(found) >= 0)
    assert found[0] >= 0
    assert found[-1] <= 1
    assert found[16] == right / n


def test_limits_around_a_number_by_hand():
    estimate = Estimate.mean(np.array([1.0, 2.0, 3.0]), "clean")  # 2 ± 1/√3
    error = 3**-0.5
    assert limits.normal_limits(estimate, Z95) == pytest.approx(2 + Z95 * error)
    assert limits.log_normal_limits(estimate, Z95) == pytest.approx(2 * np.exp(Z95 * error / 2))


def test_an_exact_ratio_divides_the_error_between_its_shares():
    low, high = limits.exact_ratio_limits(0, 20, 15, 20, Z95)
    assert low == 0
    above = stats.binomtest(0, 20).proportion_ci(1 - 0.05 * 0.95, "exact").high
    below = stats.binomtest(15, 20).proportion_ci(1 - 0.05 * 0.05, "exact").low
    assert high == pytest.approx(above / below)


def test_bonferroni_scores_have_half_the_tails():
    z = stats.norm.ppf([0.05, 0.5, 0.95])
    assert limits.bonferroni_scores(z, 0.5) == pytest.approx(stats.norm.ppf([0.025, 0.5, 0.975]))


@pytest.mark.parametrize(("n", "share"), [(100, 0.5), (5000, 0.999), (7, 0.9), (6, 0.5), (1, 0.999)])
@pytest.mark.parametrize("z", [-3.0, -1.959964, -0.5, 0.5, 1.959964, 4.0])
def test_limits_of_a_quantile_are_the_nearest_safe_order_statistics(n, share, z):
    """An order statistic lies below the quantile with the probability of a binomial count."""
    below = stats.binom(n, share).cdf(np.arange(n))  # of rank 1 to n
    level = stats.norm.cdf(z)
    ranks = np.arange(1, n + 1)
    expected = max(ranks[below <= level], default=0) if z < 0 else min(ranks[below >= level], default=9_999)
    found = limits.quantile_limits(ranks.astype(float), share, 9_999, np.array([z]), 1.0)
    assert found.tolist() == [expected]


def test_groups_move_the_limits_of_a_quantile_outward():
    values = np.arange(1, 5001.0)
    single, grouped = (limits.quantile_limits(values, 0.9, 1e6, Z95, effect) for effect in (1.0, 4.0))
    assert np.ptp(grouped) == pytest.approx(2 * np.ptp(single), rel=0.1)


NORMALS = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=1, max_size=6)


def normals(numbers):
    return [lambda z, mean=mean, error=error: mean + error * z for mean, error in numbers]


def test_two_numbers_by_hand():
    """At 0 the smaller number, at 1.96 half of 2.5 % each; the lower limit is not corrected."""
    eightieth = stats.norm.ppf(1 - 0.0125)
    found = limits.smallest_limits(normals([(0.7, 0.1), (0.9, 0.1)]), Z)
    assert found == pytest.approx([0.7 - 0.196, 0.7, 0.7 + 0.1 * eightieth], abs=1e-4)


@given(NORMALS)
def test_limits_ascend_and_hold_for_each_order(numbers):
    found = limits.smallest_limits(normals(numbers), SCORES)
    assert (np.diff(found) >= 0).all()
    assert found[-1] >= min(mean for mean, _ in numbers)
    np.testing.assert_array_equal(found, limits.smallest_limits(normals(numbers[::-1]), SCORES))


@given(NORMALS)
def test_one_number_keeps_its_limits(numbers):
    (one,) = normals(numbers[:1])
    np.testing.assert_allclose(limits.smallest_limits([one], Z), one(Z), atol=1e-9)


@pytest.mark.parametrize(
    "shares", [[0.8] * 20, [0.9] * 20, [0.6, *[0.9] * 9]], ids=["0.8", "0.9", "one is worse"]
)
def test_limits_of_the_worst_slice_err_as_rarely_as_promised(shares):
    """The exact probability for slices of 50 images: no upper limit may be below the smallest true value."""
    n = 50
    bound = min(shares)
    same = [[lambda z, hits=hits: limits.share_limits(hits, n, z)] * len(shares) for hits in range(n + 1)]
    low, _, high = np.transpose([limits.smallest_limits(numbers, Z) for numbers in same])
    chance = stats.binom.pmf(np.arange(n + 1), n, np.array(shares)[:, np.newaxis])
    assert 1 - np.prod(1 - chance @ (high < bound)) <= 0.025
    assert np.prod(chance @ (low > bound)) <= 0.025


def test_normal_limits_add_in_squares() -> None:
    one = 0.5 + 0.03 * SCORES
    other = 0.6 + 0.04 * SCORES
    assert limits.unpaired_difference_limits(0.5, one, 0.6, other) == pytest.approx(0.1 + 0.05 * SCORES)


def test_ratios_add_in_squares_of_logarithms() -> None:
    one = 0.5 * np.exp(0.03 * SCORES)
    other = 0.6 * np.exp(0.04 * SCORES)
    assert limits.unpaired_ratio_limits(0.5, one, 0.6, other) == pytest.approx(1.2 * np.exp(0.05 * SCORES))
