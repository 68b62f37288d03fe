"""Estimates with their errors, and means of several."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.stats.estimate import Estimate, delta_method, geometric_mean, geometric_mean_of, mean_of

examples = settings(deadline=None, derandomize=True, max_examples=60)
RNG = np.random.default_rng(0)


def shifted(n=400):
    """Clean and two shifted outcomes of the same images, and one of other images."""
    clean = RNG.random(n) < 0.8
    return clean, clean & (RNG.random(n) < 0.7), RNG.random(n) < 0.4, RNG.random(n // 2) < 0.5


def test_a_share_by_hand():
    share = Estimate.mean(np.array([True, True, True, False]), "clean")
    assert share.value == 0.75
    assert share.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 3))


def test_one_image_has_an_infinite_standard_error():
    assert Estimate.mean(np.array([True]), "clean").standard_error == math.inf


def test_shared_deviations_cancel():
    clean = Estimate.mean(RNG.random(50), "clean")
    assert (clean - clean).standard_error == 0
    assert (clean / clean).standard_error == pytest.approx(0)
    other = Estimate.mean(RNG.random(50), "other")
    apart = clean - other
    assert apart.standard_error == pytest.approx(math.hypot(clean.standard_error, other.standard_error))


def test_standard_errors_are_those_of_a_bootstrap():
    """(f/c · g/c · h/c)^(1/3) + mean(f/c, h/c) − f·h/2, with f and g of the clean images and h of others."""
    clean, f, g, h = shifted()

    def statistic(c, f, g, h):
        ratios = [f / c, g / c, h / c]
        return float(np.prod(ratios) ** (1 / 3) + (ratios[0] + ratios[2]) / 2 - f * h / 2)

    whole, few, some, others = (
        Estimate.mean(column, sample)
        for column, sample in ((clean, "clean"), (f, "clean"), (g, "clean"), (h, "others"))
    )
    ratios = [part / whole for part in (few, some, others)]
    geometric = geometric_mean_of(ratios)
    arithmetic = mean_of([ratios[0], ratios[2]])
    estimate = delta_method(
        geometric.value + arithmetic.value - few.value * others.value / 2,
        [(1.0, geometric), (1.0, arithmetic), (-others.value / 2, few), (-few.value / 2, others)],
    )
    assert estimate.value == pytest.approx(statistic(clean.mean(), f.mean(), g.mean(), h.mean()))
    drawn = []
    for _ in range(3000):
        rows = RNG.integers(0, len(clean), len(clean))
        other_rows = RNG.integers(0, len(h), len(h))
        drawn.append(statistic(clean[rows].mean(), f[rows].mean(), g[rows].mean(), h[other_rows].mean()))
    assert estimate.standard_error == pytest.approx(np.std(drawn), rel=0.05)


def test_sets_of_different_sizes_are_not_one_sample():
    with pytest.raises(ValueError) as caught:
        Estimate.mean(np.ones(3), "clean") - Estimate.mean(np.ones(4), "clean")
    assert str(caught.value) == "sample 'clean': 3 and 4 images instead of the same"


@given(st.lists(st.tuples(st.floats(0.1, 1), st.floats(0.1, 1)), min_size=2, max_size=30))
@examples
def test_logarithms_turn_ratios_into_differences(pairs):
    first, second = (Estimate.mean(np.array(column), "clean") for column in zip(*pairs, strict=True))
    direct = first / second
    by_logarithm = (first.log() - second.log()).exp()
    assert direct.value == pytest.approx(by_logarithm.value)
    assert direct.standard_error == pytest.approx(by_logarithm.standard_error, abs=1e-12)


positive = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=8)


@given(positive)
@examples
def test_a_geometric_mean_is_the_root_of_the_product(values):
    assert geometric_mean(values) == pytest.approx(math.prod(values) ** (1 / len(values)))
    assert min(values) * (1 - 1e-12) <= geometric_mean(values) <= max(values) * (1 + 1e-12)


@given(positive, st.integers(0, 8))
@examples
def test_one_zero_makes_a_geometric_mean_zero(values, position):
    assert geometric_mean([*values[:position], 0.0, *values[position:]]) == 0.0
