"""Class metrics: by hand, against scikit-learn and DeLong, and their limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import (
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from quba_check.metrics.class_metrics import (
    class_counts,
    class_scores,
    f1_limits,
    macro_mean,
    one_vs_rest_auroc,
    restated_share,
    restated_share_limits,
    roc_points,
    rows_of_share,
    threshold_at,
)
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits

Z = np.array([-1.959964, 0.0, 1.959964])


@pytest.fixture(params=range(6))
def answers(request):
    """Labels and answers of five classes, of which small samples lack some."""
    rng = np.random.default_rng(request.param)
    n = (3, 8, 20, 50, 200, 1000)[request.param]
    label = rng.integers(0, 5, n)
    return label, np.where(rng.random(n) < 0.6, label, rng.integers(0, 5, n))


def test_each_class_equals_scikit_learn(answers):
    label, predicted = answers
    for metric, theirs in (("recall", recall_score), ("precision", precision_score)):
        ours = class_counts(metric, label, predicted, 5).shares
        assert ours == pytest.approx(
            theirs(label, predicted, average=None, labels=range(5), zero_division=0), abs=1e-12
        )
    shares = class_counts("f1", label, predicted, 5).shares
    theirs = f1_score(label, predicted, average=None, labels=range(5), zero_division=0)
    assert 2 * shares / (1 + shares) == pytest.approx(theirs, abs=1e-12)
    specificity = [recall_score(label != k, predicted != k, zero_division=0) for k in range(5)]
    assert class_counts("specificity", label, predicted, 5).shares == pytest.approx(specificity, abs=1e-12)


def test_means_over_classes_equal_scikit_learn(answers):
    label, predicted = answers
    present = np.unique(label)
    for metric, theirs in (("recall", recall_score), ("precision", precision_score), ("f1", f1_score)):
        mean = theirs(label, predicted, average="macro", labels=present, zero_division=0)
        assert macro_mean(metric, label, predicted, 5, "clean").value == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("metric", ["recall", "precision", "f1"])
def test_influences_of_a_mean_are_its_derivative(metric):
    """One more image of a kind changes the mean by its influence / n."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 4000)
    predicted = np.where(rng.random(4000) < 0.7, label, rng.integers(0, 4, 4000))
    whole = macro_mean(metric, label, predicted, 4, "clean")
    influences = whole.influences["clean"]
    assert influences.mean() == pytest.approx(0, abs=1e-12)
    for row in range(10):
        label_with = np.append(label, label[row])
        predicted_with = np.append(predicted, predicted[row])
        change = macro_mean(metric, label_with, predicted_with, 4, "clean").value - whole.value
        assert change * 4000 == pytest.approx(influences[row], rel=0.01)
    assert np.abs(influences).max() <= whole.bounds["clean"].up


def test_images_of_no_class_count_as_others():
    label = np.array([0, 1, -1, -1])
    predicted = np.array([0, 1, 1, 0])
    assert class_counts("specificity", label, predicted, 2).shares.tolist() == [2 / 3, 2 / 3]
    assert class_counts("recall", label, predicted, 2).n.tolist() == [1, 1]
    assert macro_mean("precision", label, predicted, 2, "clean").value == 1 / 2
    assert macro_mean("recall", label, predicted, 2, "clean").influences["clean"].tolist() == [0] * 4


def delong_variance(scores, is_of):
    """Variance of an AUROC from placement values, each by counting all pairs."""
    own = scores[is_of]
    others = scores[~is_of]
    wins = (own[:, None] > others) + (own[:, None] == others) / 2
    return wins.mean(axis=1).var(ddof=1) / len(own) + wins.mean(axis=0).var(ddof=1) / len(others)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_equals_scikit_learn_and_delong(seed):
    rng = np.random.default_rng(seed)
    is_of = rng.random(300) < 0.2
    scores = np.round(rng.random(300) + 0.3 * is_of, 2).astype(np.float32)
    area, of_images = one_vs_rest_auroc(scores, is_of, "clean")
    assert area.value == pytest.approx(roc_auc_score(is_of, scores), abs=1e-12)
    assert area.standard_error == pytest.approx(math.sqrt(delong_variance(scores, is_of)), rel=1e-9)
    assert of_images.standard_error == pytest.approx(area.standard_error, rel=0.02)
    assert of_images.influences["clean"].mean() == pytest.approx(0, abs=1e-12)


def test_classes_taken_together_add_their_probabilities():
    table = np.array([[0.1, 0.2, 0.7]], np.float32)
    assert class_scores(table, (0, 2)).tolist() == [np.float32(0.8)]


def test_thresholds_by_hand():
    scores = np.array([0.1, 0.3, 0.3, 0.4, 0.2, 0.6, 0.8], np.float32)
    is_of = np.array([0, 0, 0, 0, 1, 1, 1], bool)
    assert threshold_at("recall", 2 / 3, scores, is_of) == pytest.approx(0.6)
    assert threshold_at("recall", 0.7, scores, is_of) == pytest.approx(0.2)
    assert threshold_at("specificity", 0.25, scores, is_of) == pytest.approx(0.2)
    assert threshold_at("specificity", 0.3, scores, is_of) == pytest.approx(0.4)
    assert threshold_at("specificity", 1.0, scores, is_of) == pytest.approx(0.6)
    assert threshold_at("specificity", 1.0, scores, scores < 0.8) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1), st.floats(0.01, 1))
def test_a_chosen_threshold_reaches_its_level_and_the_next_does_not(rows, level):
    scores = np.array([score for score, _ in rows], np.float32) / 20
    is_of = np.array([one for _, one in rows])
    if is_of.any():
        threshold = threshold_at("recall", level, scores, is_of)
        higher = scores[scores > threshold]
        assert np.mean(scores[is_of] >= threshold) >= level - 1e-8
        assert not len(higher) or np.mean(scores[is_of] >= higher.min()) < level
    if not is_of.all() and (threshold := threshold_at("specificity", level, scores, is_of)) is not None:
        lower = scores[scores < threshold]
        assert np.mean(scores[~is_of] < threshold) >= level - 1e-8
        assert not len(lower) or np.mean(scores[~is_of] < lower.max()) < level


@pytest.mark.parametrize("seed", range(6))
def test_a_threshold_of_a_precision_is_the_last_before_scikit_learn_has_a_lower_one(seed):
    """In the last two draws the most probable images are of other classes."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(400), (1, 2, 6)[seed % 3]).astype(np.float32)
    is_of = rng.random(400) < (0.3 + 0.6 * scores if seed < 4 else 1 - scores)
    precision, _, thresholds = precision_recall_curve(is_of, scores)
    rows = [(p, t) for p, t in zip(precision[:-1], thresholds, strict=True) if (scores >= t).sum() >= 30]
    for level in (0.6, 0.7, 0.75, 0.8, 0.9):
        wanted = None
        for p, t in reversed(rows):
            if p < level:
                break
            wanted = float(t)
        assert threshold_at("precision", level, scores, is_of) == wanted
    assert (threshold_at("precision", 0.8, scores, is_of) is None) == (seed >= 4)


def test_roc_points_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    is_of = rng.random(80) < 0.4
    scores = np.round(rng.random(80), 1).astype(np.float32)
    false, recall, thresholds = roc_curve(is_of, scores, drop_intermediate=False)
    expected = np.stack([thresholds, false, recall], axis=1)[1:]  # the first one accepts no image
    assert np.array(roc_points(scores, is_of)) == pytest.approx(expected)
    points = roc_points(rng.random(500).astype(np.float32), np.arange(500) < 200)
    assert len(points) == 100
    assert points[-1][1:] == (1, 1)


def test_precision_for_a_prevalence():
    """Of 1,000 with 20 ill, 18 of these and 98 others are called ill."""
    recall = Estimate.mean(np.arange(10) < 9, "a")
    false = Estimate.mean(np.arange(10) < 1, "b")
    restated = restated_share(0.02, recall, false)
    assert restated.value == pytest.approx(18 / (18 + 98))
    for sample, wanted in (("a", (0.001, 0)), ("b", (0, 0.001))):
        moved = restated_share(0.02, Estimate(0.9 + wanted[0]), Estimate(0.1 + wanted[1])).value
        one = restated.influences[sample] / {"a": recall, "b": false}[sample].influences[sample]
        assert one == pytest.approx((moved - restated.value) / 0.001, rel=0.02)


@given(st.floats(0.001, 0.999), *[st.integers(0, 60)] * 2, st.integers(60, 90), st.integers(60, 90))
def test_limits_for_a_prevalence_are_around_the_value(prevalence, hits, false, n, m):
    if not hits + false:
        return
    limits = restated_share_limits(prevalence, (hits, n), (false, m), np.linspace(-4, 4, 33))
    value = restated_share(prevalence, Estimate(hits / n), Estimate(false / m)).value
    assert np.isfinite(limits).all()
    assert limits[16] == pytest.approx(value)
    assert (np.diff(limits) >= -1e-12).all()
    assert limits[0] >= 0
    assert limits[-1] <= 1


def test_limits_for_a_prevalence_by_hand():
    """40 of 60 ill and 50 of 80 others are called ill: distances add in squares of logarithms."""
    own, other = (binomtest(hits, n).proportion_ci(method="exact") for hits, n in ((40, 60), (50, 80)))
    low = np.hypot(np.log(own.low * 60 / 40), np.log(other.high * 80 / 50))
    high = np.hypot(np.log(own.high * 60 / 40), np.log(other.low * 80 / 50))
    odds = 0.2 / 0.8 * (40 / 60) / (50 / 80) * np.exp([-low, 0, high])
    assert restated_share_limits(0.2, (40, 60), (50, 80), Z) == pytest.approx(1 - 1 / (1 + odds))


def test_limits_of_f1_are_those_of_the_share_of_the_union():
    share = share_limits(7, 10, Z)
    assert f1_limits(7, 10, Z) == pytest.approx(2 * share / (1 + share))
    assert f1_limits(7, 10, Z)[1] == pytest.approx(14 / 17)


def test_a_number_without_a_formula_is_not_judged_as_another() -> None:
    mask = np.array([True, False])
    with pytest.raises(ValueError, match=r"^'youden' is no share of a class$"):
        rows_of_share("youden", mask, mask)
