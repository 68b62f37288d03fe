"""Rank statistics: by hand, by definition, and against scipy."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quba_check.stats.rank_statistics import group_difference, holm_adjusted, rank_correlation

few = st.integers(-5, 5)
"""Few different values, so that ties are common."""
groups = st.lists(few, min_size=2, max_size=12)


def test_correlation_by_hand() -> None:
    # Ranks 1 2 3 4 5 and 2 1 4 3 5: rho = 1 - 6 (1 + 1 + 1 + 1 + 0) / (5 (25 - 1)) = 0.8.
    result = rank_correlation([10, 20, 30, 40, 50], [0.2, 0.1, 0.4, 0.3, 0.5])
    assert (result.rho, result.n) == (pytest.approx(0.8), 5)
    error = ((1 + 0.8**2 / 2) / 2) ** 0.5
    assert result.interval == pytest.approx(
        [np.tanh(np.arctanh(0.8) + sign * 1.959964 * error) for sign in (-1, 1)], abs=1e-6
    )


@given(st.lists(st.tuples(few, few), min_size=4, max_size=30))
def test_correlation_is_pearsons_of_ranks(pairs: list[tuple[int, int]]) -> None:
    first, second = (list(map(float, column)) for column in zip(*pairs, strict=True))
    result = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert result is None
        return
    ranks = stats.rankdata(first), stats.rankdata(second)
    assert result.rho == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)
    assert -1 <= result.interval[0] <= result.rho <= result.interval[1] <= 1
    assert result.p == pytest.approx(stats.spearmanr(first, second).pvalue)


@pytest.mark.parametrize("values", [[1, 2, 3], [2, 2, 2, 2]])
def test_no_correlation(values: list[float]) -> None:
    assert rank_correlation(values, list(range(len(values)))) is None


def test_delta_by_hand() -> None:
    # Of the pairs (3, 1) (3, 3) (5, 1) (5, 3), three are higher and one is equal.
    assert group_difference([3, 5], [1, 3]).delta == 3 / 4
    assert group_difference([3, 5], [1, 3]).n == (2, 2)


@given(groups, groups)
def test_delta_is_the_difference_of_shares(first: list[int], second: list[int]) -> None:
    result = group_difference(first, second)
    pairs = list(product(first, second))
    higher = sum(a > b for a, b in pairs)
    lower = sum(a < b for a, b in pairs)
    assert result.delta == pytest.approx((higher - lower) / len(pairs), abs=1e-12)
    low, high = result.interval
    assert -1 <= low <= result.delta <= high <= 1
    assert high > low
    mirrored = group_difference(second, first)
    assert mirrored.delta == pytest.approx(-result.delta, abs=1e-12)
    assert mirrored.interval == pytest.approx((-high, -low), abs=1e-9)
    if len({*first, *second}) > 1:
        assert result.p == pytest.approx(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)


def test_equal_values_are_no_evidence() -> None:
    result = group_difference([1, 1, 1], [1, 1])
    assert (result.delta, result.p) == (0, 1)


@pytest.mark.parametrize(
    ("m", "n", "shift", "spread", "least"),
    [(30, 100, 0.0, 1.0, 0.92), (20, 80, 0.7, 2.0, 0.92), (12, 170, 2.5, 1.0, 0.85)],
)
def test_intervals_cover_the_true_difference(
    m: int, n: int, shift: float, spread: float, least: float
) -> None:
    """Those of a dozen models that differ by more than 0.8 are somewhat too narrow."""
    rng = np.random.default_rng(3)
    true = 2 * stats.norm.cdf(shift / (1 + spread**2) ** 0.5) - 1
    samples = 400
    hits = 0
    for _ in range(samples):
        low, high = group_difference(list(rng.normal(shift, spread, m)), list(rng.normal(0, 1, n))).interval
        hits += low <= true <= high
    assert least <= hits / samples <= 0.985


def test_holm_by_hand() -> None:
    # Sorted 0.01 0.02 0.04: 3 · 0.01, then the larger of it and 2 · 0.02, then the larger of that and 0.04.
    assert holm_adjusted([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm_adjusted([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    adjusted = holm_adjusted(p_values)
    assert all(p <= new <= 1 for p, new in zip(p_values, adjusted, strict=True))
    for level in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        remaining = set(range(len(p_values)))
        while remaining:
            smallest = min(remaining, key=lambda index: p_values[index])
            if p_values[smallest] * len(remaining) > level:
                break
            rejected.add(smallest)
            remaining.remove(smallest)
        assert {index for index, p in enumerate(adjusted) if p <= level} == rejected
