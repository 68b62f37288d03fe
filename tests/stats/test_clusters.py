"""The effect of groups of images on the error of a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quba_check.stats.clusters import group_effect
from quba_check.stats.estimate import Estimate


def deviations(values: np.ndarray) -> np.ndarray:
    deviations: np.ndarray = values - values.mean()
    return deviations


def test_the_variance_is_the_jackknife_over_groups() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), rng.integers(1, 20, 30))
    values = (rng.random(30)[group] + rng.random(len(group)) > 1).astype(float)
    without = [values[group != one].mean() for one in range(30)]
    jackknife = 29 / 30 * sum((mean - values.mean()) ** 2 for mean in without)
    effect = group_effect({"clean": deviations(values)}, {"clean": group})
    assert effect is not None
    variance = values.var() / len(values)
    assert effect.factor == pytest.approx(jackknife / variance)
    assert effect.count == 30


def test_two_numbers_of_one_sample_share_their_groups() -> None:
    """The error of a ratio is the spread over bootstraps of whole groups, within 10 %."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(200), 10)
    chance = rng.beta(4, 1, 200)[group]
    clean = rng.random(2000) < chance
    fog = clean & (rng.random(2000) < 0.3 + 0.5 * chance)
    ratio = Estimate.mean(fog, "clean") / Estimate.mean(clean, "clean")
    effect = group_effect(ratio.influences, {"clean": group})
    assert effect is not None
    sums = np.stack([np.bincount(group, weights=one) for one in (fog, clean)])
    drawn = [sums[:, rng.integers(0, 200, 200)].sum(axis=1) for _ in range(2000)]
    spread = float(np.std([top / bottom for top, bottom in drawn]))
    assert ratio.standard_error * math.sqrt(effect.factor) == pytest.approx(spread, rel=0.1)


def test_a_group_in_two_sets_is_one_group() -> None:
    values = deviations(np.array([1.0] * 20 + [0.0] * 20))
    names = np.repeat(np.arange(20), 2)
    influences = {"clean": values, "sketch": values}
    shared = group_effect(influences, {"clean": names, "sketch": names})
    apart = group_effect(influences, {"clean": names, "sketch": names + 20})
    assert shared is not None
    assert apart is not None
    # Equal contributions of one group in both sets have twice the variance of separate ones.
    assert shared.factor / apart.factor == pytest.approx((19 / 20) / (39 / 40) * 2)


@pytest.mark.parametrize(
    ("values", "group", "factor", "freedom"),
    [
        ([1.0] * 8, [0, 0, 1, 1, 2, 2, 3, 3], 2.0, 3.0),  # nothing shows that copies differ
        ([1.0, 1.0, 0.0, 0.0], [5, 5, 5, 5], 4.0, 1.0),  # a single group
    ],
)
def test_sizes_decide_where_nothing_shows_the_correlation(
    values: list[float], group: list[int], factor: float, freedom: float
) -> None:
    effect = group_effect({"clean": deviations(np.array(values))}, {"clean": np.array(group)})
    assert effect is not None
    assert (effect.factor, effect.freedom) == (factor, freedom)


def test_groups_of_other_images_are_not_used() -> None:
    assert group_effect({"clean": np.zeros(3)}, {"sketch": np.zeros(3, np.int64)}) is None
    assert group_effect({"clean": np.zeros(3)}, {"clean": np.zeros(2, np.int64)}) is None


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=4, max_size=60))
def test_order_and_names_of_groups_do_not_matter(images: list[tuple[int, bool]]) -> None:
    order = np.random.default_rng(len(images)).permutation(len(images))
    group, correct = (np.array(column) for column in zip(*images, strict=True))
    values = deviations(correct.astype(float))
    one = group_effect({"clean": values}, {"clean": group})
    other = group_effect({"clean": values[order]}, {"clean": 7 - 3 * group[order]})
    assert one is not None
    assert other is not None
    assert other.factor == pytest.approx(one.factor)
    assert other.freedom == pytest.approx(one.freedom)
    assert other.count == one.count
    assert one.factor >= 1
    assert one.freedom >= 1
