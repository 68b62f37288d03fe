"""Paired and unpaired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from quba_check.metrics.differences import mcnemar, paired_shares, unpaired, unpaired_ratio

Z = np.array([-1.959964, 0.0, 1.959964])
counts = st.integers(0, 40)


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int) -> None:
    expected = stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(expected)


def most_likely(lost: int, gained: int, n: int, difference: float) -> float:
    """The share of images counted in the first only, by maximising the likelihood under a difference."""

    def surprise(only_first: float) -> float:
        shares = np.array([only_first, only_first + difference, 1 - 2 * only_first - difference])
        return -float(np.array([lost, gained, n - lost - gained]) @ np.log(np.maximum(shares, 1e-300)))

    low, high = max(0.0, -difference), (1 - difference) / 2
    return float(
        optimize.minimize_scalar(surprise, bounds=(low, high), options={"xatol": 1e-12}, method="bounded").x
    )


@pytest.mark.parametrize(("lost", "gained", "n"), [(9, 12, 44), (1, 6, 200), (30, 3, 50)])
def test_limits_of_paired_shares_solve_the_score_equation(lost: int, gained: int, n: int) -> None:
    low, middle, high = paired_shares(lost, gained, n, Z)
    assert middle == pytest.approx((gained - lost) / n)
    for limit, z in ((low, 1.959964), (high, -1.959964)):
        only_first = most_likely(lost, gained, n, limit)
        variance = n * (2 * only_first + limit * (1 - limit))
        assert (gained - lost - n * limit) / np.sqrt(variance) == pytest.approx(z, abs=1e-3)


@settings(max_examples=50)
@given(counts, counts, st.integers(80, 500))
def test_limits_of_paired_shares_mirror_and_hold_the_difference(lost: int, gained: int, n: int) -> None:
    found = paired_shares(lost, gained, n, Z)
    assert found == pytest.approx(-paired_shares(gained, lost, n, Z)[::-1], abs=1e-9)
    assert found[0] < (gained - lost) / n < found[2]


def test_images_without_any_difference_leave_a_width() -> None:
    low, _, high = paired_shares(0, 0, 100, Z)
    assert -low == pytest.approx(high)
    assert high == pytest.approx(1.959964**2 / (100 + 1.959964**2), abs=1e-4)


def test_normal_limits_add_in_squares() -> None:
    one, other = 0.5 + 0.03 * Z, 0.6 + 0.04 * Z
    assert unpaired(0.5, one, 0.6, other) == pytest.approx(0.1 + 0.05 * Z)


def test_ratios_add_in_squares_of_logarithms() -> None:
    one, other = 0.5 * np.exp(0.03 * Z), 0.6 * np.exp(0.04 * Z)
    assert unpaired_ratio(0.5, one, 0.6, other) == pytest.approx(1.2 * np.exp(0.05 * Z))


def test_coverage_of_non_inferiority_limits() -> None:
    """A model that is truly 2 points worse is passed at a margin of 2 points in at most 2.5 %."""
    draw = np.random.default_rng(0)
    n, passed, runs = 1000, 0, 1000
    for lost, gained in zip(draw.binomial(n, 0.06, runs), draw.binomial(n, 0.04, runs), strict=True):
        low = paired_shares(int(lost), int(gained), n, Z[:1])[0]
        passed += -low <= 0.02
    assert passed <= stats.binom.ppf(0.99, runs, 0.025)
