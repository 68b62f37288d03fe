"""Removal of known noise from known gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from quba_check.metrics.calibration_noise import most_without_noise, total_without_noise

examples = settings(deadline=None, derandomize=True, max_examples=60)
gaps_and_noise = st.lists(
    st.tuples(st.floats(-1, 1), st.one_of(st.just(0.0), st.floats(1e-6, 0.5))), min_size=1, max_size=15
).map(lambda pairs: tuple(np.array(column) for column in zip(*pairs, strict=True)))


def mean_absolute(t):
    """E |t + Z|."""
    return stats.foldnorm.mean(abs(t))


def mean_estimate(gaps, draws=1000):
    """Mean estimate of gaps with normal noise of 1."""
    rng = np.random.default_rng(0)
    noisy = gaps + rng.standard_normal((draws, len(gaps)))
    return np.mean([total_without_noise(row, np.ones(len(gaps))) for row in noisy])


@pytest.mark.parametrize("gap", [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0])
def test_equal_gaps_have_little_bias(gap):
    """60 bins: the upper bound hardly matters; the mean is within 0.13 standard deviations a bin."""
    assert mean_estimate(np.full(60, gap)) / 60 == pytest.approx(gap, abs=0.15)


@pytest.mark.parametrize("gap", [1.1, 1.2])
def test_a_gap_equals_its_integral(gap):
    """Larger single gaps are cut at the upper bound."""
    below, _ = integrate.quad(lambda w: (1 - np.exp(w * w / 2) * np.cos(gap * w)) / w**2, 0, 1.75)
    assert total_without_noise(np.array([gap]), np.ones(1)) == pytest.approx(2 / np.pi * (below + 1 / 1.75))


def test_a_few_large_gaps_have_less_bias_than_the_upper_bound():
    gaps = np.array([8.0] * 3 + [0.0] * 12)
    by_total = most_without_noise(3 * 8.0 + 12 * mean_absolute(0), 15)
    assert 24 < mean_estimate(gaps) < 24 + 12 * 0.4 < by_total


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 4.0])
def test_the_upper_bound_is_exact_for_gaps_in_proportion_to_their_noise(t):
    noise = np.array([0.1, 0.2, 0.4])
    assert most_without_noise(mean_absolute(t) * noise.sum(), noise.sum()) == pytest.approx(
        t * noise.sum(), abs=1e-6
    )


@given(gaps_and_noise)
@examples
def test_the_upper_bound_is_never_below_the_truth(pair):
    true, noise = pair
    total = sum(s * mean_absolute(t / s) if s else abs(t) for t, s in zip(true, noise, strict=True))
    assert most_without_noise(total, noise.sum()) >= np.abs(true).sum() - 1e-6


@given(gaps_and_noise, st.randoms(use_true_random=False))
@examples
def test_range_and_order_of_bins_and_signs(pair, random):
    gaps, noise = pair
    found = total_without_noise(gaps, noise)
    assert 0 <= found <= most_without_noise(np.abs(gaps).sum(), noise.sum()) <= np.abs(gaps).sum() + 1e-12
    order = random.sample(range(len(gaps)), len(gaps))
    assert total_without_noise(-gaps[order], noise[order]) == pytest.approx(found, abs=1e-9)


def test_without_noise_gaps_stay_as_they_are():
    assert total_without_noise(np.array([0.25, -0.5, 0.0]), np.zeros(3)) == 0.75


def test_a_total_below_that_of_pure_noise_is_zero():
    assert total_without_noise(np.full(10, 0.7), np.ones(10)) == 0.0
