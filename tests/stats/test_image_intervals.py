"""Limits from the influence of each image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from quba_check.core.confidence import SCORES
from quba_check.stats.estimate import Estimate, InfluenceBounds, delta_method
from quba_check.stats.image_intervals import (
    additive_limits,
    deviations,
    is_near_zero,
    multiplicative_limits,
    ratio_limits,
)

examples = settings(deadline=None, derandomize=True, max_examples=60)
Z = np.array(SCORES)
Z95 = np.array([-1, 1]) * stats.norm.ppf(0.975)
pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def ratio(right, clean):
    """The accuracy on shifted images relative to that on the same images, clean."""
    return Estimate.mean(right, "clean") / Estimate.mean(clean, "clean", is_reference=True)


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_without_discordant_images_limits_are_exact(n):
    right = np.ones(n, bool)
    low, high = additive_limits(ratio(right, right), Z95)
    none = stats.binomtest(0, n).proportion_ci(0.95, "exact").high
    assert (low, high) == pytest.approx((1 - none, 1 + none))


def test_few_lost_images_have_nearly_the_exact_limits_of_their_number():
    clean = np.arange(1000) < 900
    lost = clean & (np.arange(1000) >= 5)
    low, high = additive_limits(ratio(lost, clean), Z95)
    exact = stats.binomtest(5, 1000).proportion_ci(0.95, "exact")
    assert low == pytest.approx(1 - exact.high / 0.9, abs=2e-3)
    assert 1 - exact.low / 0.9 < high < 1 + 0.0037 / 0.9


def test_shares_of_equal_deviations_have_exact_limits():
    share = Estimate.mean(np.arange(50) < 50, "clean")
    exact = stats.binomtest(50, 50).proportion_ci(0.95, "exact")
    assert additive_limits(share, Z95) == pytest.approx((exact.low, 1))


def test_many_discordant_images_have_the_normal_limits():
    rng = np.random.default_rng(0)
    clean, right = rng.random((2, 100_000)) < 0.6
    found = ratio(right, clean)
    for limits in (additive_limits, multiplicative_limits, ratio_limits):
        width = float(np.ptp(limits(found, Z95)))
        assert width == pytest.approx(2 * 1.96 * found.standard_error, rel=0.01)


def test_independent_samples_add_in_squares():
    one, other = (Estimate.mean(np.arange(n) < n - 1, name) for n, name in ((40, "a"), (60, "b")))
    reach = [additive_limits(part, Z95) - part.value for part in (one, other)]
    found = additive_limits(one - other, Z95) - (one - other).value
    assert found == pytest.approx([-np.hypot(reach[0][0], reach[1][1]), np.hypot(reach[0][1], reach[1][0])])


def test_a_small_deviation_does_not_bound_the_next():
    """One image that is lost under 1 of 75 conditions: the next may be lost under all."""
    clean = np.ones(1000, bool)
    part = np.ones(1000)
    part[0] = 74 / 75
    low, _ = additive_limits(ratio(part, clean), Z95)
    assert 1 - 3.7 / 1000 < low < 1 - 3.7 / 2000


def test_without_wrong_images_none_can_gain():
    part = 1 - (np.arange(1000) % 5 == 0) / 75
    few, many = (np.arange(1000) >= wrong for wrong in (1, 300))
    reach = []
    for clean in (few, many):
        found = ratio(np.where(clean, part, 0), clean)
        reach.append((additive_limits(found, Z95)[1] - found.value) * clean.mean())
    assert reach[0] > 4 * reach[1]


@given(pairs)
@examples
def test_limits_rise_with_the_score_and_meet_the_value_at_0(outcomes):
    right, clean = np.array(outcomes).T
    difference = Estimate.mean(right, "clean") - Estimate.mean(clean, "clean")
    found = additive_limits(difference, Z)
    assert np.all(np.diff(found) >= -1e-12)
    assert found[16] == difference.value
    assert np.isfinite(found).all()


@given(pairs)
@examples
def test_both_directions_mirror(outcomes):
    right, clean = np.array(outcomes).T
    difference = Estimate.mean(right, "clean") - Estimate.mean(clean, "clean")
    opposite = delta_method(-difference.value, [(-1.0, difference)])
    assert additive_limits(difference, Z) == pytest.approx(-additive_limits(opposite, Z)[::-1])


def test_near_zero_is_the_error_of_few_hits():
    shares = [Estimate.mean(np.arange(1000) < hits, "clean") for hits in (0, 29, 33)]
    assert [is_near_zero(share) for share in shares] == [True, True, False]


def test_the_bounds_of_a_ratio_are_its_largest_deviations():
    clean, right = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    room = ratio(right, clean).bounds["clean"]
    assert (room.down, room.up) == pytest.approx((2 / 3 / 0.75, 1 / 0.75))
    assert (room.down_images, room.up_images) == (3, 1)
    assert room.scale(-2) == InfluenceBounds(2 * room.up, 2 * room.down, 1, 3)


def test_a_group_deviates_less_than_its_most_extreme_image():
    _, number, largest = deviations(np.array([3.0, -1, 0, 1e-12]), InfluenceBounds(5, 5, 9, 9), 8)
    assert (number, largest) == pytest.approx((10**2 / 82, (3 + 8.2**0.5) / 2))


def test_copies_have_the_limits_of_the_images():
    right, clean = np.random.default_rng(0).random((2, 300)) < 0.7
    single = ratio(right, clean)
    copies = ratio(right.repeat(4), clean.repeat(4))
    assert additive_limits(copies, Z95, 4.0) == pytest.approx(additive_limits(single, Z95), abs=0.004)


def test_without_a_deviation_each_group_is_one_image():
    """The limit of no lost image in 50 groups of 8 is that in 50 images, whatever was gained."""
    clean = np.arange(400) < 360
    right = Estimate.mean(clean, "clean")
    gained = Estimate.mean(clean | (np.arange(400) >= 395), "clean") - right
    low, high = additive_limits(gained, Z95, group_size=8)
    least, most = additive_limits(gained, Z95)
    none = stats.binomtest(0, 50).proportion_ci(0.95, "exact").high
    assert low == pytest.approx(gained.value - none, abs=0.012)
    assert least > low + 0.03
    assert high == pytest.approx(most, abs=0.003)
