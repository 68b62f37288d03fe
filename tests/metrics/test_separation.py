"""AUROC and FPR at 95 % TPR: by hand, against scikit-learn, and the coverage of their limits."""

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from quba_check.core.confidence import SCORES, bounded_curve
from quba_check.metrics.separation import (
    auroc,
    auroc_limits,
    fpr_at_95_tpr,
    fpr_at_95_tpr_estimate,
    fpr_at_95_tpr_limits,
)

examples = settings(deadline=None, derandomize=True, max_examples=80)
scores = st.lists(st.integers(-20, 20).map(lambda k: k / 4), min_size=1, max_size=50).map(np.array)
Z = np.array(SCORES)
Z95 = np.array([-1, 1]) * scipy.special.ndtri(0.975)


def area(known, unknown):
    return auroc(known, unknown, ("known", "unknown"))


def test_area_and_influences_by_hand():
    """Of the pairs of 3, 2 with 1, 2, three are in order and one is a tie."""
    estimate = area(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    assert estimate.value == 3.5 / 4
    assert estimate.influences["known"].tolist() == [0.125, -0.125]
    assert estimate.influences["unknown"].tolist() == [0.125, -0.125]
    assert estimate.standard_error == pytest.approx(0.125 * 2**0.5)


@given(scores, scores)
@examples
def test_equals_scikit_learn(known, unknown):
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    joined = np.concatenate([known, unknown])
    fpr, tpr, _ = roc_curve(truth, joined, drop_intermediate=False)
    assert area(known, unknown).value == pytest.approx(roc_auc_score(truth, joined))
    assert fpr_at_95_tpr(known, unknown) == pytest.approx(fpr[np.argmax(tpr >= 0.95 - 1e-12)])


@given(scores, scores)
@examples
def test_limits_are_around_their_numbers_and_those_of_an_area_mirror_swapped_sets(known, unknown):
    estimate = area(known, unknown)
    of_rate = fpr_at_95_tpr_limits(known, unknown, Z)
    for name, influences in estimate.influences.items():
        assert influences.mean() == pytest.approx(0, abs=1e-12), name
    limits = auroc_limits(estimate, Z)
    assert (np.diff(limits) >= -1e-12).all()
    assert limits[0] >= 0
    assert limits[-1] <= 1
    assert limits[16] == pytest.approx(estimate.value)
    np.testing.assert_allclose(1 - auroc_limits(area(unknown, known), Z)[::-1], limits, atol=1e-9)
    assert np.isfinite(of_rate).all()
    low, high = bounded_curve(of_rate, 0.0, 1.0).interval(0.95)
    assert 0 <= low <= fpr_at_95_tpr(known, unknown) <= high <= 1


def test_limits_of_an_area_by_loops():
    """DeLong's variance of each pair by itself, with one further image in each sample."""
    rng = np.random.default_rng(3)
    known = rng.standard_normal(30) + 1
    unknown = rng.standard_normal(40)
    pairs = np.array([[float(one > other) for other in unknown] for one in known])
    value = pairs.mean()
    variance = 0.0
    farther = value
    for deviations in (pairs.mean(axis=1) - value, pairs.mean(axis=0) - value):
        n = len(deviations)
        squares = [one**2 for one in deviations]
        count = sum(squares) ** 2 / sum(one**2 for one in squares)
        further = (count * max(squares) + value**2) / (count + 1)
        variance += sum(squares) / (n * (n - 1)) + further / n**2
        farther -= further**0.5 / n
    n = farther * (1 - farther) / variance
    assert n > 30
    low = scipy.stats.beta.ppf(0.025, value * n, n - value * n + 1)
    high = scipy.stats.beta.ppf(0.975, value * n + 1, n - value * n)
    assert auroc_limits(area(known, unknown), Z95) == pytest.approx([low, high])


def test_perfect_separation_has_the_limits_of_a_share_of_the_smaller_set():
    for others in (20, 1000):
        limits = auroc_limits(area(np.arange(1000.0, 1020), np.arange(float(others))), Z95)
        assert limits == pytest.approx([0.025 ** (1 / 20), 1])


@pytest.mark.parametrize(("m", "n"), [(20, 20), (20, 180), (180, 20), (100, 100)])
@pytest.mark.parametrize("value", [0.6, 0.9, 0.99])
def test_limits_of_an_area_err_as_rarely_as_promised(m, n, value):
    rng = np.random.default_rng(5)
    runs = 300
    too_high = too_low = 0
    for _ in range(runs):
        known = rng.standard_normal(m) + 2**0.5 * scipy.special.ndtri(value)
        low, high = auroc_limits(area(known, rng.standard_normal(n)), Z95)
        too_high = too_high + (low > value)
        too_low = too_low + (high < value)
    assert scipy.stats.binom.sf(max(too_high, too_low) - 1, runs, 0.03) >= 0.01


def test_limits_of_a_rate_by_hand():
    """Distances add in squares: those of a share, and those of the shares at limits of the threshold."""
    rng = np.random.default_rng(0)
    known = rng.normal(2, 1, 200)
    unknown = rng.normal(0, 1, 100)
    rate = fpr_at_95_tpr(known, unknown)
    exact = scipy.stats.binomtest(round(rate * 100), 100).proportion_ci(0.95, "exact")
    least, most = scipy.stats.binom.ppf([0.025, 0.975], 200, 0.05).astype(int)
    at_low, at_high = (np.mean(unknown >= np.sort(known)[place]) for place in (most, least - 1))
    reach = np.hypot(exact.low - rate, at_low - rate), np.hypot(exact.high - rate, at_high - rate)
    expected = [rate - reach[0], rate + reach[1]]
    assert fpr_at_95_tpr_limits(known, unknown, Z95) == pytest.approx(expected)
    copies = known.repeat(4), unknown.repeat(4)
    assert fpr_at_95_tpr_limits(*copies, Z95, 4.0) == pytest.approx(expected, abs=0.01)


def test_influences_on_a_rate_are_those_of_both_sets():
    """Scores of equal distribution: the ROC curve has the slope 1."""
    known = np.arange(2000.0)
    unknown = np.arange(2000) + 0.5
    influences = fpr_at_95_tpr_estimate(known, unknown, ("known", "unknown")).influences
    below = known < 100
    accepted = unknown >= 100
    assert influences["known"] == pytest.approx(below - below.mean(), rel=0.06)
    assert influences["unknown"] == pytest.approx(accepted - accepted.mean())


@pytest.mark.parametrize(("m", "n", "shift"), [(100, 100, 1.5), (300, 40, 2.5), (200, 200, 4)])
def test_limits_of_a_rate_hold_the_truth(m, n, shift):
    """Normal scores at a distance: the true rate is known. 200 draws have a standard error of 1.5 %."""
    rng = np.random.default_rng(0)
    hits = 0
    truth = scipy.stats.norm.sf(shift + scipy.stats.norm.ppf(0.05))
    for _ in range(200):
        low, high = fpr_at_95_tpr_limits(rng.normal(shift, 1, m), rng.normal(0, 1, n), Z95)
        hits += low <= truth <= high
    assert hits >= 0.935 * 200
