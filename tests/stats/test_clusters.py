"""The effect of groups of images on the error of a number."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quba_check.stats.clusters import group_effect, jackknife_effect, limits_in_groups
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits


def deviations(values: np.ndarray) -> np.ndarray:
    deviations: np.ndarray = values - values.mean()
    return deviations


def raised(factor: float, contributions: np.ndarray, sizes: Any = 100) -> float:
    """A design effect, raised as only some groups deviate, from contributions and sizes of groups."""
    deviating = np.sum(contributions**2) ** 2 / np.sum(contributions**4)
    of_equal = np.mean(np.square(sizes)) / np.mean(sizes)
    more = factor + (factor - 1) * 4 * np.mean(sizes) / of_equal / (deviating + 1)
    return float(max(factor, min(more, of_equal)))


def test_the_variance_is_the_jackknife_over_groups() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), rng.integers(1, 20, 30))
    values = (rng.random(30)[group] + rng.random(len(group)) > 1).astype(float)
    without = [values[group != one].mean() for one in range(30)]
    changes = np.array(without) - values.mean()
    effect = group_effect({"clean": deviations(values)}, {"clean": group})
    variance = values.var() / len(values)
    assert effect.factor == pytest.approx(
        raised(29 / 30 * np.sum(changes**2) / variance, changes, np.bincount(group))
    )
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
    # Equal contributions of one group in both sets have twice the variance of separate ones.
    jackknife = (20 / 19) ** 2
    assert shared.factor == pytest.approx(4 * jackknife * 19 / 20)
    assert apart.factor == pytest.approx(raised(2 * jackknife * 39 / 40, np.ones(40)))


@pytest.mark.parametrize(
    ("values", "group", "factor", "freedom"),
    [
        ([1.0] * 8, [0, 0, 1, 1, 2, 2, 3, 3], 2.0, math.inf),  # four groups count as four images
        ([1.0] * 9, [0, 1, 1, 2, 2, 2, 2, 2, 2], 3.0, math.inf),  # also of unequal sizes
        ([1.0, 1.0, 0.0, 0.0], [5, 5, 5, 5], 4.0, 1.0),  # a single group
    ],
)
def test_sizes_decide_where_nothing_shows_the_correlation(
    values: list[float], group: list[int], factor: float, freedom: float
) -> None:
    effect = group_effect({"clean": deviations(np.array(values))}, {"clean": np.array(group)})
    assert (effect.factor, effect.freedom) == (factor, freedom)


def test_groups_of_other_images_are_not_used() -> None:
    assert group_effect({"clean": np.zeros(3)}, {"sketch": np.zeros(3, np.int64)}) is None
    assert group_effect({"clean": np.zeros(3)}, {"clean": np.zeros(2, np.int64)}) is None


def test_images_without_groups_are_groups_of_one() -> None:
    rng = np.random.default_rng(3)
    group = {"clean": np.arange(80) // 4}
    influences = {"clean": deviations(np.repeat(rng.random(20), 4)), "sketch": deviations(rng.random(90))}
    alone = group_effect(influences, group)
    named = group_effect(influences, group | {"sketch": 100 + np.arange(90)})
    assert alone.factor == pytest.approx(named.factor, rel=0.03)


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=4, max_size=60))
def test_order_and_names_of_groups_do_not_matter(images: list[tuple[int, bool]]) -> None:
    order = np.random.default_rng(len(images)).permutation(len(images))
    group, correct = (np.array(column) for column in zip(*images, strict=True))
    values = deviations(correct.astype(float))
    one = group_effect({"clean": values}, {"clean": group})
    other = group_effect({"clean": values[order]}, {"clean": 7 - 3 * group[order]})
    assert other.factor == pytest.approx(one.factor)
    assert other.freedom == pytest.approx(one.freedom)
    assert other.count == one.count
    assert one.factor >= 1
    assert one.freedom >= 1


def limits(correct: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Limits of a share with groups."""
    effect = group_effect({"clean": deviations(correct.astype(float))}, {"clean": group})
    hits = correct.sum() / effect.factor
    n = len(correct) / effect.factor
    return share_limits(hits, n, effect.scores(np.array([-1.959964, 1.959964])))


def lognormal(groups: int, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(np.arange(groups), np.ceil(rng.lognormal(1.5, 1.2, groups)).astype(int))


def test_no_error_in_153_groups_is_none_in_153_images() -> None:
    group = lognormal(153, np.random.default_rng(0))
    low, high = limits(np.zeros(len(group), bool), group)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 153)))


@pytest.mark.parametrize("size", [2, 12, 100])
def test_one_error_never_has_a_lower_limit_than_none(size: int) -> None:
    group = np.arange(150 * size) // size
    none = limits(np.zeros(len(group), bool), group)[1]
    assert none <= limits(np.arange(len(group)) == 0, group)[1] <= 1.3 * none
    # Ten groups with one error each show that a group is not wrong as a whole.
    ten = np.isin(np.arange(len(group)), np.arange(10) * size)
    alone = np.array([1.959964])
    assert limits(ten, group)[1] < max(none, 1.05 * share_limits(10, len(group), alone)[0])


def test_errors_of_small_groups_do_not_hide_large_ones() -> None:
    """Five groups of one image are wrong, 25 groups of 40 are right: the correlation is 1 at all sizes."""
    sizes = np.repeat([1, 40], [5, 25])
    group = np.repeat(np.arange(30), sizes)
    wrong = np.repeat([1.0, 0.0], [5, 1000])
    effect = group_effect({"clean": deviations(wrong)}, {"clean": group})
    assert effect.factor == pytest.approx(np.sum(sizes**2) / 1005)
    assert effect.freedom == pytest.approx(1005**2 / np.sum(sizes**2) - 1)


def test_the_correlation_decides_if_large_groups_vary_less() -> None:
    """By analysis of variance; the jackknife is below it."""
    sizes = np.repeat([1, 2, 10], [10, 6, 4])
    group = np.repeat(np.arange(20), sizes)
    scale = np.where(sizes == 10, 0.1, 1.0)
    values = deviations(np.random.default_rng(0).normal(size=62) * scale[group])
    means = np.bincount(group, values) / sizes
    within = np.sum((values - means[group]) ** 2) / (62 - 20)
    correlation = 1 - within / np.mean(values**2)
    effect = group_effect({"clean": values}, {"clean": group})
    sums = np.bincount(group, values) / (62 - sizes)
    assert effect.factor == pytest.approx(raised(1 + correlation * (np.sum(sizes**2) / 62 - 1), sums, sizes))


def test_few_deviating_groups_leave_few_degrees_of_freedom() -> None:
    """Six of twenty pairs deviate: Satterthwaite's number in place of 19."""
    values = deviations(np.concatenate([np.repeat([2.0, -2, 1, -1, 1, -1], 2), np.tile([0.1, -0.1], 14)]))
    squares = (values.reshape(20, 2) ** 2).sum(axis=1)
    excess = squares @ squares - squares.sum() ** 2 / 20
    effect = group_effect({"clean": values}, {"clean": np.arange(40) // 2})
    assert effect.freedom == pytest.approx(2 * squares.sum() ** 2 / excess)


def test_the_correlation_by_pairs() -> None:
    """Of groups of equal size, it is that of pairs of images of a group."""
    rng = np.random.default_rng(4)
    values = deviations((rng.random((40, 6)) < rng.beta(2, 2, 40)[:, None]).ravel().astype(float)).reshape(
        40, 6
    )
    pairs = [float(row[i] * row[j]) for row in values for i in range(6) for j in range(i)]
    expected = 1 + 5 * np.mean(pairs) / np.mean(values**2)
    effect = group_effect({"clean": values.ravel()}, {"clean": np.arange(240) // 6})
    assert effect.factor == pytest.approx(raised(float(expected), values.sum(axis=1)), rel=0.05)


def test_only_images_that_count_make_groups() -> None:
    """A class whose images are all right, of three groups: the others are none of it."""
    side = np.repeat([1, 0], [12, 88]).astype(np.int8)
    names = {"clean": np.arange(100) // 4}
    nothing = {"clean": np.zeros(100)}
    effect = group_effect(nothing, names, {"clean": side})
    assert (effect.count, effect.factor, effect.freedom) == (3, 4.0, math.inf)
    both = group_effect(nothing, names, {"clean": side + np.int8(1)})
    assert both.count == 3


def test_images_that_could_count_show_the_correlation() -> None:
    """Each of 20 ill patients has one missed image of ten; those of healthy ones are all called right."""
    group = np.repeat(np.arange(60), 10)
    is_ill = np.repeat(np.arange(60) < 20, 10)
    is_counted = ~is_ill | (np.arange(600) % 10 == 0)
    hits = is_counted & ~is_ill
    share = hits.sum() / is_counted.sum()
    values = {"clean": np.where(is_counted, hits - share, 0.0) * len(group) / is_counted.sum()}
    alone, eligible = (
        group_effect(values, {"clean": group}, {"clean": np.where(is_counted, 1, other).astype(np.int8)})
        for other in (0, -1)
    )
    assert alone.factor > 9
    # With misses as rare as these, 20 groups deviate.
    assert 1 <= eligible.factor < 1.8
    assert alone.count == eligible.count == 60
    few = np.where(group < 8, 1, -1).astype(np.int8)
    assert group_effect(values, {"clean": group}, {"clean": few}).count == 8  # type: ignore[union-attr]


def test_the_effect_of_a_class_is_that_of_its_images_alone() -> None:
    rng = np.random.default_rng(2)
    group = np.arange(600) // 5
    of = rng.random(600) < 0.3
    hits = of & (rng.random(600) < rng.random(120)[group])
    share = Estimate.mean(hits, "clean") / Estimate.mean(of, "clean")
    effect = group_effect(share.influences, {"clean": group}, {"clean": of.astype(np.int8)})
    alone = group_effect({"clean": deviations(hits[of].astype(float))}, {"clean": group[of]})
    assert (effect.factor, effect.freedom, effect.count) == pytest.approx(
        (alone.factor, alone.freedom, alone.count)
    )


def test_jackknife_of_a_mean_is_its_design_effect() -> None:
    """Twenty groups are twenty blocks: the factor is that of the influences."""
    rng = np.random.default_rng(5)
    group = np.arange(400) // 20
    values = (rng.random(400) < rng.random(20)[group]).astype(float)
    without = [float(values[group != one].mean()) for one in range(20)]
    effect = jackknife_effect(without, float(values.std()) / 20, {"clean": group})
    assert effect.factor == pytest.approx(
        19 / 20 * np.sum((np.array(without) - np.mean(without)) ** 2) / (values.var() / 400)
    )
    assert (effect.freedom, effect.count) == (19, 20)
    same = jackknife_effect([0.5] * 20, 0.1, {"clean": group})
    assert (same.factor, same.freedom) == (20.0, math.inf)
    unknown = jackknife_effect([], 0.1, {"clean": np.repeat(np.arange(11), [90, *[1] * 10])})
    assert (unknown.factor, unknown.count) == (pytest.approx((90**2 + 10) / 100), 11)
    two_sets = {"clean": np.arange(12), "sketch": np.repeat(np.arange(11), [90, *[1] * 10])}
    assert jackknife_effect([], 0.1, two_sets) == unknown
    assert jackknife_effect([0.4, 0.6] * 5, 0.1, {"clean": group}).freedom == 9


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=10, max_size=40))
def test_limits_of_groups_contain_the_value_and_those_of_single_images(groups: list[tuple[int, int]]) -> None:
    group = np.repeat(np.arange(len(groups)), [size for size, _ in groups])
    wrong = np.concatenate([np.arange(size) < errors for size, errors in groups])
    low, high = limits(wrong, group)
    alone = share_limits(wrong.sum(), len(wrong), np.array([-1.959964, 1.959964]))
    assert 0 <= low <= alone[0] + 1e-9
    assert alone[1] - 1e-9 <= high <= 1
    assert low <= wrong.mean() <= high


def test_few_deviating_groups_do_not_let_a_bad_share_pass() -> None:
    """The lower limit of a share of 0.95 in 50 groups of 40 errs in at most 2.8 % of samples."""
    rng = np.random.default_rng(0)
    group = np.arange(2000) // 40
    hits = rng.binomial(40, rng.beta(0.95 * 7 / 3, 0.05 * 7 / 3, (2000, 50)))
    within = np.arange(2000) % 40
    wrong = [limits(within < np.repeat(own, 40), group)[0] > 0.95 for own in hits]
    assert np.mean(wrong) <= 0.028


def test_limits_in_groups_by_hand() -> None:
    """Twelve groups of two equal images: a design effect of 2 · 12 / 11, and Student's t of 11 degrees."""
    influences = {"clean": np.tile([0.5, 0.5, -0.5, -0.5], 6)}
    groups = {"clean": np.arange(24) // 2}
    z = np.array([-1.959964, 0.0, 1.959964])

    def limits_at(scores: np.ndarray, effect: float) -> np.ndarray:
        return scores * effect

    assert group_effect(influences, {}) is None
    assert limits_in_groups(limits_at, z, None) == pytest.approx(z)
    effect = group_effect(influences, groups)
    limits = limits_in_groups(limits_at, z, effect)
    assert limits == pytest.approx([-24 / 11 * 2.200985, 0.0, 24 / 11 * 2.200985])
    assert limits_in_groups(limits_at, z, replace(effect, count=9)) is None


def test_differences_of_groups_on_both_sides() -> None:
    """Patients with an image on each side, of which some are wrong on both: equal answers cancel.

    If all do, the error of 100 patients is not 0: the groups count as if one of them did not.
    """
    group = np.repeat(np.arange(100), 2)
    side = np.tile(np.array([1, 2], np.int8), 100)
    influences = 2.0 * np.where(side == 1, 1, -1) * ((group < 3) - 0.03)
    effect = group_effect({"clean": influences}, {"clean": group}, {"clean": side}, is_difference=True)
    assert (effect.factor, effect.count) == (pytest.approx(2), 100)
    rng = np.random.default_rng(0)
    wrong = (rng.random(100) < 0.3).repeat(2) ^ (rng.random(200) < 0.05)
    influences = 2.0 * np.where(side == 1, 1, -1) * (wrong - np.mean(wrong))
    paired, unpaired = (
        group_effect({"clean": influences}, {"clean": group}, {"clean": side}, is_difference=one)
        for one in (True, False)
    )
    assert paired.factor < 0.5 < unpaired.factor == 1
