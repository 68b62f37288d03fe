"""AURC and thresholds with a guarantee: by hand, by brute force, against MAPIE, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from quba_check.metrics.selective import (
    Guarantee,
    _with_enough_groups,
    answered_by_class,
    aurc,
    binomial_p,
    first_tests,
    guaranteed_threshold,
    least_answered,
    risk_coverage,
    threshold_for_accuracy,
    threshold_for_share,
)

examples = settings(deadline=None, derandomize=True, max_examples=80)
answers = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60)


def drawn(n=500, seed=5):
    """Scores and answers behind the values of other libraries."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n).astype(np.float32).astype(float)
    return scores, rng.random(n) >= 0.2 * (1 - scores) ** 2


def columns(pairs):
    return np.array([score / 4 for score, _ in pairs]), np.array([correct for _, correct in pairs])


def test_curve_and_area_by_hand():
    """Of four images, the second and the third are equally sure; the third and the last are wrong."""
    scores = np.array([0.6, 0.9, 0.2, 0.6])
    correct = np.array([True, True, False, False])
    threshold, answered, wrong = risk_coverage(scores, correct)
    assert threshold.tolist() == [0.9, 0.6, 0.2]
    assert (answered.tolist(), wrong.tolist()) == ([1, 3, 4], [0, 1, 2])
    assert aurc(scores, correct).value == pytest.approx((0 + 1 / 3 + 1 / 3 + 2 / 4) / 4)


@given(answers)
@examples
def test_area_equals_brute_force(pairs):
    scores, correct = columns(pairs)
    risks = [np.mean(~correct[scores >= score]) for score in scores]
    area = aurc(scores, correct)
    assert area.value == pytest.approx(np.mean(risks))
    assert area.influences[None].mean() == pytest.approx(0, abs=1e-12)


def test_influences_equal_the_jackknife():
    scores, correct = drawn(400)
    area = aurc(scores, correct)
    without = [aurc(np.delete(scores, row), np.delete(correct, row)).value for row in range(len(scores))]
    jackknife = np.sqrt((len(scores) - 1) * np.var(without))
    assert area.standard_error == pytest.approx(jackknife, rel=0.01)


def test_a_threshold_of_an_accuracy_by_hand():
    """Of 60 images, the 11th and the last 20 are wrong."""
    scores = np.linspace(60, 1, 60)
    correct = (np.arange(60) != 10) & (np.arange(60) < 40)
    assert threshold_for_accuracy(scores, correct, 0.9) == 18.0  # 39 of 43
    assert threshold_for_accuracy(scores, correct, 39 / 41) == 20.0
    assert threshold_for_accuracy(scores, correct, 29 / 30) == 21.0
    assert threshold_for_accuracy(scores, correct, 0.97) is None  # 39 of 40, but 29 of 30 before
    assert threshold_for_accuracy(scores[:30], correct[:30], 29 / 30) == 31.0
    assert threshold_for_accuracy(scores[:29], correct[:29], 0.1) is None  # fewer than 30 images
    assert threshold_for_accuracy(np.repeat([2.0, 1.0], 30), np.arange(60) < 45, 0.75) == 1.0


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=25, max_size=90), st.floats(0.1, 1))
@examples
def test_chosen_thresholds_equal_brute_force(pairs, level):
    scores, correct = columns(pairs)
    enough = [t for t in np.unique(scores) if (scores >= t).sum() >= 30]
    holds = [all(correct[scores >= above].mean() >= level for above in enough if above >= t) for t in enough]
    wanted = min((t for t, one in zip(enough, holds, strict=True) if one), default=None)
    assert threshold_for_accuracy(scores, correct, level) == wanted
    assert threshold_for_share(scores, level) == max(
        t for t in scores if (scores >= t).mean() >= level - 1e-9
    )


def test_a_share_of_decimals_is_that_many_images():
    """0.07 × 100 is above 7 in float64."""
    scores = np.arange(100.0)
    assert [threshold_for_share(scores, level) for level in (0.07, 0.075, 1.0)] == [93.0, 92.0, 0.0]


def test_each_class_has_its_own_threshold():
    """A confidence of float32(0.9) reaches 0.9, though it is lower in float64; no class reaches none."""
    confidence = np.array([0.9, 0.9, 0.3, 1.0, np.nan], np.float32)
    assert float(confidence[0]) < 0.9
    mask = answered_by_class(np.array([0, 1, 2, -1, 2]), confidence, np.array([0.9, 0.91, 0.0]))
    assert mask.tolist() == [True, False, True, False, False]


def test_scores_of_sets_without_probabilities_have_no_curve():
    with pytest.raises(ValueError, match="a score is not a number"):
        aurc(np.full(3, np.nan), np.array([True, False, True]))


def test_thresholds_and_p_values_of_mapie():
    """Version 1.6.0: `ltt_procedure` with a fixed sequence rejects for 93, 98, … 228 images, not for 233.

    It rounds up wrong answers computed from rates, so that a few p-values are those of one more.
    """
    scores, correct = drawn()
    assert first_tests(500, 0.05, 0.95) == {93: 0.05}
    found = guaranteed_threshold(scores, correct, error=0.05, confidence=0.95)
    assert (found.answered, found.wrong) == (228, 5)
    assert found.threshold == np.sort(scores)[-228]
    p_values = [binomial_p(wrong, n, 0.05) for n, wrong in ((93, 0), (193, 2), (293, 10), (393, 21))]
    expected = [0.008478036692943872, 0.0031362502197902027, 0.13005469513004386, 0.6759432316777332]
    assert p_values == pytest.approx(expected)


@given(st.integers(1, 400), st.floats(0.001, 0.9), st.data())
@examples
def test_p_value_is_that_of_the_binomial_distribution(n, error, data):
    wrong = data.draw(st.integers(0, n))
    assert binomial_p(wrong, n, error) == pytest.approx(binom.cdf(wrong, n, error), abs=1e-12)
    assert binomial_p(wrong / 2, n / 2, error) >= 0


def test_first_tests():
    """A model with a tenth or half of the allowed error passes with a probability of 90 %."""
    for images, error in ((5000, 0.01), (1000, 0.05), (300, 0.2)):
        for share, (start, level) in zip((0.1, 0.5), first_tests(images, error, 0.95).items(), strict=True):
            allowed = binom.ppf(level, start, error) - 1
            assert level == 0.025
            assert binom.cdf(allowed, start, error) <= level
            assert binom.cdf(allowed, start, share * error) >= 0.9
    assert first_tests(400, 0.01, 0.95) == {299: 0.05} == {least_answered(0.01, 0.95): 0.05}
    assert first_tests(298, 0.01, 0.95) == {}


def test_all_right_and_too_few():
    scores = np.linspace(1, 0, 300)
    right = np.ones(300, bool)
    assert guaranteed_threshold(scores, right, error=0.01, confidence=0.95) == Guarantee(0.0, 300, 0)
    assert guaranteed_threshold(scores[:298], right[:298], error=0.01, confidence=0.95) == Guarantee()
    assert guaranteed_threshold(scores, ~right, error=0.01, confidence=0.95) == Guarantee()


def test_equal_scores_are_answered_together():
    scores = np.repeat([3.0, 2.0, 1.0], 100)
    correct = np.arange(300) < 200
    assert guaranteed_threshold(scores, correct, error=0.05, confidence=0.95) == Guarantee(2.0, 200, 0)


def test_a_sequence_that_ended_may_start_again():
    """The surest are wrong, so the first start fails; the second one has half of the level."""
    scores = np.linspace(1, 0, 2000)
    correct = np.arange(2000) >= 10
    assert list(first_tests(2000, 0.05, 0.95)) == [142, 613]
    assert binomial_p(10, 142, 0.05) > 0.05
    assert guaranteed_threshold(scores, correct, error=0.05, confidence=0.95).answered == 2000


def test_images_of_a_group_count_once():
    """With 300 pairs of copies, 299 pairs without a wrong answer are needed: 597 images have one of each."""
    scores = np.linspace(1, 0, 600)
    correct = np.arange(600) < 598
    groups = np.arange(600) // 2
    alone = guaranteed_threshold(scores, correct, error=0.01, confidence=0.95)
    paired = guaranteed_threshold(scores, correct, error=0.01, confidence=0.95, groups=groups)
    assert (alone.answered, paired.answered) == (599, 597)
    single = guaranteed_threshold(scores, correct, error=0.01, confidence=0.95, groups=np.arange(600))
    assert single == alone


@pytest.mark.parametrize(("groups", "starts"), [(59, {2321: 0.05}), (58, {}), (72, {2841: 0.05})])
def test_a_start_has_the_groups_that_a_test_needs(groups, starts):
    """A test at 5 % needs 59 groups without an error, one at 2.5 % 72 groups. The groups have 40 images."""
    group = np.repeat(np.arange(groups), 40)
    usual = {142: 0.025, 613: 0.025}
    assert _with_enough_groups(usual, 0.05, group) == starts
    mixed = usual if groups == 72 else {142: 0.05} if groups == 59 else {}
    assert _with_enough_groups(usual, 0.05, np.tile(np.arange(groups), 40)) == mixed
    found = guaranteed_threshold(
        np.linspace(1, 0, 40 * groups), np.ones(40 * groups, bool), error=0.05, confidence=0.95, groups=group
    )
    assert found.answered == (40 * groups if starts else 0)


@pytest.mark.parametrize("group", [1, 4])
def test_guarantee_by_simulation(group):
    """All images have the bound itself as their error, in groups alike: 95 % of sets find no threshold.

    The grid of models and sizes is in `benchmarks/abstention_guarantee.py`.
    """
    rng = np.random.default_rng(1)
    draws = 600
    found = 0
    groups = np.arange(400) // group
    for _ in range(draws):
        correct = (rng.random(400 // group) >= 0.1)[groups]
        scores = rng.random(400)
        result = guaranteed_threshold(
            scores, correct, error=0.1, confidence=0.95, groups=groups if group > 1 else None
        )
        found += result.threshold is not None
    assert binom.sf(found - 1, draws, 0.05) > 0.01
